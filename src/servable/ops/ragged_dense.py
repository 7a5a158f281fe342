"""Ragged tensors turned into dense ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.ragged_support import ranges
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims
from servable.tensors import Array

_BYTES = 64
"""What one row of a ragged dimension takes while it is placed."""


@op("RaggedTensorToTensor", attrs="row_partition_types", no_effect="num_row_partition_tensors")
def ragged_to_dense(build: Build) -> Kernel:
    """The rows side by side, cut to a shape or filled up with a default value."""
    types = [kind.decode() for kind in build.list("row_partition_types")]
    first = types[0] if types else ""
    levels = types[1:] if first == "FIRST_DIM_SIZE" else types
    if first not in ("FIRST_DIM_SIZE", "ROW_SPLITS") or not levels:
        raise build.unsupported(f"row_partition_types={types}")
    if any(kind not in ("ROW_SPLITS", "VALUE_ROWIDS") for kind in levels):
        raise build.unsupported(f"row_partition_types={types}")
    by_splits = [kind == "ROW_SPLITS" for kind in levels]

    def kernel(shape: Array, values: Array, default: Array, *parts: Array) -> Array:
        if not parts[0].size:
            raise InvalidArgument(
                "Invalid first partition input. Tensor requires at least one element."
            )
        _check_default(default, values)
        rows = len(parts[0]) - 1 if first == "ROW_SPLITS" else int(parts[0].reshape(-1)[0])
        tensors = [part.reshape(-1) for part in parts[len(parts) - len(levels) :]]
        sizes = _sizes(shape, values, tensors, by_splits)
        sizes[0] = rows if sizes[0] == -1 else sizes[0]
        made = np.empty(check_size(sizes, values.dtype.itemsize), values.dtype)
        made[...] = default
        depth = len(levels) + 1
        if math.prod(sizes[:depth]):
            places = _places(rows, tensors, by_splits, sizes[:depth])
            kept = np.flatnonzero(places >= 0)
            if kept.size and kept[-1] >= len(values):
                raise InvalidArgument("Ragged splits must not point past values")
            flat = made.reshape((math.prod(sizes[:depth]), *sizes[depth:]))
            flat[places[kept]] = values[kept]
        return made

    return kernel


def _check_default(default: Array, values: Array) -> None:
    text = (
        f"default_value.shape={dims(default.shape)} and rt_input.flat_values.shape="
        f"{dims(values.shape)} are incompatible: "
    )
    if default.ndim >= values.ndim:
        raise InvalidArgument(
            f"{text}default_value.rank = {default.ndim}  must be less than"
            f" rt_input.flat_values.rank = {values.ndim}"
        )
    pairs = zip(default.shape[::-1], values.shape[::-1], strict=False)
    for number, (one, other) in enumerate(pairs, 1):
        if one not in (1, other):
            raise InvalidArgument(
                f"{text}default_value.shape[-{number}] = {one} but"
                f" rt_input.flat_values.shape[-{number}] = {other}"
            )


def _sizes(
    shape: Array, values: Array, tensors: Sequence[Array], by_splits: Sequence[bool]
) -> list[int]:
    """The result's shape; the first size may still be -1."""
    ragged = len(tensors)
    if shape.ndim > 1:
        raise InvalidArgument(f"Shape must be at most rank 1 but is rank {shape.ndim}")
    if not shape.ndim:
        if int(shape) != -1:
            raise InvalidArgument(
                "The only valid scalar shape tensor is the fully unknown shape specified as -1."
            )
        wanted = [-1] * (ragged + values.ndim)
    else:
        wanted = shape.tolist()
    for size in wanted:
        if size < -1:
            raise InvalidArgument(f"Dimension {size} must be >= -1")
    known = ",".join("?" if size == -1 else str(size) for size in wanted)
    text = f"rt_input.shape and shape=[{known}] are incompatible: rt_input"
    if len(wanted) != ragged + values.ndim:
        raise InvalidArgument(
            f"{text}.rank = {ragged + values.ndim} but shape.rank = {len(wanted)}"
        )
    for place, size in enumerate(values.shape[1:], ragged + 1):
        if wanted[place] not in (-1, size):
            raise InvalidArgument(
                f"{text}.shape[{place}] = {size} but shape[{place}] = {wanted[place]}"
            )
    widths = [
        size if size != -1 else _width(tensor, splits=splits)
        for size, tensor, splits in zip(wanted[1:], tensors, by_splits, strict=False)
    ]
    return [wanted[0], *widths, *values.shape[1:]]


def _width(tensor: Array, *, splits: bool) -> int:
    """The length of the longest row."""
    if splits:
        return int(np.max(np.diff(tensor), initial=0))
    return int(np.max(np.diff(_runs(tensor), append=tensor.size), initial=0))


def _runs(rows: Array) -> Array:
    """Where runs of equal numbers begin."""
    if not rows.size:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))


def _places(
    rows: int, tensors: Sequence[Array], by_splits: Sequence[bool], sizes: Sequence[int]
) -> Array:
    """For each value its place among the elements of the result; -1 if it is cut off."""
    check_size((rows,), _BYTES)
    strides = [math.prod(sizes[d + 1 :]) for d in range(len(sizes))]
    places = np.arange(rows, dtype=np.int64)
    places = np.where(places < sizes[0], places * strides[0], -1)
    for tensor, splits, size, stride in zip(
        tensors, by_splits, sizes[1:], strides[1:], strict=True
    ):
        parents, columns = (_by_splits if splits else _by_rows)(tensor, places.size)
        inside = (columns < size) & (places[parents] >= 0)
        places = np.where(inside, places[parents] + columns * stride, -1)
    return places


def _by_splits(splits: Array, count: int) -> tuple[Array, Array]:
    """The row and the column of each value."""
    if splits.size - 1 > count:
        raise InvalidArgument(
            f"Row partition size is greater than output size: {splits.size - 1} > {count}"
        )
    lengths = np.diff(splits).astype(np.int64, copy=False)
    if splits.size and (splits[0] != 0 or np.any(lengths < 0)):
        raise InvalidArgument("Invalid row split size.")
    check_size((int(lengths.sum()),), _BYTES)
    parents = np.repeat(np.arange(lengths.size), lengths)
    return parents, ranges(np.zeros(lengths.size, np.int64), lengths)


def _by_rows(rows: Array, count: int) -> tuple[Array, Array]:
    wrong = (rows < 0) | (rows >= count)
    if wrong.any():
        place = int(wrong.argmax())
        raise InvalidArgument(
            f"Got {'next' if place else 'current'}_value_rowid={int(rows[place])} which is not"
            f" less than {count}"
        )
    if np.any(rows[1:] < rows[:-1]):
        raise InvalidArgument("value_rowids must be sorted in ascending order")
    starts = _runs(rows)
    return rows, ranges(np.zeros(starts.size, np.int64), np.diff(starts, append=rows.size))
