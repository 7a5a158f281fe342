"""Pooling: what lies under a window becomes one number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np

from servable.errors import InvalidArgument, Unimplemented
from servable.graph.ir import Node
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.windows import Axis, Sliding, data_format, explicit, spatial, split
from servable.tensors import Array

_POOL = "ksize strides padding data_format"


def lowest(dtype: np.dtype[Any]) -> Any:
    """The number that a maximum starts from, which is finite: -inf never wins."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return ml_dtypes.finfo(dtype).min


def fold(x: Array, axes: Sequence[Axis], combine: np.ufunc, start: Any) -> Array:
    """Combine what lies under every window, one dimension after another.

    Padding takes no part. Memory is that of the result with the later dimensions unfolded.

    Args:
        x: [batch, *sizes, channels].
        axes: one for each spatial dimension.
        combine: associative and commutative.
        start: what nothing at all combines to.

    Returns:
        [batch, *places, channels].
    """
    for at, axis in enumerate(axes, start=1):
        shape = (*x.shape[:at], axis.places, *x.shape[at + 1 :])
        made = np.full(check_size(shape, x.itemsize), start, x.dtype)
        lead = (slice(None),) * at
        for offset in axis.meeting():
            places, under = axis.inside(offset)
            target = made[(*lead, places)]
            combine(target, x[(*lead, under)], out=target)
        x = made
    return x


def _max_over(x: Array, axes: Sequence[Axis]) -> Array:
    # Not a number never wins, as in TensorFlow.
    return fold(x, axes, np.fmax, lowest(x.dtype))


def _mean_over(x: Array, axes: Sequence[Axis]) -> Array:
    total = fold(wide(x), axes, np.add, 0)
    for at, axis in enumerate(axes, start=1):
        shape = [1] * x.ndim
        shape[at] = axis.places
        total /= axis.counts().reshape(shape).astype(total.dtype)
    return total.astype(x.dtype, copy=False)


def _max_over_channels(x: Array, window: int, stride: int) -> Array:
    """The largest of every `window` channels; here the first one wins against NaN."""
    if window != stride or x.shape[-1] % window:
        raise Unimplemented(
            "Depthwise max pooling requires the depth window to equal the depth stride and to"
            f" divide the number of channels: {window}, {stride}, {x.shape[-1]}"
        )
    parts = x.reshape(*x.shape[:-1], -1, window)
    made = parts[..., 0]
    for index in range(1, window):
        part = parts[..., index]
        made = np.where(made < part, part, made)
    return made


def _check_window(build: Build, ksize: Sequence[int]) -> None:
    rank, first = data_format(build)
    window, outside = split(ksize, first)
    if len(ksize) != rank + 2 or min(ksize) < 1 or outside != (1, 1):
        raise build.unsupported(f"ksize={list(ksize)}")


def _sliding(build: Build, *, paddings: str = "SAME VALID") -> tuple[Sliding, tuple[int, ...]]:
    """How the node's windows move, and their sizes.

    Raises:
        UnsupportedOps: pooling over the batch or channels, which TensorFlow refuses too.
    """
    rank, first = data_format(build)
    how = Sliding(
        rank,
        first,
        spatial(build, "strides", rank, first),
        (1,) * rank,
        build.choice("padding", *paddings.split()),
        explicit(build, rank, first) if "EXPLICIT" in paddings else (),
    )
    return how, spatial(build, "ksize", rank, first)
