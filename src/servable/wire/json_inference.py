"""The bodies of classify and regress requests, and their answers.

The rules and texts are the peer's (behaviour reference 3.7 and 3.8). A feature's kind is that
of its JSON values, whatever the model expects: 1 is an int64, 1.0 a float.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
import orjson

from servable.errors import InvalidArgument
from servable.tensors import Array
from servable.wire import examples, json_values
from servable.wire.json_body import read_object, signature_name
from servable.wire.json_debug import Json, debug_string, type_name
from servable.wire.json_tensors import from_base64, is_base64

_MAX_INT64 = 2**63 - 1


class InferenceBody(NamedTuple):
    """The contents of a body.

    Attributes:
        signature_name: what it asks for; "" if it does not say.
        examples: serialized tf.Examples, the context in front of each; at least one.
    """

    signature_name: str
    examples: Sequence[bytes]


def read(text: bytes) -> InferenceBody:
    """Return the contents of a body.

    Raises:
        InvalidArgument: it is no JSON object, or has no examples that could be sent.
        ResourceExhausted: the context is too large to be copied to every example.
    """
    root = read_object(text)
    name = signature_name(root.get("signature_name", ""), lambda: root)
    context = _example(root["context"]) if "context" in root else b""
    if "examples" not in root:
        # The peer says classify to those who regress too.
        raise InvalidArgument(
            f"JSON Value: {debug_string(root)} When method is classify, key 'examples' is "
            "expected and was not found"
        )
    rows = root["examples"]
    if not isinstance(rows, list):
        raise InvalidArgument(
            f"JSON Value: {debug_string(root)} Expecting 'examples' value to be an list/array"
        )
    if not rows:
        raise InvalidArgument(
            f"JSON Value: {debug_string(root)} 'examples' value is an empty array"
        )
    return InferenceBody(name, examples.with_context(context, map(_example, rows)))


def encode_classes(labels: Array | None, scores: Array | None) -> bytes:
    """Return the answer to a classify request.

    Args:
        labels: bytes [examples, classes], or None for empty ones.
        scores: float32 [examples, classes], or None for zeros; not both are None.

    Raises:
        InvalidArgument: there is no example.
    """
    label_rows = repeat(repeat("")) if labels is None else json_values.values("", labels)
    score_rows = repeat(repeat(0.0)) if scores is None else _numbers(scores)
    results = [
        [list(pair) for pair in zip(*row, strict=False)]
        for row in zip(label_rows, score_rows, strict=False)
    ]
    if not results:
        raise InvalidArgument("Cannot convert empty ClassificationResults to JSON")
    return json_values.dumps({"results": results})


def encode_values(values: Array) -> bytes:
    """Return the answer to a regress request: float32 [examples].

    Raises:
        InvalidArgument: there is no example.
    """
    if not len(values):
        raise InvalidArgument("Cannot convert empty RegressionResults to JSON")
    return json_values.dumps({"results": json_values.values("", values)})


def _example(value: Json) -> bytes:
    """Return one example as a serialized tf.Example."""
    if not isinstance(value, dict):
        raise InvalidArgument(f"Example must be JSON object but got JSON {type_name(value)}")
    return examples.encode(
        {_bytes(name): _feature(name, feature) for name, feature in value.items()}
    )


def _feature(name: str, value: Json) -> bytes:
    """Return a feature as a serialized Feature; its kind is that of the first element."""
    elements = value if isinstance(value, list) else [value]
    if not elements:
        return b""
    if set(map(type, elements)) == {float}:  # most features are
        return examples.float_feature(elements)
    kind, values = "", []
    for element in elements:
        found, plain = _element(name, element)
        kind = kind or found
        if found != kind:
            raise InvalidArgument(
                f"Unexpected element type in feature: {name} expecting type: {kind}"
            )
        if kind == "int64" and plain > _MAX_INT64:
            raise InvalidArgument(
                f"Feature: {name} has uint64_t element. Only int64_t is supported."
            )
        values.append(plain)
    return _WRITERS[kind](values)


def _element(name: str, value: Json) -> tuple[str, Any]:
    """Return one element and the kind of feature that it belongs to."""
    match value:
        case bool() | int():
            return "int64", int(value)
        case float():
            return "float", value
        case str():
            return "bytes", _bytes(value)
        case dict() if is_base64(value):
            return "bytes", from_base64(value)
    raise InvalidArgument(
        f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
    )


_WRITERS: Mapping[str, Callable[[list[Any]], bytes]] = {
    "bytes": examples.bytes_feature,
    "float": examples.float_feature,
    "int64": examples.int64_feature,
}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _numbers(scores: Array) -> Iterable[Iterable[Any]]:
    """Return rows of what `dumps` writes as numbers; orjson makes null of NaN and infinities."""
    if np.isfinite(scores).all():
        return scores
    return [
        [orjson.Fragment(json.dumps(float(n))) if not math.isfinite(n) else n for n in row]
        for row in scores
    ]
