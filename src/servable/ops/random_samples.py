"""Random numbers of distributions with parameters: gamma, Poisson, binomial."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops import samplers
from servable.ops.distributions import RESERVED
from servable.ops.limits import check_size
from servable.ops.philox import Philox
from servable.ops.random_state import advance
from servable.ops.random_support import Moving, from_key, from_seed, shape_of
from servable.ops.registry import Build, Kernel, op
from servable.ops.resources import Variable
from servable.ops.text import dims
from servable.tensors import Array


def _vector(sizes: Array) -> list[int]:
    if sizes.ndim != 1:
        raise InvalidArgument(
            f"shape must be a vector of {{int32,int64}}, got shape: {dims(sizes.shape)}"
        )
    named: list[int] = sizes.tolist()
    return named


def _outer(
    sampler: samplers.Sampler,
    moving: Moving,
    shape: list[int],
    parameter: Array,
    dtype: np.dtype[Any],
) -> Array:
    """Samples of a shape for every element of the parameter: the shapes one after another."""
    whole = check_size((*shape, *parameter.shape), dtype.itemsize)
    outputs = int(np.prod(whole, dtype=np.int64))
    if not outputs:
        return np.zeros(whole, dtype)
    samples = outputs // parameter.size
    generator = moving.reserve(outputs * RESERVED)
    made = samplers.sample(sampler, generator, samples, [parameter.ravel()], dtype)
    return made.reshape(whole)


def _inner(
    sampler: samplers.Sampler,
    generator: Philox,
    shape: list[int],
    parameters: tuple[Array, ...],
    dtype: np.dtype[Any],
) -> Array:
    """Samples of a shape that ends with the parameters' own, broadcast together."""
    whole = check_size(shape, dtype.itemsize)
    given = np.broadcast_arrays(*parameters)
    own = given[0].shape
    if whole[len(whole) - len(own) :] != own:
        raise InvalidArgument("Shape passed in must end with broadcasted shape.")
    if 0 in whole:
        return np.zeros(whole, dtype)
    samples = int(np.prod(whole, dtype=np.int64)) // given[0].size
    made = samplers.sample(sampler, generator, samples, [g.ravel() for g in given], dtype)
    return made.reshape(whole)


@op("RandomGamma", attrs="seed seed2")
def random_gamma(build: Build) -> Kernel:
    """Samples of gamma distributions, computed in 64 bits."""
    dtype, moving = build.type("T").numpy, Moving(build)
    return lambda sizes, alpha: _outer(samplers.gamma, moving, _vector(sizes), alpha, dtype)


@op("RandomPoisson", "RandomPoissonV2", attrs="seed seed2 dtype")
def random_poisson(build: Build) -> Kernel:
    """Samples of Poisson distributions."""
    dtype, moving = build.type("dtype").numpy, Moving(build)

    def kernel(sizes: Array, rate: Array) -> Array:
        return _outer(samplers.poisson, moving, shape_of(sizes), rate, dtype)

    return kernel


@op("StatelessRandomGammaV2")
def stateless_gamma(build: Build) -> Kernel:
    """Samples of gamma distributions by a seed, computed in 64 bits."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array, seed: Array, alpha: Array) -> Array:
        shape, generator = shape_of(sizes), from_seed(seed)
        return _inner(samplers.gamma, generator, shape, (alpha,), dtype)

    return kernel


@op("StatelessRandomGammaV3")
def keyed_gamma(build: Build) -> Kernel:
    """Samples of gamma distributions by a key and a counter, computed in 64 bits."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array, key: Array, counter: Array, alg: Array, alpha: Array) -> Array:
        generator, shape = from_key(key, counter, alg), shape_of(sizes)
        return _inner(samplers.gamma, generator, shape, (alpha,), dtype)

    return kernel


@op("StatelessRandomPoisson", attrs="dtype")
def stateless_poisson(build: Build) -> Kernel:
    """Samples of Poisson distributions by a seed."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array, seed: Array, rate: Array) -> Array:
        shape, generator = shape_of(sizes), from_seed(seed)
        return _inner(samplers.poisson, generator, shape, (rate,), dtype)

    return kernel


@op("StatelessRandomBinomial", attrs="dtype")
def stateless_binomial(build: Build) -> Kernel:
    """Samples of binomial distributions by a seed."""
    dtype = build.type("dtype").numpy

    def kernel(sizes: Array, seed: Array, counts: Array, probabilities: Array) -> Array:
        generator, shape = from_seed(seed), shape_of(sizes)
        return _inner(samplers.binomial, generator, shape, (counts, probabilities), dtype)

    return kernel


@op("StatefulRandomBinomial", attrs="dtype")
def stateful_binomial(build: Build) -> Kernel:
    """Samples of binomial distributions by a generator that is a variable."""
    dtype = build.type("dtype").numpy

    def kernel(
        variable: Variable, algorithm: Array, sizes: Array, counts: Array, probabilities: Array
    ) -> Array:
        shape = shape_of(sizes)
        outputs = int(np.prod(check_size(shape, dtype.itemsize), dtype=np.int64))
        sets = max(np.broadcast(counts, probabilities).size, 1)
        # As many as TensorFlow sets aside here, whatever is drawn.
        aside = sets * 200 * (outputs // sets + 3) // 4
        generator = advance(variable, algorithm, aside)
        return _inner(samplers.binomial, generator, shape, (counts, probabilities), dtype)

    return kernel
