"""Gradients of normalisation by the statistics of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_FORMATS = {"NHWC": (4, 3), "NCHW": (4, 1), "NDHWC": (5, 4), "NCDHW": (5, 1)}
"""Rank, and where the channels are."""


@op(
    "FusedBatchNormGrad",
    "FusedBatchNormGradV2",
    "FusedBatchNormGradV3",
    attrs="epsilon data_format is_training",
)
def fused_batch_norm_grad(build: Build) -> Kernel:
    """The gradients of the images, the scale and the offset; then two outputs without values.

    The reserved inputs are mean and variance: of the batch if it was trained on.
    """
    rank, at = _FORMATS[build.choice("data_format", *_FORMATS)]
    epsilon = np.float32(build.float("epsilon"))
    training = build.bool("is_training")

    def kernel(
        gradient: Array, x: Array, scale: Array, mean: Array, variance: Array, *_: Array
    ) -> Any:
        for name, images in (("y_backprop", gradient), ("x", x)):
            if images.ndim != rank:
                raise InvalidArgument(f"{name} must be {rank}-dimensional: {shape_text(images)}")
        if gradient.shape != x.shape:
            raise InvalidArgument(
                f"x and y_backprop must have same shape, but x has shape {shape_text(x)} and"
                f" y_backprop has shape {shape_text(gradient)}"
            )
        for vector in (scale, mean, variance):
            if vector.shape != (x.shape[at],):
                raise InvalidArgument(
                    f"scale, mean and variance must have one number for each of {x.shape[at]}"
                    f" channels: {shape_text(vector)}"
                )
        made = _gradients(wide(gradient), wide(x), (scale, mean, variance + epsilon), at, training)
        nothing = np.zeros(0, np.float32)
        return (made[0].astype(x.dtype, copy=False), *made[1:], nothing, nothing)

    return kernel


def _gradients(
    gradient: Array, x: Array, channels: tuple[Array, Array, Array], at: int, training: bool
) -> tuple[Array, Array, Array]:
    """Of images, scale and offset; `channels` are scale, mean and variance with epsilon."""
    others = tuple(axis for axis in range(x.ndim) if axis != at)
    shape = tuple(-1 if axis == at else 1 for axis in range(x.ndim))
    scale, mean, variance = channels
    deviation = np.sqrt(variance)
    normal = (x - mean.reshape(shape)) / deviation.reshape(shape)
    for_offset = gradient.sum(axis=others)
    for_scale = (gradient * normal).sum(axis=others)
    made = gradient
    if training:
        count = max(1, x.size // max(1, x.shape[at]))
        of_mean = (for_offset / count).reshape(shape)
        of_variance = (for_scale / count).reshape(shape)
        made = gradient - of_mean - normal * of_variance
    return made * (scale / deviation).reshape(shape), for_scale, for_offset
