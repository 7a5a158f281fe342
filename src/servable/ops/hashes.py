"""FarmHash's Fingerprint64, MurmurHash64A and SipHash-2-4, over many strings at once.

TensorFlow's hashing ops promise these for ever, so that features keep their buckets.
Everything is arithmetic modulo 2**64 on numpy's uint64; one string or a million take
the same number of numpy calls for each block of input.

Sources: the published algorithms of FarmHash (`farmhashna`), MurmurHash2 and SipHash;
values recorded from TensorFlow hold them to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Words: TypeAlias = np.ndarray[Any, np.dtype[np.uint64]]
"""One 64-bit number for each string."""

Places: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
"""One offset for each string."""


def _u64(value: int) -> np.uint64:
    return np.uint64(value)


_K0 = _u64(0xC3A5C85C97CB3127)
_K1 = _u64(0xB492B66FBE98F273)
_K2 = _u64(0x9AE16A3B2F90404F)
_PADDING = 64
"""Bytes after the last string, so that a block may be read across its end."""


@dataclass(frozen=True)
class Texts:
    """Strings one after another in memory.

    Attributes:
        words: the eight bytes at every offset, as a little-endian number.
        starts: offset of each string.
        lengths: bytes of each string.
    """

    words: Words
    starts: Places
    lengths: Places

    @classmethod
    def of(cls, items: Sequence[bytes]) -> Texts:
        """Lay out strings."""
        data = b"".join(items) + bytes(_PADDING)
        lengths = np.fromiter(map(len, items), np.int64, len(items))
        # A view with overlapping numbers, one for each byte.
        words = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
        return cls(words, np.cumsum(lengths) - lengths, lengths)

    def some(self, which: np.ndarray[Any, np.dtype[np.bool_]] | Places) -> Texts:
        """These strings only."""
        return Texts(self.words, self.starts[which], self.lengths[which])

    def fetch(self, offset: int | Places) -> Words:
        """Eight bytes of each string, `offset` bytes from its start."""
        found: Words = self.words[self.starts + offset].astype(np.uint64)
        return found

    def fetch32(self, offset: int | Places) -> Words:
        """Four bytes of each string."""
        return self.fetch(offset) & _u64(0xFFFFFFFF)

    def byte(self, offset: int | Places) -> Words:
        """One byte of each string."""
        return self.fetch(offset) & _u64(0xFF)


def _rotate_right(value: Words, by: int) -> Words:
    return (value >> _u64(by)) | (value << _u64(64 - by))


def _rotate_left(value: Words, by: int) -> Words:
    return _rotate_right(value, 64 - by)


def _shift_mix(value: Words) -> Words:
    return value ^ (value >> _u64(47))


def _mix(u: Words, v: Words, multiplier: Words | np.uint64) -> Words:
    a = (u ^ v) * multiplier
    a ^= a >> _u64(47)
    b = (v ^ a) * multiplier
    b ^= b >> _u64(47)
    return b * multiplier


def fingerprint64(items: Sequence[bytes]) -> Words:
    """FarmHash's stable fingerprint of each string."""
    texts = Texts.of(items)
    result = np.empty(len(items), np.uint64)
    lengths = texts.lengths
    for which, function in (
        (lengths == 0, lambda t: np.full(len(t.lengths), _K2)),
        ((lengths > 0) & (lengths < 4), _up_to_3),
        ((lengths >= 4) & (lengths < 8), _up_to_7),
        ((lengths >= 8) & (lengths <= 16), _up_to_16),
        ((lengths > 16) & (lengths <= 32), _up_to_32),
        ((lengths > 32) & (lengths <= 64), _up_to_64),
        (lengths > 64, _longer),
    ):
        if which.any():
            result[which] = function(texts.some(which))
    return result


def _multiplier(t: Texts) -> Words:
    return _K2 + t.lengths.astype(np.uint64) * _u64(2)


