"""Division with a whole result, remainders and powers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servable.errors import Internal, InvalidArgument
from servable.graph.ir import Node
from servable.ops.elementwise import broadcasting, rounded_once
from servable.ops.halves import is_half
from servable.ops.islands import Among, constant, from_shapes
from servable.ops.registry import Build, Island, Kernel, op
from servable.tensors import INT32, Array


def truncate_div(x: Array, y: Array) -> Any:
    """The whole part of the quotient of integers that are not divided by zero."""
    # What is left after the remainder is taken off divides without one.
    return np.floor_divide(x - np.fmod(x, y), y)


def _floor_mod(x: Array, y: Array) -> Any:
    remainder = np.fmod(x, y)
    other_sign = (remainder != 0) & ((y < 0) != (remainder < 0))
    return np.where(other_sign, remainder + y, remainder).astype(x.dtype, copy=False)


_WHOLE: Mapping[str, Callable[..., Any]] = {
    "Div": truncate_div,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
    "Mod": np.fmod,
    "TruncateDiv": truncate_div,
    "TruncateMod": np.fmod,
}
_REAL: Mapping[str, Callable[..., Any]] = {
    "Div": np.true_divide,
    "FloorDiv": lambda x, y: np.floor(x / y),
    "FloorMod": _floor_mod,
    "Mod": np.fmod,
    "TruncateDiv": lambda x, y: np.trunc(x / y),
    "TruncateMod": np.fmod,
}


def _division(name: str, *, among: Among | None = None) -> None:
    @op(name, island=Island.LIGHT, island_among=among, int32=among is not None)
    def make(build: Build) -> Kernel:
        dtype = build.type().numpy
        if dtype.kind not in "iu":
            return broadcasting(rounded_once(_REAL[name]) if is_half(dtype) else _REAL[name])
        divide = broadcasting(_WHOLE[name])

        def kernel(x: Array, y: Array) -> Any:
            if x.size and not np.all(y):
                raise _no_division(name)
            return divide(x, y)

        return kernel


def _no_division(name: str) -> InvalidArgument | Internal:
    if name.startswith("Truncate"):
        return Internal(
            "Unexpected error in binary operator (only integer div and mod should have errors)",
            hint="An integer was divided by zero.",
        )
    return InvalidArgument("Integer division by zero")


_OF_SIZES = from_shapes(0)


def _of_sizes(node: Node, nodes: Mapping[str, Node]) -> bool:
    # OpenVINO rounds quotients that are not whole before it takes the rest, divides int32 in
    # float32, and ends the process where it divides by zero. Sizes it divides exactly, and
    # dilated convolutions pad them to multiples.
    divisor = constant(node.inputs[1], nodes)
    return (
        node.dtypes[0] is INT32
        and divisor is not None
        and bool(np.all(divisor > 0))
        and _OF_SIZES(node, nodes)
    )


for _name in _WHOLE:
    _division(_name, among=_of_sizes if "Mod" in _name else None)


@op("Pow", island=Island.LIGHT)
def power(build: Build) -> Kernel:
    """x to the power of y; integers wrap around."""
    dtype = build.type().numpy
    raised = broadcasting(rounded_once(np.power) if is_half(dtype) else np.power)
    if dtype.kind != "i":
        return raised

    def kernel(x: Array, y: Array) -> Any:
        if x.size and np.any(y < 0):
            raise InvalidArgument("Integers to negative integer powers are not allowed")
        return raised(x, y)

    return kernel
