"""REST requests, once they are read: a route and a body in, a body out."""

from __future__ import annotations

import re
import shlex
import zlib
from dataclasses import dataclass

from servable.contracts import ModelProvider, ModelSpec, ServableHandle
from servable.errors import InvalidArgument, ServableError
from servable.handlers import hints
from servable.handlers.metadata import SIGNATURE_DEF, get_metadata
from servable.handlers.predict import DEFAULT_SIGNATURE, predict_on, signature_to_decode_with
from servable.handlers.resolve import acquire
from servable.handlers.status import get_status, list_models
from servable.transport.rest_routes import Action, Route
from servable.wire import json_example, json_metadata, json_predict, json_status

MAX_INFLATED_BYTES = 104_857_600
"""What a compressed body may grow to; the peer's limit."""

_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was read completely.

    Attributes:
        route: what it asks for.
        target: path and query, as received.
        body: as received.
        gzipped: whether the body says that it is compressed.
        host: the server as the client calls it, for examples in hints.
    """

    route: Route
    target: str
    body: bytes = b""
    gzipped: bool = False
    host: str = ""


def answer(models: ModelProvider, request: Request) -> bytes:
    """Return the JSON body of the answer. A predict request blocks while the model computes.

    Raises:
        ServableError: with the peer's text for a request that is at fault.
    """
    route = request.route
    spec = ModelSpec(route.name, route.version, route.label)
    match route.action:
        case Action.MODELS:
            return json_status.encode_models(list_models(models))
        case Action.STATUS:
            return json_status.encode_status(get_status(models, spec))
        case Action.METADATA:
            metadata = get_metadata(models, spec, (SIGNATURE_DEF,))
            return json_metadata.encode_metadata(metadata.id, metadata.signatures)
        case Action.PREDICT:
            return _predict(models, request)


def _predict(models: ModelProvider, request: Request) -> bytes:
    try:
        text = _inflated(request.body) if request.gzipped else request.body
        body = json_predict.PredictBody(text)
    except ServableError as error:
        hints.explain(error, lambda: 'Send a JSON object such as {"instances": [...]}.')
        raise
    route = request.route
    spec = ModelSpec(route.name, route.version, route.label, body.signature_name)
    with acquire(models, spec) as handle:
        try:
            signature = signature_to_decode_with(handle, spec.signature_name)
            layout, inputs = body.decode(signature)
            computed = predict_on(handle, spec.signature_name, inputs)
            return json_predict.encode(layout, computed.outputs)
        except ServableError as error:
            _explain(error, handle, body, request)
            raise


def _explain(
    error: ServableError, handle: ServableHandle, body: json_predict.PredictBody, request: Request
) -> None:
    """Add what the signature expects, and a command that would work."""
    if not hints.blames_request(error):
        return
    signatures = handle.servable.signatures
    name = body.signature_name or DEFAULT_SIGNATURE
    if name not in signatures:
        name = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in signatures else min(signatures, default="")
    if name not in signatures:
        return
    given = body.input_names()
    hints.explain(error, lambda: hints.wrong_inputs(name, signatures[name], given))
    example = json_example.example(name, signatures[name])
    if example is None:
        error.hint += " JSON has no form for these inputs; use gRPC."
    elif example.complete:
        host = request.host if _HOST.fullmatch(request.host) else "localhost:8501"
        url = shlex.quote(f"http://{host}{request.target}")
        error.hint += f" Try: curl -d {shlex.quote(example.body)} {url}"
    else:
        error.hint += f" A body looks like this: {example.body}"


def _inflated(body: bytes) -> bytes:
    """Decompress a gzip body; the peer takes one that it can not decompress for an empty one."""
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        text = inflater.decompress(body, MAX_INFLATED_BYTES)
    except zlib.error:
        text = b""
    if not inflater.eof:
        raise InvalidArgument(
            "JSON Parse error: The document is empty",
            hint=f"The body says it is gzip, but it is damaged, cut off, or inflates to more "
            f"than {MAX_INFLATED_BYTES} bytes.",
        )
    return text
