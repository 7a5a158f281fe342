"""XLA's products: of matrices along any dimensions, of convolutions in any layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.conv import convolve
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.ops.windows import Axis
from servable.ops.xla_support import numbers, sizes, spaced, window_places
from servable.tensors import Array


def _result_dtype(build: Build) -> np.dtype[Any]:
    named = "preferred_element_type" if build.node.op.endswith("V2") else "T"
    return build.type(named).numpy


def _ready(x: Array, dtype: np.dtype[Any]) -> Array:
    """In the result's dtype, and fit for sums."""
    return wide(x.astype(np.result_type(x.dtype, dtype), copy=False) if dtype.kind != "V" else x)


@op("XlaDot", "XlaDotV2", attrs="dimension_numbers", no_effect="precision_config")
def xla_dot(build: Build) -> Kernel:
    """Sums of products over some dimensions, for each index of others.

    The result has the batch dimensions, and then what is left of the left and of the right.
    """
    found = numbers(build)
    contracted = found.get(1, ()), found.get(2, ())
    batch = found.get(3, ()), found.get(4, ())
    dtype = _result_dtype(build)
    if len(contracted[0]) != len(contracted[1]) or len(batch[0]) != len(batch[1]):
        raise build.unsupported("dimension_numbers whose two sides differ in length")

    def kernel(lhs: Array, rhs: Array) -> Any:
        for x, dims in ((lhs, contracted[0] + batch[0]), (rhs, contracted[1] + batch[1])):
            if max(dims, default=-1) >= x.ndim or len(set(dims)) < len(dims):
                raise InvalidArgument(f"dimensions {dims} of a tensor of shape {shape_text(x)}")
        for a, b in zip(contracted[0] + batch[0], contracted[1] + batch[1], strict=True):
            if lhs.shape[a] != rhs.shape[b]:
                raise InvalidArgument(
                    f"Cannot infer shape for dot operation: {shape_text(lhs)} and"
                    f" {shape_text(rhs)} do not match in dimensions {a} and {b}"
                )
        rows = [d for d in range(lhs.ndim) if d not in contracted[0] + batch[0]]
        columns = [d for d in range(rhs.ndim) if d not in contracted[1] + batch[1]]
        outer = tuple(lhs.shape[d] for d in batch[0])
        shape = (*outer, *(lhs.shape[d] for d in rows), *(rhs.shape[d] for d in columns))
        check_size(shape, max(lhs.itemsize, dtype.itemsize))
        inner = math.prod(lhs.shape[d] for d in contracted[0])
        left = lhs.transpose(*batch[0], *rows, *contracted[0])
        right = rhs.transpose(*batch[1], *contracted[1], *columns)
        left = left.reshape(*outer, math.prod(lhs.shape[d] for d in rows), inner)
        right = right.reshape(*outer, inner, math.prod(rhs.shape[d] for d in columns))
        made = np.matmul(_ready(left, dtype), _ready(right, dtype))
        return made.reshape(shape).astype(dtype, copy=False)

    return kernel


@op("XlaConv", attrs="dimension_numbers", no_effect="precision_config")
@op("XlaConvV2", attrs="dimension_numbers", no_effect="precision_config batch_group_count")
def xla_conv(build: Build) -> Kernel:
    """Convolution with the layout, dilations, paddings and groups of XLA.

    A batch_group_count other than 1 is refused, as TensorFlow refuses it.
    """
    found = numbers(build)
    dtype = _result_dtype(build)
    spatial = {number: found.get(number, ()) for number in (6, 11, 12)}
    one = {number: found.get(number, (0,))[-1] for number in (3, 4, 7, 8, 9, 10)}
    if len({len(dims) for dims in spatial.values()}) != 1:
        raise build.unsupported("dimension_numbers with different numbers of spatial dimensions")
    if build.node.op == "XlaConvV2" and build.int("batch_group_count") != 1:
        raise build.unsupported(f"batch_group_count={build.int('batch_group_count')}")
    back = np.argsort((one[9], *spatial[12], one[10]))

    def kernel(
        lhs: Array,
        rhs: Array,
        window_strides: Array,
        padding: Array,
        lhs_dilation: Array,
        rhs_dilation: Array,
        feature_group_count: Array,
    ) -> Any:
        rank = len(spatial[6])
        for x in (lhs, rhs):
            if x.ndim != rank + 2:
                raise InvalidArgument(f"rank {rank + 2} is expected: {shape_text(x)}")
        images = lhs.transpose(one[7], *spatial[11], one[8])
        filters = rhs.transpose(*spatial[6], one[3], one[4])
        groups = int(np.asarray(feature_group_count).item())
        _check(images, filters, groups)
        axes, images = _placed(
            images,
            filters.shape[:rank],
            sizes(window_strides),
            padding.reshape(-1, 2).tolist(),
            sizes(lhs_dilation),
            sizes(rhs_dilation),
        )
        images, filters = _ready(images, dtype), _ready(filters, dtype)
        made = convolve(images, filters, axes, groups)
        return made.transpose(back).astype(dtype, copy=False)

    return kernel


def _check(images: Array, filters: Array, groups: int) -> None:
    depth, features = filters.shape[-2:]
    if groups < 1:
        raise InvalidArgument("feature_group_count must be positive")
    if images.shape[-1] != depth * groups or features % groups:
        raise InvalidArgument(
            f"Expected LHS feature dimension ({images.shape[-1]}) to be a multiple of"
            f" feature_group_count ({groups}), and LHS feature dimension / feature_group_count ="
            f" RHS feature dimension ({depth})"
        )


def _placed(
    images: Array,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[Sequence[int]],
    spread: Sequence[int],
    dilations: Sequence[int],
) -> tuple[list[Axis], Array]:
    """The images with zeros between and around, and where windows stand on them."""
    rank = len(window)
    if not len(strides) == len(padding) == len(spread) == len(dilations) == rank:
        raise InvalidArgument(f"strides, padding and dilations of {rank} dimensions are expected")
    if min((*strides, *spread, *dilations), default=1) < 1:
        raise InvalidArgument("strides and dilations must be positive")
    places = [
        window_places(images.shape[d + 1], window[d], strides[d], dilations[d], spread[d], pad)
        for d, pad in enumerate(padding)
    ]
    low, high = ([0, *(pad[side] for pad in padding), 0] for side in (0, 1))
    between = [0, *(step - 1 for step in spread), 0]
    around = spaced(images, np.zeros((), images.dtype), low, high, between)
    axes = [
        Axis(around.shape[d + 1], window[d], strides[d], dilations[d], 0, places[d])
        for d in range(rank)
    ]
    return axes, around
