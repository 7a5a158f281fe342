"""The messages of tensorflow_serving.apis.get_model_status_pb2."""

from servable.pb.serving_pb2 import (
    GetModelStatusRequest,
    GetModelStatusResponse,
    ModelVersionStatus,
)

__all__ = [
    "GetModelStatusRequest",
    "GetModelStatusResponse",
    "ModelVersionStatus",
]
