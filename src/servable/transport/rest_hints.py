"""What REST adds to an error: where the fault is, and a command that would have worked."""

from __future__ import annotations

import re
import shlex
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from servable.contracts import ModelProvider, Servable
from servable.errors import InvalidArgument, ServableError, Unimplemented
from servable.handlers import hints
from servable.handlers.examples import Method, suitable_signatures
from servable.handlers.predict import DEFAULT_SIGNATURE
from servable.transport.rest_request import Request
from servable.wire import json_example
from servable.wire.json_predict import PredictBody

EXAMPLES = (
    'Send a JSON object such as {"examples": [{"age": 41, "height": 1.7, "name": "Ada"}]}: '
    "one object for each example, from a feature's name to its value or a list of values. "
    "Write a float as 1.0; 1 is an integer."
)
"""What a classify or regress request looks like."""

PREDICT = 'Send a JSON object such as {"instances": [...]}.'
"""What a predict request looks like."""

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_OFFSET = re.compile(r"JSON Parse error: .* at offset: ([0-9]+)")
_EXCERPT = 24  # bytes


@lru_cache(2**8)
def origin(scheme: str, host: str, bound: tuple[str, int | None] | None) -> str:
    """Return how a client reaches the server, as in `http://localhost:8501`.

    Args:
        scheme: http or https.
        host: what the client calls the server; a stranger's text, not repeated if it can be
            no name.
        bound: address and port of the socket that the request came to.
    """
    if not _HOST.fullmatch(host):
        name, port = bound or ("localhost", None)
        name = f"[{name}]" if ":" in name else name
        host = name if port is None else f"{name}:{port}"
    return f"{scheme}://{host}"


def url(request: Request, verb: str) -> str:
    """Return the address of `verb` of the model that a request names, without a query."""
    route = request.route
    path = f"/v1/models/{quote(route.name, safe='', errors='surrogateescape')}"
    if route.version is not None:
        path += f"/versions/{route.version}"
    elif route.label is not None:
        path += f"/labels/{quote(route.label, safe='', errors='surrogateescape')}"
    return f"{request.host}{path}:{verb}"


def chosen(servable: Servable, name: str) -> str:
    """Return the signature to show: the one that was asked for, if there is one; or ""."""
    signatures = servable.signatures
    for candidate in (name, DEFAULT_SIGNATURE, min(signatures, default="")):
        if candidate in signatures:
            return candidate
    return ""


def explain_predict(
    error: ServableError, servable: Servable, body: PredictBody, name: str, request: Request
) -> None:
    """Add what the signature expects, and a command that would work.

    Args:
        error: gets the hint, if it blames the request.
        servable: the model.
        body: the request's body.
        name: the signature that was asked for; "" if the request did not say.
        request: the request.
    """
    name = chosen(servable, name or DEFAULT_SIGNATURE)
    # Of what is not implemented, only JSON's lack of a form for a dtype is about the request.
    if not (hints.blames_request(error) or isinstance(error, Unimplemented)) or not name:
        return
    signature = servable.signatures[name]
    example = json_example.example(name, signature)
    if hints.blames_request(error):
        given = body.input_names()
        hints.explain(error, lambda: hints.wrong_inputs(name, signature, given))
    elif example is None:
        error.hint = hints.cut(hints.expected(name, signature))
    else:
        return
    if example is not None:
        error.hint += f" {_shown(example, url(request, 'predict'))}"
        return
    # Importing numpy's formats for a hint alone would be slow to start.
    from servable.transport.dense_hints import without_json

    error.hint += f" {without_json(name, signature, url(request, 'predict'))}"


def explain_examples(
    error: ServableError, servable: Servable, method: Method[Any], name: str, request: Request
) -> None:
    """Add a command that would work, with a signature that would do.

    Args:
        error: gets the hint, if it blames the request.
        servable: the model.
        method: what was asked for.
        name: the signature that was asked for; "" if the request did not say.
        request: the request.
    """
    if not hints.blames_request(error):
        return
    suitable = suitable_signatures(method, servable.signatures)
    name = name or DEFAULT_SIGNATURE
    if suitable:
        name = name if name in suitable else suitable[0]
        example = json_example.examples(name, servable.signatures[name])
        verb = method.name.rpartition("/")[2]
        shown = EXAMPLES if example is None else _shown(example, url(request, verb))
    else:
        name = chosen(servable, name)
        example = json_example.example(name, servable.signatures[name]) if name else None
        if example is None:
            return
        shown = _shown(example, url(request, "predict"))
    error.hint = hints.cut(f"{error.hint} {shown}")


def explain_text(
    error: ServableError,
    models: ModelProvider,
    method: Method[Any] | None,
    text: bytes,
    request: Request,
) -> None:
    """Say where the text of a body stops being JSON, and show one that would work.

    Args:
        error: gets the hint.
        models: what is served; the model that the request names need not be there.
        method: what was asked for; None for predict.
        text: the body, inflated.
        request: the request.
    """
    if not hints.blames_request(error) or error.hint:
        return
    where = _where(error, text)
    generic = EXAMPLES if method else PREDICT
    error.hint = f"{where} {generic}".strip()
    try:
        handle = models.acquire(request.route.name, request.route.version)
    except ServableError:
        return
    with handle:
        shown = InvalidArgument("", hint=where)
        if method is not None:
            explain_examples(shown, handle.servable, method, "", request)
        elif name := chosen(handle.servable, DEFAULT_SIGNATURE):
            example = json_example.example(name, handle.servable.signatures[name])
            if example is not None:
                shown.hint += f" {_shown(example, url(request, 'predict'))}"
    if len(shown.hint) > len(where):
        error.hint = hints.cut(shown.hint.strip())


def _where(error: ServableError, text: bytes) -> str:
    match = _OFFSET.fullmatch(error.message)
    if match is None:
        return ""
    at = min(int(match[1]), len(text))
    line = text.count(b"\n", 0, at) + 1
    start = text.rfind(b"\n", 0, at) + 1
    column = len(text[start:at].decode("utf-8", "replace")) + 1
    rest = text[at : at + _EXCERPT].decode("utf-8", "replace")
    follows = f"where it goes on with {rest!r}" if rest else "where the body ends"
    return f"The fault is in line {line}, column {column}, {follows}."


def _shown(example: json_example.Example, address: str) -> str:
    if not example.complete:
        return f"A body looks like this: {example.body}"
    return f"Try: curl -d {shlex.quote(example.body)} {shlex.quote(address)}"
