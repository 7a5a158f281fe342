"""Simulated quantisation: floats to a grid of few levels and back."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(18)
X = np.array([-10, -6.03, -1, -0.5, -0.0117, 0, 0.0118, 0.25, 0.6, 1, 5.99, 7, 1e20], "f")
STRANGE = np.array([np.nan, np.inf, -np.inf, 1], "f")


def _args(x=X, **attrs):
    return RAW.FakeQuantWithMinMaxArgs(inputs=feed(x), **attrs)


for _options in (
    {},
    {"min": 0.0, "max": 6.0},
    {"min": -0.1, "max": 1.0, "num_bits": 4},
    {"num_bits": 2, "narrow_range": True},
    {"num_bits": 16},
    {"min": 0.5, "max": 3.0},
    {"min": -3.0, "max": -0.5},
    {"min": 0.0, "max": 255.0, "x": np.array([0.5, 1.5, 2.5, 254.5, 255.5], "f")},
    {"x": STRANGE},
    {"x": X[:0]},
):
    case("FakeQuantWithMinMaxArgs", **_options)(_args)


def _vars(low, high, x=X, name="FakeQuantWithMinMaxVars", **attrs):
    return getattr(RAW, name)(
        inputs=feed(x, shape=None),
        min=feed(np.array(low, "f"), shape=None),
        max=feed(np.array(high, "f"), shape=None),
        **attrs,
    )


for _options in (
    {"low": -6, "high": 6},
    {"low": -1.7, "high": 2.3, "num_bits": 4},
    {"low": -1.7, "high": 2.3, "narrow_range": True},
    {"low": 0, "high": 0},
    {"low": 0.5, "high": 3},
    {"low": 1, "high": 1},
    {"low": [0], "high": [1]},
    {"low": -1, "high": 1, "x": STRANGE},
):
    case("FakeQuantWithMinMaxVars", **_options)(_vars)

_MATRIX = rng.normal(size=(4, 3)).astype("f")
for _options in (
    {"low": [-1, 0, -0.5], "high": [1, 0.5, 0.1], "num_bits": 3},
    {"low": [-1, 0, -0.5], "high": [1, 0.5, 0.1], "narrow_range": True},
    {"low": [-1, 0, 0], "high": [1, 0, 2], "x": _MATRIX[0]},
    {"low": [-1, 0], "high": [1, 1]},
    {"low": [-1, 0, 0], "high": [1, 1]},
    {"low": -1, "high": 1},
):
    case(
        "FakeQuantWithMinMaxVarsPerChannel",
        name="FakeQuantWithMinMaxVarsPerChannel",
        **({"x": _MATRIX} | _options),
    )(_vars)


def _there_and_back(
    name="QuantizeAndDequantizeV2", low=0.0, high=0.0, bits=8, dtype="f", x=None, **attrs
):
    x = (2 * _MATRIX if x is None else x).astype(dtype)
    inputs = {
        "input": feed(x),
        "input_min": feed(np.array(low, dtype), shape=None),
        "input_max": feed(np.array(high, dtype), shape=None),
        "num_bits": feed(np.int32(bits)) if name.endswith("V3") else bits,
    }
    return getattr(RAW, name)(**inputs, **attrs)


for _op in ("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV3", "QuantizeAndDequantizeV4"):
    for _options in (
        {"range_given": False},
        {"range_given": True, "low": -1.0, "high": 2.0},
        {"range_given": True, "low": -2.0, "high": 1.0, "bits": 4},
        {"range_given": True, "low": 0.0, "high": 1.5, "signed_input": False},
        {"range_given": True, "low": -1.0, "high": 2.0, "narrow_range": True, "bits": 3},
        {"range_given": False, "axis": 1},
        {"range_given": True, "axis": 0, "low": [-1, -2, 0, -1], "high": [1, 1, 1, 0]},
        {"range_given": True, "low": 0.0, "high": 0.0},
        {"range_given": True, "low": 2.0, "high": 1.0},
        {"range_given": True, "axis": 1, "low": [0.0], "high": [1.0]},
        {"range_given": False, "dtype": "d"},
        {"range_given": False, "x": np.zeros((2, 2))},
        {"range_given": False, "x": np.zeros((0, 2))},
    ):
        case(_op, name=_op, **_options)(_there_and_back)
_TIES = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 127])
for _op in ("QuantizeAndDequantizeV2", "QuantizeAndDequantizeV4"):
    for _mode in ("HALF_TO_EVEN", "HALF_UP"):
        case(_op, name=_op, round_mode=_mode, x=_TIES)(_there_and_back)
for _bits in (0, 1, 64):
    case("QuantizeAndDequantizeV3", name="QuantizeAndDequantizeV3", bits=_bits)(_there_and_back)
