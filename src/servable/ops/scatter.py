"""Values put at indices, and rows dealt out and collected by index."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.gather import ignores_outside, outside_text, rows_of
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare, blank, first_outside, in_range
from servable.ops.text import dims
from servable.tensors import Array

Change = Callable[[Array, Array, Array], None]
"""Changes rows [n, width] of an array in place: the array, which rows, values [m, width]."""


def at(ufunc: np.ufunc) -> Change:
    """Combine each row with its values, in their order, where rows may come again."""

    def change(made: Array, rows: Array, values: Array) -> None:
        width = made.shape[1]
        # On flat arrays ufunc.at is several times as fast.
        places = rows if width == 1 else (rows[:, None] * width + np.arange(width)).reshape(-1)
        ufunc.at(made.reshape(-1), places, values.reshape(-1))

    return change


def _replace(made: Array, rows: Array, values: Array) -> None:
    made[rows] = values


def _extreme(ufunc: np.ufunc) -> Change:
    """The larger or smaller of both; NaN never replaces anything, and is not replaced."""

    def change(made: Array, rows: Array, values: Array) -> None:
        unknown = np.isnan(made)
        at(ufunc)(made, rows, values)
        made[unknown] = np.nan

    def plain(made: Array, rows: Array, values: Array) -> None:
        (change if made.dtype.kind in "fV" else at(ufunc))(made, rows, values)

    return plain


_CHANGES: Mapping[str, Change] = {
    "TensorScatterUpdate": _replace,
    "TensorScatterAdd": at(np.add),
    "TensorScatterSub": at(np.subtract),
    "TensorScatterMax": _extreme(np.fmax),
    "TensorScatterMin": _extreme(np.fmin),
    "ScatterNdNonAliasingAdd": at(np.add),
}


def _check_ranks(indices: Array, updates: Array) -> None:
    for name, x in (("Indices", indices), ("Updates", updates)):
        if not x.ndim:
            raise InvalidArgument(f"{name} shape must have rank at least one. Found:[]")
    if indices.ndim == 1 and indices.size:
        # TensorFlow reads a vector as one index in one place and as several in another.
        raise InvalidArgument(
            f"Dimensions [0,1) of indices[shape={dims(indices.shape)}] = {indices.size} must match"
            f" dimensions [0,1) of updates[shape={dims(updates.shape)}] = {updates.shape[0]}"
        )


def _scatter(made: Array, indices: Array, updates: Array, change: Change, *, ignore: bool) -> Array:
    """Change slices of a fresh array in place, and return it."""
    rows, inside = rows_of(indices, made.shape)
    if not rows.size:
        return made
    depth = indices.shape[-1]
    width = math.prod(made.shape[depth:])
    values = updates.reshape((len(rows), width))
    if not inside.all():
        if not ignore:
            raise InvalidArgument(
                f"{outside_text(indices, inside)} does not index into shape {dims(made.shape)}"
            )
        rows, values = rows[inside], values[inside]
    change(made.reshape((math.prod(made.shape[:depth]), width)), rows, values)
    return made


@op(*_CHANGES, attrs="bad_indices_policy")
def tensor_scatter(build: Build) -> Kernel:
    """A copy of a tensor in which slices are replaced by, or combined with, others."""
    change, ignore = _CHANGES[build.node.op], ignores_outside(build)

    def kernel(x: Array, indices: Array, updates: Array) -> Array:
        _check_ranks(indices, updates)
        if build.node.op == "ScatterNdNonAliasingAdd":
            _check_scattered(indices, updates, x.shape)
        else:
            _check_changed(indices, updates, x.shape)
        return _scatter(np.array(x, order="C"), indices, updates, change, ignore=ignore)

    return kernel


def _check_changed(indices: Array, updates: Array, shape: tuple[int, ...]) -> None:
    outer, depth = indices.shape[:-1], indices.shape[-1]
    if updates.shape[: len(outer)] != outer:
        raise InvalidArgument(
            "Outer dimensions of indices and update must match. Indices shape:"
            f" {dims(indices.shape)}, updates shape:{dims(updates.shape)}"
        )
    inner = updates.ndim - len(outer)
    if depth > len(shape) or inner != len(shape) - depth:
        raise InvalidArgument(
            "Inner dimensions of output shape must match inner dimensions of updates shape."
            f" Output: {dims(shape)} updates: {dims(updates.shape)}"
        )
    if updates.shape[len(outer) :] != shape[depth:]:
        raise InvalidArgument(
            f"The inner {inner} dimensions of output.shape={dims(shape)} must match the inner"
            f" {inner} dimensions of updates.shape={dims(updates.shape)}"
        )
    if not math.prod(shape) and (indices.size or updates.size):
        raise InvalidArgument("Indices and updates specified for empty output shape")


@op("ScatterNd", attrs="bad_indices_policy")
def scatter_nd(build: Build) -> Kernel:
    """A tensor of zeros with slices added to it; strings are put one behind the other."""
    ignore = ignores_outside(build)
    add = at(np.add)

    def kernel(indices: Array, updates: Array, sizes: Array) -> Array:
        _check_ranks(indices, updates)
        if sizes.ndim != 1:
            raise InvalidArgument("Shape must be a vector")
        shape = check_size(sizes.tolist(), updates.dtype.itemsize)
        _check_scattered(indices, updates, shape)
        return _scatter(blank(shape, updates.dtype), indices, updates, add, ignore=ignore)

    return kernel


def _check_scattered(indices: Array, updates: Array, shape: tuple[int, ...]) -> None:
    if not math.prod(shape) and (indices.size or updates.size):
        raise InvalidArgument(
            f"Indices and updates specified for empty output.  indices shape: {dims(indices.shape)}"
        )
    outer, depth = indices.shape[:-1], indices.shape[-1]
    if updates.shape[: len(outer)] != outer:
        raise InvalidArgument(
            f"Dimensions [0,{len(outer)}) of indices[shape={dims(indices.shape)}] must match"
            f" dimensions [0,{len(outer)}) of updates[shape={dims(updates.shape)}]"
        )
    if depth > len(shape) or updates.shape[len(outer) :] != shape[depth:]:
        raise InvalidArgument(
            f"Dimensions [{depth},{len(shape)}) of input[shape={dims(shape)}] must match"
            f" dimensions [{len(outer)},{updates.ndim}) of updates[shape={dims(updates.shape)}]"
        )


_INPLACE: Mapping[str, Change] = {
    "InplaceUpdate": _replace,
    "InplaceAdd": at(np.add),
    "InplaceSub": at(np.subtract),
}


@op(*_INPLACE)
def inplace(build: Build) -> Kernel:
    """A copy with rows replaced or changed. Indices wrap around, as in TensorFlow."""
    change = _INPLACE[build.node.op]

    def kernel(x: Array, indices: Array, values: Array) -> Array:
        if indices.ndim != 1:
            raise InvalidArgument(f"i must be a vector. {dims(indices.shape)}")
        if values.ndim != x.ndim or not x.ndim:
            raise InvalidArgument(
                f"x and v shape should have the same ranks: {dims(x.shape)} vs."
                f" {dims(values.shape)}"
            )
        for d in range(1, x.ndim):
            if x.shape[d] != values.shape[d]:
                raise InvalidArgument(
                    f"x and v shape doesn't match at index {d} : {dims(x.shape)} vs."
                    f" {dims(values.shape)}"
                )
        if values.shape[0] != indices.shape[0]:
            raise InvalidArgument(
                f"i and x shape doesn't match at index 0: {dims(indices.shape)} vs."
                f" {dims(values.shape)}"
            )
        made = np.array(x, order="C")
        if values.size:
            width = math.prod(x.shape[1:])
            rows = indices.astype(np.int64) % len(x)
            change(made.reshape((len(x), width)), rows, values.reshape((len(rows), width)))
        return made

    return kernel


@op("DynamicPartition", attrs="num_partitions")
def dynamic_partition(build: Build) -> Kernel:
    """Rows dealt out to as many tensors as the attribute says."""
    count = build.int("num_partitions")

    def kernel(data: Array, partitions: Array) -> Any:
        if data.shape[: partitions.ndim] != partitions.shape:
            raise InvalidArgument(
                "data.shape must start with partitions.shape, got data.shape ="
                f" {dims(data.shape)}, partitions.shape = {dims(partitions.shape)}"
            )
        if not in_range(partitions, count):
            place, value = first_outside(partitions, count)
            raise InvalidArgument(f"partitions{place} = {value} is not in [0, {count})")
        rows = data.reshape((partitions.size, *data.shape[partitions.ndim :]))
        flat = partitions.reshape(-1)
        rows = rows[np.argsort(flat, kind="stable")]
        ends = np.cumsum(np.bincount(flat, minlength=count))[:-1]
        return bare(np.split(rows, ends))

    return kernel


@op("DynamicStitch", "ParallelDynamicStitch", attrs="N")
def dynamic_stitch(build: Build) -> Kernel:
    """Rows collected at the places that indices name; the last one of a place stays.

    Places that no index names hold zeros.
    """
    count = build.int("N")

    def kernel(*inputs: Array) -> Array:
        indices, data = inputs[:count], inputs[count:]
        inner = data[0].shape[indices[0].ndim :]
        size = 0
        for number, (index, values) in enumerate(zip(indices, data, strict=True)):
            if values.shape[: index.ndim] != index.shape:
                raise InvalidArgument(
                    f"data[{number}].shape = {dims(values.shape)} does not start with"
                    f" indices[{number}].shape = {dims(index.shape)}"
                )
            if values.shape[index.ndim :] != inner:
                raise InvalidArgument(
                    f"Need data[0].shape[{indices[0].ndim}:] ="
                    f" data[{number}].shape[{index.ndim}:], got data[0].shape ="
                    f" {dims(data[0].shape)}, data[{number}].shape = {dims(values.shape)},"
                    f" indices[0].shape = {dims(indices[0].shape)}, indices[{number}].shape ="
                    f" {dims(index.shape)}"
                )
            size = max(size, int(index.max(initial=-1)) + 1)
        made = blank((size, *inner), data[0].dtype)
        for number, (index, values) in enumerate(zip(indices, data, strict=True)):
            if np.any(index < 0):
                raise InvalidArgument(f"indices[{number}] is out of range")
            made[index.reshape(-1)] = values.reshape((index.size, *inner))
        return made

    return kernel
