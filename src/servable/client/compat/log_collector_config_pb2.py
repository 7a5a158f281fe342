"""The messages of tensorflow_serving.config.log_collector_config_pb2."""

from servable.pb.config_pb2 import (
    LogCollectorConfig,
)

__all__ = [
    "LogCollectorConfig",
]
