"""Comparison, logic, what kind of number it is, and the choice between two tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.elementwise import broadcasting
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_COMPARISONS: Mapping[str, Callable[..., Any]] = {
    "Less": np.less,
    "LessEqual": np.less_equal,
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
}


def _comparison(name: str, function: Callable[..., Any]) -> None:
    @op(name, island=Island.LIGHT)
    def make(build: Build) -> Kernel:
        del build
        return broadcasting(function)


for _name, _function in _COMPARISONS.items():
    _comparison(_name, _function)


@op("LogicalNot", island=Island.LIGHT)
def logical_not(build: Build) -> Kernel:
    """Whether it is false."""
    del build
    return np.logical_not


_KINDS: Mapping[str, Callable[..., Any]] = {
    "IsFinite": np.isfinite,
    "IsInf": np.isinf,
    "IsNan": np.isnan,
}


def _kind(name: str, function: Callable[..., Any]) -> None:
    # Not in islands: OpenVINO loses NaN.
    @op(name)
    def make(build: Build) -> Kernel:
        del build
        return lambda x: function(x).astype(np.bool_, copy=False)


for _name, _function in _KINDS.items():
    _kind(_name, _function)


def _equality(name: str, function: Callable[..., Any], otherwise: bool) -> None:
    """Register a comparison that may take tensors that can not be compared.

    Args:
        otherwise: the answer for those.
    """

    @op(name, attrs="incompatible_shape_error", island=Island.LIGHT)
    def make(build: Build) -> Kernel:
        strict = broadcasting(lambda x, y: function(x, y).astype(np.bool_, copy=False))
        if build.bool("incompatible_shape_error"):
            return strict

        def kernel(x: Array, y: Array) -> Any:
            try:
                np.broadcast_shapes(x.shape, y.shape)
            except ValueError:
                return np.array(otherwise)
            return strict(x, y)

        return kernel


_equality("Equal", np.equal, otherwise=False)
_equality("NotEqual", np.not_equal, otherwise=True)


@op("ApproximateEqual", attrs="tolerance", island=Island.LIGHT)
def approximate_equal(build: Build) -> Kernel:
    """Whether two numbers differ by less than the tolerance."""
    tolerance = build.type().numpy.type(build.float("tolerance"))

    def kernel(x: Array, y: Array) -> Any:
        if x.shape != y.shape:
            raise InvalidArgument(
                "x and y must be of the same shape. x shape:"
                f" {shape_text(x)}. y shape: {shape_text(y)}"
            )
        return np.less(np.abs(x - y), tolerance)

    return kernel


@op("SelectV2", island=Island.LIGHT, int32=True)
def select_v2(build: Build) -> Kernel:
    """Elements of the second input where the first is true, else of the third; broadcast."""
    if build.type().name in ("resource", "variant"):
        return _either

    def kernel(condition: Array, yes: Array, no: Array) -> Any:
        try:
            shape = np.broadcast_shapes(condition.shape, yes.shape, no.shape)
        except ValueError:
            raise InvalidArgument(
                f"condition {shape_text(condition)}, then {shape_text(yes)},"
                f" and else {shape_text(no)} must be broadcastable"
            ) from None
        check_size(shape, yes.itemsize)
        return np.where(condition, yes, no)

    return kernel


def _either(condition: Array, yes: Any, no: Any) -> Any:
    """One of two values that are no arrays."""
    if condition.ndim:
        raise InvalidArgument(f"condition {shape_text(condition)} must be a scalar")
    return yes if condition else no


@op("Select", island=Island.LIGHT, int32=True)
def select(build: Build) -> Kernel:
    """Elements of the second input where the first is true, else of the third.

    The condition is a scalar, a vector over the first dimension, or of the tensors' shape.
    """
    if build.type().name in ("resource", "variant"):
        return _either
    name = build.node.name

    def kernel(condition: Array, yes: Array, no: Array) -> Any:
        if condition.ndim == 0 or (condition.ndim == 1 and yes.shape != condition.shape):
            return _select_rows(condition, yes, no)
        for i, other in enumerate((yes, no), 1):
            if other.shape != condition.shape:
                raise InvalidArgument(
                    f"Inputs to operation {name} of type Select must have the same size and"
                    f" shape.  Input 0: {shape_text(condition)} != input {i}: {shape_text(other)}"
                )
        return np.where(condition, yes, no)

    return kernel


def _select_rows(condition: Array, yes: Array, no: Array) -> Any:
    if yes.shape != no.shape:
        raise InvalidArgument(
            "'then' and 'else' must have the same size.  but received:"
            f" {shape_text(yes)} vs. {shape_text(no)}"
        )
    if condition.ndim == 0:
        return yes if condition else no
    if yes.ndim == 0:
        raise InvalidArgument(f"'then' must be at least a vector, but saw shape: {shape_text(yes)}")
    if len(yes) != len(condition):
        raise InvalidArgument(
            "Number of batches of 'then' must match size of 'cond', but saw:"
            f" {len(yes)} vs. {len(condition)}"
        )
    return np.where(condition.reshape(-1, *(1,) * (yes.ndim - 1)), yes, no)


@op("ClipByValue", island=Island.LIGHT, int32=True)
def clip_by_value(build: Build) -> Kernel:
    """No less than one bound and no more than another: scalars, or of the tensor's shape.

    A bound that is NaN bounds nothing. Where the bounds cross, the lower one holds.
    """
    del build

    def kernel(x: Array, low: Array, high: Array) -> Any:
        if any(bound.ndim and bound.shape != x.shape for bound in (low, high)):
            raise InvalidArgument(
                "clip_value_min and clip_value_max must be either of the same shape as input, or"
                f" a scalar. input shape: {shape_text(x)}clip_value_min shape: {shape_text(low)}"
                f"clip_value_max shape: {shape_text(high)}"
            )
        y = np.where(high < x, high, x)
        return np.where(y < low, low, y)

    return kernel
