"""Arithmetic, comparison, reductions and matrix products."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(7)
A = rng.normal(size=(3, 4)).astype(np.float32)
B = rng.normal(size=(3, 4)).astype(np.float32)
POSITIVE = np.abs(A) + 0.1
EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, 100.0], np.float32)
INTS = np.array([[7, -7, 0], [2**31 - 1, -(2**31), 5]], np.int32)


def _binary(name, x, y):
    return getattr(RAW, name)(x=feed(x), y=feed(y))


for _op in ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference", "RealDiv"):
    case(_op, name=_op, x=A, y=B)(_binary)
    case(_op, name=_op, x=A, y=B[:1])(_binary)
    case(_op, name=_op, x=A, y=B[:, :3])(_binary)
    case(_op, name=_op, x=EDGES, y=EDGES[::-1].copy())(_binary)
    case(_op, name=_op, x=A.astype(np.float64), y=B.astype(np.float64))(_binary)
    if _op != "RealDiv":
        case(_op, name=_op, x=INTS, y=INTS[::-1].copy())(_binary)
        case(_op, name=_op, x=INTS.astype(np.int64) * 2**33, y=np.int64(3))(_binary)

for _op in ("Less", "LessEqual", "Greater", "GreaterEqual"):
    case(_op, name=_op, x=A, y=B)(_binary)
    case(_op, name=_op, x=EDGES, y=EDGES[::-1].copy())(_binary)
    case(_op, name=_op, x=INTS.astype(np.int64) + 2**40, y=np.int64(2**40))(_binary)


def _unary(name, x):
    return getattr(RAW, name)(x=feed(x))


for _op in ("Neg", "Abs", "Square", "Sqrt", "Rsqrt", "Exp", "Log", "Tanh", "Sigmoid"):
    case(_op, name=_op, x=POSITIVE)(_unary)
    case(_op, name=_op, x=A.astype(np.float64))(_unary)
    case(_op, name=_op, x=EDGES)(_unary)
    if _op in ("Neg", "Abs", "Square"):
        case(_op, name=_op, x=INTS)(_unary)


@case("LogicalAnd")
@case("LogicalOr")
def logical(name="LogicalAnd"):
    return getattr(RAW, name)(x=feed([True, True, False]), y=feed([True, False, False]))


@case("LogicalNot")
def logical_not():
    return RAW.LogicalNot(x=feed([True, False]))


@case("Cast", to=tf.int32)
@case("Cast", to=tf.int64)
@case("Cast", to=tf.float64)
@case("Cast", to=tf.bool)
@case("Cast", to=tf.uint8)
def cast(to):
    values = np.array([0.0, 1.9, -1.9, 3.0], np.float32)
    return RAW.Cast(x=feed(values[:2] if to == tf.uint8 else values), DstT=to)


@case("Cast", to=tf.float32)
@case("Cast", to=tf.int8)
def cast_int(to):
    return RAW.Cast(x=feed(INTS), DstT=to)


for _a in (False, True):
    for _b in (False, True):

        @case("MatMul", a=_a, b=_b)
        def matmul(a, b):
            x, y = A, rng.normal(size=(4, 5)).astype(np.float32)
            return RAW.MatMul(
                a=feed(x.T.copy() if a else x, shape=(None, None)),
                b=tf.constant(y.T.copy() if b else y),
                transpose_a=a,
                transpose_b=b,
            )

        @case("BatchMatMulV2", a=_a, b=_b)
        def batch_matmul(a, b):
            x = rng.normal(size=(2, 1, 3, 4)).astype(np.float32)
            y = rng.normal(size=(5, 4, 2)).astype(np.float32)
            return RAW.BatchMatMulV2(
                x=feed(x.swapaxes(-1, -2).copy() if a else x),
                y=feed(y.swapaxes(-1, -2).copy() if b else y),
                adj_x=a,
                adj_y=b,
            )


@case("MatMul")
def matmul_mismatch():
    return RAW.MatMul(a=feed(A, shape=None), b=feed(B, shape=None))


def _reduce(name, x, axis, keep):
    return getattr(RAW, name)(input=feed(x), axis=axis, keep_dims=keep)


for _op in ("Sum", "Mean", "Max", "Min", "Prod"):
    for _axis, _keep in (([0], False), ([1], True), ([0, 1], False), ([-1], False), ([], False)):
        case(_op, name=_op, x=A, axis=np.array(_axis, np.int32), keep=_keep)(_reduce)
    case(_op, name=_op, x=A[:0], axis=np.array([0], np.int32), keep=False, island=False)(_reduce)
    case(_op, name=_op, x=INTS, axis=np.array([1], np.int64), keep=False)(_reduce)
