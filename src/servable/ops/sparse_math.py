"""Sparse tensors multiplied with, added to and combined with dense ones, and their softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.scatter import at
from servable.ops.sparse_support import flat_places, group_starts, order, outside, sizes_of
from servable.ops.text import dims
from servable.tensors import Array


def _plain(numbers: Any) -> str:
    """A shape as TensorFlow's Eigen prints it."""
    return " ".join(map(str, numbers))


def _refuse(wrong: object, text: str) -> None:
    if wrong:
        raise InvalidArgument(text)


@op("SparseTensorDenseMatMul", attrs="adjoint_a adjoint_b")
def sparse_tensor_dense_matmul(build: Build) -> Kernel:
    """The product of a sparse and a dense matrix, each of them turned and conjugated or not."""
    adjoint_a, adjoint_b = build.bool("adjoint_a"), build.bool("adjoint_b")

    def kernel(indices: Array, values: Array, shape: Array, b: Array) -> Array:
        _check_matmul(indices, values, shape, b)
        sizes = sizes_of(shape)
        row, column = (1, 0) if adjoint_a else (0, 1)
        if adjoint_a:
            values = np.conjugate(values)
        if adjoint_b:
            b = np.conjugate(b).T
        _refuse(
            sizes[column] != len(b),
            "Cannot multiply A and B because inner dimension does not match:"
            f" {sizes[column]} vs. {len(b)}.  Did you forget a transpose?  Dimensions of A:"
            f" [{sizes[0]}, {sizes[1]}).  Dimensions of B: {dims(b.shape)}",
        )
        width = b.shape[1]
        check_size((sizes[row], max(width, 1)), 8)
        made = np.zeros((sizes[row], width), wide(b[:0]).dtype)
        if made.size and values.size and b.size:
            _check_places(indices, (row, column), sizes)
            check_size((values.size, width), 8)
            terms = wide(values)[:, None] * wide(b)[indices[:, column]]
            at(np.add)(made, indices[:, row], terms)
        return made.astype(values.dtype, copy=False)

    return kernel


def _check_matmul(indices: Array, values: Array, shape: Array, b: Array) -> None:
    named = (("b", b, 2, "matrix"), ("a_shape", shape, 1, "vector"))
    for name, x, rank, what in (
        *named,
        ("a_values", values, 1, "vector"),
        ("a_indices", indices, 2, "matrix"),
    ):
        _refuse(x.ndim != rank, f"Tensor '{name}' is not a {what}")
    _refuse(shape.size != 2, "Tensor 'a_shape' must have 2 elements")
    for count, what, wanted, of in (
        (len(indices), "rows", values.size, "a_values"),
        (indices.shape[1], "columns", shape.size, "a_shape"),
    ):
        _refuse(
            count != wanted,
            f"Number of {what} of a_indices does not match number of entries in {of}",
        )


def _check_places(indices: Array, columns: tuple[int, int], sizes: tuple[int, ...]) -> None:
    wrong = outside(indices, sizes)
    if not wrong.any():
        return
    place = int(wrong.argmax())
    for name, column in zip("km", reversed(columns), strict=True):
        index, size = int(indices[place, column]), sizes[column]
        _refuse(
            not 0 <= index < size,
            f"{name} ({index}) from index[{place},{column}] out of bounds (>={size})",
        )


@op("SparseTensorDenseAdd")
def sparse_tensor_dense_add(build: Build) -> Kernel:
    """The sum of a sparse and a dense tensor of one shape."""
    del build

    def kernel(indices: Array, values: Array, shape: Array, b: Array) -> Array:
        _check_vectors("a_", indices, values, shape)
        _refuse(
            len(indices) != values.size,
            f"Dimensions {len(indices)} and {values.size} are not compatible",
        )
        _refuse(
            indices.shape[1] != shape.size,
            f"Dimensions {indices.shape[1]} and {shape.size} are not compatible",
        )
        _refuse(
            shape.size != b.ndim,
            f"Two operands have different ranks; received: {shape.size} and {b.ndim}",
        )
        for d, (one, other) in enumerate(zip(shape.tolist(), b.shape, strict=True)):
            _refuse(
                one != other,
                f"Dimension {d} does not equal (no broadcasting is supported): sparse side {one}"
                f" vs dense side {other}",
            )
        wrong = np.argwhere((indices < 0) | (indices >= shape))
        if len(wrong):
            row, d = wrong[0].tolist()
            raise InvalidArgument(
                f"Sparse tensor has an invalid index on dimension {d}: a_indices({row},{d}) ="
                f" {int(indices[row, d])}, dense tensor shape: {_plain(b.shape)}"
            )
        made: Array = np.array(wide(b), order="C")
        at(np.add)(made.reshape((-1, 1)), flat_places(indices, b.shape), wide(values)[:, None])
        return made.astype(b.dtype, copy=False)

    return kernel


