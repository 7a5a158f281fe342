"""The messages of tensorflow_serving.apis.classification_pb2."""

from servable.pb.inference_pb2 import (
    Class,
    ClassificationRequest,
    ClassificationResponse,
    ClassificationResult,
    Classifications,
)

__all__ = [
    "Class",
    "ClassificationRequest",
    "ClassificationResponse",
    "ClassificationResult",
    "Classifications",
]
