"""What random ops share: shapes, seeds, generators that move on."""

from __future__ import annotations

import secrets
import threading

from servable.errors import InvalidArgument
from servable.ops.philox import Philox
from servable.ops.registry import Build
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array

_PHILOX = 1
_AUTOMATIC = 3
"""The algorithm that suits the device, which for a CPU is Philox."""


class Moving:
    """A generator that gives away stretches of its stream, one after another. Thread-safe."""

    def __init__(self, build: Build) -> None:
        """Begin at the node's seeds; where both are 0, at a place that nobody knows."""
        seed, seed2 = build.int("seed"), build.int("seed2")
        if seed == 0 and seed2 == 0:
            seed, seed2 = secrets.randbits(64), secrets.randbits(64)
        self._generator = Philox.seeded(seed, seed2)
        self._lock = threading.Lock()

    def reserve(self, blocks: int) -> Philox:
        """The next so many blocks."""
        with self._lock:
            mine = self._generator
            self._generator = mine.skip(blocks)
        return mine


def shape_of(sizes: Array) -> list[int]:
    """The sizes that a shape tensor names.

    Raises:
        InvalidArgument: it is not a vector.
    """
    if sizes.ndim != 1:
        raise InvalidArgument(
            f"shape must be a vector of {{int32,int64}}, got shape {dims(sizes.shape)}"
        )
    named: list[int] = sizes.tolist()
    return named


def from_seed(seed: Array) -> Philox:
    """The generator of a stateless op.

    Raises:
        InvalidArgument: the seed is not two numbers.
    """
    if seed.shape != (2,):
        raise InvalidArgument(f"seed must have shape [2], not {dims(seed.shape)}")
    first, second = seed.tolist()
    return Philox.scrambled(first, second)


def from_key(key: Array, counter: Array, alg: Array) -> Philox:
    """The generator at a key and a counter.

    Raises:
        InvalidArgument: their shapes are others, or the algorithm is not Philox.
    """
    number = scalar(alg, "input 3 (0-based) must have shape [], not {}")
    if number not in (_PHILOX, _AUTOMATIC):
        raise InvalidArgument(f"Unsupported algorithm id: {number}")
    if key.shape != (1,):
        raise InvalidArgument(
            f"key must have shape [1], not {dims(key.shape)}."
            " (Note that batched keys are not supported yet.)"
        )
    if counter.ndim != 1 or counter.shape[0] < 2:
        raise InvalidArgument(
            f"counter must be a vector with length at least 2; got shape: {dims(counter.shape)}."
            " (Note that batched counters are not supported yet.)"
        )
    low, high = counter.tolist()[:2]
    return Philox(int(key[0]), low | high << 64)


def bounds(lowest: Array, limit: Array) -> tuple[int, int]:
    """The bounds that an op of uniform integers is given.

    Raises:
        InvalidArgument: they are no scalars, or leave no integer between them.
    """
    low = scalar(lowest, "minval must be 0-D, got shape {}")
    high = scalar(limit, "maxval must be 0-D, got shape {}")
    if low >= high:
        raise InvalidArgument(f"Need minval < maxval, got {low} >= {high}")
    return low, high
