"""Bytes <-> tensors: JSON and protobuf bodies, and the codes and texts of errors."""
