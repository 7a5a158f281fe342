"""What each request means, whatever it travelled in: no HTTP, no gRPC, no JSON, no protobuf."""
