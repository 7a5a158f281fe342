"""Sparse tensors: made dense, ordered, reshaped, filled, joined, split and cut."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.sparse_support import (
    check,
    check_ordered,
    flat_places,
    is_ordered,
    order,
    outside,
    sizes_of,
    strides,
)
from servable.ops.support import scalar, whole_axis
from servable.ops.text import dims
from servable.tensors import Array


@op("SparseToDense", attrs="validate_indices")
def sparse_to_dense(build: Build) -> Kernel:
    """A tensor of one repeated value, with other values put at given places."""
    validate = build.bool("validate_indices")

    def kernel(indices: Array, sizes: Array, values: Array, default: Array) -> Array:
        _check_dense(indices, sizes, values, default)
        rows = indices.reshape((-1, 1)) if indices.ndim < 2 else indices
        shape = check_size(sizes.tolist(), values.dtype.itemsize)
        if validate:
            check_ordered(rows, sizes)
        elif outside(rows, sizes).any():
            raise InvalidArgument(f"Indices are not valid (out of bounds).  Shape: {dims(shape)}")
        made = np.full(shape, default, values.dtype)
        made.reshape(-1)[flat_places(rows, shape)] = values
        return made

    return kernel


def _check_dense(indices: Array, sizes: Array, values: Array, default: Array) -> None:
    if indices.ndim > 2:
        raise InvalidArgument(
            f"sparse_indices should be a scalar, vector, or matrix, got shape {dims(indices.shape)}"
        )
    count = len(indices) if indices.ndim else 1
    rank = indices.shape[1] if indices.ndim > 1 else 1
    if sizes.ndim != 1:
        raise InvalidArgument(f"output_shape must be rank 1, got shape {dims(sizes.shape)}")
    if sizes.size != rank:
        raise InvalidArgument(
            f"output_shape has incorrect number of elements: {sizes.size} should be: {rank}"
        )
    if values.shape not in ((), (count,)):
        raise InvalidArgument(
            f"sparse_values has incorrect shape {dims(values.shape)}, should be [] or [{count}]"
        )
    if default.ndim:
        raise InvalidArgument("default_value should be a scalar.")


@op("SparseReorder")
def sparse_reorder(build: Build) -> Kernel:
    """The same tensor with its indices in ascending order."""
    del build

    def kernel(indices: Array, values: Array, shape: Array) -> tuple[Array, Array]:
        check(indices, values, shape)
        if is_ordered(indices):
            return indices, values
        places = order(indices)
        return indices[places], values[places]

    return kernel


@op("SparseReshape")
def sparse_reshape(build: Build) -> Kernel:
    """The same values in row-major order under another shape."""
    del build

    def kernel(indices: Array, shape: Array, new: Array) -> tuple[Array, Array]:
        if indices.ndim != 2:
            raise InvalidArgument("Input must be a matrix.")
        if shape.ndim != 1:
            raise InvalidArgument("Input shape must be a vector.")
        if new.ndim != 1:
            raise InvalidArgument(
                f"Target shape should be a vector but received shape {dims(new.shape)}"
            )
        if indices.shape[1] != shape.size:
            raise InvalidArgument("Input tensor rank must match input shape length.")
        old = sizes_of(shape)
        sizes = _new_sizes(old, new.tolist())
        if sizes == old:
            return indices, shape
        if len(indices) and not math.prod(old):
            raise InvalidArgument(
                f"Input tensor has {len(indices)} non zero elements but input shape ({dims(old)})"
                f" or output shape ({dims(sizes)}) is empty"
            )
        return _spread(indices @ strides(old), sizes), np.array(sizes, np.int64)

    return kernel


def _spread(places: Array, shape: tuple[int, ...]) -> Array:
    """Places in a flat tensor as indices [n, rank]; negative ones divide as in C."""
    made = np.empty((places.size, len(shape)), np.int64)
    for column, stride in enumerate(strides(shape).tolist()):
        rest = np.fmod(places, stride) if stride else places
        made[:, column] = (places - rest) // max(stride, 1)
        places = rest
    return made


def _new_sizes(old: tuple[int, ...], new: list[int]) -> tuple[int, ...]:
    """The sizes of the reshaped tensor, where one size may be -1 for what is left."""
    unknown = [d for d, size in enumerate(new) if size == -1]
    if len(unknown) > 1:
        raise InvalidArgument(
            f"only one output dimension may be -1, not both {unknown[0]} and {unknown[1]}"
        )
    for d, size in enumerate(new):
        if size < -1:
            raise InvalidArgument(f"size {d} must be non-negative, not {size}")
    count = math.prod(old)
    known = math.prod(size for size in new if size != -1)
    sizes = tuple(1 if size == -1 else size for size in new)
    shapes = f"input_shape={dims(old)} output_shape={dims(sizes)}"
    if unknown:
        if not known:
            raise InvalidArgument(
                "reshape cannot infer the missing input size for an empty tensor unless all"
                " specified input sizes are non-zero"
            )
        if count % known:
            raise InvalidArgument(
                f"Input to reshape is a SparseTensor with {count} dense values, but the"
                f" requested shape requires a multiple of {known}. {shapes}"
            )
        return tuple(count // known if size == -1 else size for size in new)
    if known != count:
        raise InvalidArgument(
            f"Input to reshape is a tensor with {count} dense values, but the requested shape"
            f" has {known}. {shapes}"
        )
    return sizes


@op("SparseFillEmptyRows")
def sparse_fill_empty_rows(build: Build) -> Kernel:
    """The tensor with a default value in each row that has none.

    Returns:
        indices and values, which rows were empty, and where each value went.
    """
    del build

    def kernel(indices: Array, values: Array, shape: Array, default: Array) -> Any:
        _check_fill(indices, values, shape, default)
        count, rank = int(shape[0]), indices.shape[1]
        if count < 0:
            raise InvalidArgument(f"Expected shape dimensions to be non-negative, got {count}")
        if not count and len(indices):
            raise InvalidArgument(
                "Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] ="
                f" {len(indices)}"
            )
        rows = indices[:, 0]
        wrong = (rows < 0) | (rows >= count)
        if wrong.any():
            first = int(wrong.argmax())
            raise InvalidArgument(f"indices({first}, 0) is invalid: {int(rows[first])} >= {count}")
        check_size((count + len(rows), rank + 1), 8)
        empty, places, missing = fill_places(rows, count)
        new = np.zeros((places.size + missing.size, rank), np.int64)
        new[places] = indices
        new[missing, 0] = np.flatnonzero(empty)
        filled = np.full(len(new), default, values.dtype)
        filled[places] = values
        return new, filled, empty, places

    return kernel


def _check_fill(indices: Array, values: Array, shape: Array, default: Array) -> None:
    named = (("dense_shape", shape, 1, "vector"), ("indices", indices, 2, "matrix"))
    for name, x, rank, what in (*named, ("values", values, 1, "vector")):
        if x.ndim != rank:
            raise InvalidArgument(f"{name} must be a {what}, saw: {dims(x.shape)}")
    if len(indices) != len(values):
        raise InvalidArgument(
            f"The length of `values` ({len(values)}) must match the first dimension of `indices`"
            f" ({len(indices)})."
        )
    if default.ndim:
        raise InvalidArgument(f"default_value must be a scalar, saw: {dims(default.shape)}")
    if indices.shape[1] != shape.size:
        raise InvalidArgument(
            f"The length of `dense_shape` ({shape.size}) must match the second dimension of"
            f" `indices` ({indices.shape[1]})."
        )
    if not shape.size:
        raise InvalidArgument("Dense shape cannot be empty.")


def fill_places(rows: Array, count: int) -> tuple[Array, Array, Array]:
    """Where values go when they are put in the order of their rows, and empty rows get one each.

    Args:
        rows: the row of each value, in [0, count).

    Returns:
        which rows are empty, the place of each value, and the places of the rows that are empty.
    """
    sizes = np.bincount(rows, minlength=count)
    empty = sizes == 0
    starts = np.cumsum(np.maximum(sizes, 1)) - np.maximum(sizes, 1)
    before = np.cumsum(sizes) - sizes
    by_row = np.argsort(rows, kind="stable")
    ordered = rows[by_row]
    places = np.empty(rows.size, np.int64)
    places[by_row] = np.arange(rows.size) - before[ordered] + starts[ordered]
    return empty, places, starts[empty]


@op("SparseConcat", attrs="concat_dim")
def sparse_concat(build: Build) -> Kernel:
    """Sparse tensors one after another along a dimension."""
    number, count = build.int("concat_dim"), build.int("N")

    def kernel(*inputs: Array) -> tuple[Array, Array, Array]:
        indices, values = inputs[:count], inputs[count : 2 * count]
        shapes = inputs[2 * count :]
        _check_parts(indices, values, shapes)
        axis = whole_axis(number, shapes[0].size)
        if axis is None:
            rank = shapes[0].size
            raise InvalidArgument(
                f"Concat dimension must be in range [{-rank}, {rank}), got {number}"
            )
        _check_shapes([sizes_of(shape) for shape in shapes], axis)
        for rows, items in zip(indices, values, strict=True):
            if len(rows) != len(items):
                raise InvalidArgument(
                    "indices and values rows (indexing dimension) must match. (indices ="
                    f" {len(rows)}, values = {len(items)})"
                )
            if rows.shape[1] != shapes[0].size:
                raise InvalidArgument("Order length must be SparseTensor rank.")
        joined = np.concatenate(indices)
        lengths = np.array([shape[axis] for shape in shapes], np.int64)
        joined[:, axis] += np.repeat(np.cumsum(lengths) - lengths, [len(i) for i in indices])
        shape = shapes[0].copy()
        shape[axis] = lengths.sum()
        places = order(joined)
        return joined[places], np.concatenate(values)[places], shape

    return kernel


def _check_parts(*lists: tuple[Array, ...]) -> None:
    for name, what, rank, parts in zip(
        ("indices", "values", "shapes"),
        ("matrix", "vector", "vector"),
        (2, 1, 1),
        lists,
        strict=True,
    ):
        for place, x in enumerate(parts):
            if x.ndim != rank:
                raise InvalidArgument(
                    f"Input {name} should be a {what} but received shape {dims(x.shape)} at"
                    f" position {place}"
                )


def _check_shapes(shapes: list[tuple[int, ...]], axis: int) -> None:
    first = shapes[0]
    for place, shape in enumerate(shapes):
        if len(shape) != len(first):
            raise InvalidArgument(
                f"Ranks of all input tensors must match: expected {len(first)} but got"
                f" {len(shape)} at position {place}"
            )
        for d, (wanted, size) in enumerate(zip(first, shape, strict=True)):
            if d != axis and wanted != size:
                raise InvalidArgument(
                    f"Input shapes must match: expected {wanted} for dimension {d} but got {size}"
                    f" at position {place}"
                )


@op("SparseSplit", attrs="num_split")
def sparse_split(build: Build) -> Kernel:
    """Pieces along a dimension; where it does not divide, the first ones are larger by one."""
    count = build.int("num_split")

    def kernel(split_dim: Array, indices: Array, values: Array, shape: Array) -> list[Array]:
        number = scalar(split_dim, "Input axis should be a scalar but received shape {}")
        named = (("indices", indices, 2, "matrix"), ("values", values, 1, "vector"))
        for name, x, rank, what in (*named, ("shape", shape, 1, "vector")):
            if x.ndim != rank:
                raise InvalidArgument(
                    f"Input {name} should be a {what} but received shape {dims(x.shape)}"
                )
        axis = whole_axis(number, shape.size)
        if axis is None:
            rank = shape.size
            raise InvalidArgument(f"Input axis should be in range [{-rank}, {rank}), got {number}")
        size = int(shape[axis])
        if not 1 <= count <= size:
            raise InvalidArgument(
                "Input num_split should be between 1 and the splitting dimension size"
                f" ({size}), got {count}"
            )
        check(indices, values, shape, inside=True)
        least, larger = divmod(size, count)
        lengths = [least + (piece < larger) for piece in range(count)]
        pieces = [
            _slice(indices, values, shape, axis, end - length, length)
            for end, length in zip(np.cumsum(lengths).tolist(), lengths, strict=True)
        ]
        return [piece[part] for part in range(3) for piece in pieces]

    return kernel


def _slice(
    indices: Array, values: Array, shape: Array, axis: int, start: int, length: int
) -> tuple[Array, Array, Array]:
    along = indices[:, axis]
    chosen = (along >= start) & (along < start + length)
    rows, sizes = indices[chosen], shape.copy()
    rows[:, axis] -= start
    sizes[axis] = length
    return rows, values[chosen], sizes


@op("SparseSlice")
def sparse_slice(build: Build) -> Kernel:
    """What lies in a box, which may reach beyond the tensor."""
    del build

    def kernel(indices: Array, values: Array, shape: Array, start: Array, size: Array) -> Any:
        check(indices, values, shape)
        for name, x in (("start", start), ("size", size)):
            if x.ndim != 1:
                raise InvalidArgument(
                    f"Input {name} should be a vector but received shape {dims(x.shape)}"
                )
            if x.size != shape.size:
                raise InvalidArgument(
                    f"Expected {name} to be a vector of length {shape.size} but got length {x.size}"
                )
        sizes_of(shape)
        if np.any(size < 0):
            raise InvalidArgument(f"Expected a non-negative size, got {int(size[size < 0][0])}")
        chosen = ((indices >= start) & (indices < start + size)).all(axis=1)
        left = np.minimum(size, np.maximum(shape - start, 0))
        return indices[chosen] - start, values[chosen], left

    return kernel
