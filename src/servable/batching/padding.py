"""Rows of different shapes made alike, and batches made up to sizes that are allowed.

The rules and texts are the peer's (behaviour reference 6.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from servable.errors import InvalidArgument
from servable.tensors import Array

_MOST_DIMENSIONS = 6


def rounded(rows: int, allowed: Sequence[int]) -> int:
    """Return the smallest of the allowed sizes, ascending, that holds the rows; or the rows."""
    return next((size for size in allowed if size >= rows), rows)


def alike(parts: Sequence[Mapping[str, Array]]) -> list[dict[str, Array]]:
    """Return the parts with every row as large as the largest of its input.

    What is added, at the end of each axis, is the array's own first element.

    Raises:
        InvalidArgument: an array has too many dimensions, or nothing to pad with.
    """
    made: list[dict[str, Array]] = [{} for _ in parts]
    for alias in parts[0]:
        arrays = [part[alias] for part in parts]
        shapes = {array.shape[1:] for array in arrays}
        if len(shapes) > 1:
            largest = tuple(max(sizes) for sizes in zip(*shapes, strict=False))
            arrays = [_padded(array, largest) for array in arrays]
        for one, array in zip(made, arrays, strict=True):
            one[alias] = array
    return made


def _padded(array: Array, row: tuple[int, ...]) -> Array:
    if array.shape[1:] == row:
        return array
    if array.ndim > _MOST_DIMENSIONS:
        raise InvalidArgument("Only tensors with rank from 1 to 6 can be padded.")
    if not array.size:
        raise InvalidArgument("Got empty tensor in batch of non-empty tensors.")
    grown = np.full((array.shape[0], *row), array.flat[0], array.dtype)
    grown[tuple(map(slice, array.shape))] = array
    return grown
