"""Distributions that throw numbers away: gamma, Poisson, binomial.

Each output has a stretch of the generator's stream for itself and draws from it until a
number is kept, as TensorFlow's kernels do; here all outputs draw side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.distributions import RESERVED, normal, uniform
from servable.ops.philox import Drawn, Philox, Streams
from servable.tensors import Array

_AT_ONCE = 1 << 16
_MOST_ROUNDS = 1000
"""Draws after which no number is expected to be kept any more."""

_DOUBLE = np.dtype(np.float64)

Sampler: TypeAlias = Callable[..., Array]
"""Takes a generator, the number of each output, and its parameters; returns the outputs."""


def sample(
    sampler: Sampler, generator: Philox, samples: int, parameters: list[Array], dtype: np.dtype[Any]
) -> Array:
    """So many samples for each set of parameters.

    Args:
        parameters: vectors of one length n.

    Returns:
        [samples, n] of the dtype.

    Raises:
        InvalidArgument: no sample is found for some parameters.
    """
    made = np.empty((len(parameters[0]), samples), dtype)
    flat = made.reshape(-1)
    for start in range(0, flat.size, _AT_ONCE):
        numbers = np.arange(start, min(start + _AT_ONCE, flat.size))
        own = [p[numbers // samples] for p in parameters]
        # Out of an integer's range, C++ and numpy leave open what comes.
        flat[numbers] = sampler(generator, numbers.astype(np.uint64), *own).astype(dtype)
    return made.T


def _rounds(what: str) -> Iterator[int]:
    yield from range(_MOST_ROUNDS)
    raise InvalidArgument(f"no sample was found for these parameters of a {what} distribution")


def _refuse_nan(parameter: Array, name: str) -> None:
    # TensorFlow's kernel draws for ever.
    if np.isnan(parameter).any():
        raise InvalidArgument(f"{name} must not be NaN")


def gamma(generator: Philox, numbers: Array, alpha: Array) -> Array:
    """Gamma distributions with these shapes and scale 1, in 64 bits."""
    alpha = alpha.astype(_DOUBLE)
    made = np.empty(alpha.shape)
    one = alpha == 1.0
    places = numbers[one] * np.uint64(RESERVED)
    made[one] = -np.log1p(-uniform(_DOUBLE)(generator.blocks_at(places))[:, -1])
    made[~one] = _transform_gamma(generator, numbers[~one], alpha[~one])
    return made


def _transform_gamma(generator: Philox, numbers: Array, alpha: Array) -> Array:
    """Marsaglia and Tsang, "A simple method for generating gamma variables" (TOMS 2000)."""
    streams = Streams(generator, numbers * np.uint64(RESERVED))
    normals = Drawn(streams, len(alpha), normal(_DOUBLE), _DOUBLE)
    uniforms = Drawn(streams, len(alpha), uniform(_DOUBLE), _DOUBLE)
    small = alpha < 1
    d = alpha + np.where(small, 2.0 / 3, -1.0 / 3)
    c = 1.0 / 3 / np.sqrt(d)
    made = np.empty(alpha.shape)
    done = np.zeros(alpha.shape, np.bool_)
    open_ = np.arange(len(alpha))
    for _ in _rounds("gamma"):
        if not open_.size:
            break
        x = normals.next(open_)
        v = 1 + c[open_] * x
        usable = ~(v <= 0)
        who, x, v = open_[usable], x[usable], v[usable]
        v = v * v * v
        u = uniforms.next(who)
        kept = (u < 1 - 0.0331 * (x * x) * (x * x)) | (
            np.log(u) < 0.5 * x * x + d[who] * (1 - v + np.log(v))
        )
        who = who[kept]
        made[who] = d[who] * v[kept]
        low = who[small[who]]
        made[low] *= np.power(uniforms.next(low), 1 / alpha[low])
        done[who] = True
        open_ = open_[~done[open_]]
    return made


def poisson(generator: Philox, numbers: Array, rate: Array) -> Array:
    """Poisson distributions with these rates, in 64 bits.

    Raises:
        InvalidArgument: a rate is NaN.
    """
    rate = rate.astype(_DOUBLE)
    _refuse_nan(rate, "rate")
    streams = Streams(generator, numbers * np.uint64(RESERVED))
    uniforms = Drawn(streams, len(rate), uniform(_DOUBLE), _DOUBLE)
    made = np.zeros(rate.shape)
    few = rate < 10
    _count_arrivals(uniforms, rate, np.flatnonzero(few), made)
    _transform_poisson(uniforms, rate, np.flatnonzero(~few), made)
    return made


def _count_arrivals(uniforms: Drawn, rate: Array, open_: Array, made: Array) -> None:
    """Knuth's method: arrivals until the product of numbers in [0, 1) falls under exp(-rate)."""
    least = np.exp(-rate)
    product = np.ones(rate.shape)
    for _ in _rounds("Poisson"):
        if not open_.size:
            break
        product[open_] *= uniforms.next(open_)
        open_ = open_[~(product[open_] <= least[open_])]
        made[open_] += 1


