"""Diagonals and bands of matrices.

The ops on bands store each diagonal as a row; rows are as long as the longest diagonal
and say by `align` at which end shorter ones are padded.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import blank, scalar
from servable.ops.text import dims
from servable.tensors import Array


@op("Diag")
def diag(build: Build) -> Kernel:
    """A tensor of twice the rank, zero but on its diagonal."""
    del build

    def kernel(x: Array) -> Any:
        if not x.ndim:
            raise InvalidArgument("Input must be at least rank 1, got 0")
        made = blank((x.size, x.size), x.dtype)
        np.fill_diagonal(made, x.reshape(-1))
        return made.reshape(x.shape * 2)

    return kernel


@op("DiagPart")
def diag_part(build: Build) -> Kernel:
    """The diagonal of a tensor whose shape is some sizes twice."""
    del build

    def kernel(x: Array) -> Any:
        if x.ndim % 2:
            raise InvalidArgument(
                "The rank of the tensor should be                                          even"
                f" and positive, got shape {dims(x.shape)}"
            )
        half = x.ndim // 2
        for d in range(half):
            if x.shape[d] != x.shape[d + half]:
                raise InvalidArgument(
                    f"Invalid shape {dims(x.shape)}: dimensions {d} and {d + half} do not match."
                )
        shape = x.shape[:half]
        count = math.prod(shape)
        return x.reshape((count, count)).diagonal().reshape(shape)

    return kernel


@dataclass(frozen=True, slots=True)
class _Band:
    """Diagonals `lower` to `upper`; 0 is the main one, positive ones lie above it.

    Attributes:
        single: whether the stored form has no dimension for the diagonals.
        left_above, left_below: whether the diagonals above and below the main one are
            stored from the left.
    """

    lower: int
    upper: int
    left_above: bool
    left_below: bool

    @property
    def single(self) -> bool:
        return self.lower == self.upper

    @property
    def count(self) -> int:
        return self.upper - self.lower + 1

    def longest(self, rows: int, columns: int) -> int:
        """The length of the longest diagonal."""
        return min(rows + min(self.upper, 0), columns - max(self.lower, 0))

    def check(self, rows: int, columns: int, stop: str = "") -> None:
        """Refuse diagonals that lie outside a matrix.

        Args:
            stop: what TensorFlow puts behind the lower one in the error's text.
        """
        for name, d, end in (("lower", self.lower, stop), ("upper", self.upper, "")):
            if d and not -rows < d < columns:
                raise InvalidArgument(
                    f"{name}_diag_index is out of bound: {d}{end} It must be between {-rows} and"
                    f" {columns}"
                )

    def places(self, rows: int, columns: int) -> tuple[Array, Array, Array, Array]:
        """Where elements of the band are: stored row and column, row and column of the matrix.

        The stored rows run from the uppermost diagonal to the lowest.
        """
        longest = self.longest(rows, columns)
        number = np.arange(self.upper, self.lower - 1, -1)[:, None]
        length = np.minimum(rows + np.minimum(number, 0), columns - np.maximum(number, 0))
        left = np.where(number >= 0, self.left_above, self.left_below)
        step = np.arange(longest) - np.where(left, 0, longest - length)
        stored_row, stored_column = np.nonzero((step >= 0) & (step < length))
        along = step[stored_row, stored_column]
        d = number[stored_row, 0]
        return stored_row, stored_column, along - np.minimum(d, 0), along + np.maximum(d, 0)


_ALIGNMENTS = ("RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT", "RIGHT_RIGHT")


def _bands(build: Build) -> Callable[[Array | None], _Band]:
    """What makes a band of the input `k`. Ops without the attribute store from the left."""
    align = build.choice("align", *_ALIGNMENTS) if "align" in build.node.attrs else "LEFT_LEFT"
    above, below = (word == "LEFT" for word in align.split("_"))

    def band(k: Array | None) -> _Band:
        if k is None:
            return _Band(0, 0, above, below)
        if k.ndim > 1:
            raise InvalidArgument(
                f"diag_index must be a scalar or vector, received shape: {dims(k.shape)}"
            )
        numbers = k.reshape(-1).tolist()
        if not numbers:
            raise InvalidArgument("Expected diag_index to have at least 1 element")
        if len(numbers) > 2:
            raise InvalidArgument(
                f"diag_index must have only one or two elements, received {len(numbers)} elements."
            )
        lower, upper = numbers[0], numbers[-1]
        if lower > upper:
            raise InvalidArgument(
                f"lower_diag_index must not be larger than upper_diag_index: {lower} > {upper}"
            )
        return _Band(lower, upper, above, below)

    return band


def _matrix_size(band: _Band, longest: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of the matrix to make; -1 stands for as few as will do."""
    fewest_rows, fewest_columns = longest - min(band.upper, 0), longest + max(band.lower, 0)
    if rows == columns == -1:
        rows = columns = max(fewest_rows, fewest_columns)
    elif rows == -1:
        rows = fewest_rows
    elif columns == -1:
        columns = fewest_columns
    if rows < fewest_rows:
        raise InvalidArgument("The number of rows is too small.")
    if columns < fewest_columns:
        raise InvalidArgument("The number of columns is too small.")
    if rows != fewest_rows and columns != fewest_columns:
        raise InvalidArgument(
            "The number of rows or columns is not consistent with the specified d_lower, d_upper,"
            " and diagonal."
        )
    return rows, columns


