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