def _up_to_3(t: Texts) -> Words:
    n = t.lengths
    y = t.byte(0) + (t.byte(n >> 1) << _u64(8))
    z = n.astype(np.uint64) + (t.byte(n - 1) << _u64(2))
    return _shift_mix(y * _K2 ^ z * _K0) * _K2


def _up_to_7(t: Texts) -> Words:
    a = t.fetch32(0)
    return _mix(
        t.lengths.astype(np.uint64) + (a << _u64(3)), t.fetch32(t.lengths - 4), _multiplier(t)
    )


def _up_to_16(t: Texts) -> Words:
    multiplier = _multiplier(t)
    a = t.fetch(0) + _K2
    b = t.fetch(t.lengths - 8)
    c = _rotate_right(b, 37) * multiplier + a
    d = (_rotate_right(a, 25) + b) * multiplier
    return _mix(c, d, multiplier)


def _up_to_32(t: Texts) -> Words:
    n = t.lengths
    multiplier = _multiplier(t)
    a = t.fetch(0) * _K1
    b = t.fetch(8)
    c = t.fetch(n - 8) * multiplier
    d = t.fetch(n - 16) * _K2
    return _mix(
        _rotate_right(a + b, 43) + _rotate_right(c, 30) + d,
        a + _rotate_right(b + _K2, 18) + c,
        multiplier,
    )


def _up_to_64(t: Texts) -> Words:
    n = t.lengths
    multiplier = _multiplier(t)
    a = t.fetch(0) * _K2
    b = t.fetch(8)
    c = t.fetch(n - 8) * multiplier
    d = t.fetch(n - 16) * _K2
    y = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    z = _mix(y, a + _rotate_right(b + _K2, 18) + c, multiplier)
    e = t.fetch(16) * multiplier
    f = t.fetch(24)
    g = (y + t.fetch(n - 32)) * multiplier
    h = (z + t.fetch(n - 24)) * multiplier
    return _mix(
        _rotate_right(e + f, 43) + _rotate_right(g, 30) + h,
        e + _rotate_right(f + a, 18) + g,
        multiplier,
    )


def _weak(t: Texts, offset: int | Places, a: Words, b: Words) -> tuple[Words, Words]:
    """Fold 32 bytes into a pair."""
    w, x, y, z = (t.fetch(offset + i) for i in (0, 8, 16, 24))
    a = a + w
    b = _rotate_right(b + a + z, 21)
    c = a
    a = a + x + y
    b = b + _rotate_right(a, 44)
    return a + z, b + c


