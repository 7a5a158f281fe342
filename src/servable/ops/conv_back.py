"""Convolutions backwards: from gradients to images, which networks use to enlarge images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import ARG, Node
from servable.ops.conv import filters_are_constant
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.ops.windows import Axis, Sliding, sliding
from servable.tensors import Array

_LABELS = {2: "Conv2DCustomBackpropInput", 3: "Conv3DBackpropInputOp"}
"""What TensorFlow's kernels call themselves."""


def _ungrouped(node: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether an island may hold it: OpenVINO knows no groups here, and does not notice them.

    Only TensorFlow's oneDNN kernels know them either, so sizes that are computed in a
    way that does not tell the number of channels may be taken to fit the filters. Sizes
    from outside are refused, because OpenVINO must know how many there are.
    """
    sizes = nodes[node.inputs[0].node]
    if not filters_are_constant(node, nodes) or sizes.op == ARG:
        return False
    at = 1 if node.attrs.get("data_format") in (b"NCHW", b"NCDHW") else -1
    channels = _channels(sizes, nodes, at)
    filters = nodes[node.inputs[1].node].attrs.get("value")
    return channels is None or not isinstance(filters, np.ndarray) or channels == filters.shape[-2]


def _channels(sizes: Node, nodes: Mapping[str, Node], at: int) -> int | None:
    """The number of channels among the sizes of an image, if these are constant or packed."""
    if sizes.op == "Pack":
        packed = nodes[sizes.inputs[at].node].attrs.get("value")
        return int(packed) if isinstance(packed, np.ndarray) else None
    value = sizes.attrs.get("value")
    if not isinstance(value, np.ndarray):
        return None
    return int(value[at]) if value.size > 2 else -1


def _transposed(how: Sliding) -> Kernel:
    def kernel(input_sizes: Array, filters: Array, gradient: Array) -> Array:
        given = how.last(gradient)
        sizes, channels = _image(how, input_sizes, filters, given)
        axes = how.over(sizes, filters.shape[:-2])
        _check(given, filters, axes, channels)
        made = spread(wide(given), wide(filters), axes, channels)
        return how.back(made.astype(gradient.dtype, copy=False))

    return kernel


def _image(
    how: Sliding, input_sizes: Array, filters: Array, gradient: Array
) -> tuple[tuple[int, ...], int]:
    """Spatial sizes and channels of the image that is asked for."""
    sizes = tuple(int(size) for size in np.atleast_1d(input_sizes))
    if filters.ndim != how.rank + 2:
        raise InvalidArgument(f"filter must be {how.rank + 2}-dimensional: {shape_text(filters)}")
    if any(size < 0 for size in sizes):
        raise InvalidArgument(f"Dimension {min(sizes)} must be >= 0")
    if len(sizes) == how.rank == 2:  # as Conv2DBackpropInput may leave out the rest
        return sizes, int(filters.shape[-2])
    if len(sizes) != how.rank + 2:
        raise InvalidArgument(
            f"Conv{how.rank}DBackpropInput requires input_sizes to contain {how.rank + 2} values"
            f"{' or 2 values' if how.rank == 2 else ''}, but got: {len(sizes)}"
        )
    if sizes[0] != gradient.shape[0]:
        raise InvalidArgument(
            f"{_LABELS[how.rank]}: input and out_backprop must have the same batch size."
            f" Input batch: {sizes[0]}, outbackprop batch: {gradient.shape[0]}, batch_dim: 0"
        )
    channels_at = 1 if how.first else -1
    inside = sizes[2:] if how.first else sizes[1:-1]
    return inside, sizes[channels_at]


def _check(gradient: Array, filters: Array, axes: Sequence[Axis], channels: int) -> None:
    label = _LABELS[len(axes)]
    depth, features = filters.shape[-2:]
    if not depth or channels % depth or features % max(channels // depth, 1):
        raise InvalidArgument(f"{label}: input depth must be evenly divisible by filter depth")
    if gradient.shape[-1] != features:
        raise InvalidArgument(f"{label}: filter and out_backprop must have the same out_depth")
    for d, (axis, actual) in enumerate(zip(axes, gradient.shape[1:-1], strict=True), start=1):
        if axis.places != actual:
            raise InvalidArgument(
                f"{label}: Size of out_backprop doesn't match computed: actual = {actual},"
                f" computed = {axis.places} spatial_dim: {d} input: {axis.size}"
                f" filter: {axis.window} output: {actual} stride: {axis.stride}"
                f" dilation: {axis.dilation}"
            )


def spread(gradient: Array, filters: Array, axes: Sequence[Axis], channels: int) -> Array:
    """Add every place's gradient, times the filters, to the window that it came from.

    Args:
        gradient: [batch, *places, features].
        filters: [*window, channels / groups, features].
        axes: one for each spatial dimension of the image.
        channels: of the image.

    Returns:
        [batch, *sizes, channels].

    Raises:
        ResourceExhausted: the image would be too large.
    """
    *window, depth, features = filters.shape
    groups = channels // depth
    batch, *places, _ = gradient.shape
    shape = (batch, *(axis.padded for axis in axes), channels)
    made = np.zeros(check_size(shape, gradient.itemsize), gradient.dtype)
    if gradient.size and made.size:
        # [groups, places, features of a group] by [groups, features of a group, depth]
        rows = gradient.reshape(-1, groups, features // groups).swapaxes(0, 1)
        for offset in np.ndindex(*window):
            bank = filters[offset].reshape(depth, groups, -1).transpose(1, 2, 0)
            term = (rows @ bank).swapaxes(0, 1).reshape(batch, *places, channels)
            under = (axis.under(o) for axis, o in zip(axes, offset, strict=True))
            made[(slice(None), *under)] += term
    inner = (slice(axis.before, axis.before + axis.size) for axis in axes)
    return made[(slice(None), *inner)]


@op(
    "Conv2DBackpropInput",
    attrs="strides padding explicit_paddings data_format dilations",
    no_effect="use_cudnn_on_gpu",
    island=Island.HEAVY,
    island_among=_ungrouped,
)
def conv_2d_backprop_input(build: Build) -> Kernel:
    """The images that would have these gradients: a transposed convolution."""
    return _transposed(sliding(build))


@op(
    "Conv3DBackpropInputV2",
    attrs="strides padding data_format dilations",
    island=Island.HEAVY,
    island_among=_ungrouped,
)
def conv_3d_backprop_input(build: Build) -> Kernel:
    """The volumes that would have these gradients: a transposed convolution."""
    return _transposed(sliding(build, paddings="SAME VALID"))
