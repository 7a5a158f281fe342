"""Steps of one range as steps of another.

Recorded without oneDNN, whose kernels differ by a step: TF_ENABLE_ONEDNN_OPTS=0.
"""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(61)
PLAIN = {tf.quint8: np.uint8, tf.qint8: np.int8, tf.qint32: np.int32}
F = np.float32
LIMITS = np.iinfo(np.int32)


def _steps(values, of=tf.qint32):
    return tf.bitcast(feed(np.asarray(values, PLAIN[of]), shape=None), of)


def _any(shape, most=LIMITS.max, of=tf.qint32):
    limits = np.iinfo(PLAIN[of])
    most = min(most, limits.max)
    return _steps(rng.integers(max(-most, limits.min), most, shape, endpoint=True), of)


def _limit(value):
    return feed(np.array(value, F), shape=None)


def _plain(made):
    output, *limits = made
    return [tf.bitcast(output, tf.as_dtype(PLAIN[output.dtype])), *limits]


RANGES = ((-1, 1), (-10, 20), (0, 3), (-1000, 1), (2, 5), (-5, -2))


def down(values=(), ranges=(-1, 1), most=LIMITS.max):
    x = _steps(values) if len(values) else _any((3, 5), most)
    low, high = map(_limit, ranges)
    return _plain(
        RAW.QuantizeDownAndShrinkRange(input=x, input_min=low, input_max=high, out_type=tf.quint8)
    )


for _ranges in RANGES:
    case("QuantizeDownAndShrinkRange", ranges=_ranges)(down)
case("QuantizeDownAndShrinkRange", most=100000)(down)
case("QuantizeDownAndShrinkRange", values=(5, 5, 5))(down)
case("QuantizeDownAndShrinkRange", values=(0, 0), ranges=(0, 0))(down)
case("QuantizeDownAndShrinkRange", values=(LIMITS.min, 0, LIMITS.max))(down)
case("QuantizeDownAndShrinkRange", values=(-7, -3))(down)
case("QuantizeDownAndShrinkRange", ranges=([-1], 1))(down)
case("QuantizeDownAndShrinkRange", ranges=([-1, 0], 1))(down)


def used(values=(), ranges=(-1, 1), most=LIMITS.max):
    x = _steps(values) if len(values) else _any((3, 5), most)
    low, high = map(_limit, ranges)
    return list(RAW.RequantizationRange(input=x, input_min=low, input_max=high))


for _ranges in RANGES:
    case("RequantizationRange", ranges=_ranges)(used)
case("RequantizationRange", most=100000)(used)
case("RequantizationRange", values=(5, 5))(used)
case("RequantizationRange", ranges=([-1], 1))(used)
case("RequantizationRange", ranges=([-1, 0], 1))(used)


def empty_range():
    x = _steps(np.zeros((0, 3)))
    return list(RAW.RequantizationRange(input=x, input_min=-1.0, input_max=1.0))


def empty_down():
    x = _steps(np.zeros((0, 3)))
    return _plain(
        RAW.QuantizeDownAndShrinkRange(input=x, input_min=-1.0, input_max=1.0, out_type=tf.quint8)
    )


case("RequantizationRange")(empty_range)
case("QuantizeDownAndShrinkRange")(empty_down)


def given(ranges=(-1, 1), asked=(-0.5, 0.5), shape=(3, 5)):
    low, high = map(_limit, ranges)
    new_low, new_high = map(_limit, asked)
    return _plain(
        RAW.Requantize(
            input=_any(shape),
            input_min=low,
            input_max=high,
            requested_output_min=new_low,
            requested_output_max=new_high,
            out_type=tf.quint8,
        )
    )


for _ranges in RANGES:
    case("Requantize", ranges=_ranges)(given)
for _asked in (
    (-2, 3),
    (0, 6),
    (0, 0),
    (-1, 0),
    (1, 2),
    (-2, -1),
    (-1, -2),
    ([-1], 1),
    ([-1, 0], 1),
):
    case("Requantize", asked=_asked)(given)
case("Requantize", shape=(0, 2))(given)
case("Requantize", ranges=([-1], 1))(given)
case("Requantize", ranges=([-1, 0], 1))(given)


LOWS, HIGHS = np.array([-1, -2, 0, -0.5], F), np.array([1, 0.5, 3, 0.25], F)


def channels_range(lows=LOWS, highs=HIGHS, shape=(2, 2, 3, 4), most=1 << 30, **attrs):
    return list(
        RAW.RequantizationRangePerChannel(
            input=_any(shape, most), input_min=_limit(lows), input_max=_limit(highs), **attrs
        )
    )


for _clip in (6.0, 0.5):
    case("RequantizationRangePerChannel", clip_value_max=_clip)(channels_range)


