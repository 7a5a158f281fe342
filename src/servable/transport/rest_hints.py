"""What REST adds to an error: a command that would have worked."""

from __future__ import annotations

import re
import shlex

from servable.contracts import Servable
from servable.errors import ServableError
from servable.handlers import hints
from servable.handlers.examples import Method, suitable_signatures
from servable.handlers.predict import DEFAULT_SIGNATURE
from servable.wire import json_example
from servable.wire.json_predict import PredictBody

EXAMPLES = (
    'Send a JSON object such as {"examples": [{"age": 41, "height": 1.7, "name": "Ada"}]}: '
    "one object for each example, from a feature's name to its value or a list of values. "
    "Write a float as 1.0; 1 is an integer."
)
"""What a classify or regress request looks like."""

_HOST = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]{1,255}")


def explain_predict(
    error: ServableError, servable: Servable, body: PredictBody, host: str, target: str
) -> None:
    """Add what the signature expects, and a command that would work.

    Args:
        error: gets the hint, if it blames the request.
        servable: the model.
        body: the request's body.
        host: the server as the client calls it, with the scheme.
        target: the request's path.
    """
    if not hints.blames_request(error):
        return
    signatures = servable.signatures
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
    else:
        error.hint += f" {_shown(example, host, target)}"


def explain_examples(
    error: ServableError,
    servable: Servable,
    method: Method[object],
    signature_name: str,
    host: str,
    target: str,
) -> None:
    """Add a command that would work, with a signature that would do.

    Args:
        error: gets the hint, if it blames the request.
        servable: the model.
        method: what was asked for.
        signature_name: the signature that was asked for; "" if the request did not say.
        host: the server as the client calls it.
        target: the request's path.
    """
    suitable = suitable_signatures(method, servable.signatures)
    if not hints.blames_request(error) or not suitable:
        return
    name = signature_name or DEFAULT_SIGNATURE
    if name not in suitable:
        name = suitable[0]
    example = json_example.examples(name, servable.signatures[name])
    shown = EXAMPLES if example is None else _shown(example, host, target)
    error.hint = hints.cut(f"{error.hint} {shown}")


def _shown(example: json_example.Example, host: str, target: str) -> str:
    if not example.complete:
        return f"A body looks like this: {example.body}"
    host = host if _HOST.fullmatch(host) else "http://localhost:8501"
    url = shlex.quote(f"{host}{target}")
    return f"Try: curl -d {shlex.quote(example.body)} {url}"
