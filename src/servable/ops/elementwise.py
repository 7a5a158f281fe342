"""How an op that works on each element becomes a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import is_half, wide
from servable.ops.limits import MOST_BYTES, check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


def broadcasting(function: Callable[..., Any]) -> Kernel:
    """A function of two tensors whose shapes are broadcast, with TensorFlow's refusals."""

    def kernel(x: Array, y: Array) -> Any:
        if x.shape != y.shape:
            check_broadcast(x, y)
        return function(x, y)

    return kernel


def check_broadcast(x: Array, y: Array) -> None:
    """Refuse shapes that do not go together.

    Raises:
        InvalidArgument: they do not.
        ResourceExhausted: they do, and the result is larger than a kernel may make.
    """
    if not (x.ndim and y.ndim):
        return
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise InvalidArgument(f"Incompatible shapes: {shape_text(x)} vs. {shape_text(y)}") from None
    if x.size * y.size * x.itemsize > MOST_BYTES:
        check_size(shape, x.itemsize)


def rounded_once(function: Callable[..., Any]) -> Kernel:
    """Compute halves in float32 and round the result."""

    def kernel(*x: Array) -> Any:
        return function(*map(wide, x)).astype(x[0].dtype, copy=False)

    return kernel


def in_doubles(function: Callable[..., Any]) -> Kernel:
    """Compute in float64 and round the result."""

    def kernel(*x: Array) -> Any:
        wide = (np.asarray(value, np.float64) for value in x)
        return function(*wide).astype(x[0].dtype, copy=False)

    return kernel


def unary(
    function: Kernel, *names: str, island: Island = Island.NEVER, int32: bool = False
) -> None:
    """Register a function of one tensor; halves are computed in float32."""

    @op(*names, island=island, int32=int32)
    def make(build: Build) -> Kernel:
        return rounded_once(function) if is_half(build.type().numpy) else function


def binary(
    function: Kernel, *names: str, island: Island = Island.NEVER, int32: bool = False
) -> None:
    """Register a function of two tensors that are broadcast; halves are computed in float32."""

    @op(*names, island=island, int32=int32)
    def make(build: Build) -> Kernel:
        half = is_half(build.type().numpy)
        return broadcasting(rounded_once(function) if half else function)
