"""Request bodies that a signature would accept, for hints and for the OpenAPI document."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from servable import tensors
from servable.errors import ServableError
from servable.pb import example_pb2
from servable.servables.samples import candidates, shape_of
from servable.servables.samples import example as made_of
from servable.tensors import Array, Sample, Signature, TensorSpec
from servable.wire.json_predict import Layout, PredictBody, encode
from servable.wire.json_tensors import FLOATS, INTEGER_RANGES

_MAX_ELEMENTS = 24
"""A tensor with more elements is described instead of written out."""

_MAX_CHARACTERS = 600

Document = dict[str, Any]


class Example(NamedTuple):
    """A body, and whether it can be sent as it is."""

    body: str
    complete: bool


def example(name: str, signature: Signature) -> Example | None:
    """Return a body for the signature called `name`, or None if JSON can not carry its inputs.

    It is one that the model answered, where that could be tried. The row layout is used
    where inputs and outputs have it. A large body is sketched.
    """
    specs = signature.inputs
    if not specs or any(_sketched(spec) == "" for spec in specs.values()):
        return None
    for document in documents(name, signature).values():
        body = json.dumps(document)
        small = all(math.prod(shape_of(spec.shape)) <= _MAX_ELEMENTS for spec in specs.values())
        if small and len(body) <= _MAX_CHARACTERS:
            return Example(body, complete=True)
    return Example(_sketch(name, specs), complete=False)


def documents(name: str, signature: Signature) -> dict[Layout, Document]:
    """Return bodies that the signature takes, by layout; {} where none is known.

    Runs the model once, if nobody has asked before and it may be tried.
    """
    sample = signature.sample() if signature.sample else _guessed(signature)
    if sample is None:
        return {}
    found = {}
    for layout in Layout:
        arranged = _arranged(layout, sample.inputs)
        document = {**_choosing(name), layout.value: arranged}
        if arranged is not None and _fits(document, signature, sample):
            found[layout] = document
    return found


def examples(name: str, signature: Signature) -> Example | None:
    """Return a body of a classify or regress request; None if nobody knows an example.

    It is one that the model answered, where that could be tried.
    """
    counts = {key: math.prod(shape_of(spec.shape)) for key, spec in signature.features.items()}
    if any(count > _MAX_ELEMENTS for count in counts.values()):
        sketched = [f"{json.dumps(key)}: [<{count} values>]" for key, count in counts.items()]
        head = json.dumps(_choosing(name))[:-1] + (", " if _choosing(name) else "")
        body = f'{head}"examples": [{{{", ".join(sketched)}}}]}}'
        return Example(body[:_MAX_CHARACTERS], complete=False)
    features = _features(signature)
    if features is None:
        return None
    body = json.dumps({**_choosing(name), "examples": [features]})
    return Example(body, len(body) <= _MAX_CHARACTERS)


def _features(signature: Signature) -> Document | None:
    """Return an example that the model reads, as an object of features."""
    data = made_of(signature.features) if signature.features else None
    if signature.sample is not None:
        sample = signature.sample()
        array = next(iter(sample.inputs.values())) if sample else None
        data = array.reshape(-1)[0] if array is not None and array.dtype == object else None
    if data is None:
        return None
    try:
        message = example_pb2.Example.FromString(data)
    except DecodeError:
        return None
    stored = message.features.feature
    order = [*signature.features, *sorted(stored.keys() - signature.features.keys())]
    return {key: _bare(_values(stored[key])) for key in order if key in stored}


def _values(feature: example_pb2.Feature) -> list[Any]:
    match feature.WhichOneof("kind"):
        case "bytes_list":
            return [_text(value) for value in feature.bytes_list.value]
        case "float_list":
            return list(feature.float_list.value)
        case _:
            return list(feature.int64_list.value)


def _bare(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _guessed(signature: Signature) -> Sample | None:
    inputs = next(candidates(signature), None)
    return None if inputs is None else Sample(inputs, {})


def _arranged(layout: Layout, inputs: Mapping[str, Array]) -> Any:
    """Return what belongs under the layout's key; None if the inputs have no rows."""
    values = {alias: _plain(array) for alias, array in inputs.items()}
    if layout is Layout.COLUMNS:
        return values if len(values) > 1 else next(iter(values.values()))
    counts = {len(array) if array.ndim else 0 for array in inputs.values()}
    if len(counts) > 1 or 0 in counts:
        return None
    if len(values) == 1:
        return next(iter(values.values()))
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def _plain(array: Array) -> Any:
    if array.dtype != object:
        return array.tolist()
    flat = [_text(value) for value in array.reshape(-1).tolist()]
    for size in reversed(array.shape):
        flat = [flat[at : at + size] for at in range(0, len(flat), max(size, 1))]
    return flat[0] if flat else []


def _text(value: bytes) -> Any:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and text.encode() == value:
        return text
    return {"b64": base64.b64encode(value).decode("ascii")}


def _fits(document: Document, signature: Signature, sample: Sample) -> bool:
    """Whether a body says these inputs, and its layout has a form for the answer."""
    try:
        layout, inputs = PredictBody(json.dumps(document).encode()).decode(signature)
        if any(inputs[alias].shape != array.shape for alias, array in sample.inputs.items()):
            return False
        if sample.outputs:
            encode(layout, sample.outputs)
    except ServableError:
        return False
    return True


def _choosing(name: str) -> Document:
    """Return the member that names the signature, if that must be said."""
    return {} if name == "serving_default" else {"signature_name": name}


def _sketch(name: str, specs: Mapping[str, TensorSpec]) -> str:
    """Return the outline of a body for people; it is not JSON."""
    counts = {(spec.shape or (1,))[:1] for spec in specs.values() if spec.shape != ()}
    rows = len(counts) == 1 and all(spec.shape != () for spec in specs.values())
    texts = {}
    for alias, spec in specs.items():
        shape = shape_of(spec.shape)
        texts[alias] = _nested(_sketched(spec), shape[1:] if rows else shape)
    value = ", ".join(f"{json.dumps(alias)}: {text}" for alias, text in texts.items())
    value = "{" + value + "}" if len(texts) > 1 else next(iter(texts.values()))
    key = f'"instances": [{value}]' if rows else f'"inputs": {value}'
    chosen = "".join(f'"{k}": {json.dumps(v)}, ' for k, v in _choosing(name).items())
    return "{" + chosen + key + "}"


def _sketched(spec: TensorSpec) -> str:
    """Return JSON text of one element, "" if there is none for the dtype."""
    if spec.dtype is None:
        return ""
    if spec.dtype.enum in FLOATS:
        return "1.0"
    if spec.dtype.enum in INTEGER_RANGES:
        return "1"
    return {tensors.BOOL.enum: "true", tensors.STRING.enum: '"text"'}.get(spec.dtype.enum, "")


def _nested(text: str, shape: Sequence[int]) -> str:
    if math.prod(shape) > _MAX_ELEMENTS:
        return f"<lists of shape {list(shape)}>"
    for size in reversed(shape):
        text = "[" + ", ".join([text] * size) + "]"
    return text
