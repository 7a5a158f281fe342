"""The messages of tensorflow_serving.apis.prediction_log_pb2."""

from servable.pb.logs_pb2 import (
    ClassifyLog,
    MultiInferenceLog,
    PredictionLog,
    PredictLog,
    PredictStreamedLog,
    RegressLog,
    SessionRunLog,
)

__all__ = [
    "ClassifyLog",
    "MultiInferenceLog",
    "PredictLog",
    "PredictStreamedLog",
    "PredictionLog",
    "RegressLog",
    "SessionRunLog",
]
