"""The messages of tensorflow.core.example.example_pb2."""

from servable.pb.example_pb2 import (
    Example,
    SequenceExample,
)

__all__ = [
    "Example",
    "SequenceExample",
]
