"""Reductions over some dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import is_half, wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.tensors import Array

_MANY = 1024
"""Numbers from which float32 sums are kept in float64: numpy adds pairwise only along
the last dimension."""

Reduce = Callable[[Array, tuple[int, ...], bool], Any]
"""Takes a tensor, the dimensions to reduce and whether to keep them with size 1."""


def _reduction(name: str, reduce: Reduce, island: Island, *, int32: bool = False) -> None:
    """Register a reduction over the axes that its second input lists."""

    @op(name, attrs="keep_dims", island=island, int32=int32)
    def make(build: Build) -> Kernel:
        keep = build.bool("keep_dims")

        def kernel(x: Array, axes: Array) -> Any:
            axis = _axes(x, axes)
            if not x.size:
                check_size((s for d, s in enumerate(x.shape) if d not in axis), x.itemsize)
            return reduce(x, axis, keep).astype(x.dtype, copy=False)

        return kernel


def _axes(x: Array, axes: Array) -> tuple[int, ...]:
    """The dimensions to reduce, each counted from the front."""
    found = []
    for axis in np.ravel(axes).tolist():
        if not -x.ndim <= axis < x.ndim:
            raise InvalidArgument(
                f"Invalid reduction dimension ({axis} for input with {x.ndim} dimension(s)"
            )
        axis %= x.ndim
        if axis in found:
            raise InvalidArgument(
                f"Invalid reduction arguments: Axes contains duplicate dimension: {axis}"
            )
        found.append(axis)
    return tuple(found)


def _count(x: Array, axis: tuple[int, ...]) -> int:
    return int(np.prod([x.shape[a] for a in axis], dtype=np.int64))


def _accumulator(x: Array, axis: tuple[int, ...]) -> Any:
    if is_half(x.dtype):
        return np.float32
    return np.float64 if x.dtype == np.float32 and _count(x, axis) > _MANY else x.dtype


def _sum(x: Array, axis: tuple[int, ...], keep: bool) -> Any:
    return np.sum(wide(x), axis=axis, keepdims=keep, dtype=_accumulator(x, axis))


def _prod(x: Array, axis: tuple[int, ...], keep: bool) -> Any:
    return np.prod(wide(x), axis=axis, keepdims=keep, dtype=_accumulator(x, axis))


def _mean(x: Array, axis: tuple[int, ...], keep: bool) -> Any:
    count = _count(x, axis)
    if x.dtype.kind not in "iu":
        return _sum(x, axis, keep) / np.asarray(count, _accumulator(x, axis))
    if not count:
        raise InvalidArgument("Integer division by zero")
    total = np.sum(x, axis=axis, keepdims=keep)
    whole = np.abs(total) // count
    return np.where(total < 0, -whole, whole)


def _extreme(function: Callable[..., Any], lowest: bool) -> Reduce:
    """max or min, whose value over nothing is the dtype's own limit."""

    def reduce(x: Array, axis: tuple[int, ...], keep: bool) -> Any:
        if x.dtype.kind in "iu":
            limits = np.iinfo(x.dtype)
            limit: Any = limits.min if lowest else limits.max
        else:
            limit = -np.inf if lowest else np.inf
        return function(wide(x), axis=axis, keepdims=keep, initial=limit)

    return reduce


def _norm(x: Array, axis: tuple[int, ...], keep: bool) -> Any:
    y = wide(x)
    squares = (y * np.conjugate(y)).astype(y.dtype, copy=False)
    return np.sqrt(np.sum(squares, axis=axis, keepdims=keep, dtype=_accumulator(y, axis)))


_reduction("Sum", _sum, Island.LIGHT)
_reduction("Mean", _mean, Island.LIGHT)
# OpenVINO multiplies integers as integers, and finds the largest of them as floats.
_reduction("Prod", _prod, Island.LIGHT, int32=True)
_reduction("Max", _extreme(np.max, lowest=True), Island.LIGHT)
_reduction("Min", _extreme(np.min, lowest=False), Island.LIGHT)
_reduction("EuclideanNorm", _norm, Island.LIGHT)
_reduction("All", lambda x, axis, keep: np.all(x, axis=axis, keepdims=keep), Island.LIGHT)
_reduction("Any", lambda x, axis, keep: np.any(x, axis=axis, keepdims=keep), Island.LIGHT)
