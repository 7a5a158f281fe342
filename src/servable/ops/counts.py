"""How often numbers occur in the rows of dense, sparse and ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.scatter import at
from servable.ops.sparse_support import check, group_starts, order, outside
from servable.ops.support import blank, scalar
from servable.ops.text import dims
from servable.tensors import Array

_MOST_ROWS = 2**31 - 1


def _check_weights(weights: Array, values: Array, what: str) -> None:
    if weights.size and weights.shape != values.shape:
        raise InvalidArgument(
            f"Weights and {what} must have the same shape. Weight shape: {dims(weights.shape)};"
            f" {what} shape: {dims(values.shape)}"
        )


def _sparse_counts(build: Build) -> Callable[[Array, Array, Array, int | None], Any]:
    """Counts as a sparse tensor, with rows only for numbers that occur.

    Its arguments are the numbers, the row of each, weights or none, and the number of rows;
    None for a result that is a vector.
    """
    least, most = build.int("minlength"), build.int("maxlength")
    binary = build.bool("binary_output")

    def counted(values: Array, rows: Array, weights: Array, count: int | None) -> Any:
        values, dtype = values.reshape(-1), weights.dtype
        if np.any(values < 0):
            raise InvalidArgument("Input values must all be non-negative")
        if binary or not weights.size:
            weights = np.ones(values.size, dtype)
        if most >= 0:
            chosen = values < most
            values, rows, weights = values[chosen], rows[chosen], weights.reshape(-1)[chosen]
        indices = np.stack((rows, values.astype(np.int64)), axis=1)
        places = order(indices)
        starts = group_starts(indices[places])
        found = indices[places][starts]
        if binary:
            sums = np.ones(starts.size, dtype)
        elif starts.size:
            sums = np.add.reduceat(weights.reshape(-1)[places], starts, dtype=dtype)
        else:
            sums = weights[:0]
        width = most if most >= 0 else max(int(values.max(initial=0)) + 1, least)
        if count is None:
            return found[:, 1:], sums, np.array([width], np.int64)
        return found, sums, np.array([count, width], np.int64)

    return counted


_COUNT = "minlength maxlength binary_output"


@op("DenseCountSparseOutput", attrs=_COUNT)
def dense_count(build: Build) -> Kernel:
    """Counts of the numbers in a vector, or in each row of a matrix."""
    counted = _sparse_counts(build)

    def kernel(values: Array, weights: Array) -> Any:
        if values.ndim not in (1, 2):
            raise InvalidArgument(
                f"Input must be a 1 or 2-dimensional tensor. Got: {dims(values.shape)}"
            )
        _check_weights(weights, values, "data")
        if values.ndim == 1:
            return counted(values, np.zeros(values.size, np.int64), weights, None)
        if not len(values):
            raise InvalidArgument("Invalid input: Shapes dimension cannot be 0.")
        rows = np.repeat(np.arange(len(values)), values.shape[1])
        return counted(values, rows, weights, len(values))

    return kernel


@op("SparseCountSparseOutput", attrs=_COUNT)
def sparse_count(build: Build) -> Kernel:
    """Counts of the numbers in a sparse vector, or in each row of a sparse tensor."""
    counted = _sparse_counts(build)

    def kernel(indices: Array, values: Array, shape: Array, weights: Array) -> Any:
        _check_sparse_count(indices, values, shape)
        _check_weights(weights, values, "values")
        if shape.size == 1:
            return counted(values, np.zeros(values.size, np.int64), weights, None)
        count = int(shape[0])
        if not 0 < count < _MOST_ROWS:
            raise InvalidArgument(f"Cannot allocate {count} batches, is the dense shape too wide?")
        return counted(values, indices[:, 0], weights, count)

    return kernel


def _check_sparse_count(indices: Array, values: Array, shape: Array) -> None:
    named = (("indices", indices, 2, "2-dimensional tensor"), ("values", values, 1, "vector"))
    for name, x, rank, what in (*named, ("shape", shape, 1, "vector")):
        if x.ndim != rank:
            raise InvalidArgument(f"Input {name} must be a {what}. Got: {dims(x.shape)}")
    for what, count, side, wanted in (
        ("values", values.size, "first dimension", len(indices)),
        ("dimensions", shape.size, "second dimension", indices.shape[1]),
    ):
        if count != wanted:
            raise InvalidArgument(
                f"Number of {what} must match {side} of indices.Got {count} {what},"
                f" indices shape: {dims(indices.shape)}"
            )
    if not shape.size:
        raise InvalidArgument("The shape argument requires at least one element.")
    if outside(indices, shape).any():
        row, d = np.argwhere((indices < 0) | (indices >= shape))[0].tolist()
        text = " ".join(map(str, shape.tolist()))
        raise InvalidArgument(
            f"Invalid index value at {row}: dimension {d} has value {int(indices[row, d])} which"
            f" is not in [0, {int(shape[d])}) (as given by dense shape Tensor<type: int64 shape:"
            f" [{shape.size}] values: {text}>"
        )


def _ragged_rows(splits: Array, count: int) -> Array:
    """The row of each of so many values; splits that go back are passed over."""
    if splits[0] != 0:
        raise InvalidArgument(f"Splits must start with 0, not with {int(splits[0])}")
    if splits[-1] != count:
        raise InvalidArgument(
            f"Splits must end with the number of values, got {int(splits[-1])} instead of {count}"
        )
    reached = np.maximum.accumulate(splits)
    return np.searchsorted(reached, np.arange(count), "right") - 1


@op("RaggedCountSparseOutput", attrs=_COUNT)
def ragged_count(build: Build) -> Kernel:
    """Counts of the numbers in each row of a ragged matrix."""
    counted = _sparse_counts(build)

    def kernel(splits: Array, values: Array, weights: Array) -> Any:
        _check_weights(weights, values, "values")
        if splits.size < 2:
            raise InvalidArgument("Must provide at least 2 elements for the splits argument")
        rows = _ragged_rows(splits.reshape(-1), values.size)
        return counted(values, rows, weights, splits.size - 1)

    return kernel


def _size(size: Array) -> int:
    number = int(scalar(size, "Shape must be rank 0 but is rank 1"))
    if number < 0:
        raise InvalidArgument(f"size ({number}) must be non-negative")
    return number


def _dense_counts(
    values: Array, rows: Array, weights: Array, shape: tuple[int, int], *, binary: bool
) -> Array:
    """Counts [rows, size] of numbers below the size; those that are negative do not count."""
    if weights.size and weights.size != values.size:
        raise InvalidArgument("Input indices and weights must have the same size.")
    made = blank(shape, weights.dtype)
    values = values.reshape(-1)
    chosen = (values >= 0) & (values < shape[1])
    places = rows[chosen] * shape[1] + values[chosen]
    if binary:
        made.reshape(-1)[places] = 1
    else:
        terms = weights.reshape((-1, 1))[chosen] if weights.size else made.dtype.type(1)
        at(np.add)(made.reshape((-1, 1)), places, np.broadcast_to(terms, (places.size, 1)))
    return made


@op("SparseBincount", attrs="binary_output")
def sparse_bincount(build: Build) -> Kernel:
    """Counts of the numbers from 0 to a size in a sparse vector, or in each row of a tensor."""
    binary = build.bool("binary_output")

    def kernel(indices: Array, values: Array, shape: Array, size: Array, weights: Array) -> Any:
        count = _size(size)
        check(indices, values, shape, inside=True)
        if shape.size == 1:
            if np.any(values < 0):
                raise InvalidArgument("Input arr must be non-negative!")
            rows = np.zeros(values.size, np.int64)
            return _dense_counts(values, rows, weights, (1, count), binary=binary)[0]
        if not shape.size:
            raise InvalidArgument("The shape argument requires at least one element.")
        sizes = (int(shape[0]), count)
        check_size(sizes, 8)
        return _dense_counts(values, indices[:, 0], weights, sizes, binary=binary)

    return kernel


@op("RaggedBincount", attrs="binary_output")
def ragged_bincount(build: Build) -> Kernel:
    """Counts of the numbers from 0 to a size in each row of a ragged matrix."""
    binary = build.bool("binary_output")

    def kernel(splits: Array, values: Array, size: Array, weights: Array) -> Any:
        count = _size(size)
        if not splits.size:
            raise InvalidArgument("Splits must be non-empty")
        rows = _ragged_rows(splits.reshape(-1), values.size)
        if np.any(values < 0):
            raise InvalidArgument("Input must be non-negative")
        return _dense_counts(values, rows, weights, (splits.size - 1, count), binary=binary)

    return kernel
