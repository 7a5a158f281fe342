"""Matrices in the last two dimensions: inverses, determinants, solutions, factors.

Computed in float64, so that answers do not depend on the machine's matrix library.
The signs of eigenvectors and singular vectors are open: TensorFlow's own differ
between machines, and so may these.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array

_DOUBLE = 16
"""Bytes of the widest number."""


def check_rank(*matrices: Array) -> None:
    """Refuse what has fewer than two dimensions, and ranks that differ.

    Raises:
        InvalidArgument: with TensorFlow's text.
    """
    for i, x in enumerate(matrices):
        if x.ndim != matrices[0].ndim:
            raise InvalidArgument("All input tensors must have the same rank.")
        if x.ndim < 2:
            raise InvalidArgument(f"Input tensor {i} must have rank >= 2, got {x.ndim}")
    if any(x.shape[:-2] != matrices[0].shape[:-2] for x in matrices):
        raise InvalidArgument("All input tensors must have the same outer dimensions.")


def check_square(x: Array) -> None:
    """Refuse what is no matrix or batch of matrices, or not square.

    Raises:
        InvalidArgument: with TensorFlow's text.
    """
    check_rank(x)
    if x.shape[-1] != x.shape[-2]:
        raise InvalidArgument("Input matrix must be square.")


def adjoint(x: Array) -> Any:
    """Matrices transposed, and conjugated if they are complex."""
    return np.conjugate(x.swapaxes(-1, -2))


def double(x: Array) -> Array:
    """The same numbers in float64 or complex128."""
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64, copy=False)


def _singular(what: str) -> InvalidArgument:
    return InvalidArgument(f"{what} is not invertible.")


@op("MatrixInverse", attrs="adjoint")
def matrix_inverse(build: Build) -> Kernel:
    """The inverse of each matrix, or of its adjoint."""
    turned = build.bool("adjoint")

    def kernel(x: Array) -> Any:
        check_square(x)
        if np.isnan(x).any():
            raise _singular("Input")
        matrix = double(x)
        try:
            found = np.linalg.inv(adjoint(matrix) if turned else matrix)
        except np.linalg.LinAlgError:
            raise _singular("Input") from None
        return found.astype(x.dtype, copy=False)

    return kernel


@op("MatrixDeterminant")
def matrix_determinant(build: Build) -> Kernel:
    """The determinant of each matrix."""
    del build

    def kernel(x: Array) -> Any:
        check_square(x)
        return np.linalg.det(double(x)).astype(x.dtype, copy=False)

    return kernel


@op("LogMatrixDeterminant")
def log_matrix_determinant(build: Build) -> Kernel:
    """The sign, and the log of the absolute value, of each matrix's determinant."""
    del build

    def kernel(x: Array) -> tuple[Any, Any]:
        check_square(x)
        sign, log = np.linalg.slogdet(double(x))
        sign = np.where(np.isnan(log), np.nan, sign)
        return sign.astype(x.dtype, copy=False), log.astype(x.dtype, copy=False)

    return kernel


@op("MatrixSolve", attrs="adjoint")
def matrix_solve(build: Build) -> Kernel:
    """The x with matrix x = rhs, or with its adjoint."""
    turned = build.bool("adjoint")

    def kernel(matrix: Array, rhs: Array) -> Any:
        check_rank(matrix, rhs)
        if matrix.shape[-1] != matrix.shape[-2]:
            raise InvalidArgument("First input (lhs) must be a square matrix.")
        if matrix.shape[-2] != rhs.shape[-2]:
            raise InvalidArgument("Input matrix and rhs are incompatible.")
        if np.isnan(matrix).any() and rhs.size:
            raise _singular("Input matrix")
        try:
            left = double(adjoint(matrix) if turned else matrix)
            return np.linalg.solve(left, double(rhs)).astype(rhs.dtype, copy=False)
        except np.linalg.LinAlgError:
            raise _singular("Input matrix") from None

    return kernel


@op("MatrixSolveLs", attrs="fast")
def matrix_solve_ls(build: Build) -> Kernel:
    """The x that makes matrix x closest to rhs, by normal equations or exactly."""
    fast = build.bool("fast")

    def kernel(matrix: Array, rhs: Array, l2_regularizer: Array) -> Any:
        check_rank(matrix, rhs)
        if l2_regularizer.ndim:
            raise InvalidArgument(
                f"l2_regularizer must be scalar, got shape [{l2_regularizer.shape[0]}]"
            )
        if l2_regularizer < 0:
            raise InvalidArgument("l2_regularizer must be >= 0.")
        if matrix.shape[-2] != rhs.shape[-2]:
            raise InvalidArgument("Input matrix and rhs are incompatible.")
        if not matrix.size or not rhs.size:
            shape = (*matrix.shape[:-2], matrix.shape[-1], rhs.shape[-1])
            return np.zeros(shape, matrix.dtype)
        if fast:
            found = _normal_equations(double(matrix), double(rhs), float(l2_regularizer))
        else:
            tolerance = float(np.finfo(matrix.dtype).eps) * min(matrix.shape[-2:])
            found = np.linalg.pinv(double(matrix), rcond=tolerance) @ double(rhs)
        return found.astype(rhs.dtype, copy=False)

    return kernel


