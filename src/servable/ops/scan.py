"""Running sums and products, and counts of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.scatter import at
from servable.ops.support import scalar, whole_axis
from servable.ops.text import dims
from servable.tensors import Array


def _scan(build: Build, running: Callable[[Array, int], Array], nothing: float) -> Kernel:
    """Each element with all before it.

    Args:
        running: does that along an axis.
        nothing: what stands for no elements.
    """
    exclusive, reverse = build.bool("exclusive"), build.bool("reverse")

    def kernel(x: Array, axis: Array) -> Any:
        number = scalar(axis, "ScanOp: axis must be a scalar, not {}")
        place = whole_axis(number, x.ndim)
        if place is None:
            shown = number + x.ndim if number < 0 else number
            raise InvalidArgument(
                f"ScanOp: Expected scan axis in the range [{-x.ndim}, {x.ndim}), but got {shown}"
            )
        turned = np.flip(x, place) if reverse else x
        made = running(turned, place)
        if exclusive and x.shape[place]:
            shape = [1 if d == place else s for d, s in enumerate(x.shape)]
            front = np.full(shape, nothing, x.dtype)
            kept = (slice(None),) * place + (slice(0, -1),)
            made = np.concatenate((front, made[kept]), place)
        return np.flip(made, place) if reverse else made

    return kernel


_SCAN = "exclusive reverse"


@op("Cumsum", attrs=_SCAN)
def cumsum(build: Build) -> Kernel:
    """Running sums."""
    return _scan(build, lambda x, axis: np.cumsum(x, axis, x.dtype), 0)


@op("Cumprod", attrs=_SCAN)
def cumprod(build: Build) -> Kernel:
    """Running products."""
    return _scan(build, lambda x, axis: np.cumprod(x, axis, x.dtype), 1)


@op("CumulativeLogsumexp", attrs=_SCAN)
def cumulative_logsumexp(build: Build) -> Kernel:
    """Running log(sum(exp(x)))."""

    def running(x: Array, axis: int) -> Array:
        made = np.logaddexp.accumulate(wide(x), axis)
        # TensorFlow subtracts the larger one: of two infinities that is NaN.
        infinite = np.cumsum(np.isposinf(wide(x)), axis) > 1
        return np.where(infinite, np.asarray(np.nan, made.dtype), made).astype(x.dtype)

    return _scan(build, running, -np.inf)


def _counts(numbers: Array, size: int, weights: Array) -> Array:
    """Sums of weights, or numbers of elements without any, for each value in [0, size)."""
    flat = numbers.reshape(-1)
    inside = flat < size
    made = np.zeros((size, 1), weights.dtype)
    if weights.size:
        at(np.add)(made, flat[inside], weights.reshape(-1, 1)[inside])
        return made[:, 0]
    return np.bincount(flat[inside], minlength=size).astype(weights.dtype)


def _size(size: Array) -> int:
    if size.ndim:
        raise InvalidArgument(f"Shape must be rank 0 but is rank {size.ndim}")
    number = int(size.item())
    if number < 0:
        raise InvalidArgument(f"size ({number}) must be non-negative")
    check_size((number,), 8)
    return number


@op("Bincount")
def bincount(build: Build) -> Kernel:
    """How often each of the numbers from 0 occurs, or the sum of its weights."""
    del build

    def kernel(numbers: Array, size: Array, weights: Array) -> Any:
        count = _size(size)
        if weights.size and weights.shape != numbers.shape:
            raise InvalidArgument("Input indices and weights must have the same size.")
        if np.any(numbers < 0):
            raise InvalidArgument("Input arr must be non-negative!")
        return _counts(numbers, count, weights)

    return kernel


@op("DenseBincount", attrs="binary_output")
def dense_bincount(build: Build) -> Kernel:
    """As Bincount, apart for each row of a matrix; or only whether a number occurs."""
    binary = build.bool("binary_output")

    def kernel(numbers: Array, size: Array, weights: Array) -> Any:
        if numbers.ndim > 2:
            raise InvalidArgument(f"Shape must be at most rank 2 but is rank {numbers.ndim}")
        count = _size(size)
        if weights.size and weights.shape != numbers.shape:
            raise InvalidArgument(
                "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case"
                f" it acts as all weights equal to 1. Received {dims(weights.shape)}"
            )
        if np.any(numbers < 0):
            lowest = int(numbers[numbers < 0][0])
            raise InvalidArgument(
                f"Input 'in' must be non-negative! Negative input value found: {lowest}"
                if numbers.ndim == 2
                else "Input arr must be non-negative!"
            )
        rows = len(numbers) if numbers.ndim == 2 else 1
        shape = check_size((rows, count), 8)
        # Each row counts in a range of its own; what is too large goes behind all.
        own = np.arange(rows)[:, None] * count
        wide_numbers = numbers.reshape((rows, -1)) if numbers.size else own[:, :0]
        places = np.where(wide_numbers < count, wide_numbers + own, rows * count)
        if binary:
            weights = np.zeros(0, weights.dtype)
        made = _counts(places, rows * count, weights).reshape(shape)
        if binary:
            made = (made > 0).astype(weights.dtype)
        return made if numbers.ndim == 2 else made[0]

    return kernel


@op("HistogramFixedWidth", attrs="dtype")
def histogram_fixed_width(build: Build) -> Kernel:
    """How many values fall into each of some equal bins; the outer bins take what lies beyond."""
    dtype = build.type("dtype").numpy

    def kernel(values: Array, value_range: Array, nbins: Array) -> Any:
        if value_range.shape != (2,):
            raise InvalidArgument("value_range should be a vector of 2 elements.")
        count = scalar(nbins, "nbins should be a scalar.")
        if count <= 0:
            raise InvalidArgument(f"nbins should be a positive number, but got '{count}'")
        check_size((count,), 8)
        low, high = value_range
        if not low < high:
            raise InvalidArgument(
                "value_range should satisfy value_range[0] < value_range[1], but got"
                f" '[{float(low):g}, {float(high):g}]'"
            )
        if values.dtype.kind == "f" and np.isnan(values).any():
            raise InvalidArgument("Histogram values must not contain NaN")
        step = float(high - low) / count
        above = np.maximum(values.reshape(-1), low) - low
        bins = np.minimum(above.astype(np.float64) / step, count - 1).astype(np.int64)
        return np.bincount(bins, minlength=count).astype(dtype)

    return kernel
