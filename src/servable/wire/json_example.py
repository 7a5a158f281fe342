"""A request body that a signature would accept, for hints."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from servable import tensors
from servable.tensors import Signature, TensorSpec
from servable.wire.json_tensors import FLOATS, INTEGER_RANGES

_MAX_ELEMENTS = 24
"""A tensor with more elements is described instead of written out."""


_MAX_CHARACTERS = 500


class Example(NamedTuple):
    """A body, and whether it can be sent as it is."""

    body: str
    complete: bool


def example(name: str, signature: Signature) -> Example | None:
    """Return a body for the signature called `name`, or None if JSON can not carry its inputs.

    Unknown sizes become 1. The row layout is used where every input has the same number
    of rows, as nearly all models do.
    """
    shapes = {alias: _filled(spec) for alias, spec in signature.inputs.items()}
    samples = {alias: _sample(spec) for alias, spec in signature.inputs.items()}
    if not samples or "" in samples.values():
        return None
    counts = {shape[0] if shape else 0 for shape in shapes.values()}
    rows = counts.pop() if len(counts) == 1 else 0
    texts = {
        alias: _nested(samples[alias], shape[1:] if rows else shape)
        for alias, shape in shapes.items()
    }
    value = ", ".join(f"{json.dumps(alias)}: {text}" for alias, text in texts.items())
    value = "{" + value + "}" if len(texts) > 1 else next(iter(texts.values()))
    if rows:
        value = '"instances": [' + ", ".join([value] * min(rows, _MAX_ELEMENTS)) + "]"
    else:
        value = '"inputs": ' + value
    body = "{" + _choosing(name) + value + "}"
    complete = all(math.prod(shape) <= _MAX_ELEMENTS for shape in shapes.values())
    return Example(body, complete and len(body) <= _MAX_CHARACTERS)


def examples(name: str, signature: Signature) -> Example | None:
    """Return a body for a signature that takes tf.Examples; None if its features are not known."""
    texts, complete = [], True
    for feature, spec in signature.features.items():
        count = math.prod(_filled(spec))
        values = [_sample(spec)] * min(count, _MAX_ELEMENTS)
        value = values[0] if count == 1 else f"[{', '.join(values)}]"
        texts.append(f"{json.dumps(feature)}: {value}")
        complete = complete and count <= _MAX_ELEMENTS
    if not texts:
        return None
    body = f'{{{_choosing(name)}"examples": [{{{", ".join(texts)}}}]}}'
    return Example(body, complete and len(body) <= _MAX_CHARACTERS)


def _choosing(name: str) -> str:
    """Return the member that names the signature, with its comma, if that must be said."""
    return "" if name == "serving_default" else f'"signature_name": {json.dumps(name)}, '


def _filled(spec: TensorSpec) -> tuple[int, ...]:
    if spec.shape is None:
        return (1,)
    return tuple(1 if size is None else size for size in spec.shape)


def _sample(spec: TensorSpec) -> str:
    """Return JSON text of one element, "" if there is none for the dtype."""
    if spec.dtype is None:
        return ""
    if spec.dtype.enum in FLOATS:
        return "1.0"
    if spec.dtype.enum in INTEGER_RANGES:
        return "1"
    return {tensors.BOOL.enum: "true", tensors.STRING.enum: '"text"'}.get(spec.dtype.enum, "")


def _nested(text: str, shape: tuple[int, ...]) -> str:
    if math.prod(shape) > _MAX_ELEMENTS:
        return f"<lists of shape {list(shape)}>"
    for size in reversed(shape):
        text = "[" + ", ".join([text] * size) + "]"
    return text
