"""Arithmetic, comparison, reductions and matrix products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Island, Kernel, op
from servable.tensors import Array


def _elementwise(
    name: str,
    function: Callable[..., Any],
    *,
    attrs: str = "",
    no_effect: str = "",
    island: Island = Island.LIGHT,
    int32: bool = False,
) -> None:
    """Register an op that is one numpy function of its inputs."""

    @op(name, attrs=attrs, no_effect=no_effect, island=island, int32=int32)
    def make(build: Build) -> Kernel:  # noqa: ARG001
        return function


def _sigmoid(x: Array) -> Any:
    # exp of a negative number can not overflow, whichever sign x has.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e)).astype(x.dtype, copy=False)


def _rsqrt(x: Array) -> Any:
    return np.reciprocal(np.sqrt(x))


def _squared_difference(x: Array, y: Array) -> Any:
    difference = x - y
    return np.conjugate(difference) * difference


_ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "SquaredDifference": _squared_difference,
    "Neg": np.negative,
    "Abs": np.abs,
    "Square": np.square,
    "Sqrt": np.sqrt,
    "Rsqrt": _rsqrt,
    "Exp": np.exp,
    "Log": np.log,
    "Tanh": np.tanh,
    "Sigmoid": _sigmoid,
}
# Integer arithmetic that OpenVINO was seen to do in integers.
_EXACT_INT32 = frozenset({"Add", "AddV2", "Sub", "Mul", "Neg"})
_COMPARISONS: Mapping[str, Callable[..., Any]] = {
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "LogicalNot": np.logical_not,
}
for _name, _function in {**_ARITHMETIC, **_COMPARISONS}.items():
    _elementwise(_name, _function, int32=_name in _EXACT_INT32)


@op("RealDiv", island=Island.LIGHT)
def real_div(build: Build) -> Kernel:
    """x / y for floating and complex dtypes."""
    del build
    return np.divide


@op("Cast", no_effect="Truncate", island=Island.LIGHT)
def cast(build: Build) -> Kernel:
    """To another dtype; fractions are cut off towards zero."""
    target = build.type("DstT").numpy
    if object in (target, build.type("SrcT").numpy):
        raise build.unsupported("strings")
    return lambda x: x.astype(target)


def _matmul(x: Array, y: Array) -> Any:
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-2]:
        raise InvalidArgument(
            f"Matrix size-incompatible: In[0]: {shape_text(x)}, In[1]: {shape_text(y)}"
        )
    return np.matmul(x, y)


def shape_text(x: Array) -> str:
    """A shape as TensorFlow writes it in messages, as in `[2,3]`."""
    return "[" + ",".join(map(str, x.shape)) + "]"


def _transposed(x: Array, transpose: bool) -> Array:
    return x.swapaxes(-1, -2) if transpose and x.ndim >= 2 else x


@op("MatMul", attrs="transpose_a transpose_b", no_effect="grad_a grad_b", island=Island.HEAVY)
def mat_mul(build: Build) -> Kernel:
    """Product of two matrices."""
    a, b = build.bool("transpose_a"), build.bool("transpose_b")
    return lambda x, y: _matmul(_transposed(x, a), _transposed(y, b))


@op("BatchMatMulV2", attrs="adj_x adj_y", no_effect="grad_x grad_y", island=Island.HEAVY)
def batch_mat_mul(build: Build) -> Kernel:
    """Products of matrices in the last two dimensions, the others broadcast."""
    a, b = build.bool("adj_x"), build.bool("adj_y")

    def kernel(x: Array, y: Array) -> Any:
        x = np.conjugate(_transposed(x, a)) if a else x
        y = np.conjugate(_transposed(y, b)) if b else y
        return _matmul(x, y)

    return kernel


def reduction(name: str, function: Callable[..., Any]) -> None:
    """Register a reduction over the axes that its second input lists."""

    @op(name, attrs="keep_dims", island=Island.LIGHT)
    def make(build: Build) -> Kernel:
        keep = build.bool("keep_dims")

        def kernel(x: Array, axes: Array) -> Any:
            axis = tuple(int(a) for a in np.atleast_1d(axes))
            if any(not -x.ndim <= a < x.ndim for a in axis):
                raise InvalidArgument(
                    f"Invalid reduction dimension ({min(axis)} for input with {x.ndim} dimension(s)"
                )
            return function(x, axis=axis, keepdims=keep).astype(x.dtype, copy=False)

        return kernel


def _extreme(function: Callable[..., Any], lowest: bool) -> Callable[..., Any]:
    """max or min, whose value over nothing is the dtype's own limit, as TensorFlow has it."""

    def reduce(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
        if np.issubdtype(x.dtype, np.integer):
            limits = np.iinfo(x.dtype)
            limit: Any = limits.min if lowest else limits.max
        else:
            limit = -np.inf if lowest else np.inf
        return function(x, axis=axis, keepdims=keepdims, initial=limit)

    return reduce


def _mean(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    total = np.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
    count = int(np.prod([x.shape[a] for a in axis], dtype=np.int64))
    if np.issubdtype(x.dtype, np.integer):
        return np.trunc(total / count)
    return total / np.asarray(count, x.dtype)


reduction("Sum", np.sum)
reduction("Mean", _mean)
reduction("Max", _extreme(np.max, lowest=True))
reduction("Min", _extreme(np.min, lowest=False))
reduction("Prod", np.prod)
