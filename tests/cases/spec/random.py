"""Random numbers: by seed, by key and counter, by attributes."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
SEEDS = ([5, 7], [0, 0], [-1, 2**31 - 1])
LONG_SEED = np.array([2**40 + 3, -(2**62)], np.int64)
KEY = np.array([7369946891771800164], np.uint64)
COUNTER = np.array([0, 12679354197552641790], np.uint64)
LATE = np.array([2**64 - 2, 2**64 - 1], np.uint64)
# Sines, cosines and logarithms differ in the last bit between libraries.
CLOSE = 2e-6


def _int32(values):
    return np.array(values, np.int32)


def _free(values, dtype=np.int32):
    """A feed of which the graph knows no shape, so that only the kernel can refuse it."""
    return feed(np.array(values, dtype), shape=None)


def _stateless(name, shape, seed, **rest):
    return getattr(RAW, name)(shape=_free(shape), seed=feed(seed, shape=None), **rest)


def _keyed(name, shape, key=KEY, counter=COUNTER, alg=1, **rest):
    return getattr(RAW, name)(
        shape=shape, key=feed(key), counter=feed(counter), alg=_free(alg), **rest
    )


for _name, _tolerance in (
    ("StatelessRandomUniform", 0),
    ("StatelessRandomNormal", CLOSE),
    ("StatelessTruncatedNormal", CLOSE),
):
    _exact = {} if _tolerance else {"tolerance": 0}
    for _dtype in FLOATS:
        _wide = 5e-3 if _tolerance and _dtype in (tf.float16, tf.bfloat16) else _tolerance
        case(_name, tolerance=_wide, name=_name, shape=[3, 7], seed=_int32([5, 7]), dtype=_dtype)(
            _stateless
        )
        case(_name + "V2", tolerance=_wide, name=_name + "V2", shape=[3, 7], dtype=_dtype)(_keyed)
    for _seed in (_int32(SEEDS[1]), _int32(SEEDS[2]), LONG_SEED):
        case(_name, tolerance=_tolerance, name=_name, shape=[9], seed=_seed)(_stateless)
    case(_name, tolerance=_tolerance, name=_name, shape=[1003], seed=_int32([1, 2]))(_stateless)
    case(_name, name=_name, shape=[], seed=_int32([1, 2]), tolerance=_tolerance)(_stateless)
    case(_name, name=_name, shape=[2, 0], seed=_int32([1, 2]))(_stateless)
    case(_name, name=_name, shape=[-1], seed=_int32([1, 2]))(_stateless)
    case(_name, name=_name, shape=[2], seed=_int32([1]))(_stateless)
    case(_name + "V2", tolerance=_tolerance, name=_name + "V2", shape=[9], counter=LATE)(_keyed)
    case(_name + "V2", tolerance=_tolerance, name=_name + "V2", shape=[5], alg=3)(_keyed)
    for _alg in (2, 9):
        case(_name + "V2", name=_name + "V2", shape=[5], alg=_alg)(_keyed)


@case("StatelessRandomUniformV2", key=KEY.repeat(2), counter=COUNTER, alg=1)
@case("StatelessRandomUniformV2", key=KEY[0], counter=COUNTER, alg=1)
@case("StatelessRandomUniformV2", key=KEY, counter=COUNTER[None], alg=1)
@case("StatelessRandomUniformV2", key=KEY, counter=COUNTER, alg=_int32([1]))
@case("StatelessRandomUniformV2", key=KEY, counter=LATE.repeat(2), alg=1, tolerance=0)
def keyed_shapes(key, counter, alg):
    return RAW.StatelessRandomUniformV2(
        shape=[3],
        key=feed(key, shape=None),
        counter=feed(counter, shape=None),
        alg=feed(alg, np.int32, shape=None),
    )


@case("StatelessRandomUniform", shape=_int32(5))
@case("StatelessRandomUniform", shape=_int32([[5]]))
@case("StatelessRandomUniform", shape=np.array([2, 3], np.int64), tolerance=0)
def fed_shape(shape):
    return RAW.StatelessRandomUniform(shape=feed(shape, shape=None), seed=[1, 2])


for _dtype in (tf.int32, tf.int64, tf.uint32, tf.uint64):
    for _shape in ([11], [2, 3], []):
        case(
            "StatelessRandomUniformFullInt",
            name="StatelessRandomUniformFullInt",
            shape=_shape,
            seed=_int32([5, 7]),
            dtype=_dtype,
        )(_stateless)
    case(
        "StatelessRandomUniformFullIntV2",
        name="StatelessRandomUniformFullIntV2",
        shape=[9],
        dtype=_dtype,
    )(_keyed)

for _dtype, _low, _high in (
    (tf.int32, -3, 12),
    (tf.int32, -(2**31), 2**31 - 1),
    (tf.int32, 5, 6),
    (tf.int64, -3, 12),
    (tf.int64, -(2**63), 2**63 - 1),
    (tf.int64, 2**40, 2**40 + 10),
    (tf.int32, 5, 5),
):
    _range = {"minval": tf.constant(_low, _dtype), "maxval": tf.constant(_high, _dtype)}

    @case("StatelessRandomUniformInt", low=_low, high=_high, dtype=_dtype, shape=[13])
    @case("StatelessRandomUniformInt", low=_low, high=_high, dtype=_dtype, shape=[0])
    def uniform_int(low, high, dtype, shape):
        return RAW.StatelessRandomUniformInt(
            shape=_free(shape),
            seed=feed(_int32([5, 7])),
            minval=tf.constant(low, dtype),
            maxval=tf.constant(high, dtype),
        )

    @case("StatelessRandomUniformIntV2", low=_low, high=_high, dtype=_dtype, shape=[13])
    @case("StatelessRandomUniformIntV2", low=_low, high=_high, dtype=_dtype, shape=[0])
    def uniform_int_v2(low, high, dtype, shape):
        return RAW.StatelessRandomUniformIntV2(
            shape=_free(shape),
            key=feed(KEY),
            counter=feed(COUNTER),
            alg=1,
            minval=tf.constant(low, dtype),
            maxval=tf.constant(high, dtype),
        )


@case("StatelessRandomUniformInt")
def uniform_int_vector_bound():
    return RAW.StatelessRandomUniformInt(
        shape=[3], seed=[1, 2], minval=feed(_int32([1]), shape=None), maxval=5
    )


for _seed in (*map(_int32, SEEDS), LONG_SEED, _int32([1, 2, 3])):

    @case("StatelessRandomGetKeyCounter", seed=_seed)
    def get_key_counter(seed):
        return RAW.StatelessRandomGetKeyCounter(seed=feed(seed, shape=None))

    @case("StatelessRandomGetKeyCounterAlg", seed=_seed)
    def get_key_counter_alg(seed):
        return list(RAW.StatelessRandomGetKeyCounterAlg(seed=feed(seed, shape=None)))


@case("StatelessRandomGetAlg")
def get_alg():
    return RAW.StatelessRandomGetAlg()


LOGITS = np.array([[0.0, 1.0, -2.0, 3.0, 0.5], [5.0, 5.0, -np.inf, 5.0, np.nan]], np.float32)


@case("StatelessMultinomial", logits=LOGITS, samples=9)
@case("StatelessMultinomial", logits=LOGITS, samples=0)
@case("StatelessMultinomial", logits=LOGITS[:0], samples=3)
@case("StatelessMultinomial", logits=LOGITS[:, :0], samples=3)
@case("StatelessMultinomial", logits=LOGITS[0], samples=3)
@case("StatelessMultinomial", logits=LOGITS, samples=-1)
@case("StatelessMultinomial", logits=LOGITS.astype(np.float64), samples=40)
@case("StatelessMultinomial", logits=LOGITS.astype(np.float16), samples=9)
@case("StatelessMultinomial", logits=LOGITS, samples=9, out=tf.int32)
@case("StatelessMultinomial", logits=LOGITS, samples=9, seed=LONG_SEED)
@case("StatelessMultinomial", logits=np.full((1, 2), np.inf, np.float32), samples=3)
def stateless_multinomial(logits, samples, seed=SEEDS[0], out=tf.int64):
    return RAW.StatelessMultinomial(
        logits=feed(logits, shape=None),
        num_samples=_free(samples),
        seed=_free(seed, np.int64),
        output_dtype=out,
    )


for _value in (
    np.arange(10, dtype=np.int32),
    np.arange(24, dtype=np.float32).reshape(8, 3),
    np.arange(1, dtype=np.float32),
    np.arange(0, dtype=np.float32),
    np.float32(3),
):

    @case("StatelessShuffle", value=_value)
    def stateless_shuffle(value):
        return RAW.StatelessShuffle(value=feed(value), key=feed(KEY), counter=feed(COUNTER), alg=1)

    @case("RandomShuffle", value=_value, seed=3, seed2=4)
    @case("RandomShuffle", value=_value, seed=0, seed2=11)
    def random_shuffle(value, seed, seed2):
        return RAW.RandomShuffle(value=feed(value), seed=seed, seed2=seed2)


@case("RandomShuffle")
def random_shuffle_strings():
    return RAW.RandomShuffle(value=feed([b"a", b"b", b"c", b"d", b"e"]), seed=1, seed2=2)


ALPHAS = np.array([0.05, 0.5, 1.0, 1.5, 20.0, 1e4], np.float32)

for _dtype in (np.float32, np.float64, np.float16):
    _tolerance = 1e-2 if _dtype == np.float16 else CLOSE

    @case("StatelessRandomGammaV2", shape=[7, 6], alpha=ALPHAS.astype(_dtype), tolerance=_tolerance)
    @case("StatelessRandomGammaV2", shape=[3], alpha=_dtype(1), tolerance=_tolerance)
    def stateless_gamma(shape, alpha):
        return RAW.StatelessRandomGammaV2(shape=shape, seed=[5, 7], alpha=feed(alpha))

    @case("RandomGamma", shape=[7], alpha=ALPHAS.astype(_dtype), tolerance=_tolerance)
    @case("RandomGamma", shape=[], alpha=ALPHAS[:1].astype(_dtype), tolerance=_tolerance)
    def random_gamma(shape, alpha):
        return RAW.RandomGamma(shape=np.array(shape, np.int32), alpha=feed(alpha), seed=5, seed2=7)


@case("StatelessRandomGammaV2", shape=[3], alpha=ALPHAS)
@case("StatelessRandomGammaV2", shape=[0], alpha=ALPHAS[:0])
@case("StatelessRandomGammaV2", shape=[1], alpha=np.float32([np.nan]))
def stateless_gamma_edges(shape, alpha):
    return RAW.StatelessRandomGammaV2(shape=_free(shape), seed=[5, 7], alpha=feed(alpha))


@case("StatelessRandomGammaV3", tolerance=CLOSE)
def gamma_v3():
    return RAW.StatelessRandomGammaV3(
        shape=[7, 6], key=feed(KEY), counter=feed(COUNTER), alg=1, alpha=feed(ALPHAS)
    )


@case("RandomGamma", shape=_int32([0]), alpha=ALPHAS)
@case("RandomGamma", shape=_int32([2]), alpha=ALPHAS[:0])
@case("RandomGamma", shape=_int32(2), alpha=ALPHAS)
@case("RandomGamma", shape=_int32([2]), alpha=np.float32([0, -1]))
@case("RandomGamma", shape=np.array([2], np.int64), alpha=ALPHAS, seed=0, seed2=5)
def gamma_edges(shape, alpha, seed=5, seed2=7):
    return RAW.RandomGamma(shape=feed(shape, shape=None), alpha=feed(alpha), seed=seed, seed2=seed2)


RATES = np.array([0.0, 0.3, 2.5, 9.9, 10.0, 31.5, 1000.0, 1e6], np.float32)

for _rate, _dtype in (
    (RATES, tf.int64),
    (RATES.astype(np.float64), tf.float32),
    (RATES[:-1].astype(np.float16), tf.float16),
    (RATES.astype(np.int32), tf.int32),
    (RATES.astype(np.int64), tf.float64),
):

    @case("StatelessRandomPoisson", rate=_rate, dtype=_dtype)
    def stateless_poisson(rate, dtype):
        return RAW.StatelessRandomPoisson(
            shape=[6, len(rate)], seed=[5, 7], lam=feed(rate), dtype=dtype
        )

    @case("RandomPoissonV2", rate=_rate, dtype=_dtype)
    @case("RandomPoissonV2", rate=_rate, dtype=_dtype, seed=0, seed2=9)
    def poisson_v2(rate, dtype, seed=5, seed2=7):
        return RAW.RandomPoissonV2(shape=[6], rate=feed(rate), dtype=dtype, seed=seed, seed2=seed2)


@case("RandomPoissonV2", shape=_int32([0]), rate=RATES)
@case("RandomPoissonV2", shape=_int32([2]), rate=RATES[:0])
@case("RandomPoissonV2", shape=_int32(2), rate=RATES)
@case("RandomPoissonV2", shape=_int32([2]), rate=np.float32(-1))
def poisson_edges(shape, rate):
    return RAW.RandomPoissonV2(shape=feed(shape, shape=None), rate=feed(rate), seed=5, seed2=7)


COUNTS = np.array([[0.0], [3.0], [40.0], [1000.0]], np.float32)
CHANCES = np.array([0.0, 0.01, 0.3, 0.5, 0.77, 0.999, 1.0], np.float32)

for _dtype, _kind in (
    (tf.int64, np.float32),
    (tf.int32, np.float64),
    (tf.float32, np.float64),
    (tf.float64, np.float32),
    (tf.float16, np.float16),
):

    @case("StatelessRandomBinomial", dtype=_dtype, kind=_kind)
    def stateless_binomial(dtype, kind):
        return RAW.StatelessRandomBinomial(
            shape=[5, 4, 7],
            seed=[5, 7],
            counts=feed(COUNTS.astype(kind)),
            probs=feed(CHANCES.astype(kind)),
            dtype=dtype,
        )


@case("StatelessRandomBinomial", shape=[4], counts=COUNTS, chances=CHANCES)
@case("StatelessRandomBinomial", shape=[0, 4, 7], counts=COUNTS, chances=CHANCES)
@case("StatelessRandomBinomial", shape=[2], counts=np.float32(5), chances=np.float32(np.nan))
@case("StatelessRandomBinomial", shape=[2], counts=np.float32(np.inf), chances=np.float32(0.5))
def binomial_edges(shape, counts, chances):
    return RAW.StatelessRandomBinomial(
        shape=_free(shape), seed=[5, 7], counts=feed(counts), probs=feed(chances), dtype=tf.float32
    )


BOUNDS = (
    (0.0, 1.0, -1.0, 1.0),
    (0.0, 1.0, -0.5, 0.5),
    (0.0, 1.0, -np.inf, 1.0),
    (0.0, 1.0, 2.0, np.inf),
    (1.5, 2.0, 6.0, 7.0),
    (0.0, 1.0, 8.0, 12.0),
    (3.0, 0.5, -9.0, -2.0),
    (0.0, 1.0, -3.0, 4.0),
)

for _dtype in (np.float32, np.float64, np.float16):
    _tolerance = 5e-3 if _dtype == np.float16 else CLOSE
    for _numbers in BOUNDS:

        @case("ParameterizedTruncatedNormal", numbers=_numbers, dtype=_dtype, tolerance=_tolerance)
        def parameterized_scalars(numbers, dtype):
            mean, deviation, low, high = (feed(n, dtype) for n in numbers)
            return RAW.ParameterizedTruncatedNormal(
                shape=[3, 7],
                means=mean,
                stdevs=deviation,
                minvals=low,
                maxvals=high,
                seed=5,
                seed2=7,
            )

    @case("ParameterizedTruncatedNormal", dtype=_dtype, tolerance=_tolerance)
    def parameterized_vectors(dtype):
        columns = [feed(c, dtype) for c in zip(*BOUNDS, strict=True)]
        return RAW.ParameterizedTruncatedNormal(
            shape=[8, 9],
            means=columns[0],
            stdevs=columns[1],
            minvals=columns[2],
            maxvals=columns[3],
            seed=5,
            seed2=7,
        )

    @case("StatelessParameterizedTruncatedNormal", dtype=_dtype, tolerance=_tolerance)
    def stateless_parameterized(dtype):
        columns = [feed(c, dtype) for c in zip(*BOUNDS, strict=True)]
        return RAW.StatelessParameterizedTruncatedNormal(
            shape=[9, 8],
            seed=[5, 7],
            means=columns[0],
            stddevs=columns[1],
            minvals=columns[2],
            maxvals=columns[3],
        )


@case("ParameterizedTruncatedNormal", shape=[2], parameters=(0.0, 1.0, -np.inf, np.inf))
@case("ParameterizedTruncatedNormal", shape=[2], parameters=(0.0, 1.0, 2.0, 1.0))
@case("ParameterizedTruncatedNormal", shape=[2], parameters=(0.0, 0.0, 1.0, 2.0))
@case("ParameterizedTruncatedNormal", shape=[0], parameters=(0.0, 1.0, 1.0, 2.0))
@case("ParameterizedTruncatedNormal", shape=[2, 3], parameters=([0.0, 1.0], [[1.0]], 1.0, 2.0))
@case("ParameterizedTruncatedNormal", shape=[2, 3], parameters=([0.0, 1.0, 2.0], 1.0, 1.0, 2.0))
@case(
    "ParameterizedTruncatedNormal", shape=[260], parameters=(0.0, 1.0, -1.0, 1.0), tolerance=CLOSE
)
@case("ParameterizedTruncatedNormal", shape=[2, 3], parameters=(0.0, 1.0, [0.5], 2.0), seed=0)
def parameterized_edges(shape, parameters, seed=5):
    given = [feed(p, np.float32, shape=None) for p in parameters]
    return RAW.ParameterizedTruncatedNormal(
        shape=_free(shape),
        means=given[0],
        stdevs=given[1],
        minvals=given[2],
        maxvals=given[3],
        seed=seed,
        seed2=7,
    )


@case("StatelessParameterizedTruncatedNormal", shape=[2, 3])
@case("StatelessParameterizedTruncatedNormal", shape=[3, 2], tolerance=CLOSE)
@case("StatelessParameterizedTruncatedNormal", shape=[0, 2])
def stateless_parameterized_edges(shape):
    return RAW.StatelessParameterizedTruncatedNormal(
        shape=_free(shape),
        seed=[5, 7],
        means=feed([0.0, 1.0], np.float32),
        stddevs=1.0,
        minvals=feed(-1.0, np.float32),
        maxvals=3.0,
    )


for _name, _tolerance in (
    ("RandomUniform", 0),
    ("RandomStandardNormal", CLOSE),
    ("TruncatedNormal", CLOSE),
):
    for _dtype in FLOATS:
        _wide = 5e-3 if _tolerance and _dtype in (tf.float16, tf.bfloat16) else _tolerance

        @case(_name, name=_name, dtype=_dtype, tolerance=_wide)
        def seeded(name, dtype):
            return getattr(RAW, name)(shape=[3, 7], dtype=dtype, seed=5, seed2=7)

    for _seed, _seed2 in ((0, 7), (5, 0), (-1, 2**62)):

        @case(_name, name=_name, seed=_seed, seed2=_seed2, tolerance=_tolerance)
        def seeds(name, seed, seed2):
            return getattr(RAW, name)(
                shape=np.array([9], np.int64), dtype=tf.float32, seed=seed, seed2=seed2
            )

    @case(_name, name=_name, tolerance=_tolerance)
    def moves_on(name):
        """Three calls of one op, the second of another size."""

        def body(step, made):
            drawn = getattr(RAW, name)(
                shape=tf.where(tf.equal(step, 1), [9], [3]), dtype=tf.float32, seed=5, seed2=7
            )
            return step + 1, tf.concat([made, drawn], 0)

        return tf.while_loop(
            lambda step, made: step < 3,
            body,
            [tf.constant(0), feed(np.zeros(0, np.float32))],
            parallel_iterations=1,
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
        )[1]

    @case(_name, name=_name, shape=_int32(3))
    @case(_name, name=_name, shape=_int32([-3]))
    @case(_name, name=_name, shape=_int32([0, 3]))
    def seeded_shapes(name, shape):
        return getattr(RAW, name)(shape=feed(shape, shape=None), dtype=tf.float32, seed=5, seed2=7)


@case("RandomUniformInt", low=_int32(-3), high=_int32(12), shape=[13])
@case("RandomUniformInt", low=np.int64(-(2**62)), high=np.int64(2**62), shape=[13])
@case("RandomUniformInt", low=_int32(0), high=_int32(9), shape=[13], seed=0)
@case("RandomUniformInt", low=_int32(3), high=_int32(3), shape=[13])
@case("RandomUniformInt", low=_int32(3), high=_int32(3), shape=[0])
@case("RandomUniformInt", low=_int32([3]), high=_int32(4), shape=[3])
def random_uniform_int(low, high, shape, seed=5):
    return RAW.RandomUniformInt(
        shape=_free(shape),
        minval=feed(low, shape=None),
        maxval=feed(high, shape=None),
        seed=seed,
        seed2=7,
    )


@case("Multinomial", logits=LOGITS, samples=9)
@case("Multinomial", logits=LOGITS, samples=9, seed=0)
@case("Multinomial", logits=LOGITS.astype(np.float64), samples=9, out=tf.int32)
@case("Multinomial", logits=LOGITS, samples=0)
@case("Multinomial", logits=LOGITS[0], samples=2)
@case("Multinomial", logits=LOGITS, samples=-2)
def multinomial(logits, samples, seed=5, out=tf.int64):
    return RAW.Multinomial(
        logits=feed(logits, shape=None),
        num_samples=_free(samples),
        seed=seed,
        seed2=7,
        output_dtype=out,
    )
