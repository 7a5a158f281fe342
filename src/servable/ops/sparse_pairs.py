"""Two sparse tensors combined: sums, larger and smaller values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.registry import Build, Kernel, op
from servable.ops.sparse_support import check, merged
from servable.ops.text import dims
from servable.tensors import Array


def _picked(values: Array, places: Array) -> Array:
    """The values at places, and 0 for -1."""
    return np.append(values, np.zeros(1, values.dtype))[places]


def _indices(a: Array, b: Array, from_a: Array, from_b: Array) -> Array:
    both = np.concatenate((a, b))
    made: Array = both[np.where(from_a >= 0, from_a, from_b + len(a))]
    return made


@op("SparseAdd")
def sparse_add(build: Build) -> Kernel:
    """The sum of two sparse tensors, without the sums whose magnitude is below a threshold.

    The threshold does not count for values that only one of the two has.
    """
    del build

    def kernel(
        a: Array, a_values: Array, a_shape: Array, b: Array, b_values: Array, b_shape: Array,
        thresh: Array,
    ) -> Any:  # fmt: skip
        _check_add((a, a_values, a_shape), (b, b_values, b_shape), thresh)
        from_a, from_b = merged(a, b)
        total = _picked(a_values, from_a) + _picked(b_values, from_b)
        # The magnitude of the smallest integer is not one of its own dtype.
        size = np.abs(total.astype(np.int64) if total.dtype.kind in "iu" else total)
        kept = (from_a < 0) | (from_b < 0) | (size >= thresh)
        return _indices(a, b, from_a, from_b)[kept], total[kept], a_shape

    return kernel


def _check_add(a: tuple[Array, Array, Array], b: tuple[Array, Array, Array], thresh: Array) -> None:
    for place, (what, rank) in enumerate(
        (("indices should be matrices", 2), ("values should be vectors", 1))
    ):
        if a[place].ndim != rank or b[place].ndim != rank:
            raise InvalidArgument(
                f"Input {what} but received shapes: {dims(a[place].shape)} and"
                f" {dims(b[place].shape)}"
            )
    (rows, values, shape), (other_rows, other_values, other_shape) = a, b
    if len(rows) != len(values) or len(other_rows) != len(other_values):
        raise InvalidArgument(
            f"Expected {len(rows)} and {len(other_rows)} non-empty input values, got"
            f" {len(values)} and {len(other_values)}"
        )
    if shape.ndim != 1 or other_shape.ndim != 1:
        raise InvalidArgument(
            f"Input shapes should be a vector but received shapes {dims(shape.shape)} and"
            f" {dims(other_shape.shape)}"
        )
    if rows.shape[1] != other_rows.shape[1]:
        raise InvalidArgument(
            f"Input indices must have the same dimension, got {rows.shape[1]} and"
            f" {other_rows.shape[1]}"
        )
    for name, x, sizes in (("a", rows, shape), ("b", other_rows, other_shape)):
        if x.shape[1] != len(sizes):
            raise InvalidArgument(
                f"Second dimension of {name}_indices and length of {name}_shape must match, got"
                f" {x.shape[1]} and {len(sizes)}"
            )
    if not rows.shape[1]:
        raise InvalidArgument("Tesors must not be empty")
    _check_sizes(shape, other_shape)
    if thresh.ndim:
        raise InvalidArgument(
            f"The magnitude threshold must be a scalar: got shape {dims(thresh.shape)}"
        )


def _check_sizes(a: Array, b: Array) -> None:
    for d, (one, other) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        if one != other:
            raise InvalidArgument(
                f"Operands' shapes do not match: got {one} and {other} for dimension {d}"
            )


_EXTREMES: Mapping[str, np.ufunc] = {
    "SparseSparseMaximum": np.maximum,
    "SparseSparseMinimum": np.minimum,
}


@op(*_EXTREMES)
def sparse_extreme(build: Build) -> Kernel:
    """The larger or smaller of two values at each index that one of the tensors has.

    A tensor has 0 where it has no value.
    """
    ufunc = _EXTREMES[build.node.op]

    def kernel(
        a: Array, a_values: Array, a_shape: Array, b: Array, b_values: Array, b_shape: Array
    ) -> tuple[Array, Array]:
        check(a, a_values, a_shape, inside=True)
        check(b, b_values, b_shape, inside=True)
        if a_shape.size != b_shape.size:
            texts = (" ".join(map(str, shape.tolist())) for shape in (a_shape, b_shape))
            raise InvalidArgument(
                f"Operands do not have the same ranks; got shapes: {' and '.join(texts)}"
            )
        _check_sizes(a_shape, b_shape)
        from_a, from_b = merged(a, b)
        made = ufunc(wide(_picked(a_values, from_a)), wide(_picked(b_values, from_b)))
        return _indices(a, b, from_a, from_b), made.astype(a_values.dtype, copy=False)

    return kernel
