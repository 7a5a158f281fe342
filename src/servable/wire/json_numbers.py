"""The fast path for numbers: from JSON text to an array without a Python object for each.

simdjson parses the body and copies all the numbers of a nested array into one flat
buffer. It does not say how they were nested. Where there are few inner arrays they are
asked for their lengths, one by one; otherwise that is checked on the body's own bytes.
With digits and blanks deleted, what is left of a nested array of shape [2, 3] is
`[[,,],[,,]]`, and of any other array something else; only `[]` and `[1]` look the same
then, and those the number of values tells apart. `json_structure` spares long bodies that,
where they are written as libraries do.

Whatever is unusual is left to the exact path: nothing here raises an error that a
user sees.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Literal

import numpy as np
import simdjson

from servable import tensors
from servable.tensors import Array, DType
from servable.wire.json_structure import arrays_in, is_nested
from servable.wire.json_tensors import FLOATS, INTEGER_RANGES, MAX_RANK

_BLANKS_AND_NUMBERS = b" \t\n\r0123456789+-.eE"

_SATURATED = 0xFFFFFF
"""simdjson stops counting the elements of one array here."""

_BYTES_AN_ARRAY = 2**9
"""With fewer bytes for each array it takes less time to look at these than to ask the arrays."""

_KEPT_BYTES = 2**22
"""A parser of a longer body is not kept: it holds up to twelve times as much."""

_LONG_BYTES = 2**17
"""From here on it pays that numpy looks at brackets while other threads run."""

_SLICE = 2**16
"""Bytes at a time, so that what is left of them needs no memory as large as a body."""

_parsers: deque[simdjson.Parser] = deque(maxlen=2)

_NUMPY = {"d": np.float64, "i": np.int64, "u": np.uint64}


def members(body: bytes, wanted: Sequence[str]) -> dict[str, object] | None:
    """Return those members of a JSON object that are wanted and there.

    None if the body is not strict JSON, if its root is no object, or if one has equal keys.
    """
    try:
        root = _parsed(body)
    except (ValueError, RuntimeError, MemoryError):
        return None
    if not isinstance(root, simdjson.Object):
        return None
    # Not `key in root`: each miss costs a C++ exception, more than all the rest.
    present = list(root)
    if len(present) != len(set(present)):
        return None
    return {key: root[key] for key in wanted if key in present}


def _parsed(body: bytes) -> object:
    """Parse with a parser that was used before, if one is free.

    The memory of a new one has to be cleared by the kernel, page by page: a third of the time
    that an image takes.
    """
    if len(body) > _KEPT_BYTES:
        return simdjson.Parser().parse(body)
    try:
        parser = _parsers.popleft()
    except IndexError:
        parser = simdjson.Parser()
    try:
        return parser.parse(body)
    except RuntimeError:  # something of what it parsed before is still there
        parser = simdjson.Parser()
        return parser.parse(body)
    finally:
        _parsers.append(parser)


def arrays(body: bytes, nested: Sequence[tuple[simdjson.Array, DType]]) -> list[Array] | None:
    """Return the numeric arrays of a body, or None if anything about them is unusual.

    Args:
        body: what `members` was given.
        nested: every array in the body that is not inside another, in the order of
            the text, each with the dtype it shall have.

    The values are those that the exact path would give, element for element.
    """
    shapes = [shape for array, _ in nested if (shape := _first_path(array)) is not None]
    if len(shapes) != len(nested):
        return None
    result = []
    for (array, dtype), shape in zip(nested, shapes, strict=True):
        flat = _flat(array, dtype)
        if flat is None or flat.size != math.prod(shape):
            return None
        result.append(flat)
    if not _are_regular(body, [array for array, _ in nested], shapes):
        return None
    return [flat.reshape(shape) for flat, shape in zip(result, shapes, strict=True)]


def _are_regular(
    body: bytes, nested: Sequence[simdjson.Array], shapes: Sequence[tuple[int, ...]]
) -> bool:
    """Whether arrays that hold nothing but numbers, and as many as these shapes, have them."""
    inner = sum(map(arrays_in, shapes))
    if inner * _BYTES_AN_ARRAY < len(body):
        # Were there one more array, or a bracket in a string, there would be more brackets.
        return body.count(b"[") == inner and all(map(_has_shape, nested, shapes))
    long = len(body) >= _LONG_BYTES and len(shapes) == 1 and 0 not in shapes[0]
    if long and is_nested(body, shapes[0]):
        return True
    skeletons = _skeletons(body)
    # A first path may promise more than the text holds; look before building that.
    return len(skeletons) == len(shapes) and all(
        len(skeleton) == _skeleton_length(shape) and skeleton == _skeleton(shape)
        for skeleton, shape in zip(skeletons, shapes, strict=True)
    )


def _has_shape(array: object, shape: Sequence[int]) -> bool:
    """Whether every array down to the last level of a shape has its length there."""
    if not isinstance(array, simdjson.Array) or len(array) != shape[0]:
        return False
    rest = shape[1:]
    return not rest or all(_has_shape(item, rest) for item in array)


def _skeletons(body: bytes) -> list[bytes]:
    """Return the brackets and commas of each outermost array of plain values, in order.

    Two such arrays always have a quoted key between them, and a numeric array has no
    quote inside, so that quotes cut the body into pieces with one array each at most.
    [] stands for a body with escapes, where a quote may not be one.
    """
    slices = (body[at : at + _SLICE] for at in range(0, len(body), _SLICE))
    text = b"".join([piece.translate(None, _BLANKS_AND_NUMBERS) for piece in slices])
    if b"\\" in text:
        return []
    structure = text.split(b'"')[::2]
    return [
        piece[piece.index(b"[") : piece.rfind(b"]") + 1] for piece in structure if b"[" in piece
    ]


def _skeleton(shape: Sequence[int]) -> bytes:
    text = b""
    for size in reversed(shape):
        text = b"[" + b",".join([text] * size) + b"]"
    return text


def _skeleton_length(shape: Sequence[int]) -> int:
    length = 0
    for size in reversed(shape):
        length = size * length + max(size - 1, 0) + 2
    return length


def _first_path(array: simdjson.Array) -> tuple[int, ...] | None:
    """Return the sizes met when entering the first element of every level.

    None if they end at something else than a number.
    """
    shape: list[int] = []
    first: object = array
    while isinstance(first, simdjson.Array):
        size = len(first)
        if size == _SATURATED or len(shape) == MAX_RANK:
            return None
        shape.append(size)
        if not size:
            return tuple(shape)
        first = first[0]
    return tuple(shape) if type(first) in (int, float) else None


def _flat(array: simdjson.Array, dtype: DType) -> Array | None:
    how = _how(dtype)
    if how is None:
        return None
    try:
        buffer = array.as_buffer(of_type=how)
    except (TypeError, ValueError):
        return None
    flat = np.frombuffer(buffer, _NUMPY[how])
    if how == "i" and flat.size:
        low, high = INTEGER_RANGES[dtype.enum]
        if flat.min() < low or flat.max() > high:
            return None
    with np.errstate(over="ignore"):  # what float can not hold becomes an infinity
        return flat.astype(dtype.numpy, copy=False)


def _how(dtype: DType) -> Literal["d", "i", "u"] | None:
    if dtype.enum in FLOATS:
        return "d"
    if dtype.enum in INTEGER_RANGES:
        return "u" if dtype is tensors.UINT64 else "i"
    return None
