"""Arrays of strings, for the ops that make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.tensors import Array


def strings(items: Sequence[bytes], shape: Sequence[int] | None = None) -> Array:
    """An array of strings; a vector unless a shape is given."""
    array = np.empty(len(items), object)
    array[:] = items
    return array if shape is None else array.reshape(tuple(shape))


def flat(x: Any) -> list[bytes]:
    """The strings of an array in row-major order; a single string counts as a scalar."""
    items: list[bytes] = np.asarray(x, object).ravel().tolist()
    return items


def each(function: Callable[[bytes], bytes], x: Any) -> Array:
    """The function of every string."""
    return strings([function(s) for s in flat(x)], np.shape(x))


def one(x: Any, name: str) -> bytes:
    """The string in an array of exactly one.

    Raises:
        InvalidArgument: it holds more or fewer.
    """
    items = flat(x)
    if len(items) != 1:
        raise InvalidArgument(f"{name} must be scalar, got shape: {dims(np.shape(x))}")
    return items[0]


def dims(shape: Sequence[object]) -> str:
    """A shape as TensorFlow writes it in messages, as in `[2,3]`."""
    return "[" + ",".join(map(str, shape)) + "]"
