"""The stub and servicer of tensorflow_serving.apis.prediction_service_pb2_grpc."""

from __future__ import annotations

from typing import Any

import grpc

from servable.client.compat.services import Methods, attach, register, unimplemented
from servable.pb import inference_pb2, serving_pb2

SERVICE = "tensorflow.serving.PredictionService"

_METHODS: Methods = {
    "Classify": (inference_pb2.ClassificationRequest, inference_pb2.ClassificationResponse),
    "GetModelMetadata": (serving_pb2.GetModelMetadataRequest, serving_pb2.GetModelMetadataResponse),
    "MultiInference": (inference_pb2.MultiInferenceRequest, inference_pb2.MultiInferenceResponse),
    "Predict": (serving_pb2.PredictRequest, serving_pb2.PredictResponse),
    "Regress": (inference_pb2.RegressionRequest, inference_pb2.RegressionResponse),
}


class PredictionServiceStub:
    """Calls the service over a `grpc.Channel` or a `grpc.aio.Channel`."""

    Classify: Any
    GetModelMetadata: Any
    MultiInference: Any
    Predict: Any
    Regress: Any

    def __init__(self, channel: Any) -> None:
        attach(self, channel, SERVICE, _METHODS)


class PredictionServiceServicer:
    """Answers the service; override what you answer."""

    def Classify(
        self, request: inference_pb2.ClassificationRequest, context: grpc.ServicerContext
    ) -> inference_pb2.ClassificationResponse:
        """Refuse the call."""
        unimplemented(request, context)

    def GetModelMetadata(
        self, request: serving_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> serving_pb2.GetModelMetadataResponse:
        """Refuse the call."""
        unimplemented(request, context)

    def MultiInference(
        self, request: inference_pb2.MultiInferenceRequest, context: grpc.ServicerContext
    ) -> inference_pb2.MultiInferenceResponse:
        """Refuse the call."""
        unimplemented(request, context)

    def Predict(
        self, request: serving_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> serving_pb2.PredictResponse:
        """Refuse the call."""
        unimplemented(request, context)

    def Regress(
        self, request: inference_pb2.RegressionRequest, context: grpc.ServicerContext
    ) -> inference_pb2.RegressionResponse:
        """Refuse the call."""
        unimplemented(request, context)


def add_PredictionServiceServicer_to_server(
    servicer: PredictionServiceServicer, server: Any
) -> None:
    """Make a gRPC server answer with this servicer."""
    register(servicer, server, SERVICE, _METHODS)
