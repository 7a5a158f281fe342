"""Generated protobuf messages of the wire contract; see scripts/generate_pb.py."""
