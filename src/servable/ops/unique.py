"""Values that occur, each once."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import whole_axis
from servable.tensors import Array


def _numbered(x: Array) -> Array:
    """Slices along the first axis as numbers [n], equal where the slices are.

    NaN is equal to nothing, not even itself; 0 and -0 are equal.
    """
    rows = x.reshape((len(x), -1)) if x.size else np.zeros((len(x), 1), bool)
    if rows.dtype == object:
        known: dict[tuple[bytes, ...], int] = {}
        return np.array([known.setdefault(tuple(row), len(known)) for row in rows.tolist()], int)
    if rows.shape[1] == 1 and rows.dtype.kind in "biuf":
        return np.unique(rows[:, 0], return_inverse=True, equal_nan=False)[1]
    keys = np.ascontiguousarray(rows + np.zeros((), rows.dtype))
    alone = np.isnan(keys).any(axis=1) if rows.dtype.kind in "fcV" else np.zeros(len(keys), bool)
    as_bytes = keys.view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1])))[:, 0]
    inverse: Array = np.unique(as_bytes, return_inverse=True)[1]
    inverse[alone] = len(keys) + np.flatnonzero(alone)
    return inverse


def _unique(x: Array, axis: int, dtype: np.dtype[Any]) -> tuple[Array, Array, Array]:
    """The different slices in order of appearance, the number of each slice, and counts."""
    along = np.moveaxis(x, axis, 0)
    _, first, inverse, counts = np.unique(
        _numbered(along), return_index=True, return_inverse=True, return_counts=True
    )
    # numpy counts in ascending order; TensorFlow as they come.
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    values = x.take(first[order], axis)
    return values, rank[inverse].astype(dtype), counts[order].astype(dtype)


def _of_vector(x: Array) -> int:
    if x.ndim != 1:
        raise InvalidArgument("unique expects a 1D vector.")
    return 0


def _axis(x: Array, axis: Array) -> int:
    if axis.ndim != 1:
        raise InvalidArgument("axis expects a 1D vector.")
    if axis.size > 1:
        raise InvalidArgument("axis does not support input tensors larger than 1 elements")
    if not axis.size:
        return _of_vector(x)
    place = whole_axis(int(axis[0]), x.ndim)
    if place is None:
        raise InvalidArgument(f"axis has to be between [0, {x.ndim})")
    return place


@op("Unique", attrs="out_idx")
def unique(build: Build) -> Kernel:
    """The different values of a vector, and for each element the number of its value."""
    dtype = build.type("out_idx").numpy
    return lambda x: _unique(x, _of_vector(x), dtype)[:2]


@op("UniqueV2", attrs="out_idx")
def unique_v2(build: Build) -> Kernel:
    """The different slices along an axis, and for each slice its number."""
    dtype = build.type("out_idx").numpy
    return lambda x, axis: _unique(x, _axis(x, axis), dtype)[:2]


@op("UniqueWithCounts", attrs="out_idx")
def unique_with_counts(build: Build) -> Kernel:
    """As Unique, and how often each value occurs."""
    dtype = build.type("out_idx").numpy
    return lambda x: _unique(x, _of_vector(x), dtype)


@op("UniqueWithCountsV2", attrs="out_idx")
def unique_with_counts_v2(build: Build) -> Kernel:
    """As UniqueV2, and how often each slice occurs."""
    dtype = build.type("out_idx").numpy
    return lambda x, axis: _unique(x, _axis(x, axis), dtype)


@op("ListDiff", attrs="out_idx")
def list_diff(build: Build) -> Kernel:
    """What of one vector is not in the other, and where."""
    dtype = build.type("out_idx").numpy

    def kernel(x: Array, y: Array) -> Any:
        for name, vector in (("x", x), ("y", y)):
            if vector.ndim != 1:
                raise InvalidArgument(f"{name} should be a 1D vector.")
        numbers = _numbered(np.concatenate((x, y)))
        places = np.flatnonzero(~np.isin(numbers[: x.size], numbers[x.size :]))
        return x[places], places.astype(dtype)

    return kernel
