"""Numbers of a distribution made from random bits, with TensorFlow's arithmetic.

Functions that take bits take blocks, uint32 [n, 4], and return what each block makes:
[n, 4], or [n, 2] for dtypes of eight bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from servable.ops.limits import check_size
from servable.ops.philox import WIDTH, Philox
from servable.tensors import Array

Distribution: TypeAlias = Callable[[Array], Array]

RESERVED = 256
"""Numbers that TensorFlow sets aside for each output, because some are thrown away."""

_AT_ONCE = 1 << 16
_TINY = 1e-7
"""The smallest number whose logarithm is taken."""
_BOUND = 2.0
"""Where a truncated normal distribution ends, in standard deviations."""


def _fill(
    generator: Philox, shape: Sequence[int], dtype: np.dtype[Any], distribution: Distribution
) -> Array:
    made = np.empty(check_size(shape, dtype.itemsize), dtype)
    flat = made.reshape(-1)
    width = WIDTH // 2 if dtype.itemsize == 8 else WIDTH
    for start in range(0, flat.size, _AT_ONCE * width):
        part = flat[start : start + _AT_ONCE * width]
        bits = generator.skip(start // width).blocks(-(-part.size // width))
        part[:] = distribution(bits).reshape(-1)[: part.size]
    return made


def fill_uniform(generator: Philox, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """A tensor of numbers in [0, 1).

    Raises:
        InvalidArgument, ResourceExhausted: as `check_size`; so do the other fills.
    """
    return _fill(generator, shape, dtype, uniform(dtype))


def fill_normal(generator: Philox, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """A tensor of numbers of the standard normal distribution."""
    return _fill(generator, shape, dtype, normal(dtype))


def fill_full_integers(generator: Philox, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """A tensor of any integers of the dtype."""
    return _fill(generator, shape, dtype, _full_integers(dtype))


def fill_integers(
    generator: Philox, shape: Sequence[int], dtype: np.dtype[Any], lowest: int, limit: int
) -> Array:
    """A tensor of integers in [lowest, limit)."""
    return _fill(generator, shape, dtype, _integers(lowest, limit, dtype))


def uniform(dtype: np.dtype[Any]) -> Distribution:
    """Numbers in [0, 1): the bits fill the mantissa of a number in [1, 2)."""
    if dtype == np.float64:
        return _uniform_double
    if dtype == np.float32:
        return _uniform_float
    mantissa = 10 if dtype == np.float16 else 7
    one = np.asarray(1, dtype)
    ones = one.view(np.uint16)

    def narrow(bits: Array) -> Array:
        low = bits.astype(np.uint16) & np.uint16((1 << mantissa) - 1)
        made: Array = (low | ones).view(dtype) - one
        return made

    return narrow


def _uniform_float(bits: Array) -> Array:
    made: Array = ((bits & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)).view(np.float32)
    return made - np.float32(1)


def _uniform_double(bits: Array) -> Array:
    upper = (bits[:, 0::2] & np.uint32(0xFFFFF)).astype(np.uint64) << np.uint64(32)
    made: Array = (upper | bits[:, 1::2] | np.uint64(1023 << 52)).view(np.float64)
    return made - 1.0


def normal(dtype: np.dtype[Any]) -> Distribution:
    """Numbers of the standard normal distribution, by Box and Muller's method."""
    if dtype == np.float64:
        return _normal_double
    return lambda bits: _normal_float(bits).astype(dtype, copy=False)


def _normal_float(bits: Array) -> Array:
    numbers = _uniform_float(bits).astype(np.float64)
    # Every step is rounded to 32 bits, as there; the functions themselves are taken in 64.
    first = np.maximum(numbers[:, 0::2], np.float32(_TINY))
    log = np.log(first).astype(np.float32)
    length = np.sqrt(np.float32(-2) * log)
    angle = (2 * np.pi * numbers[:, 1::2]).astype(np.float32).astype(np.float64)
    made = np.empty(bits.shape, np.float32)
    made[:, 0::2] = np.sin(angle).astype(np.float32) * length
    made[:, 1::2] = np.cos(angle).astype(np.float32) * length
    return made


def _normal_double(bits: Array) -> Array:
    numbers = _uniform_double(bits)
    length = np.sqrt(-2.0 * np.log(np.maximum(numbers[:, :1], _TINY)))
    angle = 2 * np.pi * numbers[:, 1:]
    return np.concatenate((np.sin(angle) * length, np.cos(angle) * length), axis=1)


def _integers(lowest: int, limit: int, dtype: np.dtype[Any]) -> Distribution:
    """Integers in [lowest, limit)."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    spread = unsigned.type(limit - lowest)
    base = np.asarray(lowest, dtype).view(unsigned)
    whole = _full_integers(unsigned)
    return lambda bits: (whole(bits) % spread + base).view(dtype)


def _full_integers(dtype: np.dtype[Any]) -> Distribution:
    """Any integers of the dtype."""
    if dtype.itemsize == 4:
        return lambda bits: bits.view(dtype)
    return lambda bits: (bits[:, 0::2] | bits[:, 1::2].astype(np.uint64) << np.uint64(32)).view(
        dtype
    )


def fill_truncated_normal(generator: Philox, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """A tensor of numbers of the standard normal distribution within two deviations.

    Each group of as many outputs as a block makes has a stretch of the stream for itself.
    """
    made = np.empty(check_size(shape, dtype.itemsize), dtype)
    flat = made.reshape(-1)
    width = WIDTH // 2 if dtype == np.float64 else WIDTH
    for start in range(0, flat.size, _AT_ONCE):
        part = flat[start : start + _AT_ONCE]
        first = start // width
        groups = np.arange(first, first + -(-part.size // width), dtype=np.uint64)
        part[:] = _truncated(generator, groups, width, dtype).reshape(-1)[: part.size]
    return made


def _truncated(generator: Philox, groups: Array, width: int, dtype: np.dtype[Any]) -> Array:
    distribution = _normal_double if dtype == np.float64 else _normal_float
    places = groups * np.uint64(width * RESERVED // WIDTH)
    made = np.empty((len(groups), width), dtype)
    filled = np.zeros(len(groups), np.int64)
    open_ = np.arange(len(groups))
    while open_.size:
        numbers = distribution(generator.blocks_at(places[open_]))
        places[open_] += np.uint64(1)
        kept = np.abs(numbers) < _BOUND
        to = filled[open_][:, None] + np.cumsum(kept, axis=1) - 1
        row, column = np.nonzero(kept & (to < width))
        made[open_[row], to[row, column]] = numbers[row, column].astype(dtype)
        filled[open_] += kept.sum(axis=1)
        open_ = open_[filled[open_] < width]
    return made
