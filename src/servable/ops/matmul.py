"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import FailedPrecondition, InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


def _transposed(x: Array, transpose: bool) -> Array:
    return x.swapaxes(-1, -2) if transpose else x


def _adjoint(x: Array, adjoint: bool) -> Array:
    return np.conjugate(x.swapaxes(-1, -2)) if adjoint else x


def _product(x: Array, y: Array, dtype: Any) -> Any:
    """The product in a dtype that is fit for sums, rounded to `dtype`."""
    rows, columns = x.shape[-2], y.shape[-1]
    plain = x.ndim == y.ndim == 2
    batch = () if plain else np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    check_size((*batch, rows, columns), x.itemsize)
    return np.matmul(wide(x), wide(y)).astype(dtype, copy=False)


@op("MatMul", attrs="transpose_a transpose_b", no_effect="grad_a grad_b", island=Island.HEAVY)
def mat_mul(build: Build) -> Kernel:
    """Product of two matrices."""
    a, b = build.bool("transpose_a"), build.bool("transpose_b")

    def kernel(x: Array, y: Array) -> Any:
        for i, matrix in enumerate((x, y)):
            if matrix.ndim != 2:
                raise InvalidArgument(f"In[{i}] ndims must be >= 2")
        left, right = _transposed(x, a), _transposed(y, b)
        if left.shape[1] != right.shape[0]:
            raise InvalidArgument(
                f"Matrix size-incompatible: In[0]: {shape_text(x)}, In[1]: {shape_text(y)}"
            )
        return _product(left, right, x.dtype)

    return kernel


@op("SparseMatMul", attrs="transpose_a transpose_b", no_effect="a_is_sparse b_is_sparse")
def sparse_mat_mul(build: Build) -> Kernel:
    """Product of two matrices, of which many elements may be zero, in float32."""
    a, b = build.bool("transpose_a"), build.bool("transpose_b")

    def kernel(x: Array, y: Array) -> Any:
        for name, matrix in (("a", x), ("b", y)):
            if matrix.ndim != 2:
                raise InvalidArgument(f"{name} is not a matrix")
        left, right = _transposed(x, a), _transposed(y, b)
        if left.shape[1] != right.shape[0]:
            raise InvalidArgument(
                f"Matrix size incompatible: a: {shape_text(x)}, b: {shape_text(y)}"
            )
        return _product(left, right, np.float32)

    return kernel


def _batch_mat_mul(build: Build, dtype: Any, broadcast: bool) -> Kernel:
    a, b = build.bool("adj_x"), build.bool("adj_y")

    def kernel(x: Array, y: Array) -> Any:
        for i, matrix in enumerate((x, y)):
            if matrix.ndim < 2:
                raise InvalidArgument(f"In[{i}] ndims must be >= 2: {matrix.ndim}")
        _check_batches(x, y, broadcast)
        left, right = _adjoint(x, a), _adjoint(y, b)
        if left.shape[-1] != right.shape[-2]:
            raise InvalidArgument(
                f"Matrix size-incompatible: In[0]: {shape_text(x)}, In[1]: {shape_text(y)}"
                f" {int(a)} {int(b)}"
            )
        if left.dtype.kind in "iu" and left.dtype != dtype:
            left, right = left.astype(dtype), right.astype(dtype)
        return _product(left, right, dtype)

    return kernel


def _check_batches(x: Array, y: Array, broadcast: bool) -> None:
    if broadcast:
        try:
            np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        except ValueError:
            raise InvalidArgument(
                "In[0] and In[1] must have compatible batch dimensions:"
                f" {shape_text(x)} vs. {shape_text(y)}"
            ) from None
        return
    if x.ndim != y.ndim:
        raise InvalidArgument(
            f"In[0] and In[1] has different ndims: {shape_text(x)} vs. {shape_text(y)}"
        )
    for i, (one, other) in enumerate(zip(x.shape[:-2], y.shape[:-2], strict=True)):
        if one != other:
            raise InvalidArgument(
                f"In[0].dim({i}) and In[1].dim({i}) must be the same:"
                f" {shape_text(x)} vs {shape_text(y)}"
            )


@op("BatchMatMul", attrs="adj_x adj_y", no_effect="grad_x grad_y", island=Island.HEAVY)
def batch_mat_mul(build: Build) -> Kernel:
    """Products of matrices in the last two dimensions; the others are equal."""
    return _batch_mat_mul(build, build.type().numpy, broadcast=False)


@op("BatchMatMulV2", attrs="adj_x adj_y", no_effect="grad_x grad_y", island=Island.HEAVY)
def batch_mat_mul_v2(build: Build) -> Kernel:
    """Products of matrices in the last two dimensions, the others broadcast."""
    return _batch_mat_mul(build, build.type().numpy, broadcast=True)


@op("BatchMatMulV3", attrs="adj_x adj_y", no_effect="grad_x grad_y", island=Island.HEAVY)
def batch_mat_mul_v3(build: Build) -> Kernel:
    """Products of matrices in the last two dimensions, summed in a dtype of their own."""
    return _batch_mat_mul(build, build.type("Tout").numpy, broadcast=True)


@op("Cross")
def cross(build: Build) -> Kernel:
    """Cross products of vectors of three elements, along the last dimension."""
    del build

    def kernel(x: Array, y: Array) -> Any:
        if x.shape != y.shape:
            raise InvalidArgument(
                f"Both inputs must be of same shape: {shape_text(x)} vs. {shape_text(y)}"
            )
        if not x.ndim:
            raise InvalidArgument(f"Input must be at least 1D{shape_text(x)}")
        if x.shape[-1] != 3:
            raise FailedPrecondition("Cross-products are only defined for 3-element vectors.")
        a, b, c = np.moveaxis(wide(x), -1, 0)
        d, e, f = np.moveaxis(wide(y), -1, 0)
        parts = (b * f - c * e, c * d - a * f, a * e - b * d)
        return np.stack(parts, axis=-1).astype(x.dtype, copy=False)

    return kernel