def _transform_poisson(uniforms: Drawn, rate: Array, open_: Array, made: Array) -> None:
    """Hoermann, "The transformed rejection method for generating Poisson variables" (1993)."""
    log_rate = np.log(rate)
    b = 0.931 + 2.53 * np.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse = 1.1239 + 1.1328 / (b - 3.4)
    for _ in _rounds("Poisson"):
        if not open_.size:
            break
        u = uniforms.next(open_) - 0.5
        v = uniforms.next(open_)
        own_a, own_b, own_rate = a[open_], b[open_], rate[open_]
        shifted = 0.5 - np.abs(u)
        k = np.floor((2 * own_a / shifted + own_b) * u + own_rate + 0.43)
        quick = (shifted >= 0.07) & (v <= 0.9277 - 3.6224 / (own_b - 2))
        never = (k < 0) | ((shifted < 0.013) & (v > shifted))
        s = np.log(v * inverse[open_] / (own_a / (shifted * shifted) + own_b))
        t = -own_rate + k * log_rate[open_] - _log_factorial(k)
        kept = quick | (~never & (s <= t))
        made[open_[kept]] = k[kept]
        open_ = open_[~kept]


def _log_factorial(k: Array) -> Array:
    """The logarithm of k!, for whole numbers of at least 0, by Stirling's series."""
    x = np.maximum(k, 0) + 1
    # The series is exact to 64 bits from 10 on; below, factors are taken off first.
    factors = np.ones_like(x)
    for _ in range(10):
        low = x < 10
        factors = np.where(low, factors * x, factors)
        x = np.where(low, x + 1, x)
    inverse = 1 / (x * x)
    series: Array = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / x
    whole: Array = (x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + series - np.log(factors)
    return whole


def binomial(generator: Philox, numbers: Array, counts: Array, probabilities: Array) -> Array:
    """Binomial distributions, in 64 bits; NaN where the probability is NaN.

    Raises:
        InvalidArgument: a count is NaN.
    """
    _refuse_nan(counts, "counts")
    made = np.full(counts.shape, np.nan)
    kind = counts.dtype.type
    flipped = probabilities > kind(0.5)
    p = np.where(flipped, kind(1) - probabilities, probabilities)
    nothing = (counts <= 0) | (probabilities <= 0)
    everything = ~nothing & (probabilities >= 1)
    usual = ~nothing & ~everything & ~np.isnan(probabilities)
    many = usual & (counts * p >= kind(10))
    few = usual & ~many
    n, p = counts.astype(np.float64), p.astype(np.float64)
    made[many] = _transform_binomial(generator, numbers[many], n[many], p[many])
    made[few] = _count_successes(generator, numbers[few], n[few], p[few])
    made[usual & flipped] = (n - made)[usual & flipped]
    made[nothing] = 0
    made[everything] = n[everything]
    return made


_SUCCESSES_RESERVED = 42
"""Blocks between the outputs of `_count_successes`."""


def _count_successes(generator: Philox, numbers: Array, n: Array, p: Array) -> Array:
    """Successes whose distances, of a geometric distribution, add up to no more than n."""
    streams = Streams(generator, numbers * np.uint64(_SUCCESSES_RESERVED))
    uniforms = Drawn(streams, len(n), uniform(_DOUBLE), _DOUBLE)
    made, reached = np.zeros(n.shape), np.zeros(n.shape)
    log = np.log1p(-p)
    open_ = np.arange(len(n))
    for _ in _rounds("binomial"):
        if not open_.size:
            break
        reached[open_] += np.ceil(np.log(uniforms.next(open_)) / log[open_])
        open_ = open_[~(reached[open_] > n[open_])]
        made[open_] += 1
    return made


def _transform_binomial(generator: Philox, numbers: Array, n: Array, p: Array) -> Array:
    """Hoermann, "The generation of binomial random variates" (1993)."""
    streams = Streams(generator, numbers * np.uint64(RESERVED))
    uniforms = Drawn(streams, len(n), uniform(_DOUBLE), _DOUBLE)
    deviation = np.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    alpha = (2.83 + 5.1 / b) * deviation
    made = np.empty(n.shape)
    open_ = np.arange(len(n))
    for _ in _rounds("binomial"):
        if not open_.size:
            break
        u = uniforms.next(open_)
        v = uniforms.next(open_)
        u = u - 0.5
        own_a, own_b, own_n, own_p = a[open_], b[open_], n[open_], p[open_]
        shifted = 0.5 - np.abs(u)
        k = np.floor((2 * own_a / shifted + own_b) * u + (own_n * own_p + 0.5))
        quick = (shifted >= 0.07) & (v <= 0.92 - 4.2 / own_b)
        never = (k < 0) | (k > own_n)
        v = np.log(v * alpha[open_] / (own_a / (shifted * shifted) + own_b))
        kept = quick | (~never & (v <= _most_likely(own_n, own_p, k)))
        made[open_[kept]] = k[kept]
        open_ = open_[~kept]
    return made


def _most_likely(n: Array, p: Array, k: Array) -> Array:
    """The logarithm of how likely k is, next to the most likely number."""
    m, odds = np.floor((n + 1) * p), p / (1 - p)
    found: Array = (
        (m + 0.5) * np.log((m + 1) / (odds * (n - m + 1)))
        + (n + 1) * np.log((n - m + 1) / (n - k + 1))
        + (k + 0.5) * np.log(odds * (n - k + 1) / (k + 1))
        + _stirling_tail(m)
        + _stirling_tail(n - m)
        - _stirling_tail(k)
        - _stirling_tail(n - k)
    )
    return found


_TAILS = np.array(
    [
        0.0810614667953272,
        0.0413406959554092,
        0.0276779256849983,
        0.02079067210376509,
        0.0166446911898211,
        0.0138761288230707,
        0.0118967099458917,
        0.0104112652619720,
        0.00925546218271273,
        0.00833056343336287,
    ]
)


def _stirling_tail(k: Array) -> Array:
    square = (k + 1) * (k + 1)
    far: Array = (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)
    near = np.clip(np.nan_to_num(k), 0, 9).astype(np.int64)
    return np.where(k <= 9, _TAILS[near], far)