def _check_vectors(prefix: str, indices: Array, values: Array, shape: Array) -> None:
    _refuse(
        indices.ndim != 2,
        f"Input {prefix}indices should be a matrix but received shape: {dims(indices.shape)}",
    )
    _refuse(
        values.ndim != 1 or shape.ndim != 1,
        f"Inputs {prefix}values and {prefix}shape should be vectors but received shapes:"
        f" {dims(values.shape)} and {dims(shape.shape)}",
    )


def _divided(x: Array, y: Array) -> Array:
    _refuse(
        np.any(y == 0),
        "SparseDenseCwiseDiv cannot divide by zero,but input dense tensor contains zero",
    )
    if x.dtype.kind not in "iu":
        return np.asarray(np.true_divide(x, y))
    # Towards zero, as in C: what is left after the remainder divides without one.
    return np.asarray(np.floor_divide(x - np.fmod(x, y), y))


_ELEMENTWISE: Mapping[str, Callable[..., Array]] = {
    "SparseDenseCwiseAdd": np.add,
    "SparseDenseCwiseMul": np.multiply,
    "SparseDenseCwiseDiv": _divided,
}
_MOST_RANK = 5


@op(*_ELEMENTWISE)
def sparse_dense_elementwise(build: Build) -> Kernel:
    """The values of a sparse tensor, each combined with its element of a dense one.

    The dense one is broadcast to the sparse one's shape, never the other way.
    """
    function = _ELEMENTWISE[build.node.op]

    def kernel(indices: Array, values: Array, shape: Array, dense: Array) -> Array:
        _check_vectors("sp_", indices, values, shape)
        _refuse(
            values.size != len(indices),
            "The first dimension of values and indices should match."
            f" ({values.size} vs. {len(indices)})",
        )
        _refuse(
            shape.size != indices.shape[1],
            "Number of dimensions must match second dimension of indices. Got"
            f" {shape.size} dimensions, indices shape: {dims(indices.shape)}",
        )
        sizes = sizes_of(shape)
        fits = len(sizes) >= dense.ndim and all(
            size in (1, wanted) and size <= wanted
            for size, wanted in zip(dense.shape[::-1], sizes[::-1], strict=False)
        )
        _refuse(
            not fits,
            "SparseDenseBinaryOpShared broadcasts dense to sparse only; got incompatible shapes:"
            f" {dims(sizes)} vs. {dims(dense.shape)}",
        )
        _refuse(
            not 1 <= len(sizes) <= _MOST_RANK,
            "Only tensors with ranks between 1 and 5 are currently supported.  Tensor rank:"
            f" {len(sizes)}",
        )
        _refuse(
            outside(indices, sizes).any(),
            "Provided indices are out-of-bounds w.r.t. dense side with broadcasted shape",
        )
        # A view with strides of zero: nothing is copied.
        picked = np.broadcast_to(dense, sizes)[tuple(indices.T)]
        return function(values, picked).astype(values.dtype, copy=False)

    return kernel


@op("SparseSoftmax")
def sparse_softmax(build: Build) -> Kernel:
    """The softmax of each row's values, in the order of their indices."""
    del build

    def kernel(indices: Array, values: Array, shape: Array) -> Array:
        _check_vectors("sp_", indices, values, shape)
        _refuse(shape.size < 2, f"Input should have rank >= 2, but received shape: {_plain(shape)}")
        _refuse(
            len(indices) != values.size,
            "indices and values rows (indexing dimension) must match. (indices ="
            f" {len(indices)}, values = {values.size})",
        )
        _refuse(indices.shape[1] != shape.size, "Order length must be SparseTensor rank.")
        if not values.size:
            return values
        places = order(indices)
        starts = group_starts(indices[places, :-1])
        sizes = np.diff(starts, append=values.size)
        numbers = wide(values[places])
        powers = np.exp(numbers - np.repeat(np.fmax.reduceat(numbers, starts), sizes))
        made: Array = powers / np.repeat(np.add.reduceat(powers, starts), sizes)
        return made.astype(values.dtype, copy=False)

    return kernel
