"""Pooling: what lies under a window becomes one number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from servable.errors import InvalidArgument, Unimplemented
from servable.graph.ir import Node
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.ops.windows import Axis, Sliding, data_format, explicit, spatial, split
from servable.tensors import Array

_POOL = "ksize strides padding data_format"


def lowest(dtype: np.dtype[Any]) -> Any:
    """The number that a maximum starts from, which is finite: -inf never wins."""
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return ml_dtypes.finfo(dtype).min  # type: ignore[no-untyped-call]  # it has no annotations


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


def _max_over_channels(x: Array, window: int) -> Array:
    """The largest of every `window` channels; here only the first wins against numbers by NaN."""
    if x.shape[-1] % window:
        raise Unimplemented(
            "Depthwise max pooling requires the depth window to evenly divide the input depth"
        )
    parts = x.reshape(*x.shape[:-1], -1, window)
    made = parts[..., 0]
    for index in range(1, window):
        part = parts[..., index]
        made = np.where(made < part, part, made)
    return made


@dataclass(frozen=True, slots=True)
class Window:
    """A window: how it moves, its spatial sizes, and the channels that it takes together."""

    how: Sliding
    sizes: tuple[int, ...]
    channels: int

    def axes(self, x: Array) -> tuple[Axis, ...]:
        """One for each spatial dimension of these images, whose channels come last."""
        return self.how.over(x.shape[1:-1], self.sizes)


def _window(
    layout: tuple[int, bool],
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    explicit_paddings: tuple[tuple[int, int], ...] = (),
) -> Window:
    """Check what an op says of its window, over all dimensions.

    Raises:
        InvalidArgument: it makes no sense.
        Unimplemented: TensorFlow does not compute it either.
    """
    rank, first = layout
    for name, numbers in (("ksize", ksize), ("strides", strides)):
        if len(numbers) != rank + 2:
            raise InvalidArgument(f"Sliding window {name} field must specify {rank + 2} dimensions")
    if min(ksize) < 1:
        raise InvalidArgument("Sliding window ksize must be positive.")
    if min(strides) < 1:
        raise InvalidArgument(f"Stride must be > 0, but got {min(strides)}")
    window, (batch, channels) = split(ksize, first)
    steps, (batch_step, channel_step) = split(strides, first)
    if batch != 1 or batch_step != 1:
        raise Unimplemented("Pooling is not yet supported on the batch dimension.")
    if channels != 1 and (first or rank != 2):
        raise Unimplemented("Pooling is not yet supported on the depth dimension.")
    if channels != 1 and max(window) > 1:
        raise Unimplemented(
            "MaxPooling supports exactly one of pooling across depth or pooling across"
            " width/height."
        )
    if channels != channel_step:
        raise Unimplemented(
            "Depthwise max pooling requires the depth window to equal the depth stride"
        )
    sides = zip(window, explicit_paddings, (("Top", "Bottom"), ("Left", "Right")), strict=False)
    for size, around, names in sides:
        for padding_, name in zip(around, names, strict=True):
            if padding_ >= size:
                raise InvalidArgument(
                    f"{name} padding {padding_} needs to be smaller than the window size {size}"
                )
    how = Sliding(rank, first, steps, (1,) * rank, padding, explicit_paddings)
    return Window(how, window, channels)


def window_of(build: Build, *, paddings: str = "SAME VALID", channels: bool = False) -> Window:
    """The window that the node's attributes describe; over channels only if `channels`."""
    padding = build.choice("padding", *paddings.split())
    layout = data_format(build) if "data_format" in build.node.attrs else (2, False)
    around = explicit(build, *layout) if "EXPLICIT" in paddings else ()
    window = _window(layout, build.list("ksize"), build.list("strides"), padding, around)
    if window.channels != 1 and not channels:
        raise Unimplemented("Non-spatial pooling is not yet supported. Volunteers? :)")
    return window


def _max_pool(x: Array, window: Window) -> Array:
    images = window.how.last(x, "tensor_in")
    if window.channels != 1:
        return _max_over_channels(images, window.channels)
    # Not a number never wins.
    return window.how.back(fold(images, window.axes(images), np.fmax, lowest(x.dtype)))


def _over_space(node: Node) -> bool:
    """Whether an island may hold it: OpenVINO overlooks windows over channels."""
    ksize = node.attrs.get("ksize")
    first = node.attrs.get("data_format") == b"NCHW"
    return isinstance(ksize, tuple) and split(ksize, first)[1] == (1, 1)


@op("MaxPool", attrs=f"{_POOL} explicit_paddings", island=Island.LIGHT, island_if=_over_space)
def max_pool(build: Build) -> Kernel:
    """The largest number under each window."""
    window = window_of(build, paddings="SAME VALID EXPLICIT", channels=True)
    return lambda x: _max_pool(x, window)


