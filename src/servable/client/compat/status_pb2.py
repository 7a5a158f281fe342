"""The messages of tensorflow_serving.util.status_pb2."""

from servable.pb.serving_pb2 import (
    StatusProto,
)

__all__ = [
    "StatusProto",
]