def channels_positive():
    x = _steps(rng.integers(0, 1 << 30, (1, 2, 2, 4)))
    return list(
        RAW.RequantizationRangePerChannel(
            input=x, input_min=LOWS, input_max=HIGHS, clip_value_max=6.0
        )
    )


case("RequantizationRangePerChannel")(channels_positive)
case("RequantizationRangePerChannel", clip_value_max=6.0, shape=(2, 4))(channels_range)
case("RequantizationRangePerChannel", clip_value_max=6.0, shape=(1, 2, 2, 3))(channels_range)
case("RequantizationRangePerChannel", clip_value_max=6.0, shape=(0, 2, 2, 4))(channels_range)
case("RequantizationRangePerChannel", clip_value_max=6.0, lows=LOWS[:3])(channels_range)


def channels(of=tf.quint8, asked=(-2, 1), shape=(2, 2, 3, 4), lows=LOWS, highs=HIGHS):
    new_low, new_high = map(_limit, asked)
    return _plain(
        RAW.RequantizePerChannel(
            input=_any(shape),
            input_min=_limit(lows),
            input_max=_limit(highs),
            requested_output_min=new_low,
            requested_output_max=new_high,
            out_type=of,
        )
    )


for _of in (tf.quint8, tf.qint8):
    for _asked in ((-2, 1), (-0.5, 3), (0, 1)):
        case("RequantizePerChannel", of=_of, asked=_asked)(channels)
case("RequantizePerChannel", shape=(1, 2, 2, 3, 4))(channels)
case("RequantizePerChannel", highs=HIGHS[:3])(channels)


def norm(shape=(2, 3, 4, 3), ranges=(-1, 2), values=None, **attrs):
    x = _any(shape, of=tf.quint8) if values is None else _steps(values, tf.quint8)
    low, high = map(_limit, ranges)
    return _plain(RAW.QuantizedInstanceNorm(x=x, x_min=low, x_max=high, **attrs))


case("QuantizedInstanceNorm")(norm)
case("QuantizedInstanceNorm", shape=(1, 4, 4, 16), ranges=(0, 255))(norm)
case("QuantizedInstanceNorm", variance_epsilon=0.5)(norm)
case("QuantizedInstanceNorm", min_separation=10.0)(norm)
case("QuantizedInstanceNorm", output_range_given=True, given_y_min=-2.0, given_y_max=2.0)(norm)
case("QuantizedInstanceNorm", output_range_given=True, given_y_min=-1.0, given_y_max=0.5)(norm)
case("QuantizedInstanceNorm", output_range_given=True, given_y_min=1.0, given_y_max=0.5)(norm)
case("QuantizedInstanceNorm", values=np.full((1, 2, 2, 1), 7))(norm)
case("QuantizedInstanceNorm", ranges=(2, 2))(norm)
case("QuantizedInstanceNorm", ranges=([-1, 0], 2))(norm)


def resize(shape=(2, 4, 5, 3), size=(7, 9), ranges=(-1, 2), **attrs):
    low, high = map(_limit, ranges)
    return _plain(
        RAW.QuantizedResizeBilinear(
            images=_any(shape, of=tf.quint8),
            size=feed(np.array(size, np.int32), shape=None),
            min=low,
            max=high,
            **attrs,
        )
    )


for _size in ((7, 9), (2, 3), (4, 5), (9, 2), (1, 1)):
    case("QuantizedResizeBilinear", size=_size)(resize)
    case("QuantizedResizeBilinear", size=_size, align_corners=True)(resize)
    case("QuantizedResizeBilinear", size=_size, half_pixel_centers=True)(resize)
case("QuantizedResizeBilinear", align_corners=True, half_pixel_centers=True)(resize)
case("QuantizedResizeBilinear", shape=(1, 1, 4, 1))(resize)
case("QuantizedResizeBilinear", size=(0, 3))(resize)
case("QuantizedResizeBilinear", size=(3,))(resize)
case("QuantizedResizeBilinear", ranges=([-1, 0], 2))(resize)


def _old(producer):
    """Take the graph back to when an op was not yet replaced."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = producer
    tf.import_graph_def(graph, name="")


def there_and_back(dtype=F, **attrs):
    _old(21)
    x = feed(np.array([[-3, -1.3, -0.2, 0], [0.4, 1.1, 1.9, 2.6]], dtype))
    return RAW.QuantizeAndDequantize(input=x, **attrs)


for _dtype in (F, np.float64):
    case("QuantizeAndDequantize", dtype=_dtype)(there_and_back)
case("QuantizeAndDequantize", signed_input=False)(there_and_back)
case("QuantizeAndDequantize", num_bits=3)(there_and_back)
case("QuantizeAndDequantize", range_given=True, input_min=-1.0, input_max=2.0)(there_and_back)
case("QuantizeAndDequantize", range_given=True, input_min=2.0, input_max=1.0)(there_and_back)
