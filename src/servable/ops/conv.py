"""Convolutions, in any number of spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from servable.errors import InvalidArgument, Unimplemented
from servable.graph.ir import CONST, Node
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.ops.windows import Axis, Sliding, blocks, pad, sliding
from servable.tensors import Array

_CONV = "strides padding explicit_paddings data_format dilations"


def filters_are_constant(node: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether an island may hold this convolution.

    OpenVINO guesses the rank of filters that are not constant, and takes empty ones.
    """
    filters = nodes[node.inputs[1].node]
    value = filters.attrs.get("value")
    return filters.op == CONST and isinstance(value, np.ndarray) and value.size > 0


def _not_explicit(node: Node) -> bool:
    return node.attrs.get("padding") != b"EXPLICIT"


def _convolution(how: Sliding) -> Kernel:
    def kernel(x: Array, filters: Array) -> Array:
        images = how.last(x)
        depth = _check(images, filters, how.rank)
        axes = how.over(images.shape[1:-1], filters.shape[:-2])
        made = convolve(wide(images), wide(filters), axes, images.shape[-1] // depth)
        return how.back(made.astype(x.dtype, copy=False))

    return kernel


def _check(x: Array, filters: Array, rank: int) -> int:
    """The depth of the filters, when they fit the image."""
    if filters.ndim != rank + 2:
        raise InvalidArgument(f"filter must be {rank + 2}-dimensional: {shape_text(filters)}")
    if not filters.size:
        raise InvalidArgument(
            "filter must not have zero elements (i.e. all dimensions must be non-zero)"
        )
    depth, features = filters.shape[-2:]
    if x.shape[-1] % depth:
        raise InvalidArgument(
            f"input depth must be evenly divisible by filter depth: {x.shape[-1]} vs {depth}"
        )
    groups = x.shape[-1] // depth
    if features % max(groups, 1):
        raise InvalidArgument(
            f"output depth must be evenly divisible by number of groups: {features} vs {groups}"
        )
    return int(depth)


def convolve(x: Array, filters: Array, axes: Sequence[Axis], groups: int) -> Array:
    """Convolve images with a bank of filters, as products of matrices.

    Args:
        x: [batch, *sizes, channels].
        filters: [*window, channels / groups, features].
        axes: one for each spatial dimension.

    Returns:
        [batch, *places, features], in the images' dtype.
    """
    *window, depth, features = filters.shape
    if depth == 1 and groups > 1 and x.dtype.kind == "f":
        return depthwise(x, filters.reshape(*window, groups, features // groups), axes)
    rank = len(axes)
    places = tuple(axis.places for axis in axes)
    made = np.zeros(check_size((x.shape[0], *places, features), x.itemsize), x.dtype)
    if not made.size or not groups:
        return made
    padded = pad(x, axes)
    padded = padded.reshape(*padded.shape[:-1], groups, depth)
    # [groups, window and depth, features of a group]
    bank = filters.reshape(-1, groups, features // groups).transpose(1, 0, 2)
    cells = math.prod(window) * depth
    # Groups, batch, places, window, depth.
    order = (rank + 1, *range(rank + 1), *range(rank + 3, 2 * rank + 3), rank + 2)
    row_bytes = math.prod(places[1:]) * groups * cells * x.itemsize
    for images, rows in blocks(x.shape[0], places[0], row_bytes):
        view = _windows(padded[images], axes, rows).transpose(order)
        target = made[images, rows]
        product = view.reshape(groups, -1, cells) @ bank
        target[...] = product.swapaxes(0, 1).reshape(target.shape)
    return made


def _windows(padded: Array, axes: Sequence[Axis], rows: slice) -> Array:
    """A view [batch, *places, groups, depth, *window] of [batch, *sizes, groups, depth]."""
    first, *others = axes
    start = rows.start * first.stride
    reach = [(axis.window - 1) * axis.dilation + 1 for axis in axes]
    stop = (rows.stop - 1) * first.stride + reach[0]
    view = np.lib.stride_tricks.sliding_window_view(
        padded[:, start:stop], reach, tuple(range(1, len(axes) + 1))
    )
    steps = (
        slice(None, None, first.stride),
        *(slice(0, a.places * a.stride, a.stride) for a in others),
    )
    inside = tuple(slice(None, None, axis.dilation) for axis in axes)
    return view[(slice(None), *steps, slice(None), slice(None), *inside)]


def depthwise(x: Array, filters: Array, axes: Sequence[Axis]) -> Array:
    """Convolve every channel with filters of its own.

    Args:
        x: [batch, *sizes, channels].
        filters: [*window, channels, multiplier].
        axes: one for each spatial dimension.

    Returns:
        [batch, *places, channels * multiplier], in the images' dtype.
    """
    *window, channels, multiplier = filters.shape
    places = tuple(axis.places for axis in axes)
    shape = check_size((x.shape[0], *places, channels, multiplier), x.itemsize)
    made = np.zeros(shape, x.dtype)
    if made.size:
        padded = pad(x, axes)[..., np.newaxis]
        row_bytes = math.prod(places[1:]) * channels * multiplier * x.itemsize
        for images, rows in blocks(x.shape[0], places[0], _PASSES * row_bytes):
            target = made[images, rows]
            term = np.empty_like(target)
            for offset in np.ndindex(*window):
                under = (
                    axes[0].under(offset[0], rows),
                    *(a.under(o) for a, o in zip(axes[1:], offset[1:], strict=True)),
                )
                np.multiply(padded[(images, *under)], filters[offset], out=term)
                target += term
    return made.reshape(*made.shape[:-2], channels * multiplier)


_PASSES = 8
"""How much smaller the blocks of a depthwise convolution are: every element of the window
passes over the whole block, which should stay in the nearest cache."""


@op(
    "Conv2D",
    attrs=_CONV,
    no_effect="use_cudnn_on_gpu",
    island=Island.HEAVY,
    island_among=filters_are_constant,
)
def conv_2d(build: Build) -> Kernel:
    """Convolution of images with filters [rows, columns, in, out]; in groups if in is less."""
    return _convolution(sliding(build))


@op(
    "Conv3D",
    attrs="strides padding data_format dilations",
    island=Island.HEAVY,
    island_among=filters_are_constant,
)
def conv_3d(build: Build) -> Kernel:
    """Convolution of volumes with filters [planes, rows, columns, in, out], or in groups.

    TensorFlow computes groups only where XLA compiles the function, which Keras asks for.
    """
    return _convolution(sliding(build, paddings="SAME VALID"))


@op(
    "DepthwiseConv2dNative",
    attrs=_CONV,
    island=Island.HEAVY,
    island_if=_not_explicit,
    island_among=filters_are_constant,
)
def depthwise_conv_2d(build: Build) -> Kernel:
    """Convolution of every channel with filters of its own, [rows, columns, in, multiplier]."""
    how = sliding(build)

    def kernel(x: Array, filters: Array) -> Array:
        images = how.last(x)
        if filters.ndim != 4:
            raise InvalidArgument(f"filter must be 4-dimensional: {shape_text(filters)}")
        if filters.shape[2] != images.shape[-1]:
            raise InvalidArgument(
                "input depth must be evenly divisible by filter depth:"
                f" {images.shape[-1]} vs {filters.shape[2]}"
            )
        axes = how.over(images.shape[1:-1], filters.shape[:2])
        made = depthwise(wide(images), wide(filters), axes)
        return how.back(made.astype(x.dtype, copy=False))

    return kernel


@op("Conv", attrs=f"{_CONV} batch_dims groups")
def conv(build: Build) -> Kernel:
    """Convolution in two or three dimensions, behind any number of batch dimensions.

    Raises:
        Unimplemented: channels first, or groups; TensorFlow has neither on the CPU.
    """
    build.choice("data_format", "CHANNELS_LAST")
    batch_dims = build.int("batch_dims")
    if build.int("groups") != 1:
        raise Unimplemented("Grouped/Depthwise Convolutions are not supported yet.")
    rank = len(build.list("strides")) - 2
    if rank not in (2, 3):
        raise build.unsupported(f"strides={list(build.list('strides'))}")
    convolution = _convolution(sliding(build, rank=rank))

    def kernel(x: Array, filters: Array) -> Array:
        batch = x.shape[: x.ndim - rank - 1]
        if x.ndim <= rank or len(batch) != batch_dims:
            raise InvalidArgument(
                f"The input must have {rank} spatial dimensions behind {batch_dims} of the batch,"
                f" but its shape is {shape_text(x)}"
            )
        if filters.ndim == rank + 2 and x.shape[-1] != filters.shape[-2]:
            raise InvalidArgument(
                f"Input depth must be equal to filter depth: {x.shape[-1]} vs {filters.shape[-2]}"
            )
        images = x.reshape(math.prod(batch), *x.shape[len(batch) :])
        made: Array = convolution(images, filters)
        return made.reshape(*batch, *made.shape[1:])

    return kernel
