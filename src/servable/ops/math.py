"""Arithmetic and elementary functions, element by element."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.elementwise import binary, unary
from servable.ops.halves import wide
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


def _sign(x: Array) -> Any:
    if x.dtype.kind != "c":
        return np.sign(x)
    size = np.abs(x)
    return np.where(size == 0, x, x / size).astype(x.dtype, copy=False)


def _reciprocal(x: Array) -> Any:
    return np.true_divide(x.dtype.type(1), x)


def _divide(x: Array, y: Array) -> Any:
    quotient = np.true_divide(x, y)
    if x.dtype.kind != "c":
        return quotient
    # TensorFlow has no infinite complex numbers here.
    return np.where(y == 0, x.dtype.type(complex("nan+nanj")), quotient)


def _rsqrt(x: Array) -> Any:
    return _reciprocal(np.sqrt(x))


def _round(x: Array) -> Any:
    return np.rint(x) if x.dtype.kind in "fV" else x


def _sigmoid(x: Array) -> Any:
    # Where exp overflows, the quotient is the 0 that it should be.
    return _reciprocal(np.exp(-x) + x.dtype.type(1))


def _squared_difference(x: Array, y: Array) -> Any:
    difference = x - y
    return np.conjugate(difference) * difference


def _where_zero(zero: Array, otherwise: Any) -> Any:
    """0 where `zero` is 0, whatever the other term is."""
    return np.where(zero == 0, zero.dtype.type(0), otherwise).astype(zero.dtype, copy=False)


_UNARY: Mapping[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "ComplexAbs": np.abs,
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    "Ceil": np.ceil,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Exp": np.exp,
    "Expm1": np.expm1,
    "Floor": np.floor,
    "Inv": _reciprocal,
    "Log": np.log,
    "Log1p": np.log1p,
    "Neg": np.negative,
    "Reciprocal": _reciprocal,
    "Rint": np.rint,
    "Round": _round,
    "Rsqrt": _rsqrt,
    "Sigmoid": _sigmoid,
    "Sign": _sign,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Sqrt": np.sqrt,
    "Square": np.square,
    "Tan": np.tan,
    "Tanh": np.tanh,
}
_BINARY: Mapping[str, Callable[..., Any]] = {
    "Add": np.add,
    "AddV2": np.add,
    "Atan2": np.arctan2,
    "DivNoNan": lambda x, y: _where_zero(y, _divide(x, y)),
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mul": np.multiply,
    "MulNoNan": lambda x, y: _where_zero(y, x * y),
    "NextAfter": np.nextafter,
    "RealDiv": _divide,
    "SquaredDifference": _squared_difference,
    "Sub": np.subtract,
    "Xdivy": lambda x, y: _where_zero(x, _divide(x, y)),
    "Xlog1py": lambda x, y: _where_zero(x, x * np.log1p(y)),
    "Xlogy": lambda x, y: _where_zero(x, x * np.log(y)),
}
# Gradients, as functions of the result y and its gradient.
_GRADIENTS: Mapping[str, Callable[..., Any]] = {
    "InvGrad": lambda y, dy: -dy * np.conjugate(y * y),
    "ReciprocalGrad": lambda y, dy: -dy * np.conjugate(y * y),
    "RsqrtGrad": lambda y, dy: dy * np.conjugate(y * y * y) * y.dtype.type(-0.5),
    "SigmoidGrad": lambda y, dy: dy * y * (y.dtype.type(1) - y),
    "SqrtGrad": lambda y, dy: dy * y.dtype.type(0.5) / np.conjugate(y),
    "TanhGrad": lambda y, dy: dy * (y.dtype.type(1) - y * y),
}
# OpenVINO loses the sign of atan2(-0, -1), and has no nextafter.
_NOT_IN_ISLANDS = frozenset({"Atan2", "NextAfter"})
# Integer arithmetic that it was seen to do in integers.
_EXACT_INT32 = frozenset(
    {
        *("Abs", "Add", "AddV2", "Maximum", "Minimum", "Mul", "Neg", "Sign", "Square"),
        *("SquaredDifference", "Sub"),
    }
)


def _island(name: str) -> Island:
    return Island.NEVER if name in _NOT_IN_ISLANDS else Island.LIGHT


for _name, _function in _UNARY.items():
    unary(_function, _name, island=_island(_name), int32=_name in _EXACT_INT32)
for _name, _function in _BINARY.items():
    binary(_function, _name, island=_island(_name), int32=_name in _EXACT_INT32)
for _name, _function in _GRADIENTS.items():
    binary(_function, _name)


def _sum(build: Build) -> Kernel:
    if build.type().name == "variant":
        raise build.unsupported(f"T={build.type().name}")

    def kernel(*parts: Array) -> Any:
        for i, part in enumerate(parts):
            if part.shape != parts[0].shape:
                raise InvalidArgument(
                    f"Inputs to operation {build.node.name} of type {build.node.op} must have the"
                    f" same size and shape.  Input 0: {shape_text(parts[0])}"
                    f" != input {i}: {shape_text(part)}"
                )
        return functools.reduce(np.add, map(wide, parts)).astype(parts[0].dtype, copy=False)

    return kernel


@op("AddN", island=Island.LIGHT, int32=True)
def add_n(build: Build) -> Kernel:
    """The sum of tensors of one shape."""
    return _sum(build)


@op("AccumulateNV2", no_effect="shape")
def accumulate_n(build: Build) -> Kernel:
    """The sum of tensors of one shape."""
    return _sum(build)
