"""HTTP/2 for gRPC: frames, header compression and connections."""
