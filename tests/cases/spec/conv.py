"""Convolutions, and convolutions backwards."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(11)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
HALVES = ((np.float16, 2e-3), (BFLOAT16, 2e-2))


def _values(shape, dtype="f"):
    if np.dtype(dtype).kind == "i":
        return rng.integers(-9, 9, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def _over(numbers, first):
    """Numbers for the spatial dimensions as an attribute over all dimensions."""
    return [1, 1, *numbers] if first else [1, *numbers, 1]


def _conv2d(
    x,
    filters,
    strides=(1, 1),
    padding="SAME",
    explicit=(),
    dilations=(1, 1),
    first=False,
    name="Conv2D",
    known="rank",
    dtype="f",
):
    return getattr(RAW, name)(
        input=feed(_values(x, dtype), shape=known),
        filter=tf.constant(_values(filters, dtype)),
        strides=_over(strides, first),
        padding=padding,
        explicit_paddings=list(explicit),
        data_format="NCHW" if first else "NHWC",
        dilations=_over(dilations, first),
    )


_PADDED = (0, 0, 1, 2, 0, 3, 0, 0)
_PADDED_FIRST = (0, 0, 0, 0, 1, 2, 0, 3)
_LAYERS = (
    {},
    {"padding": "VALID"},
    {"strides": (2, 2)},
    {"strides": (2, 3), "padding": "VALID"},
    {"dilations": (2, 1)},
    {"dilations": (2, 2), "padding": "VALID"},
    {"padding": "EXPLICIT", "explicit": _PADDED},
    {"padding": "EXPLICIT", "explicit": _PADDED, "strides": (2, 2), "dilations": (1, 2)},
)
_LAYERS_FIRST = (
    {},
    {"padding": "VALID", "strides": (2, 2)},
    {"padding": "EXPLICIT", "explicit": _PADDED_FIRST, "dilations": (2, 1)},
)
for _options in _LAYERS:
    case("Conv2D", x=(1, 5, 4, 2), filters=(3, 2, 2, 3), **_options)(_conv2d)
for _options in _LAYERS_FIRST:
    case("Conv2D", x=(1, 2, 5, 4), filters=(3, 2, 2, 3), first=True, **_options)(_conv2d)
for _options in (
    {"x": (2, 3, 3, 6), "filters": (1, 1, 6, 2)},
    {"x": (2, 4, 3, 6), "filters": (1, 1, 6, 2), "strides": (2, 2)},
    {"x": (1, 2, 2, 3), "filters": (5, 5, 3, 2)},
    {"x": (1, 1, 9, 3), "filters": (1, 3, 3, 2), "dilations": (1, 2)},
    # Groups: the filters are shallower than the image.
    {"x": (2, 4, 3, 6), "filters": (3, 2, 2, 6), "strides": (2, 1)},
    {"x": (2, 4, 3, 4), "filters": (3, 2, 2, 2), "known": (None, None, None, 4)},
    {"x": (1, 4, 3, 4), "filters": (2, 2, 1, 8), "padding": "VALID"},
    {"x": (1, 4, 3, 4), "filters": (2, 2, 1, 8), "known": (None, None, None, 4)},
    {"x": (1, 6, 4, 3), "filters": (2, 2, 3, 4), "first": True},
    # Nothing at all, and no place for the window.
    {"x": (0, 5, 4, 3), "filters": (2, 2, 3, 4), "dtype": "d"},
    {"x": (2, 2, 5, 3), "filters": (3, 2, 3, 4), "padding": "VALID", "dtype": "d"},
    {"x": (1, 1, 2, 3), "filters": (3, 1, 3, 1), "padding": "VALID"},
    {
        "x": (2, 1, 5, 3),
        "filters": (4, 2, 3, 4),
        "padding": "VALID",
        "strides": (2, 2),
        "dtype": "d",
    },
    {"x": (2, 0, 5, 3), "filters": (3, 2, 3, 4), "dtype": "d"},
    {"x": (1, 2, 2, 3), "filters": (2, 2, 3, 0)},
    {"x": (1, 2, 2, 3), "filters": (1, 1, 2, 4), "known": None},
    {"x": (1, 2, 2, 4), "filters": (1, 1, 2, 3), "known": None},
    {"x": (1, 2, 2, 2), "filters": (1, 1, 0, 3), "known": None},
    {"x": (2, 5, 4), "filters": (2, 2, 4, 3), "known": None, "dtype": "i"},
    {"x": (2, 4, 3, 2), "filters": (3, 2, 2, 2), "dtype": "i"},
    {"x": (1, 4, 3, 2), "filters": (3, 2, 2, 2), "dtype": "d", "strides": (2, 2)},
    {"x": (1, 4, 3, 2), "filters": (3, 2, 2, 2), "known": (1, 4, 3, 2)},
    {"x": (1, 4, 3, 2), "filters": (3, 2, 2, 2), "known": (None, 4, 3, 2)},
    {"x": (1, 4, 3, 2), "filters": (3, 2, 2, 2), "known": (None, None, None, 2)},
):
    case("Conv2D", **_options)(_conv2d)

for _options in (*_LAYERS[:3], *_LAYERS[4:]):
    case(
        "DepthwiseConv2dNative",
        name="DepthwiseConv2dNative",
        x=(1, 5, 4, 2),
        filters=(3, 2, 2, 2),
        **_options,
    )(_conv2d)
for _options in (
    *({"x": (1, 2, 5, 4), "filters": (3, 2, 2, 2), "first": True, **o} for o in _LAYERS_FIRST),
    {"x": (2, 6, 5, 4), "filters": (3, 3, 4, 1)},
    {"x": (1, 1, 9, 3), "filters": (1, 3, 3, 2), "dilations": (1, 2)},
    {"x": (0, 6, 5, 4), "filters": (3, 3, 4, 1)},
    {"x": (2, 2, 5, 3), "filters": (3, 2, 3, 1), "padding": "VALID", "dtype": "d"},
    {"x": (1, 5, 4, 3), "filters": (2, 2, 2, 4), "known": None},
    {"x": (1, 5, 4, 3), "filters": (2, 2, 3, 4), "strides": (1, 2), "known": None},
    {"x": (1, 5, 4, 3), "filters": (3, 2, 3, 2), "dtype": "d", "strides": (2, 2)},
):
    case("DepthwiseConv2dNative", name="DepthwiseConv2dNative", **_options)(_conv2d)

for _dtype, _tolerance in HALVES:
    for _op in ("Conv2D", "DepthwiseConv2dNative"):
        case(
            _op,
            x=(1, 5, 4, 3),
            filters=(3, 2, 3, 2),
            name=_op,
            tolerance=_tolerance,
            dtype=_dtype,
        )(_conv2d)


@case("Conv2D")
@case("DepthwiseConv2dNative", name="DepthwiseConv2dNative")
def filters_are_fed(name="Conv2D"):
    return getattr(RAW, name)(
        input=feed(_values((1, 4, 3, 2))),
        filter=feed(_values((3, 2, 2, 2))),
        strides=[1, 2, 2, 1],
        padding="SAME",
    )


@case("Conv2D")
@case("DepthwiseConv2dNative", name="DepthwiseConv2dNative")
def infinite_and_not_a_number(name="Conv2D"):
    x = _values((1, 3, 3, 2))
    x[0, 0, 0, 0] = np.inf
    x[0, 2, 2, 1] = np.nan
    return getattr(RAW, name)(
        input=feed(x), filter=_values((2, 2, 2, 2)), strides=[1] * 4, padding="SAME"
    )


def _conv3d(
    x,
    filters,
    strides=(1, 1, 1),
    padding="SAME",
    dilations=(1, 1, 1),
    first=False,
    known="rank",
    dtype="f",
):
    return RAW.Conv3D(
        input=feed(_values(x, dtype), shape=known),
        filter=tf.constant(_values(filters, dtype)),
        strides=_over(strides, first),
        padding=padding,
        data_format="NCDHW" if first else "NDHWC",
        dilations=_over(dilations, first),
    )


_VOLUME = (2, 4, 3, 4, 2)
for _options in (
    {"x": _VOLUME, "filters": (2, 2, 3, 2, 3)},
    {"x": _VOLUME, "filters": (2, 2, 3, 2, 3), "padding": "VALID"},
    {"x": _VOLUME, "filters": (2, 2, 3, 2, 3), "strides": (2, 1, 2)},
    {"x": _VOLUME, "filters": (2, 2, 2, 2, 3), "strides": (2, 2, 2), "padding": "VALID"},
    {"x": _VOLUME, "filters": (2, 2, 3, 2, 3), "dilations": (2, 1, 1)},
    {"x": (2, 2, 4, 3, 4), "filters": (2, 2, 3, 2, 3), "first": True},
    {"x": (2, 2, 4, 3, 4), "filters": (2, 2, 3, 2, 3), "first": True, "strides": (1, 1, 2)},
    {"x": (1, 2, 3, 2, 3), "filters": (2, 2, 1, 2, 4), "known": None},
    {"x": _VOLUME, "filters": (6, 2, 1, 2, 4), "padding": "VALID"},
    {"x": (0, 4, 3, 4, 2), "filters": (2, 2, 1, 2, 4), "dtype": "d"},
    {"x": _VOLUME, "filters": (1, 2, 2, 2, 2), "dtype": "d"},
    *({"x": _VOLUME, "filters": (1, 2, 2, 2, 2), "dtype": d, "tolerance": t} for d, t in HALVES),
):
    case("Conv3D", **_options)(_conv3d)


def _conv(x, filters, dtype="f", **attrs):
    attrs = {"strides": [1] * len(filters), "padding": "SAME"} | attrs
    return RAW.Conv(
        input=feed(_values(x, dtype)), filter=tf.constant(_values(filters, dtype)), **attrs
    )


for _options in (
    {},
    {"strides": [1, 2, 2, 1], "padding": "VALID"},
    {"dilations": [1, 2, 1, 1]},
    {"padding": "EXPLICIT", "explicit_paddings": list(_PADDED)},
    {"x": (2, 2, 5, 4), "data_format": "CHANNELS_FIRST"},
    {"x": _VOLUME, "filters": (2, 2, 3, 2, 3), "strides": [1, 2, 1, 1, 1]},
    {"x": (2, 2, 3, 4, 2), "filters": (2, 2, 2, 2), "batch_dims": 2},
    {"x": (1, 2, 2, 3, 4, 2), "filters": (2, 2, 2, 2), "batch_dims": 3},
    {"x": (3, 4, 2), "filters": (2, 2, 2, 2), "batch_dims": 0},
    {"x": (2, 5, 4, 6), "filters": (2, 2, 3, 4), "groups": 2},
    {"x": (2, 5, 4, 6), "filters": (2, 2, 3, 4)},
    {"dtype": "d"},
    {"dtype": "i"},
    {"dtype": np.float16, "tolerance": 2e-3},
):
    case("Conv", **({"x": (2, 5, 4, 2), "filters": (3, 2, 2, 3)} | _options))(_conv)


def _back2d(
    dy,
    sizes,
    filters=(3, 2, 3, 2),
    strides=(1, 1),
    padding="SAME",
    explicit=(),
    dilations=(1, 1),
    first=False,
    fed=False,
    known="rank",
    dtype="f",
):
    sizes = np.array(sizes, np.int32)
    return RAW.Conv2DBackpropInput(
        input_sizes=feed(sizes) if fed else sizes,
        filter=tf.constant(_values(filters, dtype)),
        out_backprop=feed(_values(dy, dtype), shape=known),
        strides=_over(strides, first),
        padding=padding,
        explicit_paddings=list(explicit),
        data_format="NCHW" if first else "NHWC",
        dilations=_over(dilations, first),
    )


_HALF_SIZE = {"dy": (1, 3, 3, 2), "sizes": (1, 6, 5, 3), "strides": (2, 2)}
for _options in (
    {"dy": (1, 6, 5, 2), "sizes": (1, 6, 5, 3)},
    {"dy": (1, 4, 4, 2), "sizes": (1, 6, 5, 3), "padding": "VALID"},
    _HALF_SIZE,
    _HALF_SIZE | {"dy": (2, 3, 3, 2), "sizes": (2, 5, 6, 3)},
    _HALF_SIZE | {"dy": (1, 2, 2, 2), "strides": (2, 3), "padding": "VALID"},
    _HALF_SIZE | {"dy": (1, 2, 2, 2), "strides": (3, 2), "padding": "VALID"},
    {"dy": (1, 6, 5, 2), "sizes": (1, 6, 5, 3), "dilations": (2, 1)},
    {
        "dy": (1, 7, 7, 2),
        "sizes": (1, 6, 5, 3),
        "padding": "EXPLICIT",
        "explicit": _PADDED,
    },
    {"dy": (1, 2, 3, 3), "sizes": (1, 3, 6, 5), "strides": (2, 2), "first": True},
    _HALF_SIZE | {"sizes": (6, 5), "dtype": "i"},
    _HALF_SIZE | {"sizes": (1, -6, 5, 3), "dtype": "i", "fed": True},
    _HALF_SIZE | {"fed": True},
    _HALF_SIZE | {"dy": (1, 3, 2, 2), "known": None, "dtype": "d"},
    _HALF_SIZE | {"dy": (1, 3, 3, 5), "known": None, "dtype": "d"},
    _HALF_SIZE | {"dy": (3, 3, 3, 2), "known": None, "dtype": "d"},
    _HALF_SIZE | {"sizes": (1, 6, 5, 4), "fed": True, "dtype": "d"},
    _HALF_SIZE | {"sizes": (1, 6, 5), "dtype": "i", "fed": True},
    _HALF_SIZE | {"sizes": (1, 6, 5, 6)},
    _HALF_SIZE | {"dy": (0, 3, 3, 2), "sizes": (0, 6, 5, 3)},
    {"dy": (1, 3, 3, 2), "sizes": (1, 9, 9, 3), "strides": (3, 3), "filters": (2, 2, 3, 2)},
    _HALF_SIZE | {"dtype": "i"},
    _HALF_SIZE | {"dtype": "d"},
    *(_HALF_SIZE | {"dtype": d, "tolerance": t} for d, t in HALVES),
):
    case("Conv2DBackpropInput", **_options)(_back2d)


@case("Conv2DBackpropInput")
def sizes_are_computed():
    dy = feed(_values((2, 3, 3, 2)))
    sizes = RAW.Shape(input=dy)
    batch, rows, columns = (
        RAW.StridedSlice(input=sizes, begin=[i], end=[i + 1], strides=[1], shrink_axis_mask=1)
        for i in (0, 1, 2)
    )
    return RAW.Conv2DBackpropInput(
        input_sizes=RAW.Pack(values=[batch, rows * 2, columns * 2, tf.constant(3)]),
        filter=tf.constant(_values((3, 2, 3, 2))),
        out_backprop=dy,
        strides=[1, 2, 2, 1],
        padding="SAME",
    )


def _back3d(
    sizes,
    dy=(2, 2, 3, 2, 3),
    filters=(2, 2, 3, 2, 3),
    strides=(1, 1, 1),
    padding="SAME",
    dilations=(1, 1, 1),
    first=False,
    index="i",
    fed=False,
    dtype="f",
):
    sizes = np.array(sizes, index)
    return RAW.Conv3DBackpropInputV2(
        input_sizes=feed(sizes) if fed else sizes,
        filter=tf.constant(_values(filters, dtype)),
        out_backprop=feed(_values(dy, dtype)),
        strides=_over(strides, first),
        padding=padding,
        data_format="NCDHW" if first else "NDHWC",
        dilations=_over(dilations, first),
    )


_DOUBLED = {"sizes": (2, 4, 5, 4, 2), "strides": (2, 2, 2)}
for _options in (
    {"sizes": (2, 2, 3, 2, 2)},
    _DOUBLED,
    {"sizes": (2, 3, 4, 4, 2), "padding": "VALID"},
    _DOUBLED | {"sizes": (2, 4, 6, 4, 2), "index": "q"},
    _DOUBLED | {"sizes": (2, 4, 6, 4, 2), "fed": True},
    {"sizes": (2, 2, 3, 2, 2), "dilations": (2, 1, 1)},
    {"dy": (2, 3, 2, 3, 2), "sizes": (2, 2, 4, 5, 4), "strides": (2, 2, 2), "first": True},
    _DOUBLED | {"sizes": (2, 4, 9, 4, 2), "fed": True, "dtype": "d"},
    _DOUBLED | {"dtype": "d"},
    *(_DOUBLED | {"dtype": d, "tolerance": t} for d, t in HALVES),
):
    case("Conv3DBackpropInputV2", **_options)(_back3d)


def _norm(x):
    scale, offset, mean, variance = tf.unstack([[1.0, 2.0], [0.5, 1.0], [0.0, -1.0], [1.0, 4.0]])
    made = RAW.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=mean, variance=variance, is_training=False
    )
    return made[0]


_LATER = {
    "bias": lambda x: RAW.BiasAdd(value=x, bias=[1.0, 2.0]),
    "relu6": lambda x: RAW.Relu6(features=x),
    "pool": lambda x: RAW.MaxPool(input=x, ksize=[1, 2, 2, 1], strides=[1] * 4, padding="VALID"),
    "norm": _norm,
    "lrn": lambda x: RAW.LRN(input=x, depth_radius=1, alpha=0.5, beta=0.75),
}


@case("Conv2D", layers="bias")
@case("Conv2D", layers="bias relu6 pool")
@case("Conv2D", layers="norm lrn")
def followed_by(layers):
    made = RAW.Conv2D(
        input=feed(_values((1, 4, 3, 2))),
        filter=tf.constant(_values((3, 2, 2, 2))),
        strides=[1] * 4,
        padding="SAME",
    )
    for layer in layers.split():
        made = _LATER[layer](made)
    return made
