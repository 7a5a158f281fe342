"""Sets in the last dimension of dense and sparse tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import Internal, InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.sparse_support import (
    check_ordered,
    flat_places,
    group_starts,
    merged,
    ordered_count,
    sizes_of,
)
from servable.ops.support import blank
from servable.ops.text import dims
from servable.tensors import Array


@dataclass(frozen=True)
class _Sets:
    """Sets one after another.

    Attributes:
        rows: what each set belongs to, indices [n, rank - 1].
        number: which set each value is in.
        values: the values, those of a set side by side.
        shape: what the indices are within.
    """

    rows: Array
    number: Array
    values: Array
    shape: tuple[int, ...]


def _check_rank(shape: tuple[int, ...]) -> None:
    if len(shape) < 2:
        raise InvalidArgument(f"Shape {dims(shape)} has rank {len(shape)} < 2")


def _of_dense(x: Array) -> _Sets:
    _check_rank(x.shape)
    outer = x.shape[:-1]
    count = math.prod(outer)
    rows = np.indices(outer).reshape((len(outer), count)).T
    number = np.repeat(np.arange(count), x.shape[-1])
    return _Sets(rows, number, x.reshape(-1), outer)


def _of_sparse(indices: Array, values: Array, shape: Array, *, validate: bool) -> _Sets:
    if shape.ndim != 1:
        raise InvalidArgument("Shape must be a 1D tensor.")
    sizes = sizes_of(shape)
    if len(sizes) < 2:
        raise InvalidArgument(f"Invalid rank {len(sizes)}.")
    if values.ndim != 1:
        raise InvalidArgument(f"vals must be a vec, but got: {dims(values.shape)}")
    if not indices.ndim or len(indices) != values.size:
        raise InvalidArgument(
            "indices and values rows (indexing dimension) must match. (indices ="
            f" {len(indices) if indices.ndim else 0}, values = {values.size})"
        )
    if indices.ndim != 2:
        raise InvalidArgument(f"indices must be a matrix, but got: {dims(indices.shape)}")
    if indices.shape[1] != len(sizes):
        raise InvalidArgument("Order length must be SparseTensor rank.")
    if validate:
        check_ordered(indices, shape)
    beyond = np.argwhere(indices >= shape)
    if len(beyond):
        row, d = beyond[0].tolist()
        raise Internal(f"indices[{row}, {d}] expected < {sizes[d]}, got {int(indices[row, d])}.")
    # Values of one row that do not stand side by side are two sets, as TensorFlow has it.
    starts = group_starts(indices[:, :-1])
    number = np.repeat(np.arange(starts.size), np.diff(starts, append=values.size))
    return _Sets(indices[starts, :-1], number, values, sizes[:-1])


@op("SetSize", attrs="validate_indices")
def set_size(build: Build) -> Kernel:
    """How many different values each row has."""
    validate = build.bool("validate_indices")

    def kernel(indices: Array, values: Array, shape: Array) -> Array:
        sets = _of_sparse(indices, values, shape, validate=validate)
        made = blank(sets.shape, np.dtype(np.int32))
        if values.size:
            known, ranks = np.unique(values, return_inverse=True)
            keys = np.unique(sets.number * known.size + ranks)
            sizes = np.bincount(keys // known.size, minlength=len(sets.rows))
            places = flat_places(sets.rows, sets.shape)
            if np.any(places < 0):
                raise InvalidArgument("Index out of range")
            made.reshape(-1)[places] = sizes
        return made

    return kernel


def _alike(a: _Sets, b: _Sets) -> tuple[Array, Array]:
    """Which sets of two dense tensors belong together: those of the same number."""
    del b
    each = np.arange(len(a.rows))
    return each, each


def _in_turn(a: _Sets, b: _Sets) -> tuple[Array, Array]:
    """Likewise of a dense and a sparse tensor.

    TensorFlow goes through the rows and looks only at the sparse tensor's next set, so
    sets behind one that is out of order are never seen.
    """
    each = np.arange(len(a.rows))
    found = np.full(each.size, -1)
    count = ordered_count(b.rows)
    places = flat_places(b.rows[:count], b.shape)
    found[places] = np.arange(count)
    return each, found


def _both(a: _Sets, b: _Sets) -> tuple[Array, Array]:
    return merged(a.rows, b.rows)


_OPERATIONS: Mapping[str, Callable[[Array, Array], Array]] = {
    "a-b": lambda a, b: np.setdiff1d(a, b, assume_unique=True),
    "b-a": lambda a, b: np.setdiff1d(b, a, assume_unique=True),
    "intersection": lambda a, b: np.intersect1d(a, b, assume_unique=True),
    "union": np.union1d,
}


def _operation(build: Build) -> Callable[[Array, Array], Array]:
    name = build.text("set_operation").lower()
    if name not in _OPERATIONS:
        raise build.unsupported(f"set_operation={name!r}")
    return _OPERATIONS[name]


def _combined(
    operation: Callable[[Array, Array], Array],
    pair: Callable[[_Sets, _Sets], tuple[Array, Array]],
    a: _Sets,
    b: _Sets,
) -> tuple[Array, Array, Array]:
    """The sparse tensor of the sets that come out, each in ascending order."""
    if a.shape != b.shape:
        raise InvalidArgument(f"Mismatched shapes {dims(a.shape)} vs {dims(b.shape)}")
    from_a, from_b = pair(a, b)
    known, ranks = np.unique(np.concatenate((a.values, b.values)), return_inverse=True)
    count = max(known.size, 1)
    # One number for each value of each set: as ordered as the pairs are.
    keys = operation(
        _keys(a, from_a, ranks[: a.values.size], count),
        _keys(b, from_b, ranks[a.values.size :], count),
    )
    number = keys // count
    sizes = np.bincount(number, minlength=1)
    starts = np.cumsum(sizes) - sizes
    rows = np.where(from_a[:, None] >= 0, _rows(a, from_a), _rows(b, from_b))
    indices = np.column_stack((rows[number], np.arange(keys.size) - starts[number]))
    shape = np.array([*a.shape, sizes.max()], np.int64)
    return indices.astype(np.int64, copy=False), known[keys % count], shape


def _keys(sets: _Sets, chosen: Array, ranks: Array, count: int) -> Array:
    place = np.full(len(sets.rows), -1)
    place[chosen[chosen >= 0]] = np.flatnonzero(chosen >= 0)
    group = place[sets.number]
    return np.unique((group * count + ranks)[group >= 0])


def _rows(sets: _Sets, chosen: Array) -> Array:
    """The rows of the chosen sets; anything at all for -1."""
    if not len(sets.rows):
        return np.zeros((chosen.size, len(sets.shape)), np.int64)
    return sets.rows[chosen]


@op("DenseToDenseSetOperation", attrs="set_operation", no_effect="validate_indices")
def dense_to_dense(build: Build) -> Kernel:
    """A set operation on the rows of two dense tensors."""
    operation = _operation(build)
    return lambda a, b: _combined(operation, _alike, _of_dense(a), _of_dense(b))


@op("DenseToSparseSetOperation", attrs="set_operation validate_indices")
def dense_to_sparse(build: Build) -> Kernel:
    """A set operation on the rows of a dense and a sparse tensor."""
    operation, validate = _operation(build), build.bool("validate_indices")

    def kernel(a: Array, indices: Array, values: Array, shape: Array) -> Any:
        b = _of_sparse(indices, values, shape, validate=validate)
        return _combined(operation, _in_turn, _of_dense(a), b)

    return kernel


@op("SparseToSparseSetOperation", attrs="set_operation validate_indices")
def sparse_to_sparse(build: Build) -> Kernel:
    """A set operation on the rows of two sparse tensors."""
    operation, validate = _operation(build), build.bool("validate_indices")

    def kernel(*inputs: Array) -> Any:
        a, b = (_of_sparse(*part, validate=validate) for part in (inputs[:3], inputs[3:]))
        return _combined(operation, _both, a, b)

    return kernel
