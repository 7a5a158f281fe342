"""The messages of tensorflow_serving.apis.logging_pb2."""

from servable.pb.logs_pb2 import (
    LogMetadata,
)

__all__ = [
    "LogMetadata",
]
