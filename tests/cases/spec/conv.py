"""Convolutions, and convolutions backwards."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(11)
HALVES = ((np.float16, 2e-3), (tf.bfloat16.as_numpy_dtype, 2e-2))


def _values(*shape, dtype=np.float32):
    return rng.normal(size=shape).astype(dtype)


def _integers(*shape, dtype=np.int32):
    return rng.integers(-9, 9, shape).astype(dtype)


def _spread(numbers, first):
    """Numbers for rows and columns as an attribute over four dimensions."""
    return [1, 1, *numbers] if first else [1, *numbers, 1]


def _channels_first(x, first):
    return np.moveaxis(x, -1, 1).copy() if first else x


def conv2d(
    x,
    filters,
    strides=(1, 1),
    padding="SAME",
    explicit=(),
    dilations=(1, 1),
    first=False,
    op="Conv2D",
    shape="rank",
):
    return getattr(RAW, op)(
        input=feed(_channels_first(x, first), shape=shape),
        filter=tf.constant(filters),
        strides=_spread(strides, first),
        padding=padding,
        explicit_paddings=list(explicit),
        data_format="NCHW" if first else "NHWC",
        dilations=_spread(dilations, first),
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
    {"padding": "EXPLICIT", "explicit": _PADDED, "strides": (2, 1), "dilations": (1, 2)},
    {"first": True},
    {"first": True, "padding": "VALID", "strides": (2, 2)},
    {"first": True, "padding": "EXPLICIT", "explicit": _PADDED_FIRST, "dilations": (2, 1)},
)
_IMAGE = _values(2, 6, 5, 3)
for _options in _LAYERS:
    case("Conv2D", x=_IMAGE, filters=_values(3, 2, 3, 4), **_options)(conv2d)
    case("DepthwiseConv2dNative", x=_IMAGE, filters=_values(3, 2, 3, 2), op="DepthwiseConv2dNative")
    if len(set(_options.get("strides", (1, 1)))) == 1:
        case(
            "DepthwiseConv2dNative",
            x=_IMAGE,
            filters=_values(3, 2, 3, 2),
            op="DepthwiseConv2dNative",
            **_options,
        )(conv2d)
case("Conv2D", x=_values(2, 4, 4, 6), filters=_values(1, 1, 6, 2))(conv2d)
case("Conv2D", x=_values(2, 5, 4, 6), filters=_values(1, 1, 6, 2), strides=(2, 2))(conv2d)
case("Conv2D", x=_values(1, 2, 2, 3), filters=_values(5, 5, 3, 2))(conv2d)
case("Conv2D", x=_values(1, 1, 9, 3), filters=_values(1, 3, 3, 2), dilations=(1, 2))(conv2d)
# Groups: the filters are shallower than the image.
case("Conv2D", x=_values(2, 5, 4, 6), filters=_values(3, 2, 2, 6), strides=(2, 1))(conv2d)
case("Conv2D", x=_values(1, 5, 4, 4), filters=_values(2, 2, 1, 8), padding="VALID")(conv2d)
case("Conv2D", x=_values(1, 5, 4, 6), filters=_values(2, 2, 3, 4), first=True)(conv2d)
# Nothing at all, and no place for the window.
case("Conv2D", x=_values(0, 5, 4, 3), filters=_values(2, 2, 3, 4))(conv2d)
case("Conv2D", x=_values(2, 2, 5, 3), filters=_values(3, 2, 3, 4), padding="VALID")(conv2d)
case("Conv2D", x=_values(2, 5, 4, 3), filters=_values(2, 2, 3, 0))(conv2d)
case("Conv2D", x=_values(2, 1, 5, 3), filters=_values(3, 2, 3, 4), padding="VALID")(conv2d)
case(
    "Conv2D", x=_values(2, 1, 5, 3), filters=_values(4, 2, 3, 4), padding="VALID", strides=(2, 2)
)(conv2d)
case("Conv2D", x=_values(2, 5, 4, 3), filters=_values(2, 2, 2, 4), shape=None)(conv2d)
case("Conv2D", x=_values(2, 5, 4), filters=_values(2, 2, 4, 4), shape=None)(conv2d)
case("Conv2D", x=_values(2, 5, 4, 4), filters=_values(2, 2, 2, 3), shape=None)(conv2d)
case("Conv2D", x=_integers(2, 5, 4, 3), filters=_integers(3, 2, 3, 2), tolerance=0)(conv2d)
case("Conv2D", x=_values(1, 5, 4, 3), filters=np.full((2, 2, 3, 1), np.inf, "f"))(conv2d)
for _op, _filters in (("Conv2D", (3, 2, 3, 4)), ("DepthwiseConv2dNative", (3, 2, 3, 2))):
    _wide = {"x": _values(1, 5, 4, 3, dtype=np.float64), "op": _op, "strides": (2, 2)}
    case(_op, filters=_values(*_filters, dtype=np.float64), **_wide)(conv2d)
    for _dtype, _tolerance in HALVES:
        case(
            _op,
            x=_values(1, 5, 4, 3, dtype=_dtype),
            filters=_values(*_filters, dtype=_dtype),
            op=_op,
            tolerance=_tolerance,
        )(conv2d)
_DEPTHWISE = {"op": "DepthwiseConv2dNative"}
case("DepthwiseConv2dNative", x=_values(2, 6, 5, 4), filters=_values(3, 3, 4, 1), **_DEPTHWISE)(
    conv2d
)
case("DepthwiseConv2dNative", x=_values(0, 6, 5, 4), filters=_values(3, 3, 4, 1), **_DEPTHWISE)(
    conv2d
)
case(
    "DepthwiseConv2dNative",
    x=_values(1, 5, 4, 3),
    filters=_values(2, 2, 2, 4),
    shape=None,
    **_DEPTHWISE,
)(conv2d)
case(
    "DepthwiseConv2dNative",
    x=_values(1, 5, 4, 3),
    filters=_values(2, 2, 3, 4),
    strides=(1, 2),
    **_DEPTHWISE,
)(conv2d)


@case("Conv2D")
@case("DepthwiseConv2dNative", op="DepthwiseConv2dNative")
def filters_are_fed(op="Conv2D"):
    return getattr(RAW, op)(
        input=feed(_values(2, 5, 4, 3)),
        filter=feed(_values(3, 2, 3, 2)),
        strides=[1, 2, 2, 1],
        padding="SAME",
    )


@case("Conv2D", sizes=(2, 6, 5, 3))
@case("Conv2D", sizes=(None, 6, 5, 3))
@case("Conv2D", sizes=(None, None, None, 3))
def sizes_are_known(sizes):
    return conv2d(_IMAGE, _values(3, 2, 3, 4), strides=(2, 2), shape=sizes)


def conv3d(x, filters, strides=(1, 1, 1), padding="SAME", dilations=(1, 1, 1), first=False):
    return RAW.Conv3D(
        input=feed(_channels_first(x, first)),
        filter=tf.constant(filters),
        strides=_spread(strides, first),
        padding=padding,
        data_format="NCDHW" if first else "NDHWC",
        dilations=_spread(dilations, first),
    )


_VOLUME = _values(2, 4, 3, 4, 2)
for _options in (
    {},
    {"padding": "VALID"},
    {"strides": (2, 1, 2)},
    {"strides": (2, 2, 2), "padding": "VALID"},
    {"dilations": (2, 1, 1)},
    {"first": True},
    {"first": True, "strides": (1, 1, 2)},
):
    case("Conv3D", x=_VOLUME, filters=_values(2, 2, 3, 2, 3), **_options)(conv3d)
case("Conv3D", x=_values(1, 2, 3, 2, 4), filters=_values(2, 2, 1, 2, 4))(conv3d)
case("Conv3D", x=_values(1, 2, 3, 2, 3), filters=_values(2, 2, 1, 2, 4))(conv3d)
case("Conv3D", x=_VOLUME, filters=_values(6, 2, 1, 2, 4), padding="VALID")(conv3d)
case("Conv3D", x=_VOLUME[:0], filters=_values(1, 2, 1, 2, 4))(conv3d)
case("Conv3D", x=_VOLUME.astype("d"), filters=_values(1, 2, 2, 2, 2, dtype="d"))(conv3d)
for _dtype, _tolerance in HALVES:
    case(
        "Conv3D",
        x=_VOLUME[:1].astype(_dtype),
        filters=_values(1, 2, 2, 2, 2, dtype=_dtype),
        tolerance=_tolerance,
    )(conv3d)


def conv(x, filters, **attrs):
    attrs = {"strides": [1] * (filters.ndim), "padding": "SAME"} | attrs
    return RAW.Conv(input=feed(x), filter=tf.constant(filters), **attrs)


case("Conv", x=_IMAGE, filters=_values(3, 2, 3, 4))(conv)
case("Conv", x=_IMAGE, filters=_values(3, 2, 3, 4), strides=[1, 2, 2, 1], padding="VALID")(conv)
case("Conv", x=_IMAGE, filters=_values(3, 2, 3, 4), dilations=[1, 2, 1, 1])(conv)
case(
    "Conv",
    x=_IMAGE,
    filters=_values(3, 2, 3, 4),
    padding="EXPLICIT",
    explicit_paddings=list(_PADDED),
)(conv)
case(
    "Conv",
    x=_channels_first(_IMAGE, True),
    filters=_values(3, 2, 3, 4),
    data_format="CHANNELS_FIRST",
)(conv)
case("Conv", x=_VOLUME, filters=_values(2, 2, 3, 2, 3), strides=[1, 2, 1, 1, 1])(conv)
case("Conv", x=_values(2, 2, 3, 4, 2), filters=_values(2, 2, 2, 2), batch_dims=2)(conv)
case("Conv", x=_values(2, 5, 4, 6), filters=_values(2, 2, 3, 4), groups=2)(conv)
case("Conv", x=_values(2, 5, 4, 6), filters=_values(2, 2, 3, 4), groups=1)(conv)
case("Conv", x=_values(2, 5, 4, 6, dtype="d"), filters=_values(2, 2, 6, 4, dtype="d"))(conv)
case("Conv", x=_integers(2, 5, 4, 6), filters=_integers(2, 2, 6, 4))(conv)


def back2d(
    dy,
    filters,
    sizes,
    strides=(1, 1),
    padding="SAME",
    explicit=(),
    dilations=(1, 1),
    first=False,
    fed=False,
    known="rank",
):
    sizes = np.array(sizes, np.int32)
    return RAW.Conv2DBackpropInput(
        input_sizes=feed(sizes) if fed else sizes,
        filter=tf.constant(filters),
        out_backprop=feed(_channels_first(dy, first), shape=known),
        strides=_spread(strides, first),
        padding=padding,
        explicit_paddings=list(explicit),
        data_format="NCHW" if first else "NHWC",
        dilations=_spread(dilations, first),
    )


_FILTERS = _values(3, 2, 3, 4)
for _options in (
    {"dy": (2, 6, 5, 4), "sizes": (2, 6, 5, 3)},
    {"dy": (2, 4, 4, 4), "sizes": (2, 6, 5, 3), "padding": "VALID"},
    {"dy": (2, 3, 3, 4), "sizes": (2, 6, 5, 3), "strides": (2, 2)},
    {"dy": (2, 3, 3, 4), "sizes": (2, 5, 6, 3), "strides": (2, 2)},
    {"dy": (2, 2, 2, 4), "sizes": (2, 6, 5, 3), "strides": (2, 3), "padding": "VALID"},
    {"dy": (2, 6, 5, 4), "sizes": (2, 6, 5, 3), "dilations": (2, 1)},
    {
        "dy": (2, 7, 7, 4),
        "sizes": (2, 6, 5, 3),
        "padding": "EXPLICIT",
        "explicit": (0, 0, 1, 2, 0, 3, 0, 0),
    },
    {"dy": (2, 3, 3, 4), "sizes": (2, 3, 6, 5), "strides": (2, 2), "first": True},
    {"dy": (2, 3, 3, 4), "sizes": (6, 5), "strides": (2, 2)},
    {"dy": (2, 3, 3, 4), "sizes": (2, 6, 5, 3), "strides": (2, 2), "fed": True},
    {"dy": (2, 3, 2, 4), "sizes": (2, 6, 5, 3), "strides": (2, 2), "known": None},
    {"dy": (2, 3, 3, 5), "sizes": (2, 6, 5, 3), "strides": (2, 2), "known": None},
    {"dy": (3, 3, 3, 4), "sizes": (2, 6, 5, 3), "strides": (2, 2), "known": None},
    {"dy": (2, 3, 3, 4), "sizes": (2, 6, 5, 4), "strides": (2, 2), "fed": True},
    {"dy": (2, 3, 3, 4), "sizes": (2, -6, 5, 3), "strides": (2, 2), "fed": True},
    {"dy": (2, 3, 3, 4), "sizes": (2, 6, 5), "strides": (2, 2), "fed": True},
    {"dy": (2, 3, 3, 4), "sizes": (2, 6, 5, 6), "strides": (2, 2)},
    {"dy": (0, 3, 3, 4), "sizes": (0, 6, 5, 3), "strides": (2, 2)},
    {"dy": (2, 3, 3, 4), "sizes": (2, 9, 9, 3), "strides": (3, 3), "filters": (2, 2, 3, 4)},
):
    _options = {"filters": (3, 2, 3, 4)} | _options
    for _key in ("dy", "filters"):
        _options[_key] = _values(*_options[_key])
    case("Conv2DBackpropInput", **_options)(back2d)
case(
    "Conv2DBackpropInput",
    dy=_integers(1, 3, 3, 2),
    filters=_integers(2, 2, 2, 2),
    sizes=(1, 6, 6, 2),
    strides=(2, 2),
)(back2d)
for _dtype, _tolerance in ((np.float64, 1e-12), *HALVES):
    case(
        "Conv2DBackpropInput",
        dy=_values(1, 3, 3, 2, dtype=_dtype),
        filters=_values(2, 2, 2, 2, dtype=_dtype),
        sizes=(1, 6, 6, 2),
        strides=(2, 2),
        tolerance=_tolerance,
    )(back2d)


@case("Conv2DBackpropInput")
def sizes_are_computed():
    dy = feed(_values(2, 3, 3, 4))
    sizes = RAW.Shape(input=dy)
    rows, columns = (
        RAW.StridedSlice(input=sizes, begin=[i], end=[i + 1], strides=[1], shrink_axis_mask=1)
        for i in (1, 2)
    )
    batch = RAW.StridedSlice(input=sizes, begin=[0], end=[1], strides=[1], shrink_axis_mask=1)
    return RAW.Conv2DBackpropInput(
        input_sizes=RAW.Pack(values=[batch, rows * 2, columns * 2, tf.constant(3)]),
        filter=tf.constant(_FILTERS),
        out_backprop=dy,
        strides=[1, 2, 2, 1],
        padding="SAME",
    )


def back3d(
    dy, filters, sizes, strides=(1, 1, 1), padding="SAME", dilations=(1, 1, 1), first=False, to="i"
):
    return RAW.Conv3DBackpropInputV2(
        input_sizes=np.array(sizes, to),
        filter=tf.constant(_values(*filters) if isinstance(filters, tuple) else filters),
        out_backprop=feed(_channels_first(dy, first)),
        strides=_spread(strides, first),
        padding=padding,
        data_format="NCDHW" if first else "NDHWC",
        dilations=_spread(dilations, first),
    )


_GRADIENT = _values(2, 2, 3, 2, 3)
for _options in (
    {"sizes": (2, 2, 3, 2, 2)},
    {"sizes": (2, 4, 5, 4, 2), "strides": (2, 2, 2)},
    {"sizes": (2, 3, 4, 4, 2), "padding": "VALID"},
    {"sizes": (2, 4, 6, 4, 2), "strides": (2, 2, 2), "to": "q"},
    {"sizes": (2, 2, 3, 2, 2), "dilations": (2, 1, 1)},
    {"sizes": (2, 2, 4, 5, 4), "strides": (2, 2, 2), "first": True},
    {"sizes": (2, 4, 9, 4, 2), "strides": (2, 2, 2)},
):
    case("Conv3DBackpropInputV2", dy=_GRADIENT, filters=(2, 2, 3, 2, 3), **_options)(back3d)
case(
    "Conv3DBackpropInputV2",
    dy=_GRADIENT.astype("d"),
    filters=_values(2, 2, 3, 2, 3, dtype="d"),
    sizes=(2, 4, 5, 4, 2),
    strides=(2, 2, 2),
)(back3d)
for _dtype, _tolerance in HALVES:
    case(
        "Conv3DBackpropInputV2",
        dy=_GRADIENT[:1].astype(_dtype),
        filters=_values(2, 1, 1, 2, 3, dtype=_dtype),
        sizes=(1, 4, 5, 4, 2),
        strides=(2, 2, 2),
        tolerance=_tolerance,
    )(back3d)
