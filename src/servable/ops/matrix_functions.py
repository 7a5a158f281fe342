"""Functions of square matrices: exponentials, square roots, logarithms, eigenvalues.

Computed in 64 bits. Square roots and logarithms work on the Schur form, a triangular
matrix with the same eigenvalues.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.linalg import adjoint, check_square, double
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array

_LARGEST_NORM = 5.371920351148152
"""Up to this norm Padé's approximation of degree 13 is exact in 64 bits: Higham, "The scaling
and squaring method for the matrix exponential revisited" (SIAM 2005)."""
_MOST_SQUARED = 1100
"""Squarings after which every matrix of 64-bit numbers has become small enough."""
_PADE = (
    *(64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000),
    *(10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1),
)
_NEAR_ONE = 0.05
"""How far from the identity a matrix may be for its logarithm to be a sum of few terms."""
_MOST_ROOTS = 100
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def _matrices(build: Build, function: Callable[[Array], Array]) -> Kernel:
    """A function of one matrix, for each of a batch."""
    del build

    def kernel(x: Array) -> Any:
        check_square(x)
        flat = double(x).reshape(-1, *x.shape[-2:]) if x.size else double(x)
        if x.size:
            flat = np.stack([function(matrix) for matrix in flat])
        if x.dtype.kind != "c":
            flat = flat.real
        return flat.reshape(x.shape).astype(x.dtype, copy=False)

    return kernel


def _exponential(a: Array) -> Array:
    norm = float(np.abs(a).sum(axis=0).max())
    if not np.isfinite(norm):
        return np.full_like(a, np.nan)
    halvings = 0
    while norm > _LARGEST_NORM and halvings < _MOST_SQUARED:
        norm, halvings = norm / 2, halvings + 1
    a = np.ldexp(1.0, -halvings) * a
    one, a2 = np.eye(len(a)), a @ a
    a4 = a2 @ a2
    a6 = a4 @ a2
    b = [float(number) for number in _PADE]
    odd = a6 @ (b[13] * a6 + b[11] * a4 + b[9] * a2) + b[7] * a6 + b[5] * a4 + b[3] * a2
    odd = a @ (odd + b[1] * one)
    even = a6 @ (b[12] * a6 + b[10] * a4 + b[8] * a2) + b[6] * a6 + b[4] * a4 + b[2] * a2
    even = even + b[0] * one
    made: Array = np.linalg.solve(even - odd, even + odd)
    for _ in range(halvings):
        made = made @ made
    return made


def _schur(a: Array) -> tuple[Array, Array]:
    """Unitary Q and upper triangular T with Q T Q* = a, one eigenvalue after another."""
    size = len(a)
    t, q = a.astype(np.complex128), np.eye(size, dtype=np.complex128)
    for k in range(size - 1):
        _, vectors = np.linalg.eig(t[k:, k:])
        # A unitary matrix whose first column is the eigenvector.
        basis, _ = np.linalg.qr(np.column_stack([vectors[:, 0], np.eye(size - k)]))
        t[:, k:] = t[:, k:] @ basis
        t[k:, :] = adjoint(basis) @ t[k:, :]
        q[:, k:] = q[:, k:] @ basis
        t[k + 1 :, k] = 0
    return q, t


def _triangular_root(t: Array) -> Array:
    """Björck and Hammarling, "A Schur method for the square root of a matrix" (1983)."""
    root = np.zeros_like(t)
    np.fill_diagonal(root, np.sqrt(np.diagonal(t)))
    for j in range(1, len(t)):
        for i in range(j - 1, -1, -1):
            known = root[i, i + 1 : j] @ root[i + 1 : j, j]
            divisor = root[i, i] + root[j, j]
            rest = t[i, j] - known
            root[i, j] = rest / divisor if divisor else (0 if rest == 0 else np.nan)
    return root


def _square_root(a: Array) -> Array:
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    q, t = _schur(a)
    if a.dtype.kind != "c" and _negative(np.diagonal(t)).any():
        # No real root. TensorFlow has no number anywhere then.
        return np.full_like(a, np.nan)
    made: Array = q @ _triangular_root(t) @ adjoint(q)
    return made


def _negative(values: Array) -> Array:
    real = np.abs(values.imag) <= 1e-14 * np.abs(values)
    found: Array = real & (values.real < 0)
    return found


def _logarithm(a: Array) -> Array:
    """Square roots until the matrix is nearly one; then an integral, by Gauss's quadrature."""
    if not np.isfinite(a).all():
        return np.full_like(a, np.nan)
    q, t = _schur(a)
    exact = np.log(np.diagonal(t))
    one = np.eye(len(a))
    roots = 0
    while np.abs(t - one).sum(axis=0).max() > _NEAR_ONE and roots < _MOST_ROOTS:
        t, roots = _triangular_root(t), roots + 1
    x = t - one
    made = np.zeros_like(t)
    try:
        for node, weight in zip((_NODES + 1) / 2, _WEIGHTS / 2, strict=True):
            made += weight * np.linalg.solve(one + node * x, x)
    except np.linalg.LinAlgError:
        return np.full_like(a, np.nan)
    made = np.ldexp(1.0, roots) * made
    np.fill_diagonal(made, exact)
    return q @ made @ adjoint(q)  # type: ignore[no-any-return]  # matmul's result is Any


@op("MatrixExponential")
def matrix_exponential(build: Build) -> Kernel:
    """The exponential of each matrix."""
    return _matrices(build, _exponential)


@op("MatrixSquareRoot")
def matrix_square_root(build: Build) -> Kernel:
    """The principal square root of each matrix; NaN where real matrices have no real one."""
    return _matrices(build, _square_root)


@op("MatrixLogarithm")
def matrix_logarithm(build: Build) -> Kernel:
    """The principal logarithm of each matrix, which must be complex."""
    return _matrices(build, _logarithm)


@op("Eig", attrs="compute_v")
def eig(build: Build) -> Kernel:
    """Eigenvalues, and vectors as columns of length 1; their order and phase are open."""
    vectors, dtype = build.bool("compute_v"), build.type("Tout").numpy

    def kernel(x: Array) -> tuple[Any, Any]:
        check_square(x)
        if not np.isfinite(x).all():
            raise InvalidArgument("Eigen decomposition was not successful. The input is not valid.")
        if not vectors:
            return np.linalg.eigvals(double(x)).astype(dtype), np.zeros((), dtype)
        values, found = np.linalg.eig(double(x))
        return values.astype(dtype), found.astype(dtype)

    return kernel


@op("SelfAdjointEig", "BatchSelfAdjointEig")
def self_adjoint_eig(build: Build) -> Kernel:
    """One matrix of eigenvalues, in the first row, and below them their vectors as columns."""
    del build

    def kernel(x: Array) -> Any:
        check_square(x)
        if np.isnan(x).any():
            raise InvalidArgument(
                "Self-adjoint eigen decomposition was not successful. The input might not be valid."
            )
        values, vectors = np.linalg.eigh(double(x))
        made = np.concatenate((values[..., None, :], vectors), axis=-2)
        return made.astype(x.dtype, copy=False)

    return kernel
