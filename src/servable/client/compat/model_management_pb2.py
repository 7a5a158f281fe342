"""The messages of tensorflow_serving.apis.model_management_pb2."""

from servable.pb.config_pb2 import (
    Metric,
    ReloadConfigRequest,
    ReloadConfigResponse,
)

__all__ = [
    "Metric",
    "ReloadConfigRequest",
    "ReloadConfigResponse",
]
