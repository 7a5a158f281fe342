"""The messages of tensorflow_serving.config.model_server_config_pb2."""

from servable.pb.config_pb2 import (
    MODEL_TYPE_UNSPECIFIED,
    OTHER,
    TENSORFLOW,
    ModelConfig,
    ModelConfigList,
    ModelServerConfig,
    ModelType,
)

__all__ = [
    "MODEL_TYPE_UNSPECIFIED",
    "OTHER",
    "TENSORFLOW",
    "ModelConfig",
    "ModelConfigList",
    "ModelServerConfig",
    "ModelType",
]