@op("MaxPoolV2", attrs="padding data_format")
def max_pool_v2(build: Build) -> Kernel:
    """MaxPool whose window and strides are inputs."""
    layout = data_format(build)
    padding = build.choice("padding", "SAME", "VALID")

    def kernel(x: Array, ksize: Array, strides: Array) -> Array:
        return _max_pool(x, _window(layout, ksize.tolist(), strides.tolist(), padding))

    return kernel


@op("MaxPool3D", attrs=_POOL, island=Island.LIGHT)
def max_pool_3d(build: Build) -> Kernel:
    """The largest number under each window of a volume."""
    window = window_of(build)
    return lambda x: _max_pool(x, window)


@op("AvgPool", "AvgPool3D", attrs=_POOL, island=Island.LIGHT)
def avg_pool(build: Build) -> Kernel:
    """The mean under each window, padding not counted."""
    window = window_of(build)

    def kernel(x: Array) -> Array:
        images = window.how.last(x, "tensor_in")
        axes = window.axes(images)
        total = fold(wide(images), axes, np.add, 0)
        for at, axis in enumerate(axes, start=1):
            counts = axis.counts().astype(total.dtype)
            total /= counts.reshape(-1, *(1,) * (x.ndim - at - 1))
        return window.how.back(total.astype(x.dtype, copy=False))

    return kernel


@op("MaxPoolWithArgmax", attrs="ksize strides padding include_batch_in_index Targmax")
def max_pool_with_argmax(build: Build) -> Kernel:
    """The largest number under each window, and its place in the flattened image."""
    window = window_of(build)
    with_batch = build.bool("include_batch_in_index")
    dtype = build.type("Targmax").numpy

    def kernel(x: Array) -> tuple[Array, Array]:
        images = window.how.last(x, "tensor_in")
        if not images.size:
            raise InvalidArgument("tensor_in must not be empty (2)")
        axes = window.axes(images)
        numbers = np.arange(x[0].size, dtype=np.int64).reshape(1, *x.shape[1:])
        if with_batch:
            numbers = numbers + np.arange(x.shape[0]).reshape(-1, 1, 1, 1) * x[0].size
        values, places = largest(images, numbers, axes)
        return values, places.astype(dtype, copy=False)

    return kernel


def largest(x: Array, numbers: Array, axes: Sequence[Axis]) -> tuple[Array, Array]:
    """The largest under each window, and its number; the first of equal ones.

    Args:
        x: [batch, *sizes, channels].
        numbers: one for each element of an image, or of all images.
        axes: one for each spatial dimension.
    """
    shape = (x.shape[0], *(axis.places for axis in axes), x.shape[-1])
    values = np.zeros(shape, x.dtype)
    found = np.full(shape, -1, np.int64)
    for offset in itertools.product(*(axis.meeting() for axis in axes)):
        met = [axis.inside(o) for axis, o in zip(axes, offset, strict=True)]
        at = (slice(None), *(places for places, _ in met))
        under = (slice(None), *(elements for _, elements in met))
        part = x[under]
        better = (part > values[at]) | (found[at] < 0)
        np.copyto(values[at], part, where=better)
        np.copyto(found[at], np.broadcast_to(numbers, x.shape)[under], where=better)
    return values, found


@op("Dilation2D", attrs="strides rates padding")
def dilation_2d(build: Build) -> Kernel:
    """The largest sum of image and filter under each window: [rows, columns, channels]."""
    padding = build.choice("padding", "SAME", "VALID")
    how = Sliding(
        2,
        False,
        spatial(build, "strides", 2, False),
        spatial(build, "rates", 2, False),
        padding,
        (),
    )

    def kernel(x: Array, filters: Array) -> Array:
        images = how.last(x, "tensor_in")
        if filters.ndim != 3:
            raise InvalidArgument(f"filter must be 3-dimensional: {shape_text(filters)}")
        if filters.shape[2] != x.shape[3]:
            raise InvalidArgument(
                f"input and filter must have the same depth: {x.shape[3]} vs {filters.shape[2]}"
            )
        rows, columns = how.over(x.shape[1:3], filters.shape[:2])
        shape = (x.shape[0], rows.places, columns.places, x.shape[3])
        made = np.full(shape, lowest(x.dtype), x.dtype)
        for row in rows.meeting():
            for column in columns.meeting():
                (at_rows, in_rows), (at_columns, in_columns) = (
                    rows.inside(row),
                    columns.inside(column),
                )
                target = made[:, at_rows, at_columns]
                np.fmax(target, images[:, in_rows, in_columns] + filters[row, column], out=target)
        return made

    return kernel
