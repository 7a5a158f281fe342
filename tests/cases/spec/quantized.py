"""Floats as integers that stand for steps of a range, and back."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(31)
X = np.array([[-1.5, -0.5, 0.0, 0.3], [0.7, 1.0, 2.0, -0.01]], np.float32)
WIDE = rng.normal(size=(3, 4, 2)).astype(np.float32)
TYPES = (tf.quint8, tf.qint8, tf.quint16, tf.qint16, tf.qint32)
PLAIN = {tf.quint8: tf.uint8, tf.qint8: tf.int8, tf.quint16: tf.uint16, tf.qint16: tf.int16}
PLAIN[tf.qint32] = tf.int32
F = np.float32


def _quantize(x=X, low=-1.0, high=1.5, of=tf.qint8, mode="SCALED", **attributes):
    output, low, high = RAW.QuantizeV2(
        input=feed(x, shape=None),
        min_range=feed(np.array(low, F), shape=None),
        max_range=feed(np.array(high, F), shape=None),
        T=of,
        mode=mode,
        **attributes,
    )
    return [tf.bitcast(output, PLAIN[of]), low, high]


for _of in TYPES:
    for _mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        # The largest int32 is no float32, and what lies beyond is open.
        _x = X if _of != tf.qint32 else X[:, :2]
        case("QuantizeV2", x=_x, of=_of, mode=_mode)(_quantize)
    case("QuantizeV2", x=X[:, :2], of=_of, narrow_range=True)(_quantize)
for _range in ((-2.0, 1.0), (0.0, 0.0), (1.0, 1.0), (1.0, 2.0), (-2.0, -1.0), (2.0, 1.0)):
    for _mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        case("QuantizeV2", low=_range[0], high=_range[1], mode=_mode)(_quantize)
_HALVES = np.array([-1.5, -0.5, 0.5, 1.5, 2.5], F)
for _rounding in ("HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN"):
    _options = {"x": _HALVES, "low": 0.0, "high": 255.0, "round_mode": _rounding}
    case("QuantizeV2", of=tf.quint8, **_options)(_quantize)
    case("QuantizeV2", of=tf.qint16, **(_options | {"high": 32767.0}))(_quantize)
case("QuantizeV2", mode="MIN_COMBINED", round_mode="HALF_TO_EVEN")(_quantize)
for _least in (1.0, 0.5):
    case("QuantizeV2", low=0.0, high=0.0, ensure_minimum_range=_least)(_quantize)
for _mode in ("SCALED", "MIN_COMBINED"):
    _options = {"x": WIDE, "axis": 0, "mode": _mode}
    case("QuantizeV2", low=[-1, -2, -3], high=[1, 3, 2], **_options)(_quantize)
    _options = {"x": WIDE, "axis": 1, "mode": _mode, "of": tf.quint8}
    case("QuantizeV2", low=[-1, -2, -3, 0], high=[1, 3, 2, 1], **_options)(_quantize)
    case("QuantizeV2", x=WIDE, axis=2, low=[-1, -2], high=[1, 3], mode=_mode)(_quantize)
case("QuantizeV2", low=[-1.0], high=[1.0])(_quantize)
case("QuantizeV2", x=X[:0])(_quantize)
for _axis, _low in ((-1, [-1, -2]), (1, [-1, -2]), (5, [-1, -2]), (0, -1.0)):
    case("QuantizeV2", axis=_axis, low=_low, high=np.abs(_low))(_quantize)
case("QuantizeV2", axis=0, low=[-1, -2], high=[1, 2], mode="MIN_FIRST")(_quantize)

BYTES = np.array([[-128, -127, -1, 0], [1, 5, 126, 127]])
_WHOLE = {
    tf.quint8: BYTES.astype(np.int8).view(np.uint8),
    tf.qint8: BYTES.astype(np.int8),
    tf.quint16: (BYTES.astype(np.int16) * 256).view(np.uint16),
    tf.qint16: BYTES.astype(np.int16) * 256,
    tf.qint32: BYTES.astype(np.int32) * 2**24,
}


def _dequantize(of=tf.qint8, low=-1.0, high=1.5, mode="SCALED", **attributes):
    return RAW.Dequantize(
        input=tf.bitcast(feed(_WHOLE[of]), of),
        min_range=feed(np.array(low, F), shape=None),
        max_range=feed(np.array(high, F), shape=None),
        mode=mode,
        **attributes,
    )


for _of in TYPES:
    for _mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        if (_of, _mode) != (tf.qint32, "SCALED"):
            case("Dequantize", of=_of, mode=_mode)(_dequantize)
for _mode in ("MIN_COMBINED", "SCALED", "MIN_FIRST"):
    case("Dequantize", mode=_mode, dtype=tf.bfloat16, tolerance=1e-2)(_dequantize)
for _narrow in (False, True):
    case("Dequantize", low=-2.0, high=1.0, narrow_range=_narrow)(_dequantize)
for _mode in ("MIN_COMBINED", "SCALED"):
    for _of in (tf.qint8, tf.quint8):
        case("Dequantize", of=_of, mode=_mode, axis=0, low=[-1, -2], high=[1, 3])(_dequantize)
for _range in ((1.0, 1.0), (2.0, 1.0), (0.0, 0.0)):
    for _mode in ("MIN_COMBINED", "MIN_FIRST", "SCALED"):
        case("Dequantize", low=_range[0], high=_range[1], mode=_mode)(_dequantize)
case("Dequantize", axis=1, low=[-1, -2], high=[1, 2])(_dequantize)
