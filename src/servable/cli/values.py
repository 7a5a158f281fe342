"""From JSON to an array of the dtype that a signature names."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from typing import Any

import numpy as np
import orjson

from servable.errors import InvalidArgument
from servable.tensors import STRING, Array, TensorSpec

# The kinds of numpy dtypes that each kind takes in; V is bfloat16 and its kin.
_WIDER = {"f": "iuf", "V": "iuf", "c": "iufc"}


def loads(text: bytes) -> Any:
    """Return a JSON value; NaN, Infinity and -Infinity are numbers, as in the REST API.

    Raises:
        orjson.JSONDecodeError: the text is no JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # Only these words are taken beyond what strict JSON has.
        if b"NaN" in text or b"Infinity" in text:
            with contextlib.suppress(ValueError, RecursionError):
                return json.loads(text.decode())
        raise


def from_json(value: Any, spec: TensorSpec) -> Array:
    """Return a parsed JSON value as an array; its nesting is the shape.

    Raises:
        InvalidArgument: the lists are ragged, or a value does not fit the dtype.
    """
    if spec.dtype is STRING:
        return _strings(value)
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(
            "the lists are ragged", hint="Lists at the same depth must have the same length."
        ) from error
    return cast(array, spec)


def cast(array: Array, spec: TensorSpec) -> Array:
    """Return the array in the dtype that the signature names, if no value is lost by it.

    Whole numbers may become floats, and floats may lose digits; floats never become
    whole numbers, and nothing wraps around.

    Raises:
        InvalidArgument: the dtype can not hold the values.
    """
    if spec.dtype is None or (array.dtype != object and array.dtype == spec.dtype.numpy):
        return array
    wanted = spec.dtype.numpy
    if spec.dtype is STRING:
        return _strings(array.tolist())
    if array.size == 0 and array.dtype.kind in "biuf":  # numpy makes floats of []
        return array.astype(wanted)
    if array.dtype.kind in "iu" and wanted.kind in "iu":
        limits = np.iinfo(wanted)
        if array.min() >= limits.min and array.max() <= limits.max:
            return array.astype(wanted)
    elif array.dtype.kind in _WIDER.get(wanted.kind, ""):
        return array.astype(wanted)
    raise InvalidArgument(
        f"the signature wants {spec}, and the value is {_described(array)}",
        hint=f"Give {spec.dtype.name} values.",
    )


def _strings(value: Any) -> Array:
    """Strings, or `{"b64": ...}` for bytes that are no text, as in the REST API."""
    try:
        array = np.asarray(value, dtype=object)
    except ValueError:
        array = np.asarray(None, dtype=object)
    strings = np.empty(array.shape, dtype=object)
    for index, item in np.ndenumerate(array):
        strings[index] = _string(item)
    return strings


def _string(item: Any) -> bytes:
    match item:
        case str():
            return item.encode("utf-8", "surrogatepass")
        case bytes():
            return item
        case {"b64": str(text)} if len(item) == 1:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise InvalidArgument(f"not base64: {error}") from error
    raise InvalidArgument(
        "the signature wants strings, and the value holds something else",
        hint='Write ["text"], or [{"b64": "..."}] for bytes; equally long lists at each depth.',
    )


def _described(array: Array) -> str:
    """Say what came, with an example where the range is the problem."""
    if array.dtype == object:
        return "too large, or not made of numbers"
    if array.dtype.kind in "iu":
        return f"whole numbers from {array.min()} to {array.max()}"
    names = {"f": "floating-point numbers", "b": "true and false", "U": "text", "c": "complex"}
    return names.get(array.dtype.kind, str(array.dtype))
