"""The messages of tensorflow_serving.apis.model_pb2."""

from servable.pb.serving_pb2 import (
    ModelSpec,
)

__all__ = [
    "ModelSpec",
]