def _normal_equations(matrix: Array, rhs: Array, l2: float) -> Any:
    other = adjoint(matrix)
    rows, columns = matrix.shape[-2:]
    gram = other @ matrix if rows >= columns else matrix @ other
    gram = gram + l2 * np.eye(gram.shape[-1])
    try:
        np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        raise InvalidArgument(
            "Input matrix was rank deficient or ill-conditioned. Try setting fast=False or"
            " provide a larger l2_regularizer > 0."
        ) from None
    if rows >= columns:
        return np.linalg.solve(gram, other @ rhs)
    return other @ np.linalg.solve(gram, rhs)


@op("Cholesky")
def cholesky(build: Build) -> Kernel:
    """The lower triangular L with L L* = the matrix, of which the lower half is read.

    L is NaN for a matrix that is not positive definite.
    """
    del build

    def kernel(x: Array) -> Any:
        check_square(x)
        matrix = double(x)
        try:
            made = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            made = np.empty_like(matrix)
            for index in np.ndindex(x.shape[:-2]):
                made[index] = _cholesky_or_nan(matrix[index])
        return made.astype(x.dtype, copy=False)

    return kernel


def _cholesky_or_nan(x: Array) -> Any:
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        return np.tril(np.full_like(x, np.nan))


@op("Qr", attrs="full_matrices")
def qr(build: Build) -> Kernel:
    """Unitary Q and upper triangular R with Q R = the matrix."""
    full = build.bool("full_matrices")
    mode = "complete" if full else "reduced"

    def kernel(x: Array) -> tuple[Any, Any]:
        check_rank(x)
        if full:
            check_size((*x.shape[:-1], x.shape[-2]), _DOUBLE)
        q, r = np.linalg.qr(double(x), mode)  # type: ignore[call-overload]  # either word is one
        return q.astype(x.dtype, copy=False), r.astype(x.dtype, copy=False)

    return kernel


@op("Svd", attrs="compute_uv full_matrices")
def svd(build: Build) -> Kernel:
    """Singular values in descending order, and the vectors u and v as columns."""
    vectors, full = build.bool("compute_uv"), build.bool("full_matrices")

    def kernel(x: Array) -> list[Any]:
        check_rank(x)
        if vectors and full:
            check_size((*x.shape[:-2], max(x.shape[-2:]), max(x.shape[-2:])), _DOUBLE)
        bad = np.isnan(x).any()
        matrix = np.zeros_like(x) if bad else x
        if vectors:
            u, s, v = np.linalg.svd(double(matrix), full)
            found = [s, u, adjoint(v)]
        else:
            nothing = np.zeros(())
            found = [np.linalg.svd(double(matrix), compute_uv=False), nothing, nothing]
        return [(part * np.nan if bad else part).astype(x.dtype, copy=False) for part in found]

    return kernel


@op("SelfAdjointEigV2", attrs="compute_v")
def self_adjoint_eig(build: Build) -> Kernel:
    """Eigenvalues in ascending order, and the vectors as columns; the lower half is read."""
    vectors = build.bool("compute_v")

    def kernel(x: Array) -> tuple[Any, Any]:
        check_square(x)
        if np.isnan(x).any():
            raise InvalidArgument(
                "Self-adjoint eigen decomposition was not successful. The input might not be valid."
            )
        if not vectors:
            values = np.linalg.eigvalsh(double(x))
            return values.astype(x.dtype, copy=False), np.zeros((), x.dtype)
        values, found = np.linalg.eigh(double(x))
        return values.astype(x.dtype, copy=False), found.astype(x.dtype, copy=False)

    return kernel


@op("Lu")
def lu(build: Build) -> Kernel:
    """L and U of each matrix in one, and the rows in the order that they factor."""
    index_dtype = build.type("output_idx_type").numpy

    def kernel(x: Array) -> tuple[Any, Any]:
        if x.ndim < 2:
            raise InvalidArgument(f"Input tensor must have rank >= 2, got {x.ndim}")
        check_square(x)
        size = x.shape[-1]
        count = math.prod(x.shape[:-2])
        factors = double(x).reshape(count, size, size).copy()
        order = np.tile(np.arange(size, dtype=index_dtype), (count, 1))
        _factor(factors, order)
        made = factors.astype(x.dtype, copy=False)
        return made.reshape(x.shape), order.reshape(x.shape[:-1])

    return kernel


def _factor(factors: Array, order: Array) -> None:
    """Eliminate in place, column by column, the row of the largest pivot first."""
    each = np.arange(len(factors))
    for column in range(factors.shape[-1]):
        pivot = column + np.argmax(np.abs(factors[:, column:, column]), axis=1)
        for rows in (factors, order):
            rows[each, column], rows[each, pivot] = (
                rows[each, pivot].copy(),
                rows[each, column].copy(),
            )
        divisor = factors[:, column, column]
        if not np.all(np.abs(divisor) > 0):
            raise _singular("Input")
        factors[:, column + 1 :, column] /= divisor[:, None]
        left = factors[:, column + 1 :, column, None]
        factors[:, column + 1 :, column + 1 :] -= left * factors[:, column, None, column + 1 :]