def _longer(t: Texts) -> Words:
    """64 bytes at a time; each string drops out of the loop when its whole blocks are done."""
    count = len(t.lengths)
    x = np.full(count, _u64(81))
    y = np.full(count, _u64((81 * int(_K1) + 113) & 0xFFFFFFFFFFFFFFFF))
    z = _shift_mix(y * _K2 + _u64(113)) * _K2
    v = (np.zeros(count, np.uint64), np.zeros(count, np.uint64))
    w = (np.zeros(count, np.uint64), np.zeros(count, np.uint64))
    x = x * _K2 + t.fetch(0)
    blocks = (t.lengths - 1) // 64
    for block in range(int(blocks.max(initial=0))):
        at = np.flatnonzero(blocks > block)
        part, offset = t.some(at), block * 64
        state = _round(part, offset, (x[at], y[at], z[at]), _at(v, at), _at(w, at), _K1, 0)
        (x[at], y[at], z[at]), (v[0][at], v[1][at]), (w[0][at], w[1][at]) = state
    multiplier = _K1 + ((z & _u64(0xFF)) << _u64(1))
    last = t.lengths - 64
    w = (w[0] + ((t.lengths - 1) & 63).astype(np.uint64), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    (x, y, z), v, w = _round(t, last, (x, y, z), v, w, multiplier, 9)
    return _mix(
        _mix(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z,
        _mix(v[1], w[1], multiplier) + x,
        multiplier,
    )


Pair: TypeAlias = tuple[Words, Words]
Triple: TypeAlias = tuple[Words, Words, Words]


def _at(pair: Pair, which: Places) -> Pair:
    return pair[0][which], pair[1][which]


def _round(
    t: Texts,
    offset: int | Places,
    xyz: Triple,
    v: Pair,
    w: Pair,
    multiplier: Words | np.uint64,
    weight: int,
) -> tuple[Triple, Pair, Pair]:
    """Fold one block in; `weight` is 9 for the last block, which weighs some parts more."""
    x, y, z = xyz
    heavy = _u64(weight or 1)
    x = _rotate_right(x + y + v[0] + t.fetch(offset + 8), 37) * multiplier
    y = _rotate_right(y + v[1] + t.fetch(offset + 48), 42) * multiplier
    x = x ^ (w[1] * heavy)
    y = y + v[0] * heavy + t.fetch(offset + 40)
    z = _rotate_right(z + w[0], 33) * multiplier
    v = _weak(t, offset, v[1] * multiplier, x + w[0])
    w = _weak(t, offset + 32, z + w[1], y + t.fetch(offset + 16))
    return (z, y, x), v, w


_MURMUR = _u64(0xC6A4A7935BD1E995)
_SEED = 0xDECAFCAFFE


def hash64(items: Sequence[bytes]) -> Words:
    """MurmurHash64A with the seed that TensorFlow uses."""
    t = Texts.of(items)
    h = _u64(_SEED) ^ (t.lengths.astype(np.uint64) * _MURMUR)
    blocks = t.lengths // 8
    for block in range(int(blocks.max(initial=0))):
        at = np.flatnonzero(blocks > block)
        k = t.some(at).fetch(block * 8) * _MURMUR
        k = (k ^ (k >> _u64(47))) * _MURMUR
        h[at] = (h[at] ^ k) * _MURMUR
    rest = t.lengths & 7
    h = np.where(rest > 0, (h ^ _tail(t, rest)) * _MURMUR, h)
    h = (h ^ (h >> _u64(47))) * _MURMUR
    return h ^ (h >> _u64(47))


def _tail(t: Texts, rest: Places) -> Words:
    """The last bytes of each string that fill no word, as a number."""
    # A shift by 64 is undefined: strings without a rest are masked afterwards.
    mask = (_u64(1) << (rest * 8).astype(np.uint64)) - _u64(1)
    return t.fetch(t.lengths - rest) & mask


def sip_hash(items: Sequence[bytes], key: tuple[int, int]) -> Words:
    """SipHash-2-4 under a key of two 64-bit numbers."""
    t = Texts.of(items)
    shape = len(items)
    starts = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [
        np.full(shape, _u64(start ^ (key[i & 1] & 0xFFFFFFFFFFFFFFFF)))
        for i, start in enumerate(starts)
    ]
    blocks = t.lengths // 8
    for block in range(int(blocks.max(initial=0))):
        at = np.flatnonzero(blocks > block)
        part = _absorb([s[at] for s in state], t.some(at).fetch(block * 8))
        for s, p in zip(state, part, strict=True):
            s[at] = p
    last = _tail(t, t.lengths & 7) | (t.lengths.astype(np.uint64) << _u64(56))
    state = _absorb(state, last)
    state[2] = state[2] ^ _u64(0xFF)
    for _ in range(4):
        state = _sip_round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _absorb(state: list[Words], word: Words) -> list[Words]:
    state = [state[0], state[1], state[2], state[3] ^ word]
    state = _sip_round(_sip_round(state))
    return [state[0] ^ word, *state[1:]]


def _sip_round(state: list[Words]) -> list[Words]:
    a, b, c, d = state
    a = a + b
    c = c + d
    b = _rotate_left(b, 13) ^ a
    d = _rotate_left(d, 16) ^ c
    a = _rotate_left(a, 32)
    c = c + b
    a = a + d
    b = _rotate_left(b, 17) ^ c
    d = _rotate_left(d, 21) ^ a
    c = _rotate_left(c, 32)
    return [a, b, c, d]
