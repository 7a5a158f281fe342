"""Random numbers that are a function of a seed, or of a key and a counter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from servable.ops.distributions import (
    fill_full_integers,
    fill_integers,
    fill_normal,
    fill_truncated_normal,
    fill_uniform,
)
from servable.ops.random_support import bounds, from_key, from_seed, shape_of
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array

_FILLS: dict[str, Callable[..., Array]] = {
    "RandomUniform": fill_uniform,
    "RandomNormal": fill_normal,
    "TruncatedNormal": fill_truncated_normal,
    "RandomUniformFullInt": fill_full_integers,
}


def _register(name: str, fill: Callable[..., Array]) -> None:
    @op(f"Stateless{name}", attrs="dtype")
    def seeded(build: Build) -> Kernel:
        dtype = build.type("dtype").numpy
        return lambda sizes, seed: fill(from_seed(seed), shape_of(sizes), dtype)

    @op(f"Stateless{name}V2", attrs="dtype")
    def keyed(build: Build) -> Kernel:
        dtype = build.type("dtype").numpy

        def kernel(sizes: Array, key: Array, counter: Array, alg: Array) -> Array:
            return fill(from_key(key, counter, alg), shape_of(sizes), dtype)

        return kernel


for _name, _fill in _FILLS.items():
    _register(_name, _fill)


@op("StatelessRandomUniformInt", attrs="dtype")
def seeded_integers(build: Build) -> Kernel:
    """Integers between two bounds, by a seed."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array, seed: Array, lowest: Array, limit: Array) -> Array:
        shape, generator = shape_of(sizes), from_seed(seed)
        if 0 in shape:
            return np.zeros(shape, dtype)
        return fill_integers(generator, shape, dtype, *bounds(lowest, limit))

    return kernel


@op("StatelessRandomUniformIntV2", attrs="dtype")
def keyed_integers(build: Build) -> Kernel:
    """Integers between two bounds, by a key and a counter."""
    dtype = build.type("dtype").numpy

    def kernel(
        sizes: Array, key: Array, counter: Array, alg: Array, lowest: Array, limit: Array
    ) -> Array:
        generator, shape = from_key(key, counter, alg), shape_of(sizes)
        if 0 in shape:
            return np.zeros(shape, dtype)
        return fill_integers(generator, shape, dtype, *bounds(lowest, limit))

    return kernel


def _key_and_counter(seed: Array) -> tuple[Array, Array]:
    low, high, key = from_seed(seed).words
    return np.array([key], np.uint64), np.array([low, high], np.uint64)


@op("StatelessRandomGetKeyCounter")
def get_key_counter(build: Build) -> Kernel:
    """The key and the counter that belong to a seed."""
    del build
    return _key_and_counter


@op("StatelessRandomGetAlg")
def get_algorithm(build: Build) -> Kernel:
    """The number of the algorithm that suits the device: Philox."""
    del build
    return lambda: np.array(1, np.int32)


@op("StatelessRandomGetKeyCounterAlg")
def get_key_counter_algorithm(build: Build) -> Kernel:
    """The key and the counter that belong to a seed, and the algorithm's number."""
    del build
    return lambda seed: (*_key_and_counter(seed), np.array(1, np.int32))
