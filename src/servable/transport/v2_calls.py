"""The Open Inference Protocol over HTTP: requests that were read, to replies."""

from __future__ import annotations

from typing import Any

import orjson

import servable
from servable.batching.steps import Steps
from servable.contracts import ModelProvider
from servable.errors import Internal, InvalidArgument
from servable.handlers import v2
from servable.handlers.predict import predicting_on
from servable.handlers.resolve import acquire
from servable.metrics.models import about_no_model
from servable.tensors import TensorSpec
from servable.transport.rest_actions import Action
from servable.transport.rest_pages import JSON, Reply
from servable.transport.rest_request import Request
from servable.wire import v2_json
from servable.wire.v2_tensors import datatype_of

MAX_NAMED_BYTES = 2**16
"""The body of a request that is about a model and brings no tensors."""


def answer(models: ModelProvider, request: Request) -> Reply | Steps[Reply]:
    """Return the answer; in steps where a model computes.

    Raises:
        ServableError: the request is at fault, or what the servable raised.
    """
    route = request.route
    match route.action:
        case Action.V2_SERVER:
            return _document(
                {"name": v2.SERVER, "version": servable.__version__, "extensions": v2.EXTENSIONS}
            )
        case Action.V2_METADATA:
            return _document(_described(v2.describe(models, request.spec(route.signature_name))))
        case Action.V2_READY:
            v2.check_known(models, route.name, route.version)
            ready = v2.ready(models, route.name, route.version)
            return _document({"name": route.name, "ready": ready}, 200 if ready else 503)
        case Action.V2_INFER:
            return _infer(models, request)
        case Action.V2_INDEX:
            return _index(models, request)
        case Action.V2_LOAD:
            _read_named(request)
            v2.load(models, route.name)
            return _document({})
        case Action.V2_UNLOAD:
            _read_named(request)
            v2.unload(models, route.name)
            return _document({})
        case _:
            raise Internal(f"nothing answers {route.action}")


def _infer(models: ModelProvider, request: Request) -> Steps[Reply]:
    said = request.header(v2_json.HEADER)
    message = v2_json.read_request(request.content(), said)
    spec = request.spec(message.signature_name or request.route.signature_name)
    with acquire(models, spec) as handle:
        name = v2.choose(spec.signature_name, handle.servable.signatures)
        computed = yield from predicting_on(handle, name, message.inputs, tuple(message.outputs))
        body = v2_json.write_response(computed.id, message, computed.outputs)
    if body.json_bytes is None:
        return Reply(200, body.data)
    return Reply(
        200,
        body.data,
        (
            (b"content-type", b"application/octet-stream"),
            (v2_json.HEADER, b"%d" % body.json_bytes),
        ),
    )


def _index(models: ModelProvider, request: Request) -> Reply:
    ready_only = _read_named(request).get("ready", False)
    if not isinstance(ready_only, bool):
        raise InvalidArgument('"ready" is neither true nor false.')
    with about_no_model():
        index = v2.index(models, ready_only=ready_only)
    return _document(
        [
            {"name": one.name, "version": one.version, "state": one.state, "reason": one.reason}
            for one in index
        ]
    )


def _read_named(request: Request) -> dict[str, Any]:
    """Return the members of a small body; an empty one has none."""
    body = request.content()
    if len(body) > MAX_NAMED_BYTES:
        raise InvalidArgument(
            f"The body is longer than {MAX_NAMED_BYTES} bytes.",
            hint="Files of models can not be sent; the server has its own.",
        )
    root = v2_json.read_object(body) if body.strip() else {}
    parameters = root.get("parameters", {})
    if isinstance(parameters, dict) and parameters.keys() - {"unload_dependents"}:
        raise InvalidArgument(
            "A model can not be loaded with another configuration or other files.",
            hint="Leave parameters out.",
        )
    return root


def _described(model: v2.ModelDescription) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": list(model.versions),
        "platform": v2.PLATFORM,
        "inputs": [_tensor(alias, spec) for alias, spec in model.signature.inputs.items()],
        "outputs": [_tensor(alias, spec) for alias, spec in model.signature.outputs.items()],
    }


def _tensor(alias: str, spec: TensorSpec) -> dict[str, Any]:
    return {"name": alias, "datatype": datatype_of(spec.dtype), "shape": v2.sizes(spec)}


def _document(document: Any, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(document), JSON)
