"""Plain bytes <-> arrays: row-major, little-endian elements with nothing between them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from servable import tensors
from servable.errors import InvalidArgument
from servable.tensors import Array, DType

Bytes: TypeAlias = bytes | memoryview

MAX_RANK = 32
"""The most dimensions: numpy 1 has no more."""

MAX_ELEMENTS = 2**63 - 1

_SHAPE = re.compile(r"(?:[0-9]{1,19}(?:,[0-9]{1,19})*,?)?")


def _names() -> dict[str, DType]:
    names: dict[str, DType] = {}
    for dtype in tensors.DTYPES:  # plain dtypes come before quantised ones of the same numpy type
        if not dtype.numpy.hasobject:
            for name in (dtype.numpy.name, dtype.name, dtype.wire_name.lower()):
                names.setdefault(name, dtype)
    return names


NAMES: Mapping[str, DType] = _names()
"""What a dtype may be called, in lower case: `float32`, `float` or `dt_float`."""


def shaped(array: Array, shape: Sequence[int]) -> Array:
    """Return `array` with another shape of as many elements.

    Raises:
        InvalidArgument: numpy can not hold the shape.
    """
    if len(shape) > MAX_RANK:
        raise InvalidArgument(f"A tensor has {len(shape)} dimensions; {MAX_RANK} are the most.")
    try:
        return array.reshape(tuple(shape))
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f"The shape {list(shape)} can not be held: {error}") from None


def count(shape: Sequence[int]) -> int:
    """Return the number of elements of a shape.

    Raises:
        InvalidArgument: a size is negative, or there are 2**63 elements or more.
    """
    if any(size < 0 for size in shape):
        raise InvalidArgument(f"The shape {list(shape)[:MAX_RANK]} has a negative size.")
    elements = 0 if 0 in shape else math.prod(shape[: MAX_RANK + 1])
    if elements > MAX_ELEMENTS:
        raise InvalidArgument(f"The shape {list(shape)[:MAX_RANK]} has too many elements.")
    return elements


def view(data: Bytes, dtype: DType, shape: Sequence[int]) -> Array:
    """Return elements as a read-only array over `data` itself, which is copied only where the
    elements do not lie at addresses that processors can read them from.

    Args:
        data: the elements; of a bool, one byte each, 0 or 1.
        dtype: any but a string.
        shape: sizes, each of them known.

    Raises:
        InvalidArgument: shape and length do not agree, or a bool is neither 0 nor 1.
    """
    elements = count(shape)
    if len(data) != elements * dtype.numpy.itemsize:
        raise InvalidArgument(
            f"A tensor has {len(data)} bytes where shape {list(shape)[:MAX_RANK]} of "
            f"{dtype.numpy.name} takes {elements * dtype.numpy.itemsize}."
        )
    if dtype is tensors.BOOL and bytes(data).translate(None, b"\x00\x01"):
        raise InvalidArgument("A bool tensor holds a byte other than 0 and 1.")
    array = shaped(np.frombuffer(data, dtype.numpy), shape)
    if not array.flags.aligned:
        array = array.copy()
    array.flags.writeable = False
    return array


def elements(array: Array) -> memoryview:
    """Return the elements of an array that holds no strings; without a copy if it can be.

    Raises:
        InvalidArgument: it holds strings.
    """
    if array.dtype.hasobject:
        raise InvalidArgument(
            "Strings have no form as plain bytes.", hint="Ask for JSON or a protobuf message."
        )
    flat = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
    return flat.view(np.uint8).data


def read_shape(text: str) -> tuple[int, ...]:
    """Return the shape in `1,224,224,3`; the empty text is a scalar's.

    Raises:
        InvalidArgument: it is no such list, or longer than any array's.
    """
    squeezed = text[:1000].replace(" ", "").replace("\t", "")
    if len(text) > len(text[:1000]) or not _SHAPE.fullmatch(squeezed):
        raise InvalidArgument(
            f"The shape {text[:60]!r} is no list of sizes.",
            hint="Write sizes with commas, as in X-Tensor-Shape: 1,224,224,3.",
        )
    return tuple(int(size) for size in squeezed.split(",") if size)


def read_dtype(text: str) -> DType:
    """Return the dtype of this name.

    Raises:
        InvalidArgument: there is none whose elements have one size.
    """
    dtype = NAMES.get(text.strip().lower())
    if dtype is None:
        raise InvalidArgument(
            f"The dtype {text[:60]!r} is not known.",
            hint="Write X-Tensor-Dtype: float32, or another dtype by its name in numpy.",
        )
    return dtype
