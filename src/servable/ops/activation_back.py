"""Gradients of activations and biases: from what a layer made to what it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.activation import SELU_ALPHA, SELU_SCALE
from servable.ops.halves import wide
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


def _selu(gradient: Array, made: Array) -> Any:
    negative = gradient * (made + SELU_SCALE * SELU_ALPHA)
    return np.where(made < 0, negative, gradient * SELU_SCALE)


# Functions of the gradient and of what the activation was given; of what it made where
# that tells as much: Elu and Selu.
_GRADIENTS: Mapping[str, Callable[[Array, Array], Any]] = {
    "EluGrad": lambda gradient, made: np.where(made < 0, (made + 1) * gradient, gradient),
    "Relu6Grad": lambda gradient, x: gradient * ((x > 0) & (x < 6)),
    "ReluGrad": lambda gradient, x: gradient * (x > 0),
    "SeluGrad": _selu,
    "SoftplusGrad": lambda gradient, x: gradient / (np.exp(-x) + 1),
    "SoftsignGrad": lambda gradient, x: gradient / (1 + np.abs(x)) ** 2,
}


def _of_one_shape(name: str, function: Callable[[Array, Array], Any]) -> Kernel:
    def kernel(gradient: Array, x: Array) -> Any:
        if gradient.shape != x.shape:
            raise InvalidArgument(
                f"{name}: gradients and inputs must have one shape, got"
                f" {shape_text(gradient)} and {shape_text(x)}"
            )
        return function(wide(gradient), wide(x)).astype(x.dtype, copy=False)

    return kernel


def _register(name: str, function: Callable[[Array, Array], Any]) -> None:
    @op(name)
    def make(build: Build) -> Kernel:
        return _of_one_shape(build.node.name, function)


for _name, _function in _GRADIENTS.items():
    _register(_name, _function)


@op("LeakyReluGrad", attrs="alpha")
def leaky_relu_grad(build: Build) -> Kernel:
    """The gradient where the input was positive, alpha times it elsewhere."""
    alpha = np.float32(build.float("alpha"))
    return _of_one_shape(build.node.name, lambda g, x: np.where(x > 0, g, g * g.dtype.type(alpha)))


@op("BiasAddGrad", attrs="data_format")
def bias_add_grad(build: Build) -> Kernel:
    """The sum over everything but the channels."""
    first = build.choice("data_format", "NHWC", "NCHW") == "NCHW"

    def kernel(gradient: Array) -> Any:
        if gradient.ndim < 2:
            raise InvalidArgument(f"Input tensor must be at least 2D: {shape_text(gradient)}")
        channels = 1 if first else gradient.ndim - 1
        others = tuple(axis for axis in range(gradient.ndim) if axis != channels)
        return wide(gradient).sum(axis=others).astype(gradient.dtype, copy=False)

    return kernel
