"""Normal distributions between bounds of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from servable.errors import Internal, InvalidArgument
from servable.ops.distributions import normal, uniform
from servable.ops.limits import check_size
from servable.ops.philox import WIDTH, Philox
from servable.ops.random_support import Moving, from_seed
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims
from servable.tensors import Array

_MOST_MISSES = 1000
"""Numbers that may be thrown away in a row."""
_WIDE = 1.3
"""Standard deviations between mean and bound from which normal numbers are tried."""
_BATCH = 100
"""Numbers that TensorFlow draws together where all parameters are scalars."""
_AT_ONCE = 1 << 12

_Attempt: TypeAlias = Callable[[Array], tuple[Array, Array]]
"""Takes the bits of several tries, uint32 [n, blocks, 4]; returns what they make, and which
of it may be kept, both [n, k]."""


def _attempt(low: Any, high: Any) -> tuple[_Attempt, int]:
    """How to find normal numbers between two bounds, and the blocks that each try takes."""
    kind = type(low)
    dtype = np.dtype(kind)
    root = np.sqrt(low * low + kind(4))
    cutoff = kind(2) * np.exp(kind(0.5) + (low * (low - root)) / kind(4)) / (low + root)
    spread = high - low
    if (low < -kind(_WIDE) and high >= kind(0)) or (high > kind(_WIDE) and low <= kind(0)):
        return lambda bits: _by_normal(bits, normal(dtype), low, high), 1
    if spread < cutoff:
        return lambda bits: _by_uniform(bits, uniform(dtype), low, spread), 2
    return lambda bits: _by_exponential(bits, uniform(dtype), low, high), 1


def _by_normal(bits: Array, numbers: Any, low: Any, high: Any) -> tuple[Array, Array]:
    z = numbers(bits[:, 0])
    return z, (z >= low) & (z <= high)


def _by_uniform(bits: Array, numbers: Any, low: Any, spread: Any) -> tuple[Array, Array]:
    kind = type(low)
    z = numbers(bits[:, 0]) * spread + low
    most = kind(0) if low < kind(0) else low * low
    return z, numbers(bits[:, 1]) <= np.exp((most - z * z) / kind(2))


def _by_exponential(bits: Array, numbers: Any, low: Any, high: Any) -> tuple[Array, Array]:
    """Of exponential numbers beyond the lower bound, which must be positive."""
    kind = type(low)
    alpha = (low + np.sqrt(low * low + kind(4))) / kind(2)
    drawn = numbers(bits[:, 0])
    z = -np.log(drawn[:, 0::2]) / alpha + low
    x = alpha - z if low < alpha else np.broadcast_to(low - alpha, z.shape)
    return z, (drawn[:, 1::2] <= np.exp(-x * x / kind(2))) & (z < high)


def _draw(generator: Philox, count: int, parameters: tuple[Any, ...]) -> tuple[Array, Philox]:
    """So many numbers for one mean, deviation and pair of bounds, and the generator after them.

    Raises:
        InvalidArgument: the parameters make no sense.
        Internal: too many numbers in a row had to be thrown away.
    """
    mean, deviation, lowest, highest = parameters
    finite = np.isfinite(lowest) or np.isfinite(highest)
    if not (deviation > 0 and lowest < highest and finite):
        raise InvalidArgument("Invalid parameters")
    if lowest == -np.inf or highest < mean:
        lowest, highest, deviation = highest, lowest, -deviation
    attempt, blocks = _attempt((lowest - mean) / deviation, (highest - mean) / deviation)
    found: list[Array] = []
    missed = 0
    while True:
        tries = min(count + 2, _AT_ONCE)
        values, kept = attempt(generator.blocks(tries * blocks).reshape(tries, blocks, WIDTH))
        places = np.flatnonzero(kept)[:count]
        misses = np.diff(places, prepend=-1 - missed).max(initial=0) - 1
        found.append(values.reshape(-1)[places])
        if len(places) == count:
            tries = int(places[-1]) // values.shape[1] + 1
        else:
            last = int(places[-1]) + 1 if len(places) else -missed
            missed = kept.size - last
        if max(misses, missed) > _MOST_MISSES:
            raise Internal("TruncatedNormal rejection sampler failed to accept a sample.")
        generator, count = generator.skip(tries * blocks), count - len(places)
        if not count:
            return np.concatenate(found) * deviation + mean, generator


def _draw_each(
    generator: Philox, sizes: list[int], parameters: tuple[Array, ...], dtype: np.dtype[Any]
) -> list[Array]:
    """Numbers for each set of parameters: as many as `sizes` says."""
    made = []
    for size, *own in zip(sizes, *(p.astype(dtype) for p in parameters), strict=True):
        numbers, generator = _draw(generator, size, tuple(own))
        made.append(numbers)
    return made


_NAMES = ("means", "stddevs", "minvals", "maxvals")


def _vector(sizes: Array) -> list[int]:
    if sizes.ndim != 1:
        raise InvalidArgument(f"Input shape should be a vector, got shape: {dims(sizes.shape)}")
    named: list[int] = sizes.tolist()
    return named


def _batches(shape: tuple[int, ...], parameters: tuple[Array, ...]) -> tuple[int, int]:
    """How many batches are drawn, and how many numbers in each.

    Raises:
        InvalidArgument: the parameters have shapes that do not fit.
    """
    for name, given in zip(_NAMES, parameters, strict=True):
        if given.ndim > 1:
            raise InvalidArgument(
                f"Input {name} should be a scalar or vector, got shape: {dims(given.shape)}"
            )
    count, total = shape[0], int(np.prod(shape, dtype=np.int64))
    if max(p.size for p in parameters[:2]) == 1 and not any(p.ndim for p in parameters[2:]):
        return -(-total // _BATCH), _BATCH
    for name, given in zip(_NAMES, parameters, strict=True):
        if given.size not in (1, count) or (given.ndim and len(given) not in (1, count)):
            raise InvalidArgument(
                f"Input {name} should have length 1 or shape[0], got shape: {dims(given.shape)}"
            )
    return count, total // count if count else 0


@op("ParameterizedTruncatedNormal", attrs="seed seed2")
def parameterized_truncated_normal(build: Build) -> Kernel:
    """Normal numbers between bounds; the first dimension may have parameters of its own."""
    dtype, moving = build.type("dtype").numpy, Moving(build)

    def kernel(sizes: Array, *parameters: Array) -> Array:
        shape = check_size(_vector(sizes), dtype.itemsize)
        if not shape:
            raise InvalidArgument("Shape tensor must not be empty, got []")
        batches, each = _batches(shape, parameters)
        generator = moving.reserve(batches * 2 * _MOST_MISSES * (each + 3) // 4)
        total = int(np.prod(shape, dtype=np.int64))
        if not total:
            return np.zeros(shape, dtype)
        counts = [min(each, total - start) for start in range(0, total, each)]
        own = tuple(np.broadcast_to(p.reshape(-1), len(counts)) for p in parameters)
        return np.concatenate(_draw_each(generator, counts, own, dtype)).reshape(shape)

    return kernel


@op("StatelessParameterizedTruncatedNormal")
def stateless_parameterized_truncated_normal(build: Build) -> Kernel:
    """Normal numbers between bounds, by a seed; the shape ends with the parameters' own."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array, seed: Array, *parameters: Array) -> Array:
        generator = from_seed(seed)
        given = np.broadcast_arrays(*parameters)
        own = given[0].shape
        shape = check_size(_vector(sizes), dtype.itemsize)
        if shape[len(shape) - len(own) :] != own:
            raise InvalidArgument("Shape passed in must end with broadcasted shape.")
        if 0 in shape:
            return np.zeros(shape, dtype)
        each = int(np.prod(shape, dtype=np.int64)) // given[0].size
        counts = [each] * given[0].size
        made = _draw_each(generator, counts, tuple(g.reshape(-1) for g in given), dtype)
        return np.stack(made, axis=-1).reshape(shape)

    return kernel
