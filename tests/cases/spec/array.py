"""Constants, values passed on, tensors made from a few numbers, shapes."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
F32, I32, I64 = np.float32, np.int32, np.int64
BF16 = tf.bfloat16.as_numpy_dtype
A = np.arange(6, dtype=F32).reshape(2, 3) + 0.5
# What OpenVINO would lose: beyond int32, beyond float32's integers, NaN.
LARGE = np.array([[2**40 + 1, -5, 0], [7, -(2**63), 2**63 - 1]], I64)
INTS = np.array([[7, -7, 0], [2**31 - 1, -(2**31), 16777217]], I32)
WORDS = np.array([["a", "", "ccc"], ["d", "é", "f"]], object)
SAMPLES = {
    "float": A,
    "double": A.astype(np.float64),
    "half": A.astype(np.float16),
    "bfloat16": A.astype(BF16),
    "int32": INTS,
    "int64": LARGE,
    "uint8": np.array([[0, 255, 3], [4, 5, 6]], np.uint8),
    "bool": A > 2,
    "complex": A.astype(np.complex64) * 1j,
    "string": WORDS,
    "empty": A[:0],
    "scalar": F32(3),
    "scalar string": np.array("x", object),
}

for _op in (
    "Identity",
    "StopGradient",
    "Snapshot",
    "GuaranteeConst",
    "DeepCopy",
    "Copy",
    "CopyHost",
    "PreventGradient",
    "PlaceholderWithDefault",
    "ZerosLike",
):
    _name = "x" if _op in ("DeepCopy", "ZerosLike") else "input"
    _fixed = {
        "Copy": {"tensor_name": "", "debug_ops_spec": []},
        "CopyHost": {"tensor_name": "", "debug_ops_spec": []},
        "PreventGradient": {"message": "no gradient"},
        "PlaceholderWithDefault": {"shape": [None, None]},
    }.get(_op, {})
    for _note, _value in SAMPLES.items():
        if _op == "Snapshot" and "string" in _note:
            continue
        if _op == "PlaceholderWithDefault":
            _fixed = {"shape": [None] * np.ndim(_value)}
        raw_case(_op, _note, {_name: _value}, tolerance=0, **_fixed)
raw_case("PlaceholderWithDefault", "another shape", {"input": A}, ranks=False, shape=[2, 4])
for _note, _value in SAMPLES.items():
    if "string" not in _note:
        raw_case("OnesLike", _note, {"x": _value}, tolerance=0)
raw_case("IdentityN", "several", {"input": [A, INTS, WORDS]}, tolerance=0)
raw_case("IdentityN", "one", {"input": [A]}, tolerance=0)


@case("Const", value=A)
@case("Const", value=LARGE)
@case("Const", value=A[:0])
@case("Const", value=np.array([b"a", b""], object))
@case("Const", value=np.complex128(1 + 2j))
@case("Const", value=A.astype(BF16))
@case("Const", value=A > 1)
def const(value):
    return tf.constant(value)


@case("NoOp")
def no_op():
    x = feed(A)
    with tf.control_dependencies([RAW.NoOp()]):
        return tf.identity(x)


for _shape in (None, [], [2, 3], [None, 3]):
    raw_case("Placeholder", f"not fed {_shape}", dtype=tf.float32, shape=_shape)
raw_case("Placeholder", "not fed string", dtype=tf.string, shape=[2])

for _note, _value in SAMPLES.items():
    if np.size(_value):
        raw_case("Fill", _note, {"value": np.ravel(_value)[-1:].reshape(())}, dims=[2, 3])


@case("Fill")
def filled_for_each_row():
    sizes = RAW.Shape(input=feed(A))
    first = RAW.StridedSlice(input=sizes, begin=[0], end=[1], strides=[1], shrink_axis_mask=1)
    return RAW.Fill(dims=RAW.Pack(values=[first, 4]), value=1.5)


@case("BroadcastTo")
def broadcast_to_another():
    return RAW.BroadcastTo(input=feed(A[:1]), shape=RAW.Shape(input=feed(A)))


raw_case("Fill", "fed sizes", {"dims": np.array([2, 0, 3], I64), "value": F32(1)})
raw_case("Fill", "scalar", {"dims": np.array([], I32), "value": F32(1)})
raw_case("Fill", "one size", {"dims": I32(2), "value": F32(1)}, ranks=False)
raw_case("Fill", "value in a vector", {"dims": np.array([2], I32), "value": A[0, :1]}, ranks=False)
raw_case("Fill", "two values", {"dims": np.array([2], I32), "value": A[0, :2]}, ranks=False)
raw_case("Fill", "negative", {"dims": np.array([-1], I32), "value": F32(1)}, ranks=False)
raw_case("Fill", "matrix", {"dims": np.array([[1]], I32), "value": F32(1)}, ranks=False)

for _dtype in (tf.float32, tf.int64, tf.string, tf.bool):
    raw_case("Empty", _dtype.name, {"shape": np.array([2, 3], I32)}, dtype=_dtype, init=True)
raw_case("Empty", "no elements", {"shape": np.array([2, 0], I32)}, dtype=tf.float32, init=False)
raw_case("Empty", "negative", {"shape": np.array([-2], I32)}, dtype=tf.float32, init=True)
raw_case("Empty", "scalar", {"shape": I32(2)}, ranks=False, dtype=tf.float32, init=True)


def _range(note, dtype, start, limit, delta, **options):
    fed = {"start": start, "limit": limit, "delta": delta}
    raw_case("Range", note, {k: np.array(v, dtype) for k, v in fed.items()}, **options)


for _dtype in (I32, I64, F32, np.float64):
    _name = np.dtype(_dtype).name
    _range(f"{_name} up", _dtype, 0, 5, 2)
    _range(f"{_name} down", _dtype, 5, 0, -2)
    _range(f"{_name} nothing", _dtype, 3, 3, 1)
    _range(f"{_name} no step", _dtype, 0, 5, 0)
    _range(f"{_name} wrong way", _dtype, 5, 0, 1)
    _range(f"{_name} wrong way down", _dtype, 0, 5, -1)
_range("int32 from end to end", I32, -(2**31), 2**31 - 1, 2**30)
_range("int64 large", I64, 2**40, 2**40 + 5, 2)
_range("tenths", F32, 0, 1, 0.1)
_range("tenths double", np.float64, 0, 1, 0.1)
_range("tenths half", np.float16, 0, 1, 0.1, tolerance=1e-3)
_range("tenths bfloat16", BF16, 0, 1, 0.1, tolerance=1e-2)
_range("nan limit", F32, 0, np.nan, 1)
_range("nan step", F32, 0, 1, np.nan)
_range("infinite", F32, 0, np.inf, 1)
_range("vectors of one", I32, [0], [3], [1], ranks=False)
_range("vectors of two", I32, [0, 1], [3], [1], ranks=False)
raw_case("Range", "constant", start=0, limit=5, delta=2)

for _dtype in (F32, np.float64):
    for _count in (1, 2, 7):
        raw_case(
            "LinSpace",
            f"{np.dtype(_dtype).name} {_count}",
            {"start": _dtype(-1), "stop": _dtype(2), "num": I32(_count)},
        )
raw_case("LinSpace", "down", {"start": F32(3), "stop": F32(-1), "num": I64(4)})
raw_case("LinSpace", "none", {"start": F32(0), "stop": F32(1), "num": I32(0)})
raw_case("LinSpace", "vector", {"start": A[0], "stop": F32(1), "num": I32(2)}, ranks=False)

for _note, _value, _type in (
    ("same size", np.array([1.5, np.nan, -0.0], F32), tf.int32),
    ("smaller", np.array([1.5, -2], F32), tf.uint8),
    ("larger", np.array([[1, 2], [3, 4]], I32), tf.int64),
    ("larger from bytes", np.arange(8, dtype=np.uint8).reshape(1, 2, 4), tf.float32),
    ("larger, not in rows", np.array([[1, 2, 3]], I32), tf.int64),
    ("larger from a scalar", I32(1), tf.int64),
    ("smaller from a scalar", I32(70000), tf.int16),
    ("complex", np.array([1 + 2j], np.complex64), tf.float32),
    ("to complex", np.array([[1, 2]], F32), tf.complex64),
    ("bfloat16", np.array([0x3F80, 0x4000], np.int16), tf.bfloat16),
    ("half", np.array([1, 2], np.float16), tf.uint16),
    ("quantised", np.array([1, -1], np.int8), tf.quint8),
    ("nothing", np.zeros((0, 2), I32), tf.int64),
    ("int64", np.array([2**40, -1], I64), tf.float64),
):
    raw_case("Bitcast", _note, {"input": _value}, ranks=False, tolerance=0, type=_type)

for _note, _value in SAMPLES.items():
    raw_case("Shape", _note, {"input": _value})
    raw_case("Size", _note, {"input": _value})
    raw_case("Rank", _note, {"input": _value})
for _type in (tf.int32, tf.int64):
    raw_case("Shape", f"as {_type.name}", {"input": A}, out_type=_type)
    raw_case("Size", f"as {_type.name}", {"input": A}, out_type=_type)
    raw_case("ShapeN", f"as {_type.name}", {"input": [A, A[0], F32(1)]}, out_type=_type)
    raw_case("ShapeN", f"one as {_type.name}", {"input": [A]}, out_type=_type)
raw_case("Rank", "of unknown rank", {"input": A}, ranks=False)

for _shape in ([2, 3], [None, 3], [None, None], None, [2, 4], [2], [None, 3, 1], []):
    raw_case("EnsureShape", f"{_shape}", {"input": A}, ranks=False, shape=_shape)
raw_case("EnsureShape", "string", {"input": WORDS}, ranks=False, shape=[2, None])

for _note, _value in SAMPLES.items():
    if np.size(_value) == 6:
        raw_case("Reshape", _note, {"tensor": _value}, shape=[3, -1], tolerance=0)
for _shape in ([6], [-1], [1, 6, 1], [3, 2], [2, -1, 1]):
    raw_case("Reshape", f"to {_shape}", {"tensor": A}, shape=_shape)
for _shape in (
    [-1, -1],
    [-2, 3],
    [4, 2],
    [-1, 4],
    [-1, 0],
    [0],
    [3, 2],
    [[6]],
    6,
    [2**40, 2**40],
):
    fed = {"tensor": A, "shape": np.array(_shape, I64)}
    raw_case("Reshape", f"fed {_shape}", fed, ranks=False)
for _old, _new in (
    ((0, 3), [0, -1]),
    ((0, 3), [-1, 3]),
    ((0, 3), [-1, 0]),
    ((0, 0), [-1, 0]),
    ((0, 3), [0]),
    ((0, 3), [-1]),
    ((0, 3), [5, 0, 2]),
    ((0, 3), [1]),
    ((2, 0), [-1, 5]),
):
    raw_case(
        "Reshape",
        f"empty {_old} to {_new}",
        {"tensor": np.zeros(_old, F32), "shape": np.array(_new, I32)},
        ranks=False,
    )
raw_case("Reshape", "scalar to vector", {"tensor": F32(3)}, shape=[1])
raw_case("Reshape", "vector to scalar", {"tensor": A[0, :1]}, shape=np.array([], I32))

for _note, _value in SAMPLES.items():
    raw_case("ExpandDims", _note, {"input": _value}, axis=-1, tolerance=0)
for _axis in (0, 1, 2, -1, -3):
    raw_case("ExpandDims", f"axis {_axis}", {"input": A}, axis=_axis)
for _axis in (3, -4, [1], [1, 2], []):
    fed = {"input": A, "axis": np.array(_axis, I32)}
    raw_case("ExpandDims", f"fed axis {_axis}", fed, ranks=False)
raw_case("ExpandDims", "int64 axis", {"input": A, "axis": I64(1)}, ranks=False)

for _note, _value in SAMPLES.items():
    _padded = np.reshape(_value, (1, *np.shape(_value), 1))
    raw_case("Squeeze", _note, {"input": _padded}, axis=[0, -1], tolerance=0)
    raw_case("Squeeze", f"all of {_note}", {"input": _padded}, ranks=False, tolerance=0)


@case("Squeeze", column=2)
@case("Squeeze", column=1)
def squeezed_columns(column):
    vectors = {"begin": [0, column], "end": [0, 0], "strides": [1, 1]}
    return RAW.Squeeze(input=RAW.StridedSlice(input=feed(A), begin_mask=1, end_mask=3, **vectors))


raw_case("Squeeze", "one of two", {"input": A[None, :, :, None]}, axis=[3])
raw_case("Squeeze", "twice", {"input": A[:1]}, ranks=False, axis=[0, -2])
raw_case("Squeeze", "not 1", {"input": A}, ranks=False, axis=[1])
raw_case("Squeeze", "no such axis", {"input": A}, ranks=False, axis=[3])
raw_case("Squeeze", "nothing to do", {"input": A}, ranks=False)

for _note, _value in SAMPLES.items():
    _row = np.asarray(_value)[:1] if np.ndim(_value) else np.asarray(_value)
    raw_case("BroadcastTo", _note, {"input": _row}, shape=[2, 2, 3], tolerance=0)
for _old, _new in (
    ((2, 3), [3]),
    ((2, 3), [2, 4]),
    ((2, 3), [-1, 3]),
    ((1, 3), [0, 3]),
    ((2, 3), [0, 3]),
    ((0, 3), [2, 3]),
    ((1,), [2, 1]),
    ((2, 1), [3, 2, 1]),
    ((), 3),
    ((), []),
    ((2, 3), [2, 3]),
):
    raw_case(
        "BroadcastTo",
        f"{_old} to {_new}",
        {"input": np.ones(_old, F32), "shape": np.array(_new, I64)},
        ranks=False,
    )

for _a, _b in (
    ([1, 2], [1, 2]),
    ([1, 2], [1, 1]),
    ([2, 1, 3], [4, 3]),
    ([1], [1, 1, 1]),
    ([], [2, 3]),
    ([2], [3]),
    ([0], [1]),
    ([0, 2], [1, 1]),
    ([3, 1], [1, 3]),
    ([1, 1], [1, 1]),
    (2, [2]),
):
    for _dtype in (I32, I64):
        fed = {"s0": np.array(_a, _dtype), "s1": np.array(_b, _dtype)}
        raw_case("BroadcastArgs", f"{_a} {_b}", fed, ranks=False)
        raw_case("BroadcastGradientArgs", f"{_a} {_b}", fed, ranks=False)

for _dtype in (I32, I64):
    for _x in ([2, 0, 1], [0], [], [2, 0, 0], [2, 0, 3], [2, 0, -1], [[0]]):
        raw_case("InvertPermutation", f"{_x}", {"x": np.array(_x, _dtype)}, ranks=False)


@case("PlaceholderV2", shape=[])
@case("PlaceholderV2", shape=[2, -1])
def placeholder_of_old(shape):
    """PlaceholderV2 left TensorFlow with version 23 of graphs; only older graphs may hold it."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 22
    node = graph.node.add(name="p", op="PlaceholderV2")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["shape"].shape.CopyFrom(
        tf.TensorShape([None if d < 0 else d for d in shape]).as_proto()
    )
    return tf.import_graph_def(graph, return_elements=["p:0"])
