"""Tensors put together, taken apart and sliced."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
F32, I32, I64 = np.float32, np.int32, np.int64
A = np.arange(6, dtype=F32).reshape(2, 3) + 0.5
SAMPLES = {
    "float": A,
    "double": A.astype(np.float64),
    "half": A.astype(np.float16),
    "int32": np.array([[7, -7, 0], [2**31 - 1, -(2**31), 16777217]], I32),
    "int64": np.array([[2**40 + 1, -5, 0], [7, -(2**63), 2**63 - 1]], I64),
    "uint8": np.array([[0, 255, 3], [4, 5, 6]], np.uint8),
    "bool": A > 2,
    "complex": A.astype(np.complex128) * 1j,
    "string": np.array([["a", "", "ccc"], ["d", "é", "f"]], object),
    "nothing": A[:0],
}

for _note, _value in SAMPLES.items():
    raw_case("Pack", _note, {"values": [_value, _value]}, tolerance=0)
for _axis in (0, 1, 2, -1, -3):
    raw_case("Pack", f"axis {_axis}", {"values": [A, A * 2, A * 3]}, axis=_axis)
raw_case("Pack", "one", {"values": [A]}, axis=1)
raw_case("Pack", "scalars", {"values": [I32(1), I32(5)]})
raw_case("Pack", "scalar strings", {"values": [np.array("a", object), np.array("b", object)]})
raw_case("Pack", "shapes differ", {"values": [A, A[:1]]}, ranks=False)
raw_case("Pack", "no such axis", {"values": [A, A]}, ranks=False, axis=3)
raw_case("Pack", "no such negative axis", {"values": [A, A]}, ranks=False, axis=-4)

for _note, _value in SAMPLES.items():
    raw_case("Unpack", _note, {"value": _value}, num=3, axis=1, tolerance=0)
raw_case("Unpack", "axis 0", {"value": A}, num=2, axis=0)
raw_case("Unpack", "axis -2", {"value": A}, num=2, axis=-2)
raw_case("Unpack", "one", {"value": A[:1]}, num=1)
raw_case("Unpack", "vector", {"value": A[0]}, num=3)
raw_case("Unpack", "vector of strings", {"value": SAMPLES["string"][0]}, num=3)
raw_case("Unpack", "another number", {"value": A}, ranks=False, num=3)
raw_case("Unpack", "no such axis", {"value": A}, ranks=False, num=3, axis=2)
raw_case("Unpack", "scalar", {"value": F32(1)}, ranks=False, num=1)

for _note, _value in SAMPLES.items():
    raw_case("ConcatV2", _note, {"values": [_value, _value]}, axis=1, tolerance=0)
    raw_case("Concat", _note, {"values": [_value, _value]}, concat_dim=1, tolerance=0)
for _axis in (0, 1, -1, -2):
    raw_case("ConcatV2", f"axis {_axis}", {"values": [A, A * 2, A * 3]}, axis=_axis)
    raw_case("Concat", f"axis {_axis}", {"values": [A, A * 2]}, concat_dim=_axis)
raw_case("ConcatV2", "other sizes", {"values": [A, A[:1], A[:0]]}, axis=0)
for _note, _parts, _axis in (
    ("no such axis", [A, A], 2),
    ("no such negative axis", [A, A], -3),
    ("sizes differ", [A, A[:1]], 1),
    ("ranks differ", [A, A[0]], 1),
    ("scalars", [F32(1), F32(2)], 0),
    ("axis in a vector", [A, A], [0]),
    ("two axes", [A, A], [0, 1]),
    ("nothing of another rank", [A, A[0, :0]], 0),
):
    _fed = {"values": _parts, "axis": np.array(_axis, I32)}
    raw_case("ConcatV2", _note, _fed, ranks=False)
    _fed = {"values": _parts, "concat_dim": np.array(_axis, I32)}
    raw_case("Concat", _note, _fed, ranks=False)
raw_case("ConcatV2", "int64 axis", {"values": [A, A], "axis": I64(1)}, ranks=False)

for _note, _axis, _shapes in (
    ("plain", 1, ([2, 3], [2, 4], [2, 0])),
    ("negative", -1, ([2, 3], [2, 4])),
    ("first", 0, ([2, 3], [5, 3])),
    ("other sizes differ", 1, ([2, 3], [3, 4])),
    ("no such axis", 2, ([2, 3], [2, 4])),
    ("ranks differ", 0, ([2, 3], [2])),
    ("matrix", 0, ([[2, 3]], [2])),
):
    _fed = {"concat_dim": I32(_axis), "shape": [np.array(s, I32) for s in _shapes]}
    raw_case("ConcatOffset", _note, _fed, ranks=False)
_fed = {"concat_dim": I32(0), "shape": [np.array([2], I64), np.array([3], I64)]}
raw_case("ConcatOffset", "int64", _fed)

for _note, _value in SAMPLES.items():
    raw_case("Split", _note, {"value": _value}, axis=1, num_split=3, tolerance=0)
raw_case("Split", "axis 0", {"value": A}, axis=0, num_split=2)
raw_case("Split", "axis -2", {"value": A}, axis=-2, num_split=2)
raw_case("Split", "one", {"value": A}, axis=0, num_split=1)
for _note, _axis, _count in (
    ("uneven", 1, 2),
    ("no such axis", 2, 2),
    ("axis in a vector", [0], 2),
):
    _fed = {"value": A, "axis": np.array(_axis, I32)}
    raw_case("Split", _note, _fed, ranks=False, num_split=_count)

for _note, _value in SAMPLES.items():
    _fixed = {"size_splits": [1, 2], "axis": 1, "num_split": 2}
    raw_case("SplitV", _note, {"value": _value}, tolerance=0, **_fixed)
for _sizes in (
    [1, 2],
    [0, 3],
    [1, -1],
    [3, -1],
    [-1, 0],
    [1, 1],
    [1, 5],
    [7, -1],
    [-1, -1],
    [-2, 5],
    [3],
    [2],
    [-1],
    [1, 1, 1],
):
    for _dtype in (I32, I64):
        _fed = {"value": A, "size_splits": np.array(_sizes, _dtype)}
        raw_case("SplitV", f"{_sizes}", _fed, ranks=False, axis=1, num_split=len(_sizes))
_fed = {"value": A, "size_splits": np.array([3], I64)}
raw_case("SplitV", "too few sizes", _fed, ranks=False, axis=1, num_split=2)
_fed = {"value": A, "size_splits": np.array([1, 2], I64), "axis": I32(4)}
raw_case("SplitV", "no such axis", _fed, ranks=False, num_split=2)

for _note, _value in SAMPLES.items():
    raw_case("Tile", _note, {"input": _value}, multiples=[2, 1], tolerance=0)
for _times in ([1, 1], [2, 3], [0, 2], [-1, 1], [1]):
    for _dtype in (I32, I64):
        _fed = {"input": A, "multiples": np.array(_times, _dtype)}
        raw_case("Tile", f"{_times}", _fed, ranks=False)
raw_case("Tile", "scalar", {"input": F32(1), "multiples": np.array([], I32)}, ranks=False)


@case("Tile", times=[2, 3])
@case("Tile", times=[0, 1])
def tiled_reshaped(times):
    return RAW.Tile(input=RAW.Reshape(tensor=feed(A), shape=[3, -1]), multiples=times)


def rows(x):
    """The first size of a tensor, as exporters write it."""
    sizes = RAW.Shape(input=x)
    return RAW.StridedSlice(input=sizes, begin=[0], end=[1], strides=[1], shrink_axis_mask=1)


@case("Tile")
def tiled_for_each_row():
    x = feed(A)
    return RAW.Tile(input=tf.constant(A[:1]), multiples=RAW.Pack(values=[rows(x), 1])), x


@case("StridedSlice")
def a_size():
    return rows(feed(A))


_STRIDED = ("begin", "end", "strides")
_MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
B = np.arange(24, dtype=F32).reshape(2, 3, 4)


def _strided(note, x, begin, end, strides, masks=(), *, fed=False, dtype=I32, **options):
    """A slice; masks in the order of _MASKS."""
    vectors = {k: np.array(v, dtype) for k, v in zip(_STRIDED, (begin, end, strides), strict=True)}
    fixed = dict(zip(_MASKS, masks, strict=False))
    if fed:
        raw_case("StridedSlice", note, {"input": x, **vectors}, ranks=False, **fixed, **options)
    else:
        raw_case("StridedSlice", note, {"input": x}, **vectors, **fixed, **options)


for _note, _value in SAMPLES.items():
    _strided(_note, _value, [0, 1], [2, 3], [1, 2], tolerance=0)
for _note, _begin, _end, _strides, _masks in (
    ("inner", [0, 1, 1], [1, 3, 3], [1, 1, 1], ()),
    ("negative ends", [-1, -2, -3], [2, -1, -1], [1, 1, 1], ()),
    ("beyond", [-9, -9, 1], [9, 9, 9], [1, 2, 3], ()),
    ("nothing", [1, 2, 3], [1, 1, 3], [1, 1, 1], ()),
    ("backwards", [1, 9, 3], [-9, -9, 0], [-1, -2, -1], ()),
    ("backwards nothing", [0, 0, 0], [1, 1, 1], [-1, -1, -1], ()),
    ("no begin", [1, 1, 1], [2, 2, 3], [1, 1, 1], (0b101,)),
    ("no end", [1, 1, 1], [1, 1, 1], [1, 1, 1], (0, 0b110)),
    ("backwards, masked", [0, 0, 0], [0, 0, 0], [-1, -1, -2], (0b111, 0b111)),
    ("ellipsis in front", [0, 1], [0, 3], [1, 1], (0, 0, 0b1)),
    ("ellipsis inside", [1, 0, 1], [2, 0, 3], [1, 1, 1], (0, 0, 0b10)),
    ("ellipsis behind", [1, 0], [2, 0], [1, 1], (0, 0, 0b10)),
    ("ellipsis for nothing", [0, 0, 0, 1], [2, 3, 0, 3], [1, 1, 1, 1], (0, 0, 0b100)),
    ("new axis in front", [0, 1], [0, 2], [1, 1], (0, 0, 0, 0b1)),
    ("new axis inside", [0, 0, 1], [2, 0, 3], [1, 1, 1], (0, 0, 0, 0b10)),
    ("new axis behind an ellipsis", [0, 0], [0, 0], [1, 1], (0, 0, 0b1, 0b10)),
    ("new axis before an ellipsis", [0, 0], [0, 0], [1, 1], (0, 0, 0b10, 0b1)),
    ("two new axes around", [0, 0, 0], [0, 0, 0], [1, 1, 1], (0, 0, 0b10, 0b101)),
    ("first of all", [0, 0], [0, 1], [1, 1], (0b1, 0b1, 0, 0, 0b10)),
    ("last of all", [0, -1], [0, 0], [1, 1], (0b1, 0b1, 0, 0, 0b10)),
    ("index", [1, 0], [2, 2], [1, 1], (0, 0, 0, 0, 0b1)),
    ("negative index", [-1, -2, -3], [0, 0, 0], [1, 1, 1], (0, 0, 0, 0, 0b110)),
    ("all indices", [1, 2, 3], [2, 3, 4], [1, 1, 1], (0, 0, 0, 0, 0b111)),
    ("index behind an ellipsis", [0, -1], [0, 0], [1, 1], (0, 0, 0b1, 0, 0b10)),
    ("index with begin masked", [1, 0], [0, 2], [1, 1], (0b1, 0b1, 0, 0, 0b1)),
    ("new axis wins over index", [0, 0], [0, 1], [1, 1], (0, 0, 0, 0b1, 0b1)),
    ("ellipsis wins over index", [0, 0], [0, 1], [1, 1], (0, 0, 0b1, 0, 0b11)),
    ("no step for a new axis", [0, 0], [0, 2], [0, 1], (0, 0, 0, 0b1)),
    ("index and new axis", [1, 0, 0], [2, 0, 2], [1, 1, 1], (0, 0, 0, 0b10, 0b1)),
    ("no entries", [], [], [], ()),
):
    _strided(_note, B, _begin, _end, _strides, _masks)
    if _masks:
        _strided(f"{_note}, fed", B, _begin, _end, _strides, _masks, fed=True, dtype=I64)
for _note, _begin, _end, _strides, _masks in (
    ("no step", [0, 0], [1, 1], [1, 0], ()),
    ("index beyond", [0, 5], [1, 6], [1, 1], (0, 0, 0, 0, 0b10)),
    ("index far in front", [-3, 0], [0, 6], [1, 1], (0, 0, 0, 0, 0b1)),
    ("index beyond, behind an ellipsis", [0, 9], [0, 0], [1, 1], (0, 0, 0b1, 0, 0b10)),
    ("index with step -1", [1, 0], [0, 6], [-1, 1], (0, 0, 0, 0, 0b1)),
    ("index with step 2", [1, 0], [0, 6], [2, 1], (0, 0, 0, 0, 0b1)),
    ("too many entries", [0] * 4, [1] * 4, [1] * 4, ()),
    ("too many with an ellipsis", [0] * 5, [1] * 5, [1] * 5, (0, 0, 0b10)),
    ("two ellipses", [0] * 3, [1] * 3, [1] * 3, (0, 0, 0b11)),
    ("lengths differ", [0, 0], [1], [1, 1], ()),
    ("matrices", [[0, 0]], [[1, 1]], [[1, 1]], ()),
):
    _strided(_note, B, _begin, _end, _strides, _masks, fed=True)
_strided("of a scalar", F32(3), [0], [0], [1], fed=True)
_strided("of a scalar, ellipsis", F32(3), [0], [0], [1], (0, 0, 0b1))
_strided("of a scalar, new axis", F32(3), [0], [0], [1], (0, 0, 0, 0b1))
_strided("far beyond", B, [2**40], [2**41], [1], fed=True, dtype=I64)
_strided("int16", B, [0, 1], [1, 3], [1, 1], fed=True, dtype=np.int16)
_strided("string index", SAMPLES["string"], [1, 0], [2, 1], [1, 1], (0, 0, 0, 0, 0b11))


def _update(note, x, value, begin, end, strides, masks=()):
    vectors = {k: np.array(v, I32) for k, v in zip(_STRIDED, (begin, end, strides), strict=True)}
    fixed = dict(zip(_MASKS, masks, strict=False))
    fed = {"input": x, "value": value, **vectors}
    raw_case("TensorStridedSliceUpdate", note, fed, ranks=False, tolerance=0, **fixed)


for _note, _value in SAMPLES.items():
    _update(_note, _value, _value[:, :1], [0, 1], [2, 2], [1, 1])
_update("whole", A, A + 9, [0, 0], [2, 3], [1, 1])
_update("row broadcast", A, A[0, :2] + 9, [0, 1], [2, 3], [1, 1])
_update("scalar broadcast", A, F32(9), [0, 1], [2, 3], [1, 1])
_update("backwards", A, A, [1, 2], [-5, -5], [-1, -1])
_update("no begin", A, F32(9), [1, 1], [1, 2], [1, 1], (0b11,))
_update("no end", A, F32(9), [1, 1], [1, 2], [1, 1], (0, 0b11))
_update("ellipsis", A, F32(9), [0, 1], [0, 2], [1, 1], (0, 0, 0b1))
_update("new axis", A, A[None, :1] + 9, [0, 1], [2, 3], [1, 1], (0, 0, 0, 0b1))
_update("row", A, A[0] + 9, [1, 0], [2, 3], [1, 1], (0, 0, 0, 0, 0b1))
_update("element", A, F32(9), [1, 0], [2, 3], [1, 1], (0, 0, 0, 0, 0b11))
_update("nothing", A, A[:, :0], [0, 3], [2, 3], [1, 1])
_update("does not fit", A, A[:1], [0, 1], [2, 3], [1, 1])
_update("index beyond", A, F32(1), [5, 0], [6, 1], [1, 1], (0, 0, 0, 0, 0b1))

for _note, _value in SAMPLES.items():
    raw_case("Slice", _note, {"input": _value}, begin=[0, 1], size=[-1, 2], tolerance=0)
for _begin, _size in (
    ([0, 0], [2, 3]),
    ([1, 1], [1, 1]),
    ([2, 3], [0, 0]),
    ([2, 3], [-1, -1]),
    ([1, 0], [-1, 2]),
    ([0, 4], [-1, 1]),
    ([0, -1], [-1, 1]),
    ([0, 1], [-1, 3]),
    ([0, 1], [-2, 1]),
    ([0], [1]),
    ([0, 0], [1]),
    ([[0, 0]], [[1, 1]]),
):
    for _dtype in (I32, I64):
        _fed = {"input": A, "begin": np.array(_begin, _dtype), "size": np.array(_size, _dtype)}
        raw_case("Slice", f"{_begin} {_size}", _fed, ranks=False)
_fed = {"input": F32(3), "begin": np.array([], I32), "size": np.array([], I32)}
raw_case("Slice", "scalar", _fed, ranks=False)
