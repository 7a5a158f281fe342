"""Random ops that move on: each node has a generator of its own, seeded by its attributes.

With both seeds 0 the numbers are nobody's to foresee. With other seeds they are those that
TensorFlow's op gives from its first call on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.ops.distributions import (
    RESERVED,
    fill_integers,
    fill_normal,
    fill_truncated_normal,
    fill_uniform,
)
from servable.ops.limits import check_size
from servable.ops.random_support import Moving, bounds, shape_of
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array

_FILLS: dict[str, Callable[..., Array]] = {
    "RandomUniform": fill_uniform,
    "RandomStandardNormal": fill_normal,
    "TruncatedNormal": fill_truncated_normal,
}


def _size(shape: list[int], dtype: np.dtype[Any]) -> int:
    return int(np.prod(check_size(shape, dtype.itemsize), dtype=object))


def _register(name: str, fill: Callable[..., Array]) -> None:
    @op(name, attrs="seed seed2 dtype")
    def make(build: Build) -> Kernel:
        dtype, moving = build.type("dtype").numpy, Moving(build)

        def kernel(sizes: Array) -> Array:
            shape = shape_of(sizes)
            return fill(moving.reserve(_size(shape, dtype) * RESERVED), shape, dtype)

        return kernel


for _name, _fill in _FILLS.items():
    _register(_name, _fill)


@op("RandomUniformInt", attrs="seed seed2")
def random_uniform_int(build: Build) -> Kernel:
    """Integers between two bounds."""
    dtype, moving = build.type("Tout").numpy, Moving(build)

    def kernel(sizes: Array, lowest: Array, limit: Array) -> Array:
        shape = shape_of(sizes)
        if 0 in shape:
            return np.zeros(check_size(shape, dtype.itemsize), dtype)
        low, high = bounds(lowest, limit)
        generator = moving.reserve(_size(shape, dtype) * RESERVED)
        return fill_integers(generator, shape, dtype, low, high)

    return kernel
