"""The messages of tensorflow_serving.config.file_system_storage_path_source_pb2."""

from servable.pb.config_pb2 import (
    FileSystemStoragePathSourceConfig,
)

__all__ = [
    "FileSystemStoragePathSourceConfig",
]
