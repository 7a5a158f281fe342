"""Activations, biases and softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import ARG, Node
from servable.ops.halves import wide
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

# Of the self-normalising activation: its fixed point is mean 0 and variance 1.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def _elu(x: Array) -> Array:
    return np.where(x < 0, np.expm1(np.minimum(x, 0)), x)


def _selu(x: Array) -> Array:
    return np.where(x < 0, SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0)), SELU_SCALE * x)


def _softplus(x: Array) -> Array:
    made: Array = np.logaddexp(x, np.zeros((), x.dtype))
    return made


def _softsign(x: Array) -> Array:
    made: Array = x / (1 + np.abs(x))
    return made


def _check_rank(x: Array) -> None:
    if not x.ndim:
        raise InvalidArgument("logits must have >= 1 dimension, got []")


def softmax(x: Array) -> Array:
    """exp(x) over its sum, along the last dimension."""
    _check_rank(x)
    made: Array = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    np.exp(made, out=made)
    made /= made.sum(axis=-1, keepdims=True)
    return made


def log_softmax(x: Array) -> Array:
    """The logarithm of `softmax`, without computing that."""
    _check_rank(x)
    made: Array = x - x.max(axis=-1, keepdims=True, initial=-np.inf)
    made -= np.log(np.exp(made).sum(axis=-1, keepdims=True))
    return made


_FLOATING: Mapping[str, Callable[[Array], Array]] = {
    "Elu": _elu,
    "Selu": _selu,
    "Softplus": _softplus,
    "Softsign": _softsign,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
}


# OpenVINO moves transpositions past it and forgets to move its axis.
_NOT_IN_ISLANDS = frozenset({"LogSoftmax"})


def _register(name: str, function: Callable[[Array], Array]) -> None:
    @op(name, island=Island.NEVER if name in _NOT_IN_ISLANDS else Island.LIGHT)
    def make(build: Build) -> Kernel:  # noqa: ARG001
        return lambda x: function(wide(x)).astype(x.dtype, copy=False)


for _name, _function in _FLOATING.items():
    _register(_name, _function)


@op("Relu", island=Island.LIGHT)
def relu(build: Build) -> Kernel:
    """max(x, 0)."""
    zero = np.zeros((), build.type().numpy)
    return lambda x: np.maximum(x, zero)


@op("Relu6", island=Island.LIGHT)
def relu_6(build: Build) -> Kernel:
    """x between 0 and 6."""
    low, high = np.array([0, 6], build.type().numpy)
    return lambda x: np.minimum(np.maximum(x, low), high)


@op("LeakyRelu", attrs="alpha", island=Island.LIGHT)
def leaky_relu(build: Build) -> Kernel:
    """x where it is positive, alpha * x elsewhere."""
    alpha = np.array(build.float("alpha"), build.type().numpy)
    return lambda x: np.where(x > 0, x, alpha * x)


def _on_a_result(node: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether an island may hold it: OpenVINO broadcasts what a request must not bring."""
    return nodes[node.inputs[0].node].op != ARG


@op("BiasAdd", attrs="data_format", island=Island.LIGHT, island_among=_on_a_result)
def bias_add(build: Build) -> Kernel:
    """Add a vector along the channels."""
    first = build.choice("data_format", "NHWC", "NCHW") == "NCHW"
    return lambda x, bias: _bias_add(x, bias, first)


@op("BiasAddV1")
def bias_add_v1(build: Build) -> Kernel:
    """Add a vector along the last dimension."""
    del build
    return lambda x, bias: _bias_add(x, bias, first=False)


def _bias_add(x: Array, bias: Array, first: bool) -> Any:
    if x.ndim < 2:
        raise InvalidArgument(f"Input tensor must be at least 2D: {shape_text(x)}")
    if bias.ndim != 1:
        raise InvalidArgument(f"Biases must be 1D: {shape_text(bias)}")
    if x.shape[1 if first else -1] != bias.shape[0]:
        raise InvalidArgument(
            "Must provide as many biases as the last dimension of the input tensor:"
            f" {shape_text(bias)} vs. {shape_text(x)}"
        )
    return x + (bias.reshape(-1, *(1,) * (x.ndim - 2)) if first else bias)
