"""Normalisation by statistics of a batch, or of neighbouring channels."""

from __future__ import annotations

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import Node
from servable.ops.halves import wide
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_FORMATS = {"NHWC": (4, -1), "NCHW": (4, 1), "NDHWC": (5, -1), "NCDHW": (5, 1)}
"""Rank, and where the channels are."""


def _infers(node: Node) -> bool:
    return node.attrs.get("is_training") is False


@op(
    "FusedBatchNorm",
    "FusedBatchNormV2",
    "FusedBatchNormV3",
    attrs="epsilon exponential_avg_factor data_format is_training",
    island=Island.LIGHT,
    island_if=_infers,
)
def fused_batch_norm(build: Build) -> Kernel:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, for every channel.

    While training, mean and variance are the batch's own, and the running ones move
    towards them. Further outputs: mean, variance, and what the gradient would reuse.
    """
    rank, at = _FORMATS[build.choice("data_format", *_FORMATS)]
    epsilon = np.float32(build.float("epsilon"))
    factor = np.float32(build.float("exponential_avg_factor"))
    training = build.bool("is_training")
    outputs = len(build.node.dtypes)

    def kernel(x: Array, scale: Array, offset: Array, mean: Array, variance: Array) -> list[Array]:
        if x.ndim != rank:
            raise InvalidArgument(f"input must be {rank}-dimensional: {shape_text(x)}")
        channels = x.shape[at]
        _check("scale", scale, channels)
        _check("offset", offset, channels)
        if not training or factor != 1:
            when = "exponential_avg_factor != 1" if training else "is_training=false"
            _check("mean", mean, channels, f"When {when}, ")
            _check("variance", variance, channels, f"When {when}, ")
        spread = tuple(-1 if axis == at % rank else 1 for axis in range(rank))
        numbers = wide(x)
        if not x.size:
            running = np.full((2, channels), np.nan, np.float32)
            kept = np.zeros((2, channels), np.float32)
        elif training:
            kept, running = _statistics(numbers, at % rank)
            if factor != 1:
                running = (1 - factor) * np.stack([mean, variance]) + factor * running
        else:
            running = kept = np.stack([mean, variance])
        y = numbers - kept[0].reshape(spread)
        y *= (scale / np.sqrt(kept[1] + epsilon)).reshape(spread)
        y += offset.reshape(spread)
        # The last reserve belongs to oneDNN or cuDNN; its shape tells that there is none.
        last = np.zeros((0,) if rank == 4 and x.dtype != np.float16 else (), np.float32)
        return [y.astype(x.dtype, copy=False), *running, *kept, last][:outputs]

    return kernel


def _check(name: str, vector: Array, channels: int, when: str = "") -> None:
    if vector.ndim != 1:
        raise InvalidArgument(f"{name} must be 1-dimensional: {shape_text(vector)}")
    if vector.shape[0] != channels:
        raise InvalidArgument(
            f"{when}{name} must have the same number of elements as the channels of x,"
            f" got {vector.shape[0]} and {channels}"
        )


def _statistics(x: Array, at: int) -> tuple[Array, Array]:
    """Mean and variance of every channel; and the same with the variance unbiased."""
    others = tuple(axis for axis in range(x.ndim) if axis != at)
    count = x.size // x.shape[at]
    mean = x.mean(axis=others, dtype=np.float64)
    variance = x.var(axis=others, dtype=np.float64)
    unbiased = variance * (count / max(count - 1, 1))
    return (
        np.stack([mean, variance]).astype(np.float32),
        np.stack([mean, unbiased]).astype(np.float32),
    )


@op(
    "BatchNormWithGlobalNormalization",
    attrs="variance_epsilon scale_after_normalization",
)
def batch_norm_with_global_normalization(build: Build) -> Kernel:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, for every last index."""
    epsilon = build.float("variance_epsilon")
    scales = build.bool("scale_after_normalization")

    def kernel(x: Array, mean: Array, variance: Array, beta: Array, gamma: Array) -> Array:
        if x.ndim != 4:
            raise InvalidArgument(f"input must be 4-dimensional{shape_text(x)}")
        for name, vector in (("mean", mean), ("var", variance), ("beta", beta), ("gamma", gamma)):
            _check(name, vector, x.shape[-1])
        factor = 1 / np.sqrt(wide(variance) + wide(np.array(epsilon, variance.dtype)))
        if scales:
            factor *= wide(gamma)
        made: Array = (wide(x) - wide(mean)) * factor + wide(beta)
        return made.astype(x.dtype, copy=False)

    return kernel


@op("LRN", attrs="depth_radius bias alpha beta")
def lrn(build: Build) -> Kernel:
    """x / (bias + alpha * sum of the squares of neighbouring channels) ** beta.

    No island holds it: OpenVINO takes alpha for that of a mean.
    """
    radius = build.int("depth_radius")
    if radius < 0:
        raise InvalidArgument(f"depth_radius = {radius} larger than int max")
    bias, alpha, beta = (np.float32(build.float(name)) for name in ("bias", "alpha", "beta"))

    def kernel(x: Array) -> Array:
        if x.ndim != 4:
            raise InvalidArgument("in must be 4-dimensional")
        numbers = wide(x)
        squares = numbers * numbers
        total = squares.copy()
        for distance in range(1, min(radius + 1, x.shape[-1])):
            total[..., distance:] += squares[..., :-distance]
            total[..., :-distance] += squares[..., distance:]
        made: Array = numbers * (bias + alpha * total) ** -beta
        return made.astype(x.dtype, copy=False)

    return kernel
