"""Reductions over some dimensions."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(3)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
HALVES = ((np.float16, 2e-3), (BFLOAT16, 2e-2))
A = rng.normal(size=(2, 3, 4)).astype(np.float32)
EDGES = np.array([[0.0, -0.0, 1.0], [np.inf, 1.0, -np.inf], [np.nan, 1.0, 2.0]], np.float32)
INTS = np.array([[7, -7, 0], [2**31 - 1, -(2**31), 5], [-7, -1, -2]], np.int32)
LONG = np.array([[2**63 - 1, 5, -3], [-(2**63), -1, 2**40 + 1]])
SMALL = {np.int8: [[100, 100, -128], [-7, -1, 3]], np.uint8: [[200, 100, 255], [7, 1, 3]]}
SMALL |= {np.int16: [[30000, 30000, 1], [-7, -1, 3]], np.uint16: [[60000, 60000, 1], [7, 1, 3]]}
SMALL |= {np.uint32: [[2**32 - 1, 3, 5], [7, 1, 3]], np.uint64: [[2**64 - 1, 3, 5], [7, 1, 3]]}
COMPLEX = rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))


def _reduce(name, x, axis, keep=False, index=np.int32):
    return getattr(RAW, name)(input=feed(x), axis=np.array(axis, index), keep_dims=keep)


def _reduce_fed(name, x, axis, keep=False):
    axes = feed(np.array(axis, np.int32), shape=None)
    return getattr(RAW, name)(input=feed(x, shape=None), axis=axes, keep_dims=keep)


_NUMERIC = ("Sum", "Mean", "Prod", "Max", "Min", "EuclideanNorm")
_AXES = (([0], False), ([1], True), ([0, 2], False), ([-1], True), ([], False), (1, False))
for _op in (*_NUMERIC, "All", "Any"):
    _x = A if _op in _NUMERIC else A > -1
    for _axis, _keep in (*_AXES, ([2, 0, 1], True), ([0, 1, 2], False)):
        case(_op, name=_op, x=_x, axis=_axis, keep=_keep)(_reduce)
    case(_op, name=_op, x=_x, axis=[-2], index=np.int64)(_reduce)
    case(_op, name=_op, x=_x[0, 0, 0], axis=[])(_reduce)
    for _axis in ([0], [1], [0, 2], [0, 1, 2]):
        case(_op, name=_op, x=_x[:0], axis=_axis, island=False)(_reduce)
    for _axis in ([0, 1], [], 1, [[1]], [3], [-4], [1, 1], [0, -3]):
        case(_op, name=_op, x=_x, axis=_axis)(_reduce_fed)
    case(_op, name=_op, x=_x[0, 0, 0], axis=0)(_reduce_fed)
for _op in _NUMERIC:
    case(_op, name=_op, x=A.astype(np.float64), axis=[1])(_reduce)
    case(_op, name=_op, x=EDGES, axis=[1])(_reduce)
    case(_op, name=_op, x=EDGES[1:, 1:], axis=[0])(_reduce)
    case(_op, name=_op, x=INTS, axis=[1])(_reduce)
    case(_op, name=_op, x=INTS, axis=[0], keep=True)(_reduce)
    case(_op, name=_op, x=INTS[:, :0], axis=[0])(_reduce)
    case(_op, name=_op, x=LONG, axis=[1])(_reduce)
    if _op != "Mean":
        case(_op, name=_op, x=INTS[:, :0], axis=[1])(_reduce)
    for _dtype, _values in SMALL.items():
        case(_op, name=_op, x=np.array(_values, _dtype), axis=[1])(_reduce)
    for _dtype, _tolerance in HALVES:
        case(_op, name=_op, x=A[0].astype(_dtype), axis=[1], tolerance=_tolerance)(_reduce)
        case(_op, name=_op, x=A[0, :0].astype(_dtype), axis=[0], tolerance=_tolerance)(_reduce)
    if _op not in ("Max", "Min"):
        case(_op, name=_op, x=COMPLEX, axis=[1])(_reduce)
        case(_op, name=_op, x=COMPLEX.astype(np.complex64), axis=[0])(_reduce)


@case("Sum", name="Sum")
@case("Mean", name="Mean")
@case("EuclideanNorm", name="EuclideanNorm")
def many_numbers(name):
    # Numbers whose sum loses digits when they are added one by one in float32.
    x = tf.reshape(tf.range(feed(np.float32(0)), 40000.0) * 0.1 + 1000.0, [20000, 2])
    return getattr(RAW, name)(input=x, axis=[0], keep_dims=False)
