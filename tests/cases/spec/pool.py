"""Pooling and the like: what lies under a window becomes one number."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(12)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
IMAGE = (2, 5, 4, 2)


def _values(shape, dtype="f"):
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return rng.normal(size=shape).astype(dtype)


def _pool(name, shape=IMAGE, ksize=(1, 3, 2, 1), dtype="f", known="rank", **attrs):
    x = feed(_values(shape, dtype), shape=known)
    attrs = {"ksize": list(ksize), "strides": [1] * len(ksize), "padding": "SAME"} | attrs
    return getattr(RAW, name)(**{"value" if name == "AvgPool" else "input": x}, **attrs)


_FIRST = {"shape": (2, 2, 5, 4), "ksize": (1, 1, 3, 2), "data_format": "NCHW"}
_LAYERS = (
    {},
    {"padding": "VALID"},
    {"strides": [1, 2, 3, 1]},
    {"strides": [1, 2, 1, 1], "padding": "VALID"},
    {"ksize": (1, 1, 1, 1), "strides": [1, 2, 2, 1]},
    {"ksize": (1, 5, 4, 1), "padding": "VALID"},
    {"ksize": (1, 9, 7, 1)},
    _FIRST,
    _FIRST | {"strides": [1, 1, 2, 2], "padding": "VALID"},
    {"known": (2, 5, 4, 2)},
    {"known": (None, 5, 4, 2), "strides": [1, 2, 2, 1]},
)
_CORNERS = (
    {"shape": (0, 5, 4, 2)},
    {"shape": (2, 0, 4, 2)},
    {"shape": (2, 5, 4, 0)},
    {"shape": (2, 2, 4, 2), "padding": "VALID"},
    {"shape": (2, 1, 4, 2), "padding": "VALID"},
    {"shape": (5, 4, 2), "known": None},
)
for _op in ("MaxPool", "AvgPool"):
    for _options in (*_LAYERS, *({"dtype": "d"} | o for o in _CORNERS)):
        case(_op, name=_op, **_options)(_pool)
    case(_op, name=_op, dtype="d", strides=[1, 2, 2, 1])(_pool)
    case(_op, name=_op, dtype=np.float16, tolerance=2e-3)(_pool)
    case(_op, name=_op, dtype=BFLOAT16, tolerance=2e-2)(_pool)
    case(_op, name=_op, shape=(1, 2, 3, 4), ksize=(1, 1, 1, 2), strides=[1, 1, 1, 2], dtype="d")(
        _pool
    )
    case(_op, name=_op, ksize=(2, 1, 1, 1))(_pool)
for _dtype in (np.int32, np.int64, np.uint8, np.int8):
    case("MaxPool", name="MaxPool", dtype=_dtype)(_pool)
_PADDED = {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 2, 1, 0, 1, 0, 0]}
case("MaxPool", name="MaxPool", **_PADDED)(_pool)
case("MaxPool", name="MaxPool", strides=[1, 2, 2, 1], **_PADDED)(_pool)
case("MaxPool", name="MaxPool", dtype="d", ksize=(1, 2, 2, 1), **_PADDED)(_pool)
case("MaxPool", name="MaxPool", shape=(1, 2, 3, 4), ksize=(1, 1, 1, 2), strides=[1, 1, 1, 2])(_pool)

_STRANGE = np.array(
    [[np.nan, 1, 2, 3], [4, 5, np.nan, np.nan], [6, -np.inf, np.nan, np.nan], [np.inf, 7, 8, 9]]
).reshape(1, 4, 4, 1)


@case("MaxPool", name="MaxPool")
@case("AvgPool", name="AvgPool")
@case("MaxPoolWithArgmax", name="MaxPoolWithArgmax")
@case("MaxPool", name="MaxPool", values=-np.inf)
@case("MaxPoolWithArgmax", name="MaxPoolWithArgmax", values=-np.inf)
def infinite_and_not_a_number(name, values=_STRANGE):
    x = feed(np.full((1, 4, 4, 1), values, np.float32))
    return getattr(RAW, name)(
        **{"value" if name == "AvgPool" else "input": x},
        ksize=[1, 2, 2, 1],
        strides=[1, 2, 2, 1],
        padding="SAME",
    )


@case("MaxPool", values=(np.nan, 3.0))
@case("MaxPool", values=(3.0, np.nan))
@case("MaxPool", values=(-np.inf, -np.inf))
def over_channels(values):
    x = feed(np.array(values, np.float32).reshape(1, 1, 1, 2))
    return RAW.MaxPool(input=x, ksize=[1, 1, 1, 2], strides=[1, 1, 1, 2], padding="SAME")


def _pool_v2(ksize=(1, 3, 2, 1), strides=(1, 2, 1, 1), fed=False, dtype="f", **attrs):
    ksize, strides = np.array(ksize, np.int32), np.array(strides, np.int32)
    return RAW.MaxPoolV2(
        input=feed(_values(attrs.pop("shape", IMAGE), dtype)),
        ksize=feed(ksize, shape=None) if fed else ksize,
        strides=feed(strides, shape=None) if fed else strides,
        **({"padding": "SAME"} | attrs),
    )


for _options in (
    {},
    {"padding": "VALID"},
    {"fed": True},
    {"shape": (1, 2, 3, 4), "ksize": (1, 1, 1, 2), "strides": (1, 1, 1, 2)},
    {"ksize": (1, 3, 2), "fed": True},
    {"ksize": (1, 0, 2, 1), "fed": True},
    {"ksize": (2, 1, 2, 1), "fed": True},
    {"strides": (1, 0, 2, 1), "fed": True},
    {"dtype": "d"},
    {"dtype": "i"},
):
    case("MaxPoolV2", **_options)(_pool_v2)

_VOLUME = {"shape": (1, 3, 4, 5, 2), "ksize": (1, 2, 3, 2, 1)}
for _op in ("MaxPool3D", "AvgPool3D"):
    for _options in (
        {},
        {"padding": "VALID"},
        {"strides": [1, 2, 2, 2, 1]},
        {"strides": [1, 2, 1, 2, 1], "padding": "VALID"},
        {"shape": (1, 2, 3, 4, 5), "ksize": (1, 1, 2, 3, 2), "data_format": "NCDHW"},
        {"dtype": BFLOAT16, "tolerance": 2e-2},
        {"ksize": (1, 1, 1, 1, 2)},
    ):
        case(_op, name=_op, **(_VOLUME | _options))(_pool)


@case("MaxPoolWithArgmax")
@case("MaxPoolWithArgmax", batch=True)
@case("MaxPoolWithArgmax", batch=True, padding="VALID", strides=(1, 1))
@case("MaxPoolWithArgmax", to=tf.int32)
@case("MaxPoolWithArgmax", dtype="d", ksize=(9, 9))
@case("MaxPoolWithArgmax", dtype=np.float16)
@case("MaxPoolWithArgmax", dtype=np.int64)
@case("MaxPoolWithArgmax", shape=(0, 5, 4, 2))
def where_the_largest_is(
    ksize=(3, 2),
    strides=(2, 2),
    padding="SAME",
    batch=False,
    to=tf.int64,
    dtype="f",
    shape=IMAGE,
):
    # Equal values abound: the first counts.
    x = rng.integers(-2, 3, shape).astype(dtype)
    return RAW.MaxPoolWithArgmax(
        input=feed(x),
        ksize=[1, *ksize, 1],
        strides=[1, *strides, 1],
        padding=padding,
        Targmax=to,
        include_batch_in_index=batch,
    )


@case("Dilation2D")
@case("Dilation2D", padding="VALID")
@case("Dilation2D", strides=(2, 3))
@case("Dilation2D", rates=(2, 1))
@case("Dilation2D", rates=(1, 3), padding="VALID")
@case("Dilation2D", rates=(5, 1), padding="VALID")
@case("Dilation2D", filters=(2, 3, 1))
@case("Dilation2D", dtype="d")
@case("Dilation2D", dtype="i")
@case("Dilation2D", dtype=np.float16, tolerance=1e-3)
@case("Dilation2D", shape=(0, 5, 4, 2))
def dilation(
    strides=(1, 1), rates=(1, 1), padding="SAME", dtype="f", filters=(2, 3, 2), shape=IMAGE
):
    x = rng.integers(-99, 99, shape) if dtype == "i" else rng.normal(size=shape)
    bank = rng.integers(-99, 99, filters) if dtype == "i" else rng.normal(size=filters)
    return RAW.Dilation2D(
        input=feed(x.astype(dtype), shape=None),
        filter=feed(bank.astype(dtype), shape=None),
        strides=[1, *strides, 1],
        rates=[1, *rates, 1],
        padding=padding,
    )


@case("Dilation2D")
def dilation_of_nothing_finite():
    x = np.where(rng.normal(size=(1, 3, 3, 1)) > 0, np.nan, -np.inf).astype(np.float32)
    return RAW.Dilation2D(
        input=feed(x),
        filter=tf.zeros((2, 2, 1)),
        strides=[1] * 4,
        rates=[1] * 4,
        padding="SAME",
    )
