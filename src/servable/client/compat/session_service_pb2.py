"""The messages of tensorflow_serving.apis.session_service_pb2."""

from servable.pb.logs_pb2 import (
    SessionRunRequest,
    SessionRunResponse,
)

__all__ = [
    "SessionRunRequest",
    "SessionRunResponse",
]
