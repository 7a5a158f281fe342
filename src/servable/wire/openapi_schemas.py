"""JSON Schemas of the tensors and bodies that signatures take and return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from servable import tensors
from servable.tensors import DType, Shape, Signature, TensorSpec
from servable.wire import json_example
from servable.wire.json_predict import Layout
from servable.wire.json_tensors import FLOATS, INTEGER_RANGES

Schema = dict[str, Any]

_LAYOUTS = {Layout.ROWS: "rows", Layout.COLUMNS: "columns"}

_BASE64: Schema = {
    "type": "object",
    "properties": {"b64": {"type": "string", "contentEncoding": "base64"}},
    "required": ["b64"],
    "additionalProperties": False,
}


def has_json(signature: Signature) -> bool:
    """Whether JSON has a form for every input of a signature, and there are inputs at all."""
    return bool(signature.inputs) and all(
        spec.dtype is not None and _element(spec.dtype) is not None
        for spec in signature.inputs.values()
    )


def rows_request(name: str, signature: Signature) -> Schema | None:
    """Return the schema of a body with `instances`; None if an input has no rows."""
    if not _has_rows(signature.inputs):
        return None
    count = next(iter(_row_counts(signature.inputs)), None)
    rows = {alias: _row(spec, at_least=1) for alias, spec in signature.inputs.items()}
    # All rows are of one kind, with names or without.
    lists = [_list(items, count, at_least=1) for items in _forms(rows, signature)]
    return _body(name, "instances", _any(lists))


def columns_request(name: str, signature: Signature) -> Schema:
    """Return the schema of a body with `inputs`."""
    members = {alias: tensor(spec, at_least=1) for alias, spec in signature.inputs.items()}
    return _body(name, "inputs", _any(_forms(members, signature)))


def rows_response(signature: Signature) -> Schema:
    """Return the schema of an answer with `predictions`."""
    rows = {alias: _row(spec) for alias, spec in _promised(signature).items()}
    return _object({"predictions": {"type": "array", "items": _bare_or_named(rows)}})


def columns_response(signature: Signature) -> Schema:
    """Return the schema of an answer with `outputs`."""
    members = {alias: tensor(spec) for alias, spec in _promised(signature).items()}
    return _object({"outputs": _bare_or_named(members)})


def tensor(spec: TensorSpec, at_least: int = 0) -> Schema:
    """Return the schema of a tensor as nested lists.

    Args:
        spec: its dtype and shape.
        at_least: elements of lists of lists: an empty one can not say what is inside.
    """
    return {"description": str(spec), **_nested(spec.dtype, spec.shape, at_least)}


def examples(name: str, signature: Signature) -> dict[str, Schema]:
    """Return small bodies that the signature takes, by layout, if there are any."""
    found = json_example.documents(name, signature)
    return {_LAYOUTS[layout]: {"value": document} for layout, document in found.items()}


def features(signature: Signature) -> Schema:
    """Return the schema of one example of a classify or regress request."""
    value: Schema = {"anyOf": [*_kinds(), {"type": "array", "items": {"anyOf": _kinds()}}]}
    known = {name: {"description": str(spec), **value} for name, spec in signature.features.items()}
    return {"type": "object", "properties": known, "additionalProperties": value}


def _kinds() -> list[Schema]:
    return [{"type": "number"}, {"type": "string"}, _BASE64]


def _body(name: str, key: str, value: Schema) -> Schema:
    default = name == "serving_default"
    chosen: Schema = {"type": "string", "enum": ["", name] if default else [name]}
    return {
        "title": f"{name}, {key}",
        "type": "object",
        "properties": {"signature_name": chosen, key: value},
        "required": [key] if default else ["signature_name", key],
    }


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _forms(members: Mapping[str, Schema], signature: Signature) -> list[Schema]:
    """Return the schemas of several tensors by name, or of one, which may stay without a name."""
    required = [alias for alias in members if alias not in signature.defaults]
    named: Schema = {
        "type": "object",
        "properties": dict(members),
        "required": required,
        "additionalProperties": False,
    }
    return [named] if len(members) > 1 else [*members.values(), named]


def _any(schemas: Sequence[Schema]) -> Schema:
    return {"anyOf": list(schemas)} if len(schemas) > 1 else schemas[0]


def _bare_or_named(members: Mapping[str, Schema]) -> Schema:
    return next(iter(members.values())) if len(members) == 1 else _object(members)


def _promised(signature: Signature) -> Mapping[str, TensorSpec]:
    """Return the outputs, without their shapes where inputs of any rank decide on them."""
    if all(spec.shape is not None for spec in signature.inputs.values()):
        return signature.outputs
    return {alias: replace(spec, shape=None) for alias, spec in signature.outputs.items()}


def _has_rows(inputs: Mapping[str, TensorSpec]) -> bool:
    """Whether all inputs can have the same number of rows."""
    return len(_row_counts(inputs)) <= 1 and all(spec.shape != () for spec in inputs.values())


def _row_counts(inputs: Mapping[str, TensorSpec]) -> set[int | None]:
    return {spec.shape[0] for spec in inputs.values() if spec.shape} - {None}


def _row(spec: TensorSpec, at_least: int = 0) -> Schema:
    row = replace(spec, shape=spec.shape[1:] if spec.shape else None)
    return tensor(row, at_least)


def _nested(dtype: DType | None, shape: Shape, at_least: int) -> Schema:
    element = _element(dtype) if dtype else None
    if element is None:
        return {}
    if shape is None:
        return {"anyOf": [element, {"type": "array"}]}
    for depth, size in enumerate(reversed(shape)):
        element = _list(element, size, at_least if depth else 0)
    return element


def _list(items: Schema, size: int | None, at_least: int = 0) -> Schema:
    schema: Schema = {"type": "array", "items": items}
    if size is not None:
        return {**schema, "minItems": size, "maxItems": size}
    return {**schema, "minItems": at_least} if at_least else schema


def _element(dtype: DType) -> Schema | None:
    if dtype.enum in FLOATS:
        # Beyond these a number becomes infinite, for which JSON Schema has no word.
        most = float(np.finfo(dtype.numpy).max)
        return {"type": "number", "format": dtype.name, "minimum": -most, "maximum": most}
    if dtype.enum in INTEGER_RANGES:
        limits = np.iinfo(dtype.numpy)
        return {"type": "integer", "minimum": int(limits.min), "maximum": int(limits.max)}
    if dtype is tensors.BOOL:
        return {"type": "boolean"}
    if dtype is tensors.STRING:
        return {"anyOf": [{"type": "string"}, _BASE64]}
    return None
