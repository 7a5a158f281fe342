"""Operations on the bits of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.ops.elementwise import binary, unary
from servable.ops.registry import Island
from servable.tensors import Array

binary(np.bitwise_and, "BitwiseAnd", island=Island.LIGHT, int32=True)
binary(np.bitwise_or, "BitwiseOr", island=Island.LIGHT, int32=True)
binary(np.bitwise_xor, "BitwiseXor", island=Island.LIGHT, int32=True)
unary(np.invert, "Invert", island=Island.LIGHT, int32=True)


def _places(x: Array, y: Array) -> Any:
    """How far to shift: what lies outside the number's width counts as the nearest inside."""
    return np.clip(y, 0, 8 * x.itemsize - 1)


def _left_shift(x: Array, y: Array) -> Any:
    return np.left_shift(x, _places(x, y))


def _right_shift(x: Array, y: Array) -> Any:
    return np.right_shift(x, _places(x, y))


def _population_count(x: Array) -> Any:
    octets = np.ascontiguousarray(x).view(np.uint8).reshape(*x.shape, x.itemsize)
    return np.unpackbits(octets, axis=-1).sum(axis=-1, dtype=np.uint8)


# OpenVINO shifts by any number that it is given.
binary(_left_shift, "LeftShift")
binary(_right_shift, "RightShift")
unary(_population_count, "PopulationCount")
