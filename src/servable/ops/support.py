"""Small things that several families of ops share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.text import dims
from servable.tensors import Array


def bare(outputs: Sequence[Any]) -> Any:
    """What a kernel returns that has as many outputs as an attribute says: one is not wrapped."""
    return outputs[0] if len(outputs) == 1 else outputs


def blank(shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Zeros, or empty strings.

    Raises:
        InvalidArgument, ResourceExhausted: as `check_size`.
    """
    sizes = check_size(shape, dtype.itemsize)
    return np.full(sizes, b"", dtype) if dtype.kind == "O" else np.zeros(sizes, dtype)


def whole_axis(axis: int, rank: int) -> int | None:
    """An axis counted from the front; None if there is no such."""
    if not -rank <= axis < rank:
        return None
    return axis + rank if axis < 0 else axis


def in_range(numbers: Array, size: int) -> bool:
    """Whether every integer is in [0, size)."""
    if not numbers.size:
        return True
    # As unsigned numbers, negative ones are the largest: one pass tells.
    return int(numbers.view(f"u{numbers.dtype.itemsize}").max()) < size


def first_outside(numbers: Array, size: int) -> tuple[str, int]:
    """The place, as in `[1,0]` and empty for a scalar, and value of the first not in [0, size).

    Raises:
        ValueError: there is none.
    """
    numbers = np.asarray(numbers)
    outside = np.argwhere((numbers < 0) | (numbers >= size)).tolist()
    if not outside:
        raise ValueError("all numbers are in the range")
    place = tuple(outside[0])
    return (dims(place) if place else ""), int(numbers[place])


def scalar(x: Any, refusal: str) -> Any:
    """The Python value of a scalar.

    Args:
        refusal: the error's text if it is none; its shape is put in place of `{}`.

    Raises:
        InvalidArgument: it is no scalar.
    """
    shape = np.shape(x)
    if shape:
        raise InvalidArgument(refusal.format(dims(shape)))
    return x.item()


def shape_text(x: Array) -> str:
    """A tensor's shape as TensorFlow writes it in messages, as in `[2,3]`."""
    return "[" + ",".join(map(str, x.shape)) + "]"
