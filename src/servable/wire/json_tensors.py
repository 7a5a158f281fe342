"""JSON values -> arrays, element by element: the rules and the texts of the peer.

Both request layouts are made of these. A value is first tried in bulk, level by
level; what that refuses is walked one element at a time, in the order of the text,
so that every error comes from one place and names the first fault.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from servable import tensors
from servable.errors import InvalidArgument, Unimplemented
from servable.tensors import Array, DType
from servable.wire.json_debug import Json, debug_string, type_name

MAX_RANK = 31
"""The most levels of nesting: numpy 1 has 32 dimensions, and the row layout adds one."""

_INT32 = (-(2**31), 2**31 - 1)

INTEGER_RANGES: Mapping[int, tuple[int, int]] = {
    tensors.INT8.enum: _INT32,
    tensors.INT16.enum: _INT32,
    tensors.INT32.enum: _INT32,
    tensors.UINT8.enum: _INT32,
    tensors.INT64.enum: (-(2**63), 2**63 - 1),
    tensors.UINT32.enum: (0, 2**32 - 1),
    tensors.UINT64.enum: (0, 2**64 - 1),
}
"""By dtype number, the integers that are accepted; the 8 and 16 bit types then wrap."""

FLOATS = frozenset({tensors.FLOAT.enum, tensors.DOUBLE.enum})


def tensor(value: Json, dtype: DType | None) -> Array:
    """Return `value` as an array whose shape is exactly the nesting of its lists.

    Args:
        value: a scalar, a base64 object, or equally nested lists of them.
        dtype: the element type; None where a signature names none.

    Raises:
        InvalidArgument: the lists are ragged or nested too deeply, or an element has
            another type or is out of range.
        Unimplemented: JSON has no form for elements of this dtype.
    """
    array = in_bulk(value, dtype)
    return _one_by_one(value, dtype) if array is None else array


_FEW = 64
_FLOAT_HOLDS = 3.4e38
"""Of few elements it is sooner seen that float holds them than numpy is told not to warn."""


def in_bulk(value: Json, dtype: DType | None) -> Array | None:
    """Return what `tensor` would return, or None if the value is in any way unusual.

    Looks at whole levels and at sets of types rather than at single elements.
    """
    shape: list[int] = []
    level = [value]
    while level and type(first := level[0]) is list:
        if len(shape) == MAX_RANK:
            return None
        if len(level) == 1:
            shape.append(len(first))
            level = first
            continue
        if set(map(type, level)) != {list}:
            return None
        if set(map(len, level)) != {len(first)}:
            return None
        shape.append(len(first))
        level = list(chain.from_iterable(level))
    flat = _flat(level, dtype) if dtype else None
    return None if flat is None else flat.reshape(shape)


def is_base64(value: Json) -> bool:
    """Whether a value is `{"b64": "..."}`, which stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _flat(values: list[Json], dtype: DType) -> Array | None:
    """Return elements of acceptable types as an array, or None if there are others."""
    types = set(map(type, values))
    if dtype.enum in FLOATS:
        return _array(values, dtype) if types <= {int, float} else None
    if dtype.enum in INTEGER_RANGES:
        low, high = INTEGER_RANGES[dtype.enum]
        fits = types <= {int} and (not values or (min(values) >= low and max(values) <= high))
        return _array(values, dtype) if fits else None
    if dtype is tensors.BOOL:
        return _array(values, dtype) if types <= {bool} else None
    if dtype is tensors.STRING and types <= {str}:
        return _array([_bytes(value) for value in values], dtype)
    return None


def _one_by_one(value: Json, dtype: DType | None) -> Array:
    shape = _first_path(value)
    if len(shape) > MAX_RANK:
        raise InvalidArgument(
            f"JSON Value: {debug_string(value)} is nested deeper than {MAX_RANK} levels"
        )
    if dtype is None:
        raise _no_conversion(value, "INVALID")
    elements: list[Json] = []
    _collect(value, 0, shape, dtype, elements)
    return _array(elements, dtype).reshape(shape)


def _first_path(value: Json) -> list[int]:
    """Return the sizes met when entering the first element of every level."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _collect(
    value: Json, level: int, shape: Sequence[int], dtype: DType, elements: list[Json]
) -> None:
    """Append the elements of `value` in order, if it has the shape from `level` on."""
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise InvalidArgument(
                f"JSON Value: {debug_string(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {rank}"
            )
        elements.append(_element(value, dtype))
        return
    if level >= rank:
        raise InvalidArgument(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise InvalidArgument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        _collect(item, level + 1, shape, dtype, elements)


def _element(value: Json, dtype: DType) -> Json:
    """Return one element as the Python value that numpy takes for it."""
    if dtype.enum in FLOATS:
        accepted = type(value) in (int, float)
    elif dtype.enum in INTEGER_RANGES:
        low, high = INTEGER_RANGES[dtype.enum]
        accepted = type(value) is int and low <= value <= high
    elif dtype is tensors.BOOL:
        accepted = isinstance(value, bool)
    elif dtype is tensors.STRING:
        if isinstance(value, dict):
            return from_base64(value)
        accepted = isinstance(value, str)
        value = _bytes(value) if accepted else value
    else:
        raise _no_conversion(value, dtype.name)
    if not accepted:
        raise InvalidArgument(
            f"JSON Value: {debug_string(value)} Type: {type_name(value)} "
            f"is not of expected type: {dtype.name}"
        )
    return value


def _array(values: Sequence[Json], dtype: DType) -> Array:
    """Return accepted elements as a flat array."""
    if dtype is tensors.STRING:
        strings = np.empty(len(values), object)
        strings[:] = values
        return strings
    if dtype is tensors.DOUBLE:
        return np.array(values, np.float64)
    if dtype is tensors.FLOAT:
        if len(values) <= _FEW and max(map(abs, values), default=0) < _FLOAT_HOLDS:
            return np.array(values, np.float64).astype(np.float32)
        with np.errstate(over="ignore"):  # what float can not hold becomes an infinity
            return np.array(values, np.float64).astype(dtype.numpy, copy=False)
    if dtype.enum in INTEGER_RANGES:
        # Through 64 bits, because numpy does not wrap Python integers.
        wide = np.uint64 if dtype is tensors.UINT64 else np.int64
        return np.array(values, wide).astype(dtype.numpy, copy=False)
    return np.array(values, dtype.numpy)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def from_base64(value: dict[str, Json]) -> bytes:
    """Return the bytes that `{"b64": "..."}` stands for.

    Raises:
        InvalidArgument: it is another object, or the text is no base64.
    """
    if not is_base64(value):
        raise InvalidArgument(
            f"JSON Value: {debug_string(value)} not formatted correctly for base64 data"
        )
    text = _bytes(value["b64"])
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        pass
    # The peer takes blanks anywhere, and no padding at the end.
    digits = text.translate(None, b" \t\n\v\f\r").rstrip(b"=")
    try:
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4), strict_mode=True)
    except binascii.Error:
        raise InvalidArgument("Unable to base64 decode") from None


def _no_conversion(value: Json, name: str) -> Unimplemented:
    return Unimplemented(f"Conversion of JSON Value: {debug_string(value)} to type: {name}")
