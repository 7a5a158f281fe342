"""The messages of tensorflow.core.framework.tensor_shape_pb2."""

from servable.pb.framework_pb2 import (
    TensorShapeProto,
)

__all__ = [
    "TensorShapeProto",
]
