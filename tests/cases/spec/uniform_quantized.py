"""Integers with scales and zero points."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(62)
PLAIN = {tf.quint8: np.uint8, tf.qint8: np.int8, tf.qint32: np.int32}
F, N = np.float32, np.int32
SCALES, ZEROS = np.array([0.1, 0.25, 0.5], F), np.array([0, 3, -5], N)


def _plain(x):
    return tf.bitcast(x, tf.as_dtype(PLAIN[x.dtype]))


def _steps(shape, of, most=1000):
    most = min(most, np.iinfo(PLAIN[of]).max)
    least = max(-most, np.iinfo(PLAIN[of]).min)
    return tf.bitcast(feed(rng.integers(least, most, shape).astype(PLAIN[of])), of)


def _of(scale, zero):
    return feed(np.asarray(scale, F), shape=None), feed(np.asarray(zero, N), shape=None)


def quantize(scale=0.5, zero=3, axis=-1, of=tf.qint8, ends=(-128, 127), shape=(2, 3, 3)):
    scales, zeros = _of(scale, zero)
    return _plain(
        RAW.UniformQuantize(
            input=feed((rng.normal(size=shape) * 20).round(1).astype(F)),
            scales=scales,
            zero_points=zeros,
            Tout=of,
            quantization_axis=axis,
            quantization_min_val=ends[0],
            quantization_max_val=ends[1],
        )
    )


def dequantize(scale=0.5, zero=3, axis=-1, of=tf.qint8, shape=(2, 3, 3)):
    scales, zeros = _of(scale, zero)
    return RAW.UniformDequantize(
        input=_steps(shape, of),
        scales=scales,
        zero_points=zeros,
        Tout=tf.float32,
        quantization_axis=axis,
        quantization_min_val=-128,
        quantization_max_val=127,
    )


for _op, _make in (("UniformQuantize", quantize), ("UniformDequantize", dequantize)):
    for _type in PLAIN:
        case(_op, of=_type)(_make)
    for _along in (0, 1, 2):
        _n = (2, 3, 3)[_along]
        case(_op, axis=_along, scale=SCALES[:_n], zero=ZEROS[:_n])(_make)
    case(_op, axis=3, scale=SCALES, zero=ZEROS)(_make)
    case(_op, axis=-2)(_make)
    case(_op, axis=1)(_make)
    case(_op, scale=SCALES, zero=ZEROS)(_make)
    case(_op, scale=SCALES, zero=0)(_make)
    case(_op, shape=(0, 3))(_make)
    case(_op, shape=())(_make)
case("UniformQuantize", of=tf.quint8, ends=(0, 255))(quantize)
case("UniformQuantize", ends=(-10, 10))(quantize)


def requantize(
    own=(0.5, 3), new=(0.3, -4), axes=(-1, -1), of=tf.qint8, ends=(-128, 127), shape=(2, 3, 3)
):
    scales, zeros = _of(*own)
    new_scales, new_zeros = _of(*new)
    return _plain(
        RAW.UniformRequantize(
            input=_steps(shape, of),
            input_scales=scales,
            input_zero_points=zeros,
            output_scales=new_scales,
            output_zero_points=new_zeros,
            Tout=tf.qint8,
            input_quantization_axis=axes[0],
            input_quantization_min_val=-128,
            input_quantization_max_val=127,
            output_quantization_axis=axes[1],
            output_quantization_min_val=ends[0],
            output_quantization_max_val=ends[1],
        )
    )


case("UniformRequantize")(requantize)
case("UniformRequantize", of=tf.qint32, own=(0.01, 3))(requantize)
case("UniformRequantize", ends=(-20, 20))(requantize)
for _new in (1.0, 1e-9, 1e12, 0.0):
    case("UniformRequantize", new=(_new, 1))(requantize)
case("UniformRequantize", own=(SCALES, ZEROS), axes=(1, -1))(requantize)
case("UniformRequantize", new=(SCALES, ZEROS), axes=(-1, 2))(requantize)
case("UniformRequantize", own=(SCALES, ZEROS), new=(SCALES + 1, ZEROS), axes=(1, 1))(requantize)
case("UniformRequantize", own=(SCALES, ZEROS), new=(SCALES, ZEROS), axes=(1, 2))(requantize)
case("UniformRequantize", own=(SCALES, ZEROS))(requantize)
case("UniformRequantize", shape=(0, 2))(requantize)
