"""What a convolution's filters must change by, and depthwise convolutions backwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.ops.windows import Axis, Sliding, pad, sliding
from servable.tensors import Array

_CONV = "strides padding explicit_paddings data_format dilations"


def _filter_kernel(how: Sliding, depthwise: bool) -> Kernel:
    def kernel(x: Array, sizes: Array, gradient: Array) -> Array:
        images, given = how.last(x, "input"), how.last(gradient, "out_backprop")
        shape = check_size(np.atleast_1d(sizes).tolist(), x.itemsize)
        if len(shape) != how.rank + 2:
            raise InvalidArgument(
                f"filter_sizes must have {how.rank + 2} elements, got {shape_text(sizes)}"
            )
        axes = how.over(images.shape[1:-1], shape[:-2])
        features = shape[-2] * shape[-1] if depthwise else shape[-1]
        _check_places(given, (images.shape[0], *(axis.places for axis in axes), features))
        _check_depth(images.shape[-1], shape, depthwise)
        made = (_depthwise_filters if depthwise else _filters)(
            wide(images), wide(given), axes, shape
        )
        return made.astype(x.dtype, copy=False)

    return kernel


def _check_places(gradient: Array, shape: tuple[int, ...]) -> None:
    if gradient.shape != shape:
        raise InvalidArgument(
            f"Size of out_backprop doesn't match computed: actual = {shape_text(gradient)},"
            f" computed = {list(shape)}"
        )


def _check_depth(channels: int, shape: tuple[int, ...], depthwise: bool) -> None:
    depth, features = shape[-2:]
    sound = channels == depth if depthwise else depth > 0 and channels % depth == 0
    if not sound or (not depthwise and features % max(1, channels // depth)):
        raise InvalidArgument(
            f"input depth must be evenly divisible by filter depth: {channels} vs {depth}"
        )


def _filters(x: Array, gradient: Array, axes: Sequence[Axis], shape: tuple[int, ...]) -> Array:
    """[*window, channels / groups, features] from images and gradients, channels last."""
    *window, depth, features = shape
    groups = x.shape[-1] // depth
    made = np.zeros(shape, x.dtype)
    padded = pad(x, axes)
    # [groups, places, features of a group]
    given = gradient.reshape(-1, groups, features // max(1, groups)).swapaxes(0, 1)
    for offset in np.ndindex(*window):
        under = (axis.under(o) for axis, o in zip(axes, offset, strict=True))
        part = padded[(slice(None), *under)].reshape(-1, groups, depth)
        # [groups, depth, features of a group]
        product = part.transpose(1, 2, 0) @ given
        made[offset] = product.swapaxes(0, 1).reshape(depth, features)
    return made


def _depthwise_filters(
    x: Array, gradient: Array, axes: Sequence[Axis], shape: tuple[int, ...]
) -> Array:
    """[*window, channels, multiplier] from images and gradients, channels last."""
    *window, channels, multiplier = shape
    made = np.zeros(shape, x.dtype)
    padded = pad(x, axes)
    given = gradient.reshape(-1, channels, multiplier)
    for offset in np.ndindex(*window):
        under = (axis.under(o) for axis, o in zip(axes, offset, strict=True))
        part = padded[(slice(None), *under)].reshape(-1, channels)
        made[offset] = np.einsum("pc,pcm->cm", part, given)
    return made


@op("Conv2DBackpropFilter", attrs=_CONV, no_effect="use_cudnn_on_gpu")
def conv_2d_backprop_filter(build: Build) -> Kernel:
    """The gradient of the filters of a Conv2D."""
    return _filter_kernel(sliding(build), depthwise=False)


@op("Conv3DBackpropFilterV2", attrs="strides padding data_format dilations")
def conv_3d_backprop_filter(build: Build) -> Kernel:
    """The gradient of the filters of a Conv3D."""
    return _filter_kernel(sliding(build, paddings="SAME VALID"), depthwise=False)


@op("DepthwiseConv2dNativeBackpropFilter", attrs=_CONV)
def depthwise_backprop_filter(build: Build) -> Kernel:
    """The gradient of the filters of a depthwise convolution."""
    return _filter_kernel(sliding(build), depthwise=True)


@op("DepthwiseConv2dNativeBackpropInput", attrs=_CONV)
def depthwise_backprop_input(build: Build) -> Kernel:
    """The gradient of the images of a depthwise convolution."""
    how = sliding(build)

    def kernel(sizes: Array, filters: Array, gradient: Array) -> Array:
        if sizes.shape != (4,):
            raise InvalidArgument(f"input_sizes must have 4 elements, got {shape_text(sizes)}")
        if filters.ndim != 4:
            raise InvalidArgument(f"filter must be 4-dimensional: {shape_text(filters)}")
        given = how.last(gradient, "out_backprop")
        batch, *rest = check_size(sizes.tolist(), gradient.itemsize)
        *inside, channels = (*rest[1:], rest[0]) if how.first else rest
        *window, depth, multiplier = filters.shape
        axes = how.over(inside, window)
        places = tuple(axis.places for axis in axes)
        _check_places(given, (batch, *places, depth * multiplier))
        _check_depth(channels, filters.shape, depthwise=True)
        given = wide(given).reshape(batch, *places, channels, multiplier)
        bank = wide(filters)
        shape = check_size((batch, *(axis.padded for axis in axes), channels), given.itemsize)
        made = np.zeros(shape, given.dtype)
        for offset in np.ndindex(*window):
            under = (axis.under(o) for axis, o in zip(axes, offset, strict=True))
            made[(slice(None), *under)] += np.einsum("bhwcm,cm->bhwc", given, bank[offset])
        inner = (slice(axis.before, axis.before + axis.size) for axis in axes)
        return how.back(made[(slice(None), *inner)].astype(gradient.dtype, copy=False))

    return kernel