@op("MatrixDiag", "MatrixDiagV2")
@op("MatrixDiagV3", attrs="align")
def matrix_diag(build: Build) -> Kernel:
    """Matrices that are one value everywhere but on a band."""
    bands = _bands(build)

    def kernel(
        x: Array,
        k: Array | None = None,
        num_rows: Array | None = None,
        num_columns: Array | None = None,
        padding: Array | None = None,
    ) -> Any:
        band = bands(k)
        rows, columns = (
            -1 if number is None else scalar(number, f"{name} must be a scalar")
            for name, number in (("num_rows", num_rows), ("num_cols", num_columns))
        )
        if padding is not None and padding.ndim:
            raise InvalidArgument("padding_value must be a scalar")
        if x.ndim < (1 if band.single else 2):
            raise InvalidArgument(
                f"diagonal must be at least {1 if band.single else 2}-dim, received shape:"
                f" {dims(x.shape)}"
            )
        stored = x[..., None, :] if band.single else x
        if stored.shape[-2] != band.count:
            raise InvalidArgument(
                "The number of diagonals provided in the input does not match the"
                " lower_diag_index and upper_diag_index range."
            )
        rows, columns = _matrix_size(band, x.shape[-1], rows, columns)
        shape = check_size((*stored.shape[:-2], rows, columns), x.dtype.itemsize)
        made = blank(shape, x.dtype) if padding is None else np.full(shape, padding, x.dtype)
        m, n, i, j = band.places(rows, columns)
        made[..., i, j] = stored[..., m, n]
        return made

    return kernel


def _check_matrix(x: Array) -> None:
    if x.ndim < 2:
        raise InvalidArgument(f"input must be at least 2-dim, received shape: {dims(x.shape)}")


@op("MatrixDiagPart", "MatrixDiagPartV2")
@op("MatrixDiagPartV3", attrs="align")
def matrix_diag_part(build: Build) -> Kernel:
    """The diagonals of a band."""
    bands = _bands(build)

    def kernel(x: Array, k: Array | None = None, padding: Array | None = None) -> Any:
        band = bands(k)
        if padding is not None and padding.ndim:
            raise InvalidArgument("Padding must be scalar.")
        _check_matrix(x)
        rows, columns = x.shape[-2:]
        band.check(rows, columns, ".")
        shape = (*x.shape[:-2], band.count, band.longest(rows, columns))
        check_size(shape, max(x.dtype.itemsize, 8))
        m, n, i, j = band.places(rows, columns)
        made = blank(shape, x.dtype) if padding is None else np.full(shape, padding, x.dtype)
        made[..., m, n] = x[..., i, j]
        return made[..., 0, :] if band.single else made

    return kernel


@op("MatrixSetDiag", "MatrixSetDiagV2")
@op("MatrixSetDiagV3", attrs="align")
def matrix_set_diag(build: Build) -> Kernel:
    """Matrices with the diagonals of a band replaced."""
    bands = _bands(build)

    def kernel(x: Array, diagonal: Array, k: Array | None = None) -> Any:
        band = bands(k)
        _check_matrix(x)
        rows, columns = x.shape[-2:]
        band.check(rows, columns)
        if not diagonal.ndim:
            raise InvalidArgument("diagonal must be at least 1-dim, received shape: []")
        stored = diagonal[..., None, :] if band.single else diagonal
        if stored.ndim < 2 or stored.shape[-2] != band.count:
            raise InvalidArgument(
                "The number of diagonals provided in `diag` is not consistent with"
                " `lower_diag_index` and `upper_diag_index`"
            )
        expected = (*x.shape[:-2], band.count, band.longest(rows, columns))
        if stored.shape != expected:
            text = dims((*expected[:-2], expected[-1]) if band.single else expected)
            raise InvalidArgument(
                "Either first dimensions of diagonal don't match input.shape[:-2], or"
                " diagonal.shape[:-1] is not equal to the longests diagonal in range"
                f" [lower_diag_index:upper_diag_index].\nInput shape: {dims(x.shape)}\n"
                f"Diagonal shape: {dims(diagonal.shape)}\nExpected diagonal shape: {text}"
            )
        made = np.array(x)
        m, n, i, j = band.places(rows, columns)
        made[..., i, j] = stored[..., m, n]
        return made

    return kernel


@op("MatrixBandPart")
def matrix_band_part(build: Build) -> Kernel:
    """Matrices with zeros outside a band; a negative number keeps a whole triangle."""
    del build

    def kernel(x: Array, num_lower: Array, num_upper: Array) -> Any:
        _check_matrix(x)
        rows, columns = x.shape[-2:]
        below = scalar(num_lower, "num_lower must be scalar, got shape {}")
        above = scalar(num_upper, "num_upper must be scalar, got shape {}")
        if below > rows:
            raise InvalidArgument(
                f"num_lower must be negative or less or equal to number of rows ({rows}) got:"
                f" {below}"
            )
        if above > columns:
            raise InvalidArgument(
                "num_upper must be negative or less or equal to number of columns"
                f" ({columns}) got: {above}"
            )
        # How far an element lies above the main diagonal.
        height = np.arange(columns) - np.arange(rows)[:, None]
        inside = height >= (-rows if below < 0 else -below)
        inside &= height <= (columns if above < 0 else above)
        return np.where(inside, x, np.zeros((), x.dtype))

    return kernel
