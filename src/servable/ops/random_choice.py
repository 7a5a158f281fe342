"""Random choices: classes, orders, places."""

from __future__ import annotations

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.distributions import RESERVED, fill_uniform
from servable.ops.limits import check_size
from servable.ops.philox import WIDTH, Philox
from servable.ops.random_support import Moving, from_key, from_seed
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array


def _checked(logits: Array, samples: Array) -> int:
    if logits.ndim != 2:
        raise InvalidArgument(f"logits should be a matrix, got shape {dims(logits.shape)}")
    count: int = scalar(samples, "num_samples should be a scalar, got shape {}")
    if count < 0:
        raise InvalidArgument(f"num_samples should be non-negative, got {count}")
    if not logits.shape[1]:
        raise InvalidArgument("num_classes should be positive, got 0")
    check_size((logits.shape[0], count), 8)
    return count


def _drawn(logits: Array, count: int, generator: Philox) -> Array:
    """Numbers of classes, [batch, count]; logits that are not finite have no chance."""
    usable = np.isfinite(logits)
    wide = np.where(usable, logits, -np.inf).astype(np.float64)
    top = wide.max(axis=1, keepdims=True)
    chances = np.where(usable, np.exp(wide - top), 0.0)
    reached = np.cumsum(chances, axis=1)
    sought = fill_uniform(generator, (len(logits), count), np.dtype(np.float64)) * reached[:, -1:]
    made = np.empty(sought.shape, np.int64)
    for row, (steps, values) in enumerate(zip(reached, sought, strict=True)):
        made[row] = np.searchsorted(steps, values, side="right")
    return made


@op("Multinomial", attrs="seed seed2 output_dtype")
def multinomial(build: Build) -> Kernel:
    """Classes drawn by unnormalised logarithms of their chances."""
    dtype, moving = build.type("output_dtype").numpy, Moving(build)

    def kernel(logits: Array, samples: Array) -> Array:
        count = _checked(logits, samples)
        aside = len(logits) * (-(-count // WIDTH) * WIDTH) * 2
        return _drawn(logits, count, moving.reserve(aside * RESERVED)).astype(dtype)

    return kernel


@op("StatelessMultinomial", attrs="output_dtype")
def stateless_multinomial(build: Build) -> Kernel:
    """Classes drawn by unnormalised logarithms of their chances, by a seed."""
    dtype = build.type("output_dtype").numpy

    def kernel(logits: Array, samples: Array, seed: Array) -> Array:
        generator = from_seed(seed)
        return _drawn(logits, _checked(logits, samples), generator).astype(dtype)

    return kernel


def _shuffled(value: Array, generator: Philox) -> Array:
    """The slices of the first dimension in another order."""
    size = len(value)
    numbers = generator.blocks(-(-(size - 1) // WIDTH)).reshape(-1)[: size - 1]
    ahead = (numbers % np.arange(size, 1, -1, dtype=np.uint32)).tolist()
    order = list(range(size))
    for place, step in enumerate(ahead):
        other = place + step
        order[place], order[other] = order[other], order[place]
    return value[order]


@op("RandomShuffle", attrs="seed seed2")
def random_shuffle(build: Build) -> Kernel:
    """The slices of the first dimension in another order."""
    moving = Moving(build)

    def kernel(value: Array) -> Array:
        if value.size <= 1 or len(value) <= 1:
            return value
        return _shuffled(value, moving.reserve(-(-(len(value) - 1) // WIDTH)))

    return kernel


@op("StatelessShuffle")
def stateless_shuffle(build: Build) -> Kernel:
    """The slices of the first dimension in another order, by a key and a counter."""
    del build

    def kernel(value: Array, key: Array, counter: Array, alg: Array) -> Array:
        generator = from_key(key, counter, alg)
        if value.size <= 1 or len(value) <= 1:
            return value
        return _shuffled(value, generator)

    return kernel
