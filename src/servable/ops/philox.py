"""The random bits that TensorFlow draws on a CPU: Philox 4x32 with ten rounds.

Salmon and others, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011). A generator is
a key and a counter; every value of the counter stands for a block of four 32-bit numbers,
so any part of the stream can be had without what comes before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.tensors import Array

WIDTH = 4
"""Numbers in a block."""

_LOW = 0xFFFFFFFF
_WHOLE = 0xFFFFFFFFFFFFFFFF
_MULTIPLY = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_RAISE = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_AT_ONCE = 1 << 14
"""Blocks computed together: what they need fits a processor's cache."""


@dataclass(frozen=True, slots=True)
class Philox:
    """A generator at some place of its stream.

    Attributes:
        key: 64 bits.
        counter: 128 bits.
    """

    key: int
    counter: int

    @classmethod
    def seeded(cls, seed: int, seed2: int) -> Philox:
        """The generator of an op with these two attributes."""
        return cls(seed & _WHOLE, (seed2 & _WHOLE) << 64)

    @classmethod
    def scrambled(cls, seed: int, seed2: int) -> Philox:
        """The generator of a stateless op with this seed, which takes any two numbers."""
        counter = (seed & _WHOLE) | (seed2 & _WHOLE) << 64
        a, b, c, d = cls(0x02461E293EC8F720, counter).blocks(1).ravel().tolist()
        return cls(a | b << 32, c << 64 | d << 96)

    @property
    def words(self) -> tuple[int, int, int]:
        """The lower and the upper half of the counter, and the key, as 64 bits each."""
        return self.counter & _WHOLE, self.counter >> 64, self.key

    def skip(self, blocks: int) -> Philox:
        """The generator so many blocks later."""
        return Philox(self.key, (self.counter + blocks) % (1 << 128))

    def blocks(self, count: int) -> Array:
        """The next blocks: uint32 [count, 4]."""
        made = np.empty((count, WIDTH), np.uint32)
        for start in range(0, count, _AT_ONCE):
            stop = min(start + _AT_ONCE, count)
            made[start:stop] = self.blocks_at(np.arange(start, stop, dtype=np.uint64))
        return made

    def blocks_at(self, places: Array) -> Array:
        """The blocks at these places after this one.

        Args:
            places: uint64 [n].

        Returns:
            uint32 [n, 4].
        """
        low, high, key = self.words
        lower = places + np.uint64(low)
        upper = np.uint64(high) + (lower < places).astype(np.uint64)
        mask, half = np.uint64(_LOW), np.uint64(32)
        a, b, c, d = lower & mask, lower >> half, upper & mask, upper >> half
        first, second = key & _LOW, key >> 32
        for _ in range(_ROUNDS):
            left, right = a * _MULTIPLY[0], c * _MULTIPLY[1]
            a = (right >> half) ^ b ^ np.uint64(first)
            c = (left >> half) ^ d ^ np.uint64(second)
            b, d = right & mask, left & mask
            first, second = (first + _RAISE[0]) & _LOW, (second + _RAISE[1]) & _LOW
        return np.stack((a, b, c, d), axis=-1).astype(np.uint32)


class Streams:
    """One stream for each of several elements, which draw as much as each of them needs."""

    def __init__(self, generator: Philox, starts: Array) -> None:
        """Begin every stream at its own place: uint64 [n]."""
        self._generator = generator
        self._at = starts.copy()

    def take(self, who: Array) -> Array:
        """The next block of the streams of these numbers: uint32 [len(who), 4]."""
        blocks = self._generator.blocks_at(self._at[who])
        self._at[who] += np.uint64(1)
        return blocks


class Drawn:
    """Numbers of one distribution, a block at a time, each stream's block used from its end."""

    def __init__(self, streams: Streams, count: int, distribution: Any, dtype: np.dtype[Any]):
        """Draw for `count` streams; the distribution makes a block's bits into numbers."""
        self._streams = streams
        self._distribution = distribution
        self._width = WIDTH // 2 if dtype == np.float64 else WIDTH
        self._values = np.empty((count, self._width), dtype)
        self._left = np.zeros(count, np.int64)

    def next(self, who: Array) -> Array:
        """The next number of each of these streams."""
        out = who[self._left[who] == 0]
        if out.size:
            self._values[out] = self._distribution(self._streams.take(out))
            self._left[out] = self._width
        self._left[who] -= 1
        return self._values[who, self._left[who]]
