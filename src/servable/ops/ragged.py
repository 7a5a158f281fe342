"""Ragged tensors gathered, made of ranges, filled, and turned into sparse ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.ragged_support import ranges, splits_of
from servable.ops.registry import Build, Kernel, op
from servable.ops.sparse import fill_places
from servable.ops.support import bare, first_outside, in_range
from servable.ops.text import dims
from servable.tensors import Array


@op("RaggedGather", no_effect="OUTPUT_RAGGED_RANK")
def ragged_gather(build: Build) -> Kernel:
    """Rows of a ragged tensor, picked by indices of any rank."""
    del build

    def kernel(*inputs: Array) -> Any:
        *nested, values, indices = inputs
        count = len(nested[0]) - 1
        if not in_range(indices, count) or count < 0:
            place, value = first_outside(indices, count)
            raise InvalidArgument(f"indices{place} = {value} is not in [0, {count})")
        if not values.ndim:
            raise InvalidArgument("params.rank must be nonzero")
        nested = [splits.reshape(-1) for splits in nested]
        _check_gather(nested, len(values))
        made = _outer_splits(indices.shape, nested[0].dtype)
        starts, ends = indices.reshape(-1), indices.reshape(-1) + 1
        for splits in nested:
            rows = ranges(starts, ends - starts)
            lengths = splits[rows + 1] - splits[rows]
            made.append(splits_of(lengths, splits.dtype))
            starts, ends = splits[starts], splits[ends]
        # A single index picks one row: that there is one row is no dimension.
        made = made[1:] if not indices.ndim else made
        picked = ranges(starts, ends - starts)
        check_size((picked.size, *values.shape[1:]), values.dtype.itemsize)
        return bare([*made, values[picked]])

    return kernel


def _check_gather(nested: Sequence[Array], count: int) -> None:
    for level, splits in enumerate(nested):
        last = len(nested[level + 1]) if level + 1 < len(nested) else count
        if not splits.size:
            raise InvalidArgument("Ragged splits may not be empty")
        if splits[0] < 0:
            raise InvalidArgument("Ragged splits must be non-negative")
        if splits[-1] > last:
            raise InvalidArgument("Ragged splits must not point past values")
        if np.any(splits[1:] < splits[:-1]):
            raise InvalidArgument("Ragged splits must be sorted")


def _outer_splits(shape: tuple[int, ...], dtype: np.dtype[Any]) -> list[Array]:
    """The splits for all dimensions of the indices but the last."""
    made, rows = [], 1
    for size, length in itertools.pairwise(shape):
        rows *= size
        made.append((np.arange(rows + 1) * length).astype(dtype))
    return made


@op("RaggedRange", attrs="Tsplits")
def ragged_range(build: Build) -> Kernel:
    """For each row the numbers from start to limit, without limit, delta apart."""
    dtype = build.type("Tsplits").numpy

    def kernel(starts: Array, limits: Array, deltas: Array) -> tuple[Array, Array]:
        named = {"starts": starts, "limits": limits, "deltas": deltas}
        for name, x in named.items():
            if x.ndim > 1:
                raise InvalidArgument(f"{name} must be a scalar or vector")
        sizes = {x.size for x in named.values() if x.ndim}
        if len(sizes) > 1:
            raise InvalidArgument("starts, limits, and deltas must have the same shape")
        rows = sizes.pop() if sizes else 1
        first, last, step = (np.broadcast_to(x, rows) for x in named.values())
        if not np.all(step):
            raise InvalidArgument("Requires delta != 0")
        whole = starts.dtype.kind in "iu"
        lengths = _lengths(first, last, step, whole=whole)
        if not whole:
            return splits_of(lengths, dtype), _running(first, step, lengths)
        place = ranges(np.zeros(rows, np.int64), lengths)
        numbers = np.repeat(first.astype(np.int64), lengths) + place * np.repeat(step, lengths)
        return splits_of(lengths, dtype), numbers.astype(starts.dtype)

    return kernel


def _lengths(first: Array, last: Array, step: Array, *, whole: bool) -> Array:
    nowhere = ((step < 0) & (last > first)) | ((step > 0) & (last < first))
    if whole:
        # Distances as unsigned numbers: those of int64 would not always fit.
        begin, end, by = (x.astype(np.int64) for x in (first, last, step))
        distance = np.where(end > begin, end - begin, begin - end).view(np.uint64)
        times, rest = np.divmod(distance, np.abs(by).view(np.uint64))
        exact = np.where(nowhere, np.uint64(0), times + (rest != 0))
        check_size((int(exact.astype(np.float64).sum()),), 32)
        return exact.astype(np.int64)
    count = np.where(nowhere, 0, np.ceil(np.abs((last - first) / step)).astype(np.float64))
    if not np.all(count <= 2.0**63):
        raise InvalidArgument(f"Requires ((limit - start) / delta) <= {2**63 - 1}")
    check_size((int(count.sum()),), 32)
    return count.astype(np.int64)


def _running(first: Array, step: Array, lengths: Array) -> Array:
    """Numbers of all rows, each the sum of the one before and the step, rounded every time."""
    rows = []
    for begin, by, length in zip(first, step, lengths.tolist(), strict=True):
        row = np.full(length, by, first.dtype)
        row[:1] = begin
        rows.append(np.add.accumulate(row, dtype=first.dtype))
    return np.concatenate(rows) if rows else np.zeros(0, first.dtype)


@op("RaggedTensorToSparse", no_effect="RAGGED_RANK")
def ragged_to_sparse(build: Build) -> Kernel:
    """The same values with an index for each."""
    del build

    def kernel(*inputs: Array) -> tuple[Array, Array, Array]:
        *nested, values = inputs
        _check_nested(nested, values)
        rows = np.arange(len(values))
        columns = []
        for splits in reversed(nested):
            row = np.searchsorted(splits, rows, "right") - 1
            columns.append(rows - splits[row])
            rows = row
        columns.append(rows)
        inner = values.shape[1:]
        check_size((values.size, len(nested) + values.ndim), 8)
        outer = np.stack(columns[::-1], axis=1)
        places = np.indices(inner).reshape((len(inner), math.prod(inner))).T
        indices = np.concatenate(
            (np.repeat(outer, len(places), axis=0), np.tile(places, (len(outer), 1))), axis=1
        )
        widths = [int(np.max(np.diff(splits), initial=0)) for splits in nested]
        shape = np.array([len(nested[0]) - 1, *widths, *inner], np.int64)
        return indices.astype(np.int64, copy=False), values.reshape(-1), shape

    return kernel


def _check_nested(nested: Sequence[Array], values: Array) -> None:
    counts = [len(splits) - 1 for splits in nested[1:]] + [len(values) if values.ndim else -1]
    for splits, count in zip(nested, counts, strict=True):
        if splits.ndim != 1 or not splits.size:
            raise InvalidArgument("ragged splits may not be empty.")
        if splits[0] != 0:
            raise InvalidArgument("First value of ragged splits must be 0.")
        back = splits[1:] < splits[:-1]
        if back.any():
            place = int(back.argmax())
            raise InvalidArgument(
                "Ragged splits should be non decreasing, but we got"
                f" {int(splits[place])} followed by {int(splits[place + 1])}"
            )
        if splits[-1] != count:
            raise InvalidArgument(
                "Final value of ragged splits must match the length the corresponding ragged"
                " values."
            )


@op("RaggedFillEmptyRows")
def ragged_fill_empty_rows(build: Build) -> Kernel:
    """The tensor with a default value in each row that has none.

    Returns:
        the row of each value and the values, which rows were empty, and where each value went.
    """
    del build

    def kernel(rows: Array, values: Array, nrows: Array, default: Array) -> Any:
        for name, x, rank, what in (
            *(("value_rowids", rows, 1, "vector"), ("values", values, 1, "vector")),
            *(("nrows", nrows, 0, "scalar"), ("default_value", default, 0, "scalar")),
        ):
            if x.ndim != rank:
                raise InvalidArgument(f"{name} must be a {what}, saw: {dims(x.shape)}")
        if rows.size != values.size:
            raise InvalidArgument(
                f"The length of `values` ({values.size}) must match the first dimension of"
                f" `value_rowids` ({rows.size})."
            )
        count = int(nrows)
        if count < 0:
            raise InvalidArgument(f"Expected shape dimensions to be non-negative, got {count}")
        if not count:
            if rows.size:
                raise InvalidArgument(
                    "Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] ="
                    f" {rows.size}"
                )
            # TensorFlow makes a matrix of it.
            return np.zeros((0, 1), np.int64), values, np.zeros(0, bool), rows
        wrong = (rows < 0) | (rows >= count)
        if wrong.any():
            first = int(wrong.argmax())
            raise InvalidArgument(f"indices({first}, 0) is invalid: {int(rows[first])} >= {count}")
        check_size((count + rows.size,), 16)
        empty, places, missing = fill_places(rows, count)
        new = np.empty(places.size + missing.size, np.int64)
        new[places] = rows
        new[missing] = np.flatnonzero(empty)
        filled = np.full(new.size, default, values.dtype)
        filled[places] = values
        return new, filled, empty, places

    return kernel
