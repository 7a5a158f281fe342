"""XLA's ops, as jax2tf writes them: products, slices, indices, and what says where to compute."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed
from tensorflow.compiler.tf2xla.ops import gen_xla_ops as XLA
from tensorflow.compiler.xla import xla_data_pb2 as messages

rng = np.random.default_rng(51)


def _values(shape, dtype=np.float32):
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0 if np.dtype(dtype).kind == "u" else -9, 9, shape).astype(dtype)
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def compiled(function, *inputs):
    """The function as XLA compiles it."""
    return tf.function(function, jit_compile=True, autograph=False)(*map(feed, inputs))


def _message(name, **numbers):
    return getattr(messages, name)(**numbers).SerializeToString()


# Products

_DOTS = {
    "matrices": ((3, 4), (4, 5), [1], [0], [], []),
    "batches": ((2, 3, 4), (2, 4, 5), [2], [1], [0], [0]),
    "batch behind": ((3, 4, 2), (4, 2, 5), [1], [0], [2], [1]),
    "two summed": ((3, 4, 2), (2, 4, 5), [2, 1], [0, 1], [], []),
    "outer": ((3,), (2, 2), [], [], [], []),
    "vectors": ((4,), (4,), [0], [0], [], []),
    "empty": ((0, 4), (4, 5), [1], [0], [], []),
    "nothing summed": ((3, 0), (0, 5), [1], [0], [], []),
}


def dot(op, shapes, dtype=np.float32, to=None):
    a, b, left, right, left_batch, right_batch = _DOTS[shapes]
    numbers = _message(
        "DotDimensionNumbers",
        lhs_contracting_dimensions=left,
        rhs_contracting_dimensions=right,
        lhs_batch_dimensions=left_batch,
        rhs_batch_dimensions=right_batch,
    )
    more = {"preferred_element_type": to or dtype} if op == "XlaDotV2" else {}
    made = XLA.xla_dot_v2 if op == "XlaDotV2" else XLA.xla_dot
    return compiled(
        lambda x, y: made(x, y, numbers, precision_config=b"", **more),
        _values(a, dtype),
        _values(b, dtype),
    )


for _op in ("XlaDot", "XlaDotV2"):
    for _shapes in _DOTS:
        case(_op, op=_op, shapes=_shapes)(dot)
    for _dtype in (np.float64, np.int32, np.complex64):
        case(_op, op=_op, shapes="batches", dtype=_dtype)(dot)
case("XlaDotV2", op="XlaDotV2", shapes="matrices", dtype=np.int8, to=np.int32)(dot)
case("XlaDotV2", op="XlaDotV2", shapes="matrices", dtype=np.float16, to=np.float32)(dot)


@case("XlaEinsum", equation="ab,bc->ac", a=(2, 3), b=(3, 4))
@case("XlaEinsum", equation="abc,adc->abd", a=(2, 3, 4), b=(2, 5, 4))
@case("XlaEinsum", equation="ab,bc->ac", a=(2, 3), b=(3, 4), dtype=np.complex64)
def einsum(equation, a, b, dtype=np.float32):
    return compiled(
        lambda x, y: XLA.xla_einsum(x, y, equation), _values(a, dtype), _values(b, dtype)
    )


_LAYOUTS = {
    "NHWC": {"images": (0, 3, (1, 2)), "filters": (2, 3, (0, 1)), "made": (0, 3, (1, 2))},
    "NCHW": {"images": (0, 1, (2, 3)), "filters": (1, 0, (2, 3)), "made": (0, 1, (2, 3))},
    "mixed": {"images": (3, 0, (2, 1)), "filters": (3, 1, (0, 2)), "made": (1, 3, (0, 2))},
}


def _layout(name):
    sides = _LAYOUTS[name]
    image, kernel, made = sides["images"], sides["filters"], sides["made"]
    return _message(
        "ConvolutionDimensionNumbers",
        input_batch_dimension=image[0],
        input_feature_dimension=image[1],
        input_spatial_dimensions=image[2],
        kernel_input_feature_dimension=kernel[0],
        kernel_output_feature_dimension=kernel[1],
        kernel_spatial_dimensions=kernel[2],
        output_batch_dimension=made[0],
        output_feature_dimension=made[1],
        output_spatial_dimensions=made[2],
    )


def _laid(x, places):
    """An array [batch, rows, columns, features] in another order."""
    first, last, (rows, columns) = places
    order = np.argsort((first, rows, columns, last))
    return np.ascontiguousarray(x.transpose(order))


def conv(
    op="XlaConvV2",
    layout="NHWC",
    strides=(1, 1),
    padding=((0, 0), (0, 0)),
    spread=(1, 1),
    dilations=(1, 1),
    groups=1,
    dtype=np.float32,
    to=None,
    depth=4,
):
    images = _laid(_values((2, 6, 7, depth), dtype), _LAYOUTS[layout]["images"])
    inward, outward, (rows, columns) = _LAYOUTS[layout]["filters"]
    filters = _values((3, 2, depth // groups, 6), dtype)
    filters = filters.transpose(np.argsort((rows, columns, inward, outward)))
    more = {}
    if op == "XlaConvV2":
        more = {"preferred_element_type": to or dtype, "batch_group_count": 1}
    made = XLA.xla_conv_v2 if op == "XlaConvV2" else XLA.xla_conv
    return compiled(
        lambda x, f: made(
            lhs=x,
            rhs=f,
            window_strides=tf.constant(strides),
            padding=tf.constant(padding),
            lhs_dilation=tf.constant(spread),
            rhs_dilation=tf.constant(dilations),
            feature_group_count=groups,
            dimension_numbers=_layout(layout),
            precision_config=b"",
            **more,
        ),
        images,
        np.ascontiguousarray(filters),
    )


for _op in ("XlaConv", "XlaConvV2"):
    for _layout_name in _LAYOUTS:
        case(_op, op=_op, layout=_layout_name)(conv)
    case(_op, op=_op, strides=(2, 3), padding=((1, 2), (0, 1)))(conv)
    case(_op, op=_op, spread=(2, 2), padding=((2, 2), (1, 1)))(conv)
    case(_op, op=_op, dilations=(2, 3), padding=((-1, 1), (2, -1)))(conv)
    case(_op, op=_op, groups=2)(conv)
    case(_op, op=_op, dtype=np.float64)(conv)
case("XlaConvV2", groups=2, strides=(2, 1), layout="NCHW")(conv)
case("XlaConvV2", dtype=np.float16, to=np.float32)(conv)

# Slices


@case("XlaDynamicSlice", x=_values((4, 5)), starts=[1, 2], sizes=[2, 3])
@case("XlaDynamicSlice", x=_values((4, 5)), starts=[-3, 9], sizes=[2, 3])
@case("XlaDynamicSlice", x=_values((4, 5), np.int64), starts=[3, 0], sizes=[2, 0])
@case("XlaDynamicSlice", x=_values((4,), np.float64), starts=[2], sizes=[4])
def dynamic_slice(x, starts, sizes):
    return compiled(
        lambda a, i: XLA.xla_dynamic_slice(a, i, tf.constant(sizes)), x, np.array(starts, np.int32)
    )


@case("XlaDynamicUpdateSlice", x=_values((4, 5)), update=_values((2, 3)), starts=[1, 2])
@case("XlaDynamicUpdateSlice", x=_values((4, 5)), update=_values((2, 3)), starts=[9, -9])
@case("XlaDynamicUpdateSlice", x=_values((4,), "i8"), update=_values((0,), "i8"), starts=[1])
def dynamic_update_slice(x, update, starts):
    return compiled(XLA.xla_dynamic_update_slice, x, update, np.array(starts, np.int64))


@case("XlaPad", x=_values((2, 3)), low=[1, 0], high=[0, 2], interior=[0, 0])
@case("XlaPad", x=_values((2, 3)), low=[0, 1], high=[1, 0], interior=[2, 1])
@case("XlaPad", x=_values((4, 5)), low=[-1, -2], high=[-1, 1], interior=[0, 0])
@case("XlaPad", x=_values((4, 5)), low=[-2, 1], high=[-1, -3], interior=[1, 2])
@case("XlaPad", x=_values((3, 0), np.int32), low=[0, 2], high=[0, 0], interior=[0, 1])
@case("XlaPad", x=_values((), np.int64), low=[], high=[], interior=[])
def pad(x, low, high, interior):
    def function(a, filler):
        return XLA.xla_pad(a, filler, *(tf.constant(n, tf.int32) for n in (low, high, interior)))

    return compiled(function, x, np.array(7, x.dtype))


@case("XlaBroadcastHelper", a=(2, 3), b=(3,), dims=[1])
@case("XlaBroadcastHelper", a=(3,), b=(2, 3, 4), dims=[1])
@case("XlaBroadcastHelper", a=(2, 3), b=(2, 3), dims=[])
@case("XlaBroadcastHelper", a=(), b=(2, 3), dims=[])
@case("XlaBroadcastHelper", a=(3,), b=(2, 3), dims=[])
@case("XlaBroadcastHelper", a=(3,), b=(2, 3), dims=[2])
@case("XlaBroadcastHelper", a=(3,), b=(2, 3), dims=[0, 1])
def broadcast_helper(a, b, dims):
    def function(x, y):
        return tf.nest.flatten(XLA.xla_broadcast_helper(x, y, tf.constant(dims, tf.int32)))

    return compiled(function, _values(a), _values(b))


# Indices

_GATHERS = {
    "rows": ((5, 3), [[1], [4], [9], [-2]], {"offset_dims": [1], "index_vector_dim": 1}, [1, 3]),
    "windows": (
        (5, 6),
        [[1, 2], [4, 5]],
        {"offset_dims": [1, 2], "start_index_map": [0, 1], "collapsed_slice_dims": []},
        [2, 3],
    ),
    "in front": (
        (5, 6, 2),
        [[[1], [4]], [[0], [3]]],
        {"offset_dims": [0, 2], "start_index_map": [1], "collapsed_slice_dims": [1]},
        [3, 1, 2],
    ),
    "no vector": ((5, 3), [1, 3], {"offset_dims": [1], "index_vector_dim": 1}, [1, 2]),
    "vector in front": (
        (5, 6),
        [[1, 4, 2], [0, 5, 3]],
        {"offset_dims": [], "collapsed_slice_dims": [0, 1], "start_index_map": [0, 1]},
        [1, 1],
    ),
    "turned": (
        (5, 6),
        [[5, 1], [2, 3]],
        {"offset_dims": [0], "collapsed_slice_dims": [1], "start_index_map": [1, 0]},
        [2, 1],
    ),
    "paired": (
        (2, 5, 3),
        [[[1], [4]], [[0], [2]]],
        {
            "offset_dims": [2],
            "collapsed_slice_dims": [1],
            "start_index_map": [1],
            "operand_batching_dims": [0],
            "start_indices_batching_dims": [0],
        },
        [1, 1, 3],
    ),
}


def gather(name, dtype=np.float32, kind=np.int32):
    shape, indices, numbers, sizes = _GATHERS[name]
    indices = np.array(indices, kind)
    default = {"collapsed_slice_dims": [0], "start_index_map": [0]}
    default["index_vector_dim"] = 0 if name == "vector in front" else indices.ndim - 1
    message = _message("GatherDimensionNumbers", **{**default, **numbers})

    def function(x, i):
        return XLA.xla_gather(x, i, tf.constant(sizes, kind), message, indices_are_sorted=False)

    return compiled(function, _values(shape, dtype), indices)


for _name in _GATHERS:
    case("XlaGather", name=_name)(gather)
for _dtype in (np.int32, np.bool_, np.float64):
    case("XlaGather", name="rows", dtype=_dtype, kind=np.int64)(gather)

_SCATTERS = {
    "rows": ((5, 3), [[1], [4], [9], [1]], (4, 3), {"update_window_dims": [1]}),
    "windows": (
        (5, 6),
        [[1, 2], [4, 5], [0, 1]],
        (3, 2, 3),
        {
            "update_window_dims": [1, 2],
            "inserted_window_dims": [],
            "scatter_dims_to_operand_dims": [0, 1],
        },
    ),
    "in front": (
        (5, 6),
        [[1], [4], [4]],
        (6, 3),
        {"update_window_dims": [0]},
    ),
    "points": (
        (5, 6),
        [[1, 2], [1, 2], [-1, 0], [4, 5]],
        (4,),
        {
            "update_window_dims": [],
            "inserted_window_dims": [0, 1],
            "scatter_dims_to_operand_dims": [0, 1],
        },
    ),
    "paired": (
        (2, 5, 3),
        [[[1], [4]], [[0], [0]]],
        (2, 2, 3),
        {
            "update_window_dims": [2],
            "inserted_window_dims": [1],
            "scatter_dims_to_operand_dims": [1],
            "input_batching_dims": [0],
            "scatter_indices_batching_dims": [0],
        },
    ),
}
_UPDATES = {
    "add": lambda a, b: a + b,
    "last": lambda a, b: b,
    "max": tf.maximum,
    "odd": lambda a, b: a * 2 - b,
}


def scatter(name, update="add", dtype=np.float32):
    shape, indices, updates, numbers = _SCATTERS[name]
    indices = np.array(indices, np.int32)
    default = {"inserted_window_dims": [0], "scatter_dims_to_operand_dims": [0]}
    default["index_vector_dim"] = indices.ndim - 1
    message = _message("ScatterDimensionNumbers", **{**default, **numbers})
    spec = tf.TensorSpec([], dtype)
    combine = tf.function(_UPDATES[update]).get_concrete_function(spec, spec)

    def function(x, i, u):
        return XLA.xla_scatter(
            x, i, u, update_computation=combine, dimension_numbers=message, indices_are_sorted=False
        )

    return compiled(function, _values(shape, dtype), indices, _values(updates, dtype))


for _name in _SCATTERS:
    for _update in _UPDATES:
        case("XlaScatter", name=_name, update=_update)(scatter)
for _dtype in (np.int32, np.int64, np.float64):
    case("XlaScatter", name="rows", dtype=_dtype)(scatter)

# Where and how to compute


@case("XlaSharding")
def sharding():
    return compiled(XLA.xla_sharding, _values((2, 3)))


@case("XlaSpmdFullToShardShape")
def full_to_shard():
    return compiled(lambda x: XLA.xla_spmd_full_to_shard_shape(x, b""), _values((2, 3)))


@case("XlaSpmdShardToFullShape")
def shard_to_full():
    return compiled(
        lambda x: XLA.xla_spmd_shard_to_full_shape(x, b"", full_shape=[2, 3]), _values((2, 3))
    )


@case("XlaOptimizationBarrier")
def barrier():
    return compiled(lambda x, y: XLA.xla_optimization_barrier([x, y]), _values((2,)), _values((3,)))


@case("XlaOptimizationBarrier")
def one_barrier():
    return compiled(lambda x: XLA.xla_optimization_barrier([x]), _values((2,)))


_NUMBERS = np.array([0, -0.0, 1, 1.0625, 1.1, -1.1, 3.3e4, 7e4, 1e38, -np.inf, np.nan, 1e-6, 3e-5])


@case("XlaReducePrecision", exponent_bits=5, mantissa_bits=10)
@case("XlaReducePrecision", exponent_bits=8, mantissa_bits=7)
@case("XlaReducePrecision", exponent_bits=4, mantissa_bits=3)
@case("XlaReducePrecision", exponent_bits=8, mantissa_bits=23)
@case("XlaReducePrecision", exponent_bits=11, mantissa_bits=20, dtype=np.float64)
def reduce_precision(exponent_bits, mantissa_bits, dtype=np.float32):
    return compiled(
        lambda x: XLA.xla_reduce_precision(x, exponent_bits, mantissa_bits), _NUMBERS.astype(dtype)
    )


def _symmetric(dtype):
    x = _values((2, 4, 4), dtype)
    return x + np.conj(x.swapaxes(-1, -2))


@case("XlaSelfAdjointEig", lower=True)
@case("XlaSelfAdjointEig", lower=False)
def self_adjoint_eig(lower):
    """The signs of vectors are open."""

    def function(x):
        values, vectors = XLA.xla_self_adjoint_eig(x, lower, 100, 1e-6)
        return values, tf.abs(vectors)

    x = _symmetric(np.float32)
    return compiled(function, x if not lower else np.tril(x))


@case("XlaSvd", shape=(4, 3))
@case("XlaSvd", shape=(2, 3, 4))
def svd(shape):
    """The signs of vectors are open."""

    def function(x):
        s, u, v = XLA.xla_svd(x, 100, 1e-6, precision_config=b"")
        return s, tf.abs(u), tf.abs(v)

    return compiled(function, _values(shape))
