"""Activations, biases and softmax."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(13)
HALVES = ((np.float16, 2e-3), (tf.bfloat16.as_numpy_dtype, 2e-2))
A = rng.normal(size=(3, 4)).astype(np.float32)
FINITE = np.array([0.0, -0.0, 1, -1, 6, 6.5, 14, 25, 88.8, -25, -88.8, 100, -100, 1e20, -1e20], "f")
INFINITE = np.array([np.inf, -np.inf, np.nan, 1], "f")


def _unary(name, x, **attrs):
    key = "logits" if "Softmax" in name else "features"
    return getattr(RAW, name)(**{key: feed(x)}, **attrs)


for _op in ("Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign", "LeakyRelu"):
    for _x in (A, 3 * A, FINITE, INFINITE, A[:0], A[0, 0], FINITE.astype("d"), A.astype("d")):
        case(_op, name=_op, x=_x)(_unary)
    for _dtype, _tolerance in HALVES:
        case(_op, name=_op, x=A.astype(_dtype), tolerance=_tolerance)(_unary)
for _op in ("Relu", "Relu6"):
    for _dtype in (np.int32, np.int64, np.uint8, np.int8):
        case(_op, name=_op, x=np.array([[-3, 100], [5, 0]]).astype(_dtype))(_unary)
for _alpha in (0.0, -0.5, 1.5):
    case("LeakyRelu", name="LeakyRelu", x=A, alpha=_alpha)(_unary)
    case("LeakyRelu", name="LeakyRelu", x=INFINITE, alpha=_alpha)(_unary)

for _op in ("Softmax", "LogSoftmax"):
    for _x in (
        A,
        A[0],
        A.reshape(3, 2, 2, 1),
        A.reshape(1, 2, 2, 3) * 50,
        A[:0],
        A[:, :0],
        np.array([[1e20, 2, 3], [-1e20, -1e20, -200]], "f"),
        A.astype("d"),
        np.array([[1, np.nan], [np.inf, 2], [np.inf, -np.inf], [-np.inf, -np.inf]], "d"),
        np.array([[1, -np.inf, 2]], "f"),
    ):
        case(_op, name=_op, x=_x)(_unary)
    for _dtype, _tolerance in HALVES:
        case(_op, name=_op, x=A.astype(_dtype), tolerance=_tolerance)(_unary)


@case("Softmax", name="Softmax")
@case("LogSoftmax", name="LogSoftmax")
def softmax_of_a_scalar(name):
    return getattr(RAW, name)(logits=feed(1.0, "d", shape=None))


def _bias(shape, size, name="BiasAdd", dtype="f", **attrs):
    x = rng.integers(-99, 99, shape).astype(dtype)
    b = rng.integers(-99, 99, size).astype(dtype)
    return getattr(RAW, name)(value=feed(x, shape=None), bias=feed(b, shape=None), **attrs)


for _options in (
    {"shape": (2, 3), "size": 3},
    {"shape": (2, 3, 4), "size": 4},
    {"shape": (2, 3, 2, 2), "size": 2},
    {"shape": (1, 2, 2, 2, 3), "size": 3},
    {"shape": (1, 2, 2, 2, 2, 3), "size": 3},
    {"shape": (0, 3), "size": 3},
    {"shape": (2, 1), "size": 1},
    {"shape": (3,), "size": 3},
    {"shape": (2, 3), "size": 1},
    {"shape": (2, 1), "size": 3},
    {"shape": (2, 3), "size": (1, 3)},
    *({"shape": (2, 3), "size": 3, "dtype": d} for d in "diqeDF"),
    {"shape": (2, 3), "size": 3, "dtype": tf.bfloat16.as_numpy_dtype},
    {"shape": (2, 3), "size": 3, "dtype": np.uint8},
):
    case("BiasAdd", **_options)(_bias)
    case("BiasAddV1", name="BiasAddV1", **_options)(_bias)
for _shape in ((2, 3), (2, 3, 4), (2, 3, 2, 2), (1, 3, 2, 2, 2), (1, 3, 2, 1, 1, 2)):
    case("BiasAdd", shape=_shape, size=3, data_format="NCHW")(_bias)
case("BiasAdd", shape=(2, 3, 4), size=4, data_format="NCHW")(_bias)


@case("BiasAdd", data_format="NHWC")
@case("BiasAdd", data_format="NCHW")
def constant_bias(data_format):
    return RAW.BiasAdd(
        value=feed(rng.normal(size=(2, 3, 2, 3)).astype(np.float32)),
        bias=tf.constant([1.0, 2.0, 3.0]),
        data_format=data_format,
    )


@case("BiasAdd", data_format="NHWC")
@case("BiasAdd", data_format="NCHW")
@case("Softmax", name="Softmax")
@case("LogSoftmax", name="LogSoftmax")
def after_a_product(data_format="NHWC", name=None):
    x = feed(rng.normal(size=(1, 2, 3, 3)).astype(np.float32))
    product = RAW.BatchMatMulV2(x=x, y=rng.normal(size=(3, 3)).astype(np.float32))
    bias = tf.constant([1.0, 2.0] if data_format == "NCHW" else [1.0, 2.0, 3.0])
    made = RAW.BiasAdd(value=product, bias=bias, data_format=data_format)
    return getattr(RAW, name)(logits=made) if name else made
