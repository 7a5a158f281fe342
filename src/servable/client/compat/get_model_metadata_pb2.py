"""The messages of tensorflow_serving.apis.get_model_metadata_pb2."""

from servable.pb.serving_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)

__all__ = [
    "GetModelMetadataRequest",
    "GetModelMetadataResponse",
    "SignatureDefMap",
]
