"""The messages of tensorflow_serving.apis.inference_pb2."""

from servable.pb.inference_pb2 import (
    InferenceResult,
    InferenceTask,
    MultiInferenceRequest,
    MultiInferenceResponse,
)

__all__ = [
    "InferenceResult",
    "InferenceTask",
    "MultiInferenceRequest",
    "MultiInferenceResponse",
]
