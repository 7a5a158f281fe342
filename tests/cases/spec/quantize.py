"""Quantisation."""

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
for _axis, _low in ((-1, [-1, -2]), (1, [-1, -2]), (5, [-1, -2])):
    case("Dequantize", axis=_axis, low=_low, high=np.abs(_low))(_dequantize)


def _there_and_back(name, x=X, low=-2.0, high=1.5, bits=8, **attributes):
    return getattr(RAW, name)(
        input=feed(x, shape=None),
        input_min=feed(np.array(low, x.dtype), shape=None),
        input_max=feed(np.array(high, x.dtype), shape=None),
        num_bits=feed(np.int32(bits)) if name.endswith("3") else bits,
        **attributes,
    )


for _op in ("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"):
    for _given in (False, True):
        for _signed in (False, True):
            _options = {"range_given": _given, "signed_input": _signed}
            case(_op, name=_op, **_options)(_there_and_back)
            case(_op, name=_op, x=X.astype(np.float64), bits=5, **_options)(_there_and_back)
        case(_op, name=_op, range_given=_given, narrow_range=True)(_there_and_back)
        for _x in (X[:0], 0 * X, np.abs(X), X[0, 0]):
            case(_op, name=_op, x=_x, range_given=_given)(_there_and_back)
        _options = {"axis": 1, "range_given": _given, "low": [-1, -2, 0, -1], "high": [1, 3, 1, 2]}
        case(_op, name=_op, x=WIDE, **_options)(_there_and_back)
    for _bits in (1, 4, 16, 63):
        case(_op, name=_op, bits=_bits, range_given=True)(_there_and_back)
    for _options in ({"low": 3.0}, {"low": [-1, -2], "high": [1, 3]}, {"axis": 1}, {"axis": 9}):
        case(_op, name=_op, range_given=True, **_options)(_there_and_back)
    if not _op.endswith("3"):
        for _rounding in ("HALF_UP", "HALF_TO_EVEN"):
            _options = {"x": _HALVES, "low": 0.0, "high": 255.0, "round_mode": _rounding}
            case(_op, name=_op, range_given=True, signed_input=False, **_options)(_there_and_back)


def _args(x=X, **attributes):
    return RAW.FakeQuantWithMinMaxArgs(inputs=feed(x, shape=None), **attributes)


def _vars(name, x=X, low=-1.0, high=1.5, **attributes):
    return getattr(RAW, name)(
        inputs=feed(x, shape=None),
        min=feed(np.array(low, F), shape=None),
        max=feed(np.array(high, F), shape=None),
        **attributes,
    )


_PER_CHANNEL = "FakeQuantWithMinMaxVarsPerChannel"
for _low, _high in ((-6, 6), (0, 6), (-1, 0), (1, 3), (-3, -1), (-0.1, 1.27)):
    for _narrow in (False, True):
        _options = {"narrow_range": _narrow}
        case("FakeQuantWithMinMaxArgs", min=_low, max=_high, **_options)(_args)
        case(
            "FakeQuantWithMinMaxVars",
            name="FakeQuantWithMinMaxVars",
            low=_low,
            high=_high,
            **_options,
        )(_vars)
_SOME = {"low": [-1, -1.5, 0, -2], "high": [1, 1.5, 0, 3]}
for _bits in (2, 4, 8, 16):
    case("FakeQuantWithMinMaxArgs", num_bits=_bits)(_args)
    case("FakeQuantWithMinMaxVars", name="FakeQuantWithMinMaxVars", num_bits=_bits)(_vars)
    case(_PER_CHANNEL, name=_PER_CHANNEL, num_bits=_bits, **_SOME)(_vars)
case("FakeQuantWithMinMaxArgs", x=_HALVES, min=0.0, max=255.0)(_args)
case("FakeQuantWithMinMaxArgs", x=X[:0])(_args)
for _low, _high in ((0.0, 0.0), ([0.0], [1.0])):
    _name = "FakeQuantWithMinMaxVars"
    case(_name, name=_name, low=_low, high=_high)(_vars)
case(_PER_CHANNEL, name=_PER_CHANNEL, narrow_range=True, **_SOME)(_vars)
for _options in (
    *({"x": X[0], **_SOME}, {"x": X[:, :3], **_SOME}, {"x": X[0, 0], **_SOME}, {"low": 0.0}),
    {"x": X[:0], **_SOME},
    {"x": WIDE, "low": [-1, -2], "high": [1, 2]},
):
    case(_PER_CHANNEL, name=_PER_CHANNEL, **_options)(_vars)


@case("Bucketize", x=np.array([[-5, 0, 10], [99.5, 100, np.nan]], F), boundaries=[0, 10, 100])
@case("Bucketize", x=np.array([-5, 0.1, 10, np.inf]), boundaries=[0.1, 0.1, 10])
@case("Bucketize", x=np.array([-5, 0, 10, 1000], np.int32), boundaries=[0, 9.5, 100])
@case("Bucketize", x=np.array([-5, 0, 10, 2**24 + 1]), boundaries=[0, 16777216])
@case("Bucketize", x=np.zeros((0, 2), F), boundaries=[0, 1])
@case("Bucketize", x=F(3), boundaries=[])
def bucketize(x, boundaries):
    return RAW.Bucketize(input=feed(x), boundaries=boundaries)
