"""The messages of tensorflow_serving.apis.regression_pb2."""

from servable.pb.inference_pb2 import (
    Regression,
    RegressionRequest,
    RegressionResponse,
    RegressionResult,
)

__all__ = [
    "Regression",
    "RegressionRequest",
    "RegressionResponse",
    "RegressionResult",
]
