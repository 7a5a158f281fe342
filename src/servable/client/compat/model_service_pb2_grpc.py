"""The stub and servicer of tensorflow_serving.apis.model_service_pb2_grpc."""

from __future__ import annotations

from typing import Any

import grpc

from servable.client.compat.services import Methods, attach, register, unimplemented
from servable.pb import config_pb2, serving_pb2

SERVICE = "tensorflow.serving.ModelService"

_METHODS: Methods = {
    "GetModelStatus": (serving_pb2.GetModelStatusRequest, serving_pb2.GetModelStatusResponse),
    "HandleReloadConfigRequest": (config_pb2.ReloadConfigRequest, config_pb2.ReloadConfigResponse),
}


class ModelServiceStub:
    """Calls the service over a `grpc.Channel` or a `grpc.aio.Channel`."""

    GetModelStatus: Any
    HandleReloadConfigRequest: Any

    def __init__(self, channel: Any) -> None:
        attach(self, channel, SERVICE, _METHODS)


class ModelServiceServicer:
    """Answers the service; override what you answer."""

    def GetModelStatus(
        self, request: serving_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> serving_pb2.GetModelStatusResponse:
        """Refuse the call."""
        unimplemented(request, context)

    def HandleReloadConfigRequest(
        self, request: config_pb2.ReloadConfigRequest, context: grpc.ServicerContext
    ) -> config_pb2.ReloadConfigResponse:
        """Refuse the call."""
        unimplemented(request, context)


def add_ModelServiceServicer_to_server(servicer: ModelServiceServicer, server: Any) -> None:
    """Make a gRPC server answer with this servicer."""
    register(servicer, server, SERVICE, _METHODS)
