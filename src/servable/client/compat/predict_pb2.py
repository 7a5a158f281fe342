"""The messages of tensorflow_serving.apis.predict_pb2."""

from servable.pb.serving_pb2 import (
    PredictRequest,
    PredictResponse,
    PredictStreamedOptions,
)

__all__ = [
    "PredictRequest",
    "PredictResponse",
    "PredictStreamedOptions",
]
