"""Gradients of activations, slices, pools, convolutions and normalisation."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(41)
A = rng.normal(size=(3, 5)).astype(np.float32) * 3
B = rng.normal(size=(3, 5)).astype(np.float32)
EDGES = np.array([0.0, -0.0, 6.0, np.inf, -np.inf, -1.0, 7.0], np.float32)
WIDTHS = (np.float32, np.float64, np.float16, tf.bfloat16.as_numpy_dtype)


def _values(shape, dtype="f"):
    return rng.normal(size=shape).astype(dtype)


def _activation(name, y, **attrs):
    known = "outputs" if name in ("EluGrad", "SeluGrad") else "features"
    return [
        *(
            getattr(RAW, name)(gradients=feed(B.astype(d)), **{known: feed(A.astype(d))}, **attrs)
            for d in WIDTHS
        ),
        getattr(RAW, name)(gradients=feed(np.ones_like(y)), **{known: feed(y)}, **attrs),
        getattr(RAW, name)(gradients=feed(B[:0]), **{known: feed(A[:0])}, **attrs),
    ]


def _mismatched(name):
    known = "outputs" if name in ("EluGrad", "SeluGrad") else "features"
    x = feed(A[:2], shape=None)
    return getattr(RAW, name)(gradients=feed(B, shape=None), **{known: x})


for _op in ("EluGrad", "SeluGrad", "ReluGrad", "Relu6Grad", "SoftplusGrad", "SoftsignGrad"):
    case(_op, tolerance=5e-3, name=_op, y=EDGES)(_activation)
for _op in ("EluGrad", "SeluGrad", "SoftplusGrad", "SoftsignGrad"):
    case(_op, name=_op)(_mismatched)
case("LeakyReluGrad", tolerance=5e-3, name="LeakyReluGrad", y=EDGES)(_activation)
case("LeakyReluGrad", tolerance=5e-3, name="LeakyReluGrad", y=EDGES, alpha=-0.5)(_activation)


@case("BiasAddGrad", shape=(3, 4), data_format="NHWC")
@case("BiasAddGrad", shape=(2, 3, 4, 5), data_format="NHWC")
@case("BiasAddGrad", shape=(2, 3, 4, 5), data_format="NCHW")
@case("BiasAddGrad", shape=(0, 3), data_format="NHWC")
@case("BiasAddGrad", shape=(3,), data_format="NHWC")
@case("BiasAddGrad", shape=(3, 4), data_format="NHWC", dtype="d")
def bias_add_grad(shape, data_format, dtype="f"):
    gradient = feed(_values(shape, dtype), shape=None)
    return RAW.BiasAddGrad(out_backprop=gradient, data_format=data_format)


@case("StridedSliceGrad", pieces=lambda x: x[:, 1:3])
@case("StridedSliceGrad", pieces=lambda x: x[::-2, ..., 1])
@case("StridedSliceGrad", pieces=lambda x: x[1, None, -3:])
@case("StridedSliceGrad", pieces=lambda x: x[:0])
@case("StridedSliceGrad", pieces=lambda x: x[1:, :-1], dtype=np.int32)
def strided_slice_grad(pieces, dtype=np.float32):
    found = pieces(tf.constant(np.arange(60).reshape(3, 5, 4).astype(dtype)))
    attrs = {k: found.op.get_attr(k) for k in found.op.node_def.attr if k.endswith("_mask")}
    begin, end, strides = found.op.inputs[1:]
    dy = feed(_values(found.shape, "f").astype(dtype))
    return RAW.StridedSliceGrad(
        shape=feed(np.array([3, 5, 4], np.int32)),
        begin=begin,
        end=end,
        strides=strides,
        dy=dy,
        **attrs,
    )


@case("StridedSliceGrad", shape=(3, 4), dy=(2, 4))
@case("StridedSliceGrad", shape=(3, 4), dy=(1, 4))
@case("StridedSliceGrad", shape=(3, -4), dy=(1, 4))
def strided_slice_grad_of_other_shapes(shape, dy):
    return RAW.StridedSliceGrad(
        shape=feed(np.array(shape, np.int32), shape=None),
        begin=[0],
        end=[1],
        strides=[1],
        dy=feed(_values(dy), shape=None),
    )


# Pools.
_POOLS = (
    {},
    {"padding": "VALID"},
    {"strides": 2},
    {"ksize": 3, "strides": 2},
    {"dtype": "d"},
    {"shape": (0, 5, 4, 2)},
)


def _attrs(rank, ksize=2, strides=1, padding="SAME"):
    over = lambda n: [1, *[n] * (rank - 2), 1]  # noqa: E731
    return {"ksize": over(ksize), "strides": over(strides), "padding": padding}


def _avg(name, shape=(2, 5, 4, 2), dtype="f", **options):
    attrs = _attrs(len(shape), **options)
    forward = tf.nn.avg_pool if len(shape) == 4 else tf.nn.avg_pool3d
    made = forward(np.zeros(shape, dtype), attrs["ksize"], attrs["strides"], attrs["padding"])
    size = [int(n) for n in made.shape]
    return getattr(RAW, name)(
        orig_input_shape=feed(np.array(shape, np.int32), shape=None),
        grad=feed(_values(size, dtype), shape=None),
        **attrs,
    )


def _max(name, shape=(2, 5, 4, 2), dtype="f", **options):
    attrs = _attrs(len(shape), **options)
    # Without a pool of its own before it, TensorFlow's oneDNN kernel ends the process.
    x = feed(rng.integers(-2, 3, shape).astype(dtype), shape=shape)
    forward = tf.nn.max_pool if len(shape) == 4 else tf.nn.max_pool3d
    made = forward(x, attrs["ksize"], attrs["strides"], attrs["padding"])
    size = [int(n) for n in made.shape]
    return getattr(RAW, name)(
        orig_input=x,
        orig_output=made,
        grad=feed(_values(size, dtype), shape=None),
        **attrs,
    )


for _options in _POOLS:
    case("AvgPoolGrad", name="AvgPoolGrad", **_options)(_avg)
    if 0 not in _options.get("shape", ()):
        case("MaxPoolGrad", name="MaxPoolGrad", **_options)(_max)
for _options in ({}, {"padding": "VALID"}, {"strides": 2}, {"ksize": 3, "strides": 2}):
    case("AvgPool3DGrad", name="AvgPool3DGrad", shape=(2, 4, 3, 5, 2), **_options)(_avg)
    case("MaxPool3DGrad", name="MaxPool3DGrad", shape=(2, 4, 3, 5, 2), **_options)(_max)


# Convolutions.
def _over(numbers, first=False):
    return [1, 1, *numbers] if first else [1, *numbers, 1]


def _places(forward, x, filters, **attrs):
    made = getattr(RAW, forward)(
        input=np.zeros(x, np.float32), filter=np.zeros(filters, np.float32), **attrs
    )
    return [int(n) for n in made.shape]


def _back(
    name,
    x,
    filters,
    strides=(1, 1),
    padding="SAME",
    dilations=(1, 1),
    explicit=None,
    dtype="f",
):
    attrs = {"strides": _over(strides), "padding": padding, "dilations": _over(dilations)}
    if explicit:
        attrs |= {"padding": "EXPLICIT", "explicit_paddings": explicit}
    volume = name == "Conv3DBackpropFilterV2"
    forward = "Conv3D" if volume else "DepthwiseConv2dNative" if "Depthwise" in name else "Conv2D"
    size = _places(forward, x, filters, **attrs)
    given = feed(_values(size, dtype), shape=None)
    if name.endswith("Input"):
        return getattr(RAW, name)(
            input_sizes=feed(np.array(x, np.int32)),
            filter=feed(_values(filters, dtype)),
            out_backprop=given,
            **attrs,
        )
    return getattr(RAW, name)(
        input=feed(_values(x, dtype)),
        filter_sizes=feed(np.array(filters, np.int32)),
        out_backprop=given,
        **attrs,
    )


_IMAGES = (
    {"x": (2, 5, 4, 2), "filters": (3, 2, 2, 3)},
    {"x": (2, 5, 4, 2), "filters": (3, 2, 2, 3), "padding": "VALID"},
    {"x": (2, 5, 6, 2), "filters": (3, 3, 2, 3), "strides": (2, 2)},
    {"x": (2, 5, 4, 2), "filters": (3, 2, 2, 3), "explicit": [0, 0, 1, 0, 1, 1, 0, 0]},
    {"x": (2, 5, 4, 2), "filters": (3, 2, 2, 3), "dtype": "d"},
)
for _op in (
    "Conv2DBackpropFilter",
    "DepthwiseConv2dNativeBackpropFilter",
    "DepthwiseConv2dNativeBackpropInput",
):
    for _options in _IMAGES:
        case(_op, name=_op, **_options)(_back)
case(
    "Conv2DBackpropFilter",
    name="Conv2DBackpropFilter",
    x=(2, 7, 6, 2),
    filters=(3, 2, 2, 3),
    dilations=(2, 2),
)(_back)
for _options in (
    {"x": (2, 4, 3, 4, 2), "filters": (2, 2, 3, 2, 3)},
    {"x": (2, 4, 3, 4, 2), "filters": (2, 2, 3, 2, 3), "padding": "VALID"},
    {"x": (2, 4, 3, 4, 2), "filters": (2, 2, 3, 2, 3), "strides": (2, 1, 2)},
):
    case(
        "Conv3DBackpropFilterV2",
        name="Conv3DBackpropFilterV2",
        **{"strides": (1, 1, 1), "dilations": (1, 1, 1)} | _options,
    )(_back)


# Normalisation.
def _normal(name, shape=(2, 3, 4, 5), dtype="f", channels=5, **attrs):
    inputs = {
        "y_backprop": feed(_values(shape, dtype), shape=None),
        "x": feed(_values(shape, dtype), shape=None),
        "scale": feed(_values(channels)),
        "reserve_space_1": feed(_values(channels)),
        "reserve_space_2": feed(np.abs(_values(channels)) + 0.5),
    }
    if name.endswith("V3"):
        inputs["reserve_space_3"] = tf.constant([], tf.float32)
    return list(getattr(RAW, name)(**inputs, **attrs))[:3]


for _op in ("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3"):
    case(_op, name=_op)(_normal)
    case(_op, name=_op, epsilon=0.1)(_normal)
    case(_op, name=_op, is_training=False)(_normal)
    case(_op, name=_op, channels=4)(_normal)
    case(_op, name=_op, shape=(0, 3, 4, 5))(_normal)
    case(_op, name=_op, data_format="NCHW", shape=(2, 5, 3, 4), is_training=False)(_normal)
