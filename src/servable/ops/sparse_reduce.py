"""Sums and largest values of sparse tensors along dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from servable.errors import Internal, InvalidArgument
from servable.ops.halves import wide
from servable.ops.registry import Build, Kernel, op
from servable.ops.sparse_support import group_starts, order, sizes_of, strides
from servable.ops.support import blank
from servable.ops.text import dims
from servable.tensors import Array


@dataclass(frozen=True)
class _Reduced:
    """What came out: values [n] of groups [n, kept], and what the dimensions mean."""

    groups: Array
    values: Array
    kept: tuple[int, ...]
    sizes: tuple[int, ...]

    def shape(self, *, keep: bool) -> tuple[int, ...]:
        """The result's shape, with or without the dimensions that are gone."""
        if not keep:
            return tuple(self.sizes[d] for d in self.kept)
        return tuple(size if d in self.kept else 1 for d, size in enumerate(self.sizes))


def _reduce(ufunc: np.ufunc, indices: Array, values: Array, shape: Array, axes: Array) -> _Reduced:
    gone = _check(indices, values, shape, axes)
    sizes = sizes_of(shape)
    kept = tuple(d for d in range(len(sizes)) if d not in gone)
    # Values are added in the order in which a sort by kept and then by other dimensions puts them.
    places = order(indices[:, [*kept, *sorted(gone)]])
    groups = indices[places][:, list(kept)]
    starts = group_starts(groups)
    numbers = wide(values[places])
    if not len(starts):
        made = numbers
    elif ufunc is np.maximum and numbers.dtype.kind == "f":
        made = _largest(numbers, starts)
    else:
        made = ufunc.reduceat(numbers, starts)
    return _Reduced(groups[starts], made.astype(values.dtype, copy=False), kept, sizes)


def _largest(numbers: Array, starts: Array) -> Array:
    """The largest of each run of numbers.

    TensorFlow goes through them and compares; a NaN on either side lets the later one
    win. So only those behind the last NaN count.
    """
    unknown = np.isnan(numbers)
    if not unknown.any():
        return np.asarray(np.maximum.reduceat(numbers, starts))
    place = np.arange(numbers.size)
    last = np.maximum.reduceat(np.where(unknown, place, -1), starts)
    sizes = np.diff(starts, append=numbers.size)
    least = np.asarray(-np.inf, numbers.dtype)
    made = np.maximum.reduceat(np.where(place <= np.repeat(last, sizes), least, numbers), starts)
    made[last == starts + sizes - 1] = np.nan
    return np.asarray(made)


def _check(indices: Array, values: Array, shape: Array, axes: Array) -> set[int]:
    """Check the inputs, and return the dimensions to reduce, counted from the front."""
    if shape.ndim != 1:
        raise InvalidArgument(
            f"Expected input_shape to be a vector; got shape: {dims(shape.shape)}"
        )
    if axes.ndim > 1:
        raise InvalidArgument(
            f"Expected reduction_axes to be a scalar or a vector; got shape: {dims(axes.shape)}"
        )
    rank = shape.size
    for axis in axes.reshape(-1).tolist():
        if not -rank <= axis < rank:
            raise InvalidArgument(
                f"Invalid reduction dimension {axis}, for input with {rank} dimensions."
            )
    if values.ndim != 1:
        raise InvalidArgument(f"vals must be a vec, but got: {dims(values.shape)}")
    if not indices.ndim or len(indices) != len(values):
        raise InvalidArgument(
            "indices and values rows (indexing dimension) must match. (indices ="
            f" {len(indices) if indices.ndim else 0}, values = {len(values)})"
        )
    if indices.ndim != 2:
        raise InvalidArgument(f"indices must be a matrix, but got: {dims(indices.shape)}")
    if indices.shape[1] != rank:
        raise InvalidArgument("Order length must be SparseTensor rank.")
    return {axis % rank for axis in axes.reshape(-1).tolist()}


def _function(build: Build) -> np.ufunc:
    return np.add if "Sum" in build.node.op else np.maximum


@op("SparseReduceSum", "SparseReduceMax", attrs="keep_dims")
def sparse_reduce(build: Build) -> Kernel:
    """Sums or largest values along dimensions, as a dense tensor; 0 where there is no value."""
    ufunc, keep = _function(build), build.bool("keep_dims")

    def kernel(indices: Array, values: Array, shape: Array, axes: Array) -> Array:
        reduced = _reduce(ufunc, indices, values, shape, axes)
        made = blank(reduced.shape(keep=keep), values.dtype)
        places = reduced.groups @ strides(reduced.shape(keep=False))
        wrong = (places < 0) | (places >= made.size)
        if wrong.any():
            raise Internal(
                f"Obtained a write index of {int(places[wrong][0])} which is outside of bounds of"
                f" [0, {made.size})"
            )
        made.reshape(-1)[places] = reduced.values
        return made

    return kernel


@op("SparseReduceSumSparse", "SparseReduceMaxSparse", attrs="keep_dims")
def sparse_reduce_sparse(build: Build) -> Kernel:
    """Sums or largest values along dimensions, as a sparse tensor."""
    ufunc, keep = _function(build), build.bool("keep_dims")

    def kernel(
        indices: Array, values: Array, shape: Array, axes: Array
    ) -> tuple[Array, Array, Array]:
        reduced = _reduce(ufunc, indices, values, shape, axes)
        groups = reduced.groups
        if keep:
            groups = np.zeros((len(groups), len(reduced.sizes)), np.int64)
            groups[:, list(reduced.kept)] = reduced.groups
        return groups, reduced.values, np.array(reduced.shape(keep=keep), np.int64)

    return kernel
