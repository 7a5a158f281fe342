"""The messages of tensorflow.core.protobuf.meta_graph_pb2."""

from servable.pb.saved_model_pb2 import (
    SignatureDef,
    TensorInfo,
)

__all__ = [
    "SignatureDef",
    "TensorInfo",
]
