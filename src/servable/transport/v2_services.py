"""The Open Inference Protocol over gRPC: what each method does, bytes in and bytes out."""

from __future__ import annotations

from collections.abc import Mapping

import servable
from servable.batching.steps import Steps
from servable.contracts import ModelProvider, ModelSpec
from servable.errors import InvalidArgument
from servable.handlers import v2
from servable.handlers.predict import predicting_on
from servable.handlers.resolve import acquire
from servable.metrics.models import about_no_model
from servable.pb import oip_pb2
from servable.tensors import TensorSpec
from servable.transport.grpc_services import Answer
from servable.transport.readiness import Readiness
from servable.transport.v2_routes import version_of
from servable.wire import v2_proto
from servable.wire.spec_proto import parse
from servable.wire.v2_tensors import datatype_of

SERVICE = "inference.GRPCInferenceService"

QUICK = frozenset(f"/{SERVICE}/{name}" for name in ("ServerLive", "ServerReady", "ModelReady"))
"""What probes ask."""

GUARDED = frozenset(
    f"/{SERVICE}/{name}" for name in ("RepositoryModelLoad", "RepositoryModelUnload")
)
"""What changes which models are served."""


def services(readiness: Readiness) -> Mapping[str, Mapping[str, Answer]]:
    """Return service -> method -> its answer. Each may block, and raises ServableError."""

    def ready(_: ModelProvider, data: bytes) -> bytes:
        parse(oip_pb2.ServerReadyRequest, data)
        return oip_pb2.ServerReadyResponse(ready=readiness.report().ready).SerializeToString()

    return {
        SERVICE: {
            "ServerLive": _live,
            "ServerReady": ready,
            "ServerMetadata": _server,
            "ModelReady": _model_ready,
            "ModelMetadata": _model,
            "ModelInfer": _infer,
            "RepositoryIndex": _index,
            "RepositoryModelLoad": _load,
            "RepositoryModelUnload": _unload,
        }
    }


def _live(_: ModelProvider, data: bytes) -> bytes:
    parse(oip_pb2.ServerLiveRequest, data)
    return oip_pb2.ServerLiveResponse(live=True).SerializeToString()


def _server(_: ModelProvider, data: bytes) -> bytes:
    parse(oip_pb2.ServerMetadataRequest, data)
    response = oip_pb2.ServerMetadataResponse(
        name=v2.SERVER, version=servable.__version__, extensions=v2.EXTENSIONS
    )
    return response.SerializeToString()


def _model_ready(models: ModelProvider, data: bytes) -> bytes:
    request = parse(oip_pb2.ModelReadyRequest, data)
    ready = v2.ready(models, request.name, version_of(request.version))
    return oip_pb2.ModelReadyResponse(ready=ready).SerializeToString()


def _model(models: ModelProvider, data: bytes) -> bytes:
    request = parse(oip_pb2.ModelMetadataRequest, data)
    model = v2.describe(models, _spec(request.name, request.version))
    response = oip_pb2.ModelMetadataResponse(
        name=model.name, versions=model.versions, platform=v2.PLATFORM
    )
    response.inputs.extend(_tensor(*item) for item in model.signature.inputs.items())
    response.outputs.extend(_tensor(*item) for item in model.signature.outputs.items())
    return response.SerializeToString()


def _infer(models: ModelProvider, data: bytes) -> Steps[bytes]:
    call = v2_proto.read_infer(data)
    with acquire(models, _spec(call.name, call.version)) as handle:
        message = call.message
        name = v2.choose(message.signature_name, handle.servable.signatures)
        computed = yield from predicting_on(handle, name, message.inputs, tuple(message.outputs))
        return v2_proto.write_infer(computed.id, message, computed.outputs)


def _index(models: ModelProvider, data: bytes) -> bytes:
    request = parse(oip_pb2.RepositoryIndexRequest, data)
    response = oip_pb2.RepositoryIndexResponse()
    with about_no_model():
        index = v2.index(models, ready_only=request.ready)
    for one in index:
        response.models.add(name=one.name, version=one.version, state=one.state, reason=one.reason)
    return response.SerializeToString()


def _load(models: ModelProvider, data: bytes) -> bytes:
    request = parse(oip_pb2.RepositoryModelLoadRequest, data)
    if request.parameters:
        raise InvalidArgument(
            "A model can not be loaded with another configuration or other files.",
            hint="Leave parameters out.",
        )
    v2.load(models, request.model_name)
    return b""


def _unload(models: ModelProvider, data: bytes) -> bytes:
    v2.unload(models, parse(oip_pb2.RepositoryModelUnloadRequest, data).model_name)
    return b""


def _spec(name: str, version: str) -> ModelSpec:
    return ModelSpec(name, version_of(version))


def _tensor(alias: str, spec: TensorSpec) -> oip_pb2.ModelMetadataResponse.TensorMetadata:
    return oip_pb2.ModelMetadataResponse.TensorMetadata(
        name=alias, datatype=datatype_of(spec.dtype), shape=v2.sizes(spec)
    )
