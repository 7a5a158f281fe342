"""Values of one feature of many examples, on their way to a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.example_wire import Values
from servable.ops.text import flat, strings
from servable.tensors import FLOAT, INT64, STRING, Array, DType

_DTYPES = (FLOAT, INT64, STRING)


class Column:
    """Lists of values as an example reader gives them, one after another.

    Attributes:
        counts: how many values each list has.
    """

    def __init__(self, dtype: DType) -> None:
        self._dtype = dtype
        self._values: list[Any] = []
        self.counts: list[int] = []

    def add(self, values: Values) -> int:
        """Append the values of one list, and return their number."""
        if self._dtype is FLOAT:
            count = len(values) // 4
            self._values.append(values)
        else:
            count = len(values)
            self._values.extend(values)
        self.counts.append(count)
        return count

    def array(self) -> Array:
        """All values as a vector."""
        if self._dtype is FLOAT:
            return np.frombuffer(b"".join(self._values), "<f4").astype(np.float32, copy=False)
        if self._dtype is INT64:
            return np.array(self._values, np.int64)
        return strings(self._values)


def nothing(dtype: DType) -> Values:
    """A list without values."""
    return b"" if dtype is FLOAT else []


def as_values(array: Array, dtype: DType) -> Values:
    """A tensor as an example reader would give it."""
    if dtype is FLOAT:
        return np.asarray(array, "<f4").tobytes()
    return flat(array) if dtype is STRING else np.ravel(array).tolist()


def check_dtypes(dtypes: Sequence[DType]) -> None:
    """Refuse dtypes that no feature has.

    Raises:
        InvalidArgument: there is such a dtype.
    """
    for dtype in dtypes:
        if dtype not in _DTYPES:
            raise InvalidArgument(f"Invalid config dtype: {dtype.name}")


def ragged_indices(counts: Sequence[int]) -> Array:
    """Row and column of every value of rows of these lengths; int64, [values, 2]."""
    lengths = np.array(counts, np.int64)
    indices = np.empty((int(lengths.sum()), 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.cumsum(lengths) - lengths
    indices[:, 1] = np.arange(len(indices)) - np.repeat(starts, lengths)
    return indices


def splits(counts: Sequence[int], dtype: DType) -> Array:
    """Where rows of these lengths begin and end."""
    return np.cumsum([0, *counts]).astype(dtype.numpy)
