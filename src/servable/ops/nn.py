"""Layers of neural nets: convolution, pooling, activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.math import shape_text
from servable.ops.registry import Build, Island, Kernel, op
from servable.tensors import Array


@op("Relu", island=Island.LIGHT)
def relu(build: Build) -> Kernel:
    """max(x, 0)."""
    zero = np.zeros((), build.type().numpy)
    return lambda x: np.maximum(x, zero)


@op("Softmax", island=Island.LIGHT)
def softmax(build: Build) -> Kernel:
    """exp(x) over its sum, along the last dimension."""
    del build

    def kernel(x: Array) -> Any:
        e = np.exp(x - x.max(axis=-1, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=-1, keepdims=True)

    return kernel


@op("BiasAdd", attrs="data_format", island=Island.LIGHT)
def bias_add(build: Build) -> Kernel:
    """Add a vector along the channel dimension."""
    first = build.choice("data_format", "NHWC", "NCHW") == "NCHW"

    def kernel(x: Array, bias: Array) -> Any:
        channels = x.shape[1 if first else -1] if x.ndim > 1 else -1
        if bias.ndim != 1 or channels != bias.shape[0]:
            raise InvalidArgument(
                "Must provide as many biases as the last dimension of the input tensor:"
                f" {shape_text(bias)} vs. {shape_text(x)}"
            )
        return x + (bias.reshape(-1, *(1,) * (x.ndim - 2)) if first else bias)

    return kernel


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after, so that the output has ceil(size / stride) places.

    The odd one goes behind, as TensorFlow does it.
    """
    needed = max((-(-size // stride) - 1) * stride + (window - 1) * dilation + 1 - size, 0)
    return needed // 2, needed - needed // 2


def _pads(
    padding: str,
    explicit: Sequence[int],
    x: Array,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[tuple[int, int]]:
    if padding == "VALID":
        return [(0, 0)] * len(window)
    if padding == "EXPLICIT":
        return [(int(explicit[2 * d + 2]), int(explicit[2 * d + 3])) for d in range(len(window))]
    return [
        same_padding(x.shape[d + 1], window[d], strides[d], dilations[d])
        for d in range(len(window))
    ]


def _windows(
    x: Array, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Array:
    """Every place of a window over dimensions 1 and 2, as a view.

    Shape: [batch, rows, columns, channels, window rows, window columns].
    """
    reach = [(w - 1) * d + 1 for w, d in zip(window, dilations, strict=True)]
    if any(size < r for size, r in zip(x.shape[1:3], reach, strict=True)):
        raise InvalidArgument(
            f"Computed output size would be negative: a window of {reach} does not fit"
            f" an input of shape {shape_text(x)}"
        )
    view = np.lib.stride_tricks.sliding_window_view(x, reach, (1, 2))
    return view[:, :: strides[0], :: strides[1], :, :: dilations[0], :: dilations[1]]


def _pooling(build: Build, fill: float, reduce: Any, count_padding: bool) -> Kernel:
    build.choice("data_format", "NHWC")
    padding = build.choice("padding", "SAME", "VALID")
    window = build.list("ksize")[1:3]
    strides = build.list("strides")[1:3]
    if build.list("ksize")[0] != 1 or build.list("ksize")[3] != 1:
        raise build.unsupported("pooling over batch or channels")

    def kernel(x: Array) -> Any:
        pads = _pads(padding, (), x, window, strides, (1, 1))
        padded = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
        view = _windows(padded, window, strides, (1, 1))
        result = reduce(view, axis=(-1, -2))
        if count_padding:
            ones = np.pad(np.ones((1, *x.shape[1:3], 1), x.dtype), [(0, 0), *pads, (0, 0)])
            result = result / np.sum(_windows(ones, window, strides, (1, 1)), axis=(-1, -2))
        return result.astype(x.dtype, copy=False)

    return kernel


@op(
    "MaxPool",
    attrs="ksize strides padding data_format",
    no_effect="explicit_paddings",
    island=Island.LIGHT,
)
def max_pool(build: Build) -> Kernel:
    """The largest value under each window."""
    return _pooling(build, -np.inf, np.max, count_padding=False)


@op("AvgPool", attrs="ksize strides padding data_format", island=Island.LIGHT)
def avg_pool(build: Build) -> Kernel:
    """The mean under each window, padding not counted."""
    return _pooling(build, 0, np.sum, count_padding=True)
