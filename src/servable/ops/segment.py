"""Sums, products and extremes of rows that belong together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from ml_dtypes import finfo

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.scatter import at
from servable.ops.support import first_outside, in_range, scalar
from servable.ops.text import dims
from servable.tensors import Array


def _combined(ufunc: np.ufunc, rows: Array, ids: Array, made: Array) -> Array:
    """Combine rows [n, width] into a fresh array [segments, width], and return it."""
    at(ufunc)(made, ids, rows)
    return made


def _extremes(ufunc: np.ufunc, rows: Array, ids: Array, made: Array) -> Array:
    """As `_combined` for maximum and minimum, with NaN as TensorFlow has it.

    Its kernels go through the rows and compare; a NaN on either side lets the later
    row win. So of the rows only those behind the last NaN count.
    """
    unknown = np.isnan(rows) if rows.dtype.kind in "fV" else np.zeros((), bool)
    if not unknown.any():
        return _combined(ufunc, rows, ids, made)
    number = np.arange(len(rows))[:, None]
    last = np.full(made.shape, -1)
    at(np.maximum)(last, ids, np.where(unknown, number, -1))
    final = np.full(made.shape, -1)
    at(np.maximum)(final, ids, np.broadcast_to(number, rows.shape))
    least = np.asarray(-np.inf if ufunc is np.maximum else np.inf, rows.dtype)
    made = np.where(last >= 0, least, made)
    made = _combined(ufunc, np.where(number <= last[ids], least, rows), ids, made)
    made[(last >= 0) & (last == final)] = np.nan
    return made


def _identity(ufunc: np.ufunc, dtype: np.dtype[Any]) -> Any:
    """What a segment without rows holds in the unsorted ops: finite even for floats."""
    if ufunc in (np.add, np.multiply):
        return int(ufunc is np.multiply)
    if dtype.kind in "iu":
        limits: Any = np.iinfo(dtype)
    else:
        limits = finfo(dtype)  # type: ignore[no-untyped-call]  # ml_dtypes has no types here
    return limits.min if ufunc is np.maximum else limits.max


def _sorted_ids(ids: Array, least: int = 1) -> int:
    """Check the ids of a sorted op, and return how many segments there are.

    Args:
        least: segments that the error's text names at least.
    """
    if not ids.size:
        return 0
    if np.any(ids[1:] < ids[:-1]):
        raise InvalidArgument("segment ids are not increasing")
    count = int(ids[-1]) + 1
    if ids[0] < 0:
        raise InvalidArgument(
            f"Segment id {int(ids[0])} out of range [0, {max(count, least)}), possibly because"
            " 'segment_ids' input is not sorted."
        )
    return count


def _rows(data: Array) -> Array:
    return data.reshape((len(data), math.prod(data.shape[1:])))


def _check_result(segments: int, width: int) -> None:
    """Bound a tensor of so many rows, and the counts of rows beside it."""
    check_size((segments, max(width, 1)), 8)


def _divided(total: Array, count: Array) -> Array:
    """Means of sums; 0 where there is nothing. Integers are cut off towards zero."""
    count = np.maximum(count, 1)
    if total.dtype.kind in "iu":
        whole = np.abs(total) // count.astype(total.dtype)
        return np.asarray(np.where(total < 0, -whole, whole))
    return np.asarray(total / count.astype(total.dtype))


_SORTED: Mapping[str, tuple[Callable[..., Array], np.ufunc]] = {
    "SegmentSum": (_combined, np.add),
    "SegmentMean": (_combined, np.add),
    "SegmentProd": (_combined, np.multiply),
    "SegmentMax": (_extremes, np.maximum),
    "SegmentMin": (_extremes, np.minimum),
}


@op(*_SORTED)
def segment(build: Build) -> Kernel:
    """Rows combined whose ids, in ascending order, are equal; 0 for ids that are left out (1 in
    products).
    """
    combine, ufunc = _SORTED[build.node.op]
    mean = build.node.op == "SegmentMean"

    def kernel(data: Array, ids: Array) -> Any:
        if not data.ndim:
            raise InvalidArgument("input must be at least rank 1")
        if ids.ndim != 1:
            raise InvalidArgument("segment_ids should be a vector.")
        if ids.size != len(data):
            raise InvalidArgument("segment_ids should be the same size as dimension 0 of input.")
        count = _sorted_ids(ids)
        rows = wide(_rows(data))
        _check_result(count, rows.shape[1])
        size = np.bincount(ids, minlength=count)[:, None]
        # Extremes begin below everything; what stays empty becomes 0 afterwards.
        start = _start(ufunc, rows.dtype)
        made = combine(ufunc, rows, ids, np.full((count, rows.shape[1]), start, rows.dtype))
        if mean:
            made = _divided(made, size)
        elif ufunc in (np.maximum, np.minimum):
            made = np.where(size == 0, np.zeros((), made.dtype), made)
        return made.astype(data.dtype, copy=False).reshape((count, *data.shape[1:]))

    return kernel


def _start(ufunc: np.ufunc, dtype: np.dtype[Any]) -> Any:
    if ufunc in (np.add, np.multiply) or dtype.kind in "iu":
        return _identity(ufunc, dtype)
    return -np.inf if ufunc is np.maximum else np.inf


_UNSORTED: Mapping[str, tuple[Callable[..., Array], np.ufunc]] = {
    "UnsortedSegmentSum": (_combined, np.add),
    "UnsortedSegmentProd": (_combined, np.multiply),
    "UnsortedSegmentMax": (_extremes, np.maximum),
    "UnsortedSegmentMin": (_extremes, np.minimum),
}


@op(*_UNSORTED)
def unsorted_segment(build: Build) -> Kernel:
    """Rows combined whose ids are equal; rows with a negative id are left out."""
    combine, ufunc = _UNSORTED[build.node.op]

    def kernel(data: Array, ids: Array, num_segments: Array) -> Any:
        count = scalar(num_segments, "num_segments should be a scalar, not shape {}")
        if data.shape[: ids.ndim] != ids.shape:
            raise InvalidArgument(
                f"data.shape = {dims(data.shape)} does not start with segment_ids.shape ="
                f" {dims(ids.shape)}"
            )
        if count < 0:
            raise InvalidArgument(f"Input num_segments == {count} must not be negative.")
        inner = data.shape[ids.ndim :]
        flat = ids.reshape(-1)
        rows = data.reshape((flat.size, math.prod(inner)))
        _check_result(count, rows.shape[1])
        if not in_range(flat, count):
            if np.any(flat >= count):
                place, value = first_outside(np.maximum(ids, 0), count)
                raise InvalidArgument(f"segment_ids{place} = {value} is out of range [0, {count})")
            rows, flat = rows[flat >= 0], flat[flat >= 0]
        rows = wide(rows)
        start = np.asarray(_identity(ufunc, data.dtype), data.dtype).astype(rows.dtype)
        made = np.full((count, rows.shape[1]), start, rows.dtype)
        made = combine(ufunc, rows, flat, made)
        return made.astype(data.dtype, copy=False).reshape((count, *inner))

    return kernel


_SPARSE = ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")


@op(
    *_SPARSE,
    *(f"{name}WithNumSegments" for name in _SPARSE),
    no_effect="sparse_gradient",
)
def sparse_segment(build: Build) -> Kernel:
    """Picked rows, combined whose ids, in ascending order, are equal; 0 for other segments."""
    divide = {"Sum": None, "Mean": np.asarray, "SqrtN": np.sqrt}[
        build.node.op.removeprefix("SparseSegment").removesuffix("WithNumSegments")
    ]

    def kernel(data: Array, indices: Array, ids: Array, num_segments: Array | None = None) -> Any:
        least = None
        if num_segments is not None:
            least = scalar(num_segments, "num_segments should be a scalar, not shape {}")
            if least < 0:
                raise InvalidArgument("segment ids must be >= 0")
        count = _sparse_count(data, indices, ids, least)
        rows = _rows(data)
        _check_result(count, rows.shape[1])
        _check_result(indices.size, rows.shape[1])
        rows = wide(rows[indices])
        made = _combined(np.add, rows, ids, np.zeros((count, rows.shape[1]), rows.dtype))
        if divide is not None:
            size = np.bincount(ids, minlength=count)[:, None]
            made = made / divide(np.maximum(size, 1)).astype(made.dtype)
        return made.astype(data.dtype, copy=False).reshape((count, *data.shape[1:]))

    return kernel


def _sparse_count(data: Array, indices: Array, ids: Array, least: int | None) -> int:
    """Check the inputs of a sparse op, and return how many segments there are."""
    if not data.ndim:
        raise InvalidArgument("Shape must be at least rank 1")
    for name, numbers in (("indices", indices), ("segment_ids", ids)):
        if numbers.ndim != 1:
            raise InvalidArgument(f"{name} should be a vector.")
    if indices.size != ids.size:
        raise InvalidArgument("segment_ids and indices should have same size.")
    count = _sorted_ids(ids, 1 if least is None else least)
    if least is not None and count > least:
        raise InvalidArgument("segment ids must be < num_segments")
    if not in_range(indices, len(data)):
        place, value = first_outside(indices, len(data))
        raise InvalidArgument(f"Bad: indices{place} == {value} out of range [0, {len(data)})")
    return count if least is None else least
