"""Convolutions with what comes before them, as old tools for small devices fused them.

TensorFlow's own kernel convolves the first image of a batch again and again; here every
image is its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.conv import convolve
from servable.ops.halves import wide
from servable.ops.image_resize import Corners, check_images, resized_linearly
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.ops.windows import Sliding, spatial
from servable.tensors import FLOAT, Array

_MODES = {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}


@op("FusedPadConv2D", attrs="mode strides padding")
def fused_pad_conv(build: Build) -> Kernel:
    """Images with a border that mirrors them, convolved."""
    return _padded(build)


@op("FusedResizeAndPadConv2D", attrs="resize_align_corners mode strides padding")
def fused_resize_and_pad_conv(build: Build) -> Kernel:
    """Images of another size with a border that mirrors them, convolved."""
    if build.type() is not FLOAT:
        raise build.unsupported(f"T={build.type().name}")
    convolution = _padded(build)
    how = Corners(build.bool("resize_align_corners"), False)

    def kernel(x: Array, size: Array, paddings: Array, filters: Array) -> Any:
        height, width = check_images(x, size, how, 4)
        return convolution(resized_linearly(x, height, width, how), paddings, filters)

    return kernel


def _padded(build: Build) -> Kernel:
    mode = _MODES[build.choice("mode", *_MODES)]
    strides = spatial(build, "strides", 2, False)
    padding = build.choice("padding", "SAME", "VALID")
    how = Sliding(2, False, strides, (1, 1), padding, ())

    def kernel(x: Array, paddings: Array, filters: Array) -> Any:
        if x.ndim != 4:
            raise InvalidArgument(f"input must be 4-dimensional{shape_text(x)}")
        if paddings.shape != (4, 2):
            raise InvalidArgument(
                f"paddings must be a matrix with 2 columns and 4 rows: {shape_text(paddings)}"
            )
        _check_mirror(x, paddings, mode)
        if filters.ndim != 4:
            raise InvalidArgument(f"filter must be 4-dimensional: {shape_text(filters)}")
        pairs = paddings.tolist()
        check_size((n + sum(pair) for n, pair in zip(x.shape, pairs, strict=True)), x.itemsize)
        padded = np.pad(x, pairs, mode)  # type: ignore[call-overload]  # the mode is one of its own
        if padded.shape[-1] != filters.shape[2]:
            raise InvalidArgument(
                f"input and filter must have the same depth: {padded.shape[-1]} vs"
                f" {filters.shape[2]}"
            )
        axes = how.over(padded.shape[1:-1], filters.shape[:2])
        return convolve(wide(padded), wide(filters), axes, 1).astype(x.dtype, copy=False)

    return kernel


def _check_mirror(x: Array, paddings: Array, mode: str) -> None:
    """Refuse borders that are wider than what they mirror."""
    room = 1 if mode == "reflect" else 0
    for d, (before, behind) in enumerate(paddings.tolist()):
        if before < 0 or behind < 0:
            raise InvalidArgument(f"paddings must be non-negative: {before} {behind}")
        if max(before, behind) > max(x.shape[d] - room, 0):
            raise InvalidArgument(
                f"paddings must be no greater than the dimension size: {before}, {behind}"
                f" greater than {x.shape[d]}"
            )
        if d in (0, 3) and (before or behind):
            raise InvalidArgument(
                f"The fused implementation only supports spatial padding, not of dimension {d}"
            )
