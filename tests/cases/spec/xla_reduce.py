"""XLA's reductions and sorts, whose functions are part of the graph."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed
from tensorflow.compiler.tf2xla.ops import gen_xla_ops as XLA

rng = np.random.default_rng(52)
FUNCTIONS = {
    "add": lambda a, b: a + b,
    "max": tf.maximum,
    "min": tf.minimum,
    "mul": lambda a, b: a * b,
    # Nothing that works on whole tensors.
    "alone": lambda a, b: tf.reshape(tf.stack([a, b]), [2])[0] + b,
    "larger": lambda a, b: tf.where(a > b, a, b),
    "ge": lambda a, b: a >= b,
    "le": lambda a, b: a <= b,
    "first": lambda a, b: a,
}


def _values(shape, dtype=np.float32):
    if np.dtype(dtype).kind in "iu":
        return rng.integers(-9, 9, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def compiled(function, *inputs):
    return tf.function(function, jit_compile=True, autograph=False)(*map(feed, inputs))


def _of_scalars(function, *dtypes):
    specs = [tf.TensorSpec([], dtype) for dtype in dtypes]
    return tf.function(function, autograph=False).get_concrete_function(*specs)


@case("XlaReduce", shape=(3, 4), axes=[1])
@case("XlaReduce", shape=(3, 4), axes=[0], how="max")
@case("XlaReduce", shape=(3, 4, 5), axes=[0, 2], how="min")
@case("XlaReduce", shape=(3, 7), axes=[1], how="mul", start=2)
@case("XlaReduce", shape=(3, 7), axes=[1], how="alone", start=2)
@case("XlaReduce", shape=(3, 4), axes=[])
@case("XlaReduce", shape=(0, 4), axes=[0], start=3)
@case("XlaReduce", shape=(3, 0), axes=[0], start=3)
@case("XlaReduce", shape=(), axes=[])
@case("XlaReduce", shape=(5,), axes=[0], dtype=np.int64, start=1)
@case("XlaReduce", shape=(5, 2), axes=[0], dtype=np.float64, start=1)
def reduce(shape, axes, how="add", start=0, dtype=np.float32):
    combine = _of_scalars(FUNCTIONS[how], dtype, dtype)

    def function(x, init):
        return XLA.xla_reduce(x, init, dimensions_to_reduce=axes, reducer=combine)

    return compiled(function, _values(shape, dtype), np.array(start, dtype))


def _arg_max(value, index, other, other_index):
    keep = (value > other) | (tf.equal(value, other) & (index < other_index))
    return tf.where(keep, value, other), tf.where(keep, index, other_index)


@case("XlaVariadicReduceV2", shape=(3, 5), axes=[1])
@case("XlaVariadicReduceV2", shape=(3, 5, 2), axes=[0, 1])
@case("XlaVariadicReduceV2", shape=(3, 0), axes=[1])
def variadic_reduce(shape, axes):
    combine = _of_scalars(_arg_max, np.float32, np.int32, np.float32, np.int32)
    index = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)

    def function(x, i):
        return XLA.xla_variadic_reduce_v2(
            [x, i],
            [tf.constant(-np.inf), tf.constant(0)],
            dimensions_to_reduce=axes,
            reducer=combine,
        )

    return compiled(function, np.round(_values(shape)), index)


@case("XlaVariadicReduce", axes=[1])
@case("XlaVariadicReduce", axes=[0])
def variadic_reduce_v1(axes):
    def both(a, b, c, d):
        return a + c, b * d

    combine = _of_scalars(both, *[np.float32] * 4)

    def function(x, y):
        return XLA.xla_variadic_reduce(
            [x, y], [tf.constant(0.0), tf.constant(1.0)], dimensions_to_reduce=axes, reducer=combine
        )

    return compiled(function, _values((3, 5)), _values((3, 5)))


@case("XlaReduceWindow", window=(2, 3))
@case("XlaReduceWindow", window=(2, 3), how="max", strides=(2, 2), start=-9)
@case("XlaReduceWindow", window=(2, 2), padding=((1, 0), (0, 2)))
@case("XlaReduceWindow", window=(2, 2), dilations=(2, 3), how="min", start=9)
@case("XlaReduceWindow", window=(2, 2), spread=(2, 1), padding=((1, 1), (0, 0)))
@case("XlaReduceWindow", window=(9, 1))
@case("XlaReduceWindow", window=(2, 1), how="alone")
@case("XlaReduceWindow", window=(5, 1), padding=((4, 0), (0, 0)), dtype=np.int32)
@case("XlaReduceWindow", window=(2, 2), padding=((-1, 0), (0, -1)))
def reduce_window(
    window,
    how="add",
    strides=(1, 1),
    spread=(1, 1),
    dilations=(1, 1),
    padding=((0, 0), (0, 0)),
    start=0,
    dtype=np.float32,
):
    combine = _of_scalars(FUNCTIONS[how], dtype, dtype)

    def function(x, init):
        given = (window, strides, spread, dilations, padding)
        return XLA.xla_reduce_window(
            x, init, *(tf.constant(n, tf.int32) for n in given), computation=combine
        )

    return compiled(function, _values((5, 6), dtype), np.array(start, dtype))


@case("XlaSelectAndScatter", window=(2, 3), strides=(2, 3))
@case("XlaSelectAndScatter", window=(3, 3), strides=(1, 2), start=1)
@case("XlaSelectAndScatter", window=(2, 2), strides=(2, 2), padding=((1, 1), (0, 2)))
@case("XlaSelectAndScatter", window=(2, 2), strides=(1, 1), select="le", scatter="max")
@case("XlaSelectAndScatter", window=(2, 2), strides=(1, 1), dtype=np.float64)
def select_and_scatter(
    window,
    strides,
    padding=((0, 0), (0, 0)),
    select="ge",
    scatter="add",
    start=0,
    dtype=np.float32,
):
    x = _values((5, 6), dtype)
    places = [
        (n + sum(p) - w) // s + 1
        for n, p, w, s in zip(x.shape, padding, window, strides, strict=True)
    ]
    pick, combine = (_of_scalars(FUNCTIONS[f], dtype, dtype) for f in (select, scatter))

    def function(a, source, init):
        given = (tf.constant(n, tf.int32) for n in (window, strides, padding))
        return XLA.xla_select_and_scatter(a, *given, source, init, select=pick, scatter=combine)

    return compiled(function, x, _values(places, dtype), np.array(start, dtype))


_ODD = np.array([[3, -0.0, np.inf, 0, 2], [-np.inf, 5, 5, -1, 0]], np.float32)


@case("XlaSort", x=_ODD)
@case("XlaSort", x=_values((2, 3, 4), np.int32))
@case("XlaSort", x=_values((0,)))
@case("XlaSort", x=_values((5,), np.float64))
def sort(x):
    return compiled(XLA.xla_sort, x)


@case("XlaKeyValueSort", keys=_values((3, 9)), values=_values((3, 9), np.int32))
@case("XlaKeyValueSort", keys=_values((4,), np.int32), values=_values((4,), np.float64))
def key_value_sort(keys, values):
    return compiled(lambda k, v: tf.nest.flatten(XLA.xla_key_value_sort(k, v)), keys, values)


_ORDERS = {
    "ascending": lambda a, b, *_: a < b,
    "descending": lambda a, b, *_: a > b,
    "by size": lambda a, b, *_: tf.abs(a) < tf.abs(b),
    "by both": lambda a, b, c, d: (a < b) | (tf.equal(a, b) & (c > d)),
}


@case("XlaVariadicSort", shape=(7,), dimension=0)
@case("XlaVariadicSort", shape=(3, 13), dimension=1, order="descending")
@case("XlaVariadicSort", shape=(13, 3), dimension=0, order="by size")
@case("XlaVariadicSort", shape=(33,), dimension=0, order="by both")
@case("XlaVariadicSort", shape=(0, 2), dimension=0)
@case("XlaVariadicSort", shape=(1, 2), dimension=0)
@case("XlaVariadicSort", shape=(2, 6), dimension=1, dtype=np.int64)
def variadic_sort(shape, dimension, order="ascending", dtype=np.float32):
    combine = _of_scalars(_ORDERS[order], dtype, dtype, np.int32, np.int32)
    index = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)

    def function(x, i):
        return XLA.xla_variadic_sort([x, i], dimension, comparator=combine, is_stable=True)

    return compiled(function, np.round(2 * _values(shape, dtype)), index)
