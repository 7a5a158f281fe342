"""The messages of tensorflow_serving.config.logging_config_pb2."""

from servable.pb.config_pb2 import (
    LoggingConfig,
    SamplingConfig,
)

__all__ = [
    "LoggingConfig",
    "SamplingConfig",
]
