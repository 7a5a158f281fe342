"""Random numbers by a generator in a variable, and boxes drawn at random."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, init

RAW = tf.raw_ops
FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
# Sines, cosines and logarithms differ in the last bit between libraries.
CLOSE = 2e-6
COUNTS = np.array([[0.0], [3.0], [40.0], [1000.0]], np.float32)
CHANCES = np.array([0.0, 0.01, 0.3, 0.5, 0.77, 0.999, 1.0], np.float32)


def _int32(values):
    return np.array(values, np.int32)


def _free(values, dtype=np.int32):
    """A feed of which the graph knows no shape, so that only the kernel can refuse it."""
    return feed(np.array(values, dtype), shape=None)


def _state(values, dtype=tf.int64):
    handle = RAW.VarHandleOp(dtype=dtype, shape=np.shape(values), shared_name="state")
    # A sum, because some ops write into the buffer of a constant that was assigned.
    init(RAW.AssignVariableOp(resource=handle, value=tf.constant(values, dtype) + 0))
    return handle


def _algorithm(number):
    return tf.constant(number, tf.int64)


def _twice(handle, first, make):
    with tf.control_dependencies([first]):
        second = make()
    with tf.control_dependencies([second]):
        return [first, second, RAW.ReadVariableOp(resource=handle, dtype=tf.int64)]


STATE = [2**62, -5, 2**40 + 9]

for _name, _tolerance, _dtypes in (
    ("StatefulUniform", 0, FLOATS),
    ("StatefulStandardNormalV2", CLOSE, FLOATS),
    ("StatefulTruncatedNormal", CLOSE, FLOATS),
    ("StatefulUniformFullInt", 0, (tf.int32, tf.int64, tf.uint32, tf.uint64)),
):
    for _dtype in _dtypes:
        _wide = 5e-3 if _tolerance and _dtype in (tf.float16, tf.bfloat16) else _tolerance

        @case(_name, name=_name, dtype=_dtype, tolerance=_wide)
        def stateful(name, dtype):
            handle = _state(STATE)

            def make():
                return getattr(RAW, name)(
                    resource=handle, algorithm=_algorithm(1), shape=[3, 3], dtype=dtype
                )

            return _twice(handle, make(), make)

    @case(_name, name=_name, algorithm=3, tolerance=_tolerance)
    @case(_name, name=_name, algorithm=2)
    @case(_name, name=_name, algorithm=9)
    @case(_name, name=_name, algorithm=[1])
    def stateful_algorithms(name, algorithm):
        return getattr(RAW, name)(
            resource=_state(STATE), algorithm=_free(algorithm, np.int64), shape=[3]
        )


@case("StatefulUniform", state=[1, 2])
@case("StatefulUniform", state=[[1, 2, 3]])
@case("StatefulUniform", state=[1.0, 2.0, 3.0], dtype=tf.float32)
@case("StatefulUniform", state=[1, 2, 3, 4], tolerance=0)
@case("StatefulUniform", state=[-1, -1, 3], tolerance=0)
def stateful_states(state, dtype=tf.int64):
    handle = _state(state, dtype)
    return RAW.StatefulUniform(resource=handle, algorithm=_algorithm(1), shape=[9])


@case("StatefulUniformInt", low=-4, high=9, dtype=tf.int32)
@case("StatefulUniformInt", low=-(2**60), high=2**60, dtype=tf.int64)
@case("StatefulUniformInt", low=9, high=9, dtype=tf.int64)
def stateful_int(low, high, dtype):
    handle = _state(STATE)

    def make():
        return RAW.StatefulUniformInt(
            resource=handle,
            algorithm=_algorithm(1),
            shape=[9],
            minval=tf.constant(low, dtype),
            maxval=tf.constant(high, dtype),
        )

    return _twice(handle, make(), make)


@case("StatefulRandomBinomial", dtype=tf.int64)
@case("StatefulRandomBinomial", dtype=tf.float32)
def stateful_binomial(dtype):
    handle = _state(STATE)

    def make():
        return RAW.StatefulRandomBinomial(
            resource=handle,
            algorithm=_algorithm(1),
            shape=[3, 4, 7],
            counts=feed(COUNTS),
            probs=feed(CHANCES),
            dtype=dtype,
        )

    return _twice(handle, make(), make)


@case("RngReadAndSkip", alg=1)
@case("RngReadAndSkip", alg=3)
@case("RngReadAndSkip", alg=2)
@case("RngReadAndSkip", alg=9)
@case("RngReadAndSkip", alg=1, delta=[7])
def rng_read_and_skip(alg, delta=7):
    handle = _state(STATE)

    def make():
        return RAW.RngReadAndSkip(
            resource=handle, alg=alg, delta=feed(delta, np.uint64, shape=None)
        )

    return _twice(handle, make(), make)


@case("RngSkip", alg=1)
@case("RngSkip", alg=3)
@case("RngSkip", alg=2)
@case("RngSkip", alg=9)
@case("RngSkip", alg=1, delta=[7])
def rng_skip(alg, delta=7):
    handle = _state(STATE)
    skip = RAW.RngSkip(
        resource=handle,
        algorithm=_algorithm(alg),
        delta=feed(delta, np.int64, shape=None),
    )
    with tf.control_dependencies([skip]):
        return RAW.ReadVariableOp(resource=handle, dtype=tf.int64)


BOXES = np.array([[[0.1, 0.2, 0.7, 0.6], [0.5, 0.5, 0.95, 0.9]]], np.float32)
NONE = np.zeros((1, 0, 4), np.float32)


@case("SampleDistortedBoundingBox")
@case("SampleDistortedBoundingBox", seed=0, seed2=3)
@case("SampleDistortedBoundingBox", seed=11)
@case("SampleDistortedBoundingBox", covered=0.9)
@case("SampleDistortedBoundingBox", ratios=(2.0, 3.0))
@case("SampleDistortedBoundingBox", areas=(0.5, 0.6))
@case("SampleDistortedBoundingBox", attempts=1, covered=1.0)
@case("SampleDistortedBoundingBox", boxes=NONE, whole=True)
@case("SampleDistortedBoundingBox", boxes=NONE)
@case("SampleDistortedBoundingBox", boxes=BOXES * 2)
@case("SampleDistortedBoundingBox", boxes=BOXES[0])
@case("SampleDistortedBoundingBox", size=(40, 60))
@case("SampleDistortedBoundingBox", size=(0, 60, 3))
@case("SampleDistortedBoundingBox", size=(40, 60, 3), dtype=np.int64)
@case("SampleDistortedBoundingBox", size=(200, 250, 3), dtype=np.uint8)
def sample_distorted(
    seed=5,
    seed2=7,
    covered=0.1,
    ratios=(0.75, 1.33),
    areas=(0.05, 1.0),
    attempts=100,
    boxes=BOXES,
    whole=False,
    size=(40, 60, 3),
    dtype=np.int32,
):
    return list(
        RAW.SampleDistortedBoundingBox(
            image_size=feed(np.array(size, dtype), shape=None),
            bounding_boxes=feed(boxes, shape=None),
            seed=seed,
            seed2=seed2,
            min_object_covered=covered,
            aspect_ratio_range=ratios,
            area_range=areas,
            max_attempts=attempts,
            use_image_if_no_bounding_boxes=whole,
        )
    )


for _seed in range(1, 9):

    @case("SampleDistortedBoundingBoxV2", seed=_seed)
    @case("SampleDistortedBoundingBoxV2", seed=_seed, covered=-1.0)
    @case("SampleDistortedBoundingBoxV2", seed=_seed, ratios=(0.2, 5.0))
    @case("SampleDistortedBoundingBoxV2", seed=_seed, areas=(0.9, 1.0))
    def sample_distorted_v2(seed, covered=0.5, ratios=(0.75, 1.33), areas=(0.05, 1.0)):
        return list(
            RAW.SampleDistortedBoundingBoxV2(
                image_size=feed(_int32([333, 517, 3])),
                bounding_boxes=feed(BOXES),
                min_object_covered=feed(covered, np.float32),
                seed=seed,
                aspect_ratio_range=ratios,
                area_range=areas,
            )
        )

    @case("StatelessSampleDistortedBoundingBox", seed=_seed)
    @case("StatelessSampleDistortedBoundingBox", seed=_seed, ratios=(1.0, 4.0), areas=(0.2, 0.4))
    @case("StatelessSampleDistortedBoundingBox", seed=_seed, attempts=2, covered=0.99)
    @case("StatelessSampleDistortedBoundingBox", seed=_seed, boxes=NONE, whole=True)
    def stateless_sample_distorted(
        seed,
        covered=0.5,
        ratios=(0.75, 1.33),
        areas=(0.05, 1.0),
        attempts=100,
        boxes=BOXES,
        whole=False,
    ):
        return list(
            RAW.StatelessSampleDistortedBoundingBox(
                image_size=feed(_int32([333, 517, 3])),
                bounding_boxes=feed(boxes),
                min_object_covered=covered,
                seed=feed(_int32([seed, 1])),
                aspect_ratio_range=ratios,
                area_range=areas,
                max_attempts=attempts,
                use_image_if_no_bounding_boxes=whole,
            )
        )
