"""The messages of tensorflow.core.framework.tensor_pb2."""

from servable.pb.framework_pb2 import (
    TensorProto,
)

__all__ = [
    "TensorProto",
]
