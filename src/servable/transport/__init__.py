"""Sockets: the gRPC and the REST server."""
