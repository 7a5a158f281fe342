"""Random ops whose generator is a variable, as tf.random.Generator keeps it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from servable.errors import InvalidArgument, Unimplemented
from servable.ops.distributions import (
    RESERVED,
    fill_full_integers,
    fill_integers,
    fill_normal,
    fill_truncated_normal,
    fill_uniform,
)
from servable.ops.limits import check_size
from servable.ops.philox import Philox
from servable.ops.random_support import bounds, shape_of
from servable.ops.registry import Build, Kernel, op
from servable.ops.resources import Variable
from servable.ops.support import scalar
from servable.tensors import Array, from_numpy

_STATE = 3
"""Numbers of a state that count: both halves of the counter, and the key."""
_PHILOX, _THREEFRY, _AUTOMATIC = 1, 2, 3


def _check(algorithm: Array, state: Array) -> None:
    number = scalar(algorithm, "input 1 (0-based) must have shape [], not {}")
    if state.dtype != np.int64:
        raise InvalidArgument(
            f"dtype of RNG state variable must be int64, not {from_numpy(state.dtype).name}"
        )
    if state.ndim != 1:
        raise InvalidArgument(f"RNG state must have one and only one dimension, not {state.ndim}")
    if number == _THREEFRY:
        raise Unimplemented("Non-XLA devices don't support the ThreeFry algorithm.")
    if number not in (_PHILOX, _AUTOMATIC):
        raise InvalidArgument(f"Unsupported algorithm id: {number}")
    if len(state) < _STATE:
        raise InvalidArgument(
            "For the Philox algorithm, the size of state must be at least"
            f" {_STATE}; got {len(state)}"
        )


def advance(variable: Variable, algorithm: Array, outputs: int) -> Philox:
    """Move the state on by what so many outputs may take, and return the generator before that.

    Raises:
        InvalidArgument: the variable holds no state of a generator.
        Unimplemented: the algorithm is one that TensorFlow has on other devices only.
    """
    found: list[Philox] = []

    def moved(state: Array) -> Array:
        _check(algorithm, state)
        low, high, key = state[:_STATE].view(np.uint64).tolist()
        found.append(Philox(key, low | high << 64))
        new = state.copy()
        new[:_STATE] = _numbers(found[0].skip(outputs * RESERVED))
        return new

    variable.update(moved)
    return found[0]


def _numbers(generator: Philox) -> Array:
    return np.array(generator.words, np.uint64).view(np.int64)


def _register(name: str, fill: Callable[..., Array]) -> None:
    @op(name, attrs="dtype")
    def make(build: Build) -> Kernel:
        dtype = build.type("dtype").numpy

        def kernel(variable: Variable, algorithm: Array, sizes: Array) -> Array:
            shape = check_size(shape_of(sizes), dtype.itemsize)
            outputs = int(np.prod(shape, dtype=np.int64))
            return fill(advance(variable, algorithm, outputs), shape, dtype)

        return kernel


for _name, _fill in {
    "StatefulUniform": fill_uniform,
    "StatefulStandardNormalV2": fill_normal,
    "StatefulTruncatedNormal": fill_truncated_normal,
    "StatefulUniformFullInt": fill_full_integers,
}.items():
    _register(_name, _fill)


@op("StatefulUniformInt", attrs="dtype")
def stateful_uniform_int(build: Build) -> Kernel:
    """Integers between two bounds."""
    dtype = build.type("dtype").numpy

    def kernel(
        variable: Variable, algorithm: Array, sizes: Array, lowest: Array, limit: Array
    ) -> Array:
        low, high = bounds(lowest, limit)
        shape = check_size(shape_of(sizes), dtype.itemsize)
        outputs = int(np.prod(shape, dtype=np.int64))
        generator = advance(variable, algorithm, outputs)
        return fill_integers(generator, shape, dtype, low, high)

    return kernel


@op("RngSkip")
def rng_skip(build: Build) -> Kernel:
    """Move the state on."""
    del build

    def kernel(variable: Variable, algorithm: Array, delta: Array) -> None:
        outputs = scalar(delta, "input 2 (0-based) must have shape [], not {}")
        advance(variable, algorithm, outputs)

    return kernel


@op("RngReadAndSkip")
def rng_read_and_skip(build: Build) -> Kernel:
    """The state, which then moves on."""
    del build

    def kernel(variable: Variable, algorithm: Array, delta: Array) -> Array:
        outputs = scalar(delta, "delta must be of shape [], not {}")
        return _numbers(advance(variable, algorithm, outputs))

    return kernel


@op("NonDeterministicInts", attrs="dtype")
def non_deterministic_ints(build: Build) -> Kernel:
    """Integers that nobody can foresee."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array) -> Array:
        made = np.empty(check_size(shape_of(sizes), dtype.itemsize), dtype)
        whole = np.random.default_rng().bytes(made.nbytes)
        return np.frombuffer(whole, dtype).reshape(made.shape)

    return kernel
