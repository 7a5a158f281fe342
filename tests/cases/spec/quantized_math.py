"""Arithmetic on steps of ranges.

Recorded without oneDNN, whose kernels differ by a step: TF_ENABLE_ONEDNN_OPTS=0.
"""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(58)
PLAIN = {tf.quint8: np.uint8, tf.qint8: np.int8, tf.qint32: np.int32}
F = np.float32


def _steps(shape, of=tf.quint8):
    limits = np.iinfo(PLAIN[of])
    values = rng.integers(limits.min, limits.max, shape, endpoint=True).astype(PLAIN[of])
    return tf.bitcast(feed(values, shape=None), of)


def _limit(value):
    return feed(np.array(value, F), shape=None)


def _plain(made):
    output, *limits = made
    return [tf.bitcast(output, tf.as_dtype(PLAIN[output.dtype])), *limits]


def mat_mul(a=(3, 4), b=(4, 2), ranges=(-1, 2, 0, 3), **attrs):
    low_a, high_a, low_b, high_b = map(_limit, ranges)
    return _plain(
        RAW.QuantizedMatMul(
            a=_steps(a),
            b=_steps(b),
            min_a=low_a,
            max_a=high_a,
            min_b=low_b,
            max_b=high_b,
            Toutput=tf.qint32,
            **attrs,
        )
    )


case("QuantizedMatMul")(mat_mul)
case("QuantizedMatMul", ranges=(0, 255, -128, 127))(mat_mul)
case("QuantizedMatMul", ranges=(-7, 3, -0.3, 0.1))(mat_mul)
case("QuantizedMatMul", a=(4, 3), transpose_a=True)(mat_mul)
case("QuantizedMatMul", b=(2, 4), transpose_b=True)(mat_mul)
case("QuantizedMatMul", b=(3, 2))(mat_mul)
case("QuantizedMatMul", b=(4,))(mat_mul)
case("QuantizedMatMul", ranges=([-1, 0], 2, 0, 3))(mat_mul)


def conv(
    x=(1, 5, 6, 3),
    filters=(2, 3, 3, 4),
    strides=(1, 1, 1, 1),
    padding="VALID",
    ranges=(-1, 2, -3, 4),
    of=tf.quint8,
):
    low, high, filter_low, filter_high = map(_limit, ranges)
    return _plain(
        RAW.QuantizedConv2D(
            input=_steps(x),
            filter=_steps(filters, of),
            min_input=low,
            max_input=high,
            min_filter=filter_low,
            max_filter=filter_high,
            strides=strides,
            padding=padding,
            out_type=tf.qint32,
        )
    )


case("QuantizedConv2D")(conv)
case("QuantizedConv2D", padding="SAME")(conv)
case("QuantizedConv2D", x=(2, 5, 6, 3), strides=(1, 2, 2, 1), ranges=(0, 6, -1, 1))(conv)
case("QuantizedConv2D", filters=(2, 3, 2, 4))(conv)


def binary(op, x, y, ranges, of=tf.quint8, names=("x", "y")):
    low_x, high_x, low_y, high_y = map(_limit, ranges)
    a, b = names
    more = {"out_type": tf.qint32} if op == "QuantizedBiasAdd" else {"Toutput": tf.qint32}
    first, second = ("input", "bias") if op == "QuantizedBiasAdd" else names
    given = {a: _steps(x, of), b: _steps(y, of)}
    limits = {
        f"min_{first}": low_x,
        f"max_{first}": high_x,
        f"min_{second}": low_y,
        f"max_{second}": high_y,
    }
    return _plain(getattr(RAW, op)(**given, **limits, **more))


for _ranges in ((-1, 2, -3, 4), (0, 255, 0, 255), (-5, 0.5, 0, 1)):
    case("QuantizedAdd", op="QuantizedAdd", x=(3, 8), y=(3, 8), ranges=_ranges)(binary)
    case("QuantizedMul", op="QuantizedMul", x=(3, 8), y=(3, 8), ranges=_ranges)(binary)
    for _of in (tf.quint8, tf.qint8):
        case(
            "QuantizedBiasAdd",
            op="QuantizedBiasAdd",
            x=(3, 4),
            y=(4,),
            ranges=_ranges,
            of=_of,
            names=("input", "bias"),
        )(binary)
for _y in ((8,), ()):
    case("QuantizedAdd", op="QuantizedAdd", x=(3, 8), y=_y, ranges=(-1, 2, -3, 4))(binary)
    case("QuantizedMul", op="QuantizedMul", x=(3, 8), y=_y, ranges=(-1, 2, -3, 4))(binary)
case(
    "QuantizedBiasAdd",
    op="QuantizedBiasAdd",
    x=(3, 4),
    y=(3,),
    ranges=(-1, 1, -1, 1),
    names=("input", "bias"),
)(binary)


def clip(op, ranges=(-3, 9), of=tf.quint8):
    low, high = map(_limit, ranges)
    return _plain(
        getattr(RAW, op)(
            features=_steps((3, 7), of), min_features=low, max_features=high, out_type=of
        )
    )


for _op in ("QuantizedRelu", "QuantizedRelu6"):
    for _ranges in ((-3, 9), (-1, 3), (0, 6), (1, 7)):
        case(_op, op=_op, ranges=_ranges)(clip)
    case(_op, op=_op, of=tf.qint32, ranges=(-100, 100))(clip)


def pool(op, ksize=(1, 2, 3, 1), strides=(1, 1, 2, 1), padding="VALID", of=tf.quint8):
    return _plain(
        getattr(RAW, op)(
            input=_steps((2, 5, 6, 3), of),
            min_input=_limit(-1),
            max_input=_limit(2),
            ksize=ksize,
            strides=strides,
            padding=padding,
        )
    )


for _op in ("QuantizedMaxPool", "QuantizedAvgPool"):
    case(_op, op=_op)(pool)
    case(_op, op=_op, padding="SAME", ksize=(1, 3, 3, 1))(pool)
    case(_op, op=_op, strides=(1, 2, 2, 1))(pool)
    case(_op, op=_op, of=tf.qint8)(pool)


@case("QuantizedReshape", shape=[4, 3])
@case("QuantizedReshape", shape=[-1])
@case("QuantizedReshape", shape=[5])
def reshape(shape):
    return _plain(
        RAW.QuantizedReshape(
            tensor=_steps((3, 4)),
            shape=feed(np.array(shape, np.int32)),
            input_min=_limit(-1),
            input_max=_limit(2),
        )
    )


@case("QuantizedConcat", ranges=((-1, 2), (-1, 2)))
@case("QuantizedConcat", ranges=((-1, 2), (0, 5)))
@case("QuantizedConcat", ranges=((1, 2), (3, 5)))
@case("QuantizedConcat", ranges=((-1, 2), (-3, 1)), axis=0)
@case("QuantizedConcat", ranges=((-1, 2), (-3, 1)), axis=2)
def concat(ranges, axis=1):
    made = RAW.QuantizedConcat(
        concat_dim=axis,
        values=[_steps((2, 3)) for _ in ranges],
        input_mins=[_limit(low) for low, _ in ranges],
        input_maxes=[_limit(high) for _, high in ranges],
    )
    return _plain(made)
