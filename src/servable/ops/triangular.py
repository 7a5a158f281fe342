"""Triangular, banded and tridiagonal systems: solved row by row, all matrices at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.linalg import adjoint, check_rank
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


@op("MatrixTriangularSolve", attrs="lower adjoint")
def matrix_triangular_solve(build: Build) -> Kernel:
    """The x with matrix x = rhs, where one half of the matrix is read; batches broadcast."""
    lower, turned = build.bool("lower"), build.bool("adjoint")

    def kernel(matrix: Array, rhs: Array) -> Any:
        batch = _check_batches(matrix, rhs)
        if matrix.shape[-1] != matrix.shape[-2]:
            raise InvalidArgument(
                "In[0] matrices in the last dimensions must be square"
                f" ({matrix.shape[-1]} =/= {matrix.shape[-2]})"
            )
        if matrix.shape[-1] != rhs.shape[-2]:
            raise _mismatch(matrix, rhs, lower, turned)
        x = _copied(rhs, batch)
        triangle = adjoint(matrix) if turned else matrix
        size = matrix.shape[-1]
        forward = lower != turned
        for row in range(size) if forward else reversed(range(size)):
            done = slice(0, row) if forward else slice(row + 1, size)
            known = triangle[..., row, None, done] @ x[..., done, :]
            rest = x[..., row, :] - known[..., 0, :]
            x[..., row, :] = rest / triangle[..., row, row, None]
        return x

    return kernel


def _check_batches(matrix: Array, rhs: Array) -> tuple[int, ...]:
    """What the outer dimensions of the two make together."""
    for i, x in enumerate((matrix, rhs)):
        if x.ndim < 2:
            raise InvalidArgument(f"In[{i}] ndims must be >= 2: {x.ndim}")
    try:
        batch = np.broadcast_shapes(matrix.shape[:-2], rhs.shape[:-2])
    except ValueError:
        raise InvalidArgument(
            "In[0] and In[1] must have compatible batch dimensions:"
            f" {shape_text(matrix)} vs. {shape_text(rhs)}"
        ) from None
    return check_size((*batch, *rhs.shape[-2:]), rhs.itemsize)[:-2]


def _mismatch(matrix: Array, rhs: Array, lower: bool, turned: bool) -> InvalidArgument:
    return InvalidArgument(
        f"In[0] mismatch In[1] shape: {matrix.shape[-1]} vs. {rhs.shape[-2]}:"
        f" {shape_text(matrix)} {shape_text(rhs)} {int(lower)} {int(turned)}"
    )


def _copied(rhs: Array, batch: tuple[int, ...]) -> Array:
    return np.array(np.broadcast_to(rhs, (*batch, *rhs.shape[-2:])))


@op("BandedTriangularSolve", attrs="lower adjoint")
def banded_triangular_solve(build: Build) -> Kernel:
    """The same for a matrix given by its diagonals, the main one first if it is lower."""
    lower, turned = build.bool("lower"), build.bool("adjoint")

    def kernel(matrix: Array, rhs: Array) -> Any:
        batch = _check_batches(matrix, rhs)
        for i, x in enumerate((matrix, rhs)):
            if not x.size:
                raise InvalidArgument(f"In[{i}] must not be an empty tensor: {shape_text(x)}")
        if matrix.shape[-1] != rhs.shape[-2]:
            raise _mismatch(matrix, rhs, lower, turned)
        diagonals = matrix if lower else matrix[..., ::-1, :]
        if not np.all(diagonals[..., 0, :]):
            raise InvalidArgument("Input matrix is not invertible.")
        return _solve_bands(diagonals, _copied(rhs, batch), lower, turned)

    return kernel


def _solve_bands(diagonals: Array, x: Array, lower: bool, turned: bool) -> Array:
    """Solve in place; band b of row i is the element that is b places off the diagonal."""
    bands, size = diagonals.shape[-2:]
    forward = lower != turned
    values = np.conjugate(diagonals) if turned else diagonals
    step = -1 if forward else 1
    for row in range(size) if forward else reversed(range(size)):
        rest = x[..., row, :]
        for band in range(1, bands):
            other = row + step * band
            if 0 <= other < size:
                # An element is kept in the column of its own row.
                place = other if turned else row
                rest = rest - values[..., band, place, None] * x[..., other, :]
        x[..., row, :] = rest / values[..., 0, row, None]
    return x


@op("TridiagonalMatMul")
def tridiagonal_mat_mul(build: Build) -> Kernel:
    """The product of a matrix, given by three diagonals, with another."""
    del build

    def kernel(above: Array, main: Array, below: Array, rhs: Array) -> Any:
        check_rank(above, main, below, rhs)
        for name, row in (
            ("superdiagonal", above),
            ("main diagonal", main),
            ("subdiagonal", below),
        ):
            if row.shape[-2:] != (1, rhs.shape[-2]):
                raise InvalidArgument(f"Invalid {name} shape.")
        u, d, v = (row.swapaxes(-1, -2) for row in (above, main, below))
        made = d * rhs
        made[..., :-1, :] += u[..., :-1, :] * rhs[..., 1:, :]
        made[..., 1:, :] += v[..., 1:, :] * rhs[..., :-1, :]
        return made

    return kernel


@op("TridiagonalSolve", attrs="partial_pivoting perturb_singular")
def tridiagonal_solve(build: Build) -> Kernel:
    """The x with matrix x = rhs, for the matrix of three diagonals: above, main, below."""
    pivoting = build.bool("partial_pivoting")
    if build.bool("perturb_singular"):
        if not pivoting:
            raise InvalidArgument(
                "Setting perturb_singular requires also setting partial_pivoting."
            )
        raise build.unsupported("perturb_singular=True")

    def kernel(diagonals: Array, rhs: Array) -> Any:
        check_rank(diagonals, rhs)
        if diagonals.shape[-2] != 3:
            raise InvalidArgument(
                "Expected diagonals to be provided as a matrix with 3 rows,"
                f" got {diagonals.shape[-2]} rows."
            )
        if diagonals.shape[-1] != rhs.shape[-2]:
            raise InvalidArgument(
                "Expected the same number of left-hand sides and right-hand sides,"
                f" got {diagonals.shape[-1]} and {rhs.shape[-2]}."
            )
        if not rhs.size:
            return rhs
        return _solve_tridiagonal(diagonals, rhs, pivoting)

    return kernel


def _solve_tridiagonal(diagonals: Array, rhs: Array, pivoting: bool) -> Any:
    """Elimination downwards, swapping neighbours for the larger pivot, then back upwards."""
    above, main, below = (diagonals[..., i, :, None] for i in range(3))
    size = rhs.shape[-2]
    zero = np.zeros_like(main[..., 0, :])
    # What is left of the row in hand: its elements on the diagonal and right of it.
    first, second, x = main[..., 0, :], above[..., 0, :] if size > 1 else zero, rhs[..., 0, :]
    rows = []
    for i in range(size - 1):
        left, middle = below[..., i + 1, :], main[..., i + 1, :]
        right = above[..., i + 1, :] if i + 2 < size else zero
        y = rhs[..., i + 1, :]
        swap = np.abs(left) > np.abs(first) if pivoting else np.zeros_like(first, np.bool_)
        kept = [
            np.where(swap, b, a)
            for a, b in ((first, left), (second, middle), (zero, right), (x, y))
        ]
        other = [
            np.where(swap, a, b)
            for a, b in ((first, left), (second, middle), (zero, right), (x, y))
        ]
        factor = other[0] / kept[0]
        rows.append(kept)
        first = other[1] - factor * kept[1]
        second = other[2] - factor * kept[2]
        x = other[3] - factor * kept[3]
    found = [x / first]
    after = np.zeros_like(found[0])
    for pivot, next_one, next_two, y in reversed(rows):
        found.append((y - next_one * found[-1] - next_two * after) / pivot)
        after = found[-2]
    return np.stack(found[::-1], axis=-2).astype(rhs.dtype, copy=False)
