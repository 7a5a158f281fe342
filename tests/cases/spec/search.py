"""Where values are, and which occur."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
F32, I32, I64 = np.float32, np.int32, np.int64
BF16 = tf.bfloat16.as_numpy_dtype
rng = np.random.default_rng(5)
A = rng.normal(size=(3, 5)).astype(F32)
TIES = np.array([[1, 3, 3, 2, 3], [0, 0, 0, 0, 0], [5, 4, 5, 4, 5]], F32)
NAN, INF = np.nan, np.inf


def ints(value, dtype=I32):
    return np.array(value, dtype)


for _dtype in (F32, np.float64, BF16, I32, I64, np.uint8, bool, np.complex64):
    _x = np.array([[0, 1, 0], [2, 0, 3]], _dtype)
    raw_case("Where", np.dtype(_dtype).name, {"condition": _x})
raw_case("Where", "nan", {"condition": np.array([NAN, 0, -0.0, INF], F32)})
raw_case("Where", "vector", {"condition": np.array([True, False, True])})
raw_case("Where", "rank 3", {"condition": rng.random((2, 2, 3)) > 0.5})
raw_case("Where", "nothing true", {"condition": np.zeros((2, 3), bool)})
raw_case("Where", "no elements", {"condition": np.zeros((0, 3), bool)})
raw_case("Where", "scalar", {"condition": np.array(True)}, ranks=False)

for _op in ("ArgMax", "ArgMin"):
    for _dtype in (F32, np.float64, np.float16, BF16, I32, I64, np.uint8, np.int8, bool):
        _x = np.array([[0, 1, 0], [2, 0, 3]], _dtype)
        raw_case(_op, np.dtype(_dtype).name, {"input": _x}, dimension=1)
    for _axis in (0, 1, -1, -2):
        for _type in (tf.int32, tf.int64):
            _fixed = {"dimension": _axis, "output_type": _type}
            raw_case(_op, f"axis {_axis} {_type.name}", {"input": A}, **_fixed)
            raw_case(_op, f"ties, axis {_axis} {_type.name}", {"input": TIES}, **_fixed)
    raw_case(_op, "large int64", {"input": ints([2**40, 2**40 + 1, 2**40], I64)}, dimension=0)
    raw_case(_op, "vector", {"input": A[0]}, dimension=0)
    raw_case(_op, "no rows", {"input": A[:0]}, dimension=1)
    raw_case(_op, "all axes of 1", {"input": A[:1, :1]}, dimension=0)
    for _note, _x, _axis in (
        ("nan in front", np.array([NAN, 1, 2], F32), 0),
        ("nan inside", np.array([1, NAN, 3], F32), 0),
        ("nan behind", np.array([1, 2, NAN], F32), 0),
        ("all nan", np.array([NAN, NAN], F32), 0),
        ("nan and infinity", np.array([NAN, INF, -INF, 1], F32), 0),
        ("nan in columns", np.array([[NAN, 1], [1, NAN], [0, 0]], F32), 0),
        ("nan in rows", np.array([[NAN, 1, 2], [1, NAN, 0], [0, 0, NAN]], F32), 1),
        ("minus infinity", np.array([-INF, -INF], F32), 0),
        ("nan double", np.array([NAN, 1, 2]), 0),
        ("nan half", np.array([NAN, 1, 2], np.float16), 0),
        ("nothing to choose", A[:0], 0),
        ("no such axis", A, 3),
        ("no such negative axis", A, -3),
        ("scalar", F32(3), 0),
        ("axis in a vector", A, [0]),
    ):
        for _dtype in (I32, I64) if _note == "nan in rows" else (I32,):
            _fed = {"input": _x, "dimension": ints(_axis, _dtype)}
            raw_case(_op, _note, _fed, ranks=False)
raw_case("ArgMax", "int16", {"input": A}, dimension=1, output_type=tf.int16)
raw_case("ArgMax", "uint16", {"input": A}, dimension=1, output_type=tf.uint16)

_WIDE = rng.integers(0, 9, size=(2, 60))
for _dtype in (F32, np.float64, np.float16, BF16, I32, I64, np.uint8, np.int8):
    for _k in (0, 1, 3, 60) if _dtype is F32 else (3,):
        _x = _WIDE.astype(_dtype)
        raw_case("TopKV2", f"{np.dtype(_dtype).name} {_k}", {"input": _x}, k=_k, tolerance=0)
raw_case(
    "TopKV2", "int64 large", {"input": ints([2**40, 2**40 + 1, -(2**63), 2**63 - 1], I64)}, k=3
)
for _note, _x, _k in (
    ("ties", TIES, 3),
    ("vector", A[0], 2),
    ("rank 3", A.reshape(1, 3, 5), 4),
    ("infinite", np.array([1, INF, -INF, 0, -0.0], F32), 5),
    ("no rows", A[:0], 2),
    ("negative k", A, -1),
    ("large k", A, 6),
    ("scalar", F32(1), 1),
    ("k in a vector", A, [1]),
):
    for _dtype in (I32, I64, np.int16) if _note == "ties" else (I32,):
        _fed = {"input": _x, "k": ints(_k, _dtype)}
        raw_case("TopKV2", f"fed {_note} {np.dtype(_dtype).name}", _fed, ranks=False)
for _type in (tf.int16, tf.int32, tf.int64):
    raw_case("TopKV2", f"indices {_type.name}", {"input": A}, k=2, index_type=_type)


@case("TopKV2")
def top_k_in_any_order():
    values, _ = RAW.TopKV2(input=feed(A), k=3, sorted=False)
    return RAW.Sum(input=values, axis=[1])


for _dtype in (F32, np.float64, np.float16, I32, I64, np.uint8):
    _x = np.array([[1, 3, 2, 7, 5], [5, 4, 3, 3, 0]], _dtype)
    for _n in (0, 1, 4):
        for _reverse in (False, True):
            _note = f"{np.dtype(_dtype).name} {_n} {_reverse}"
            raw_case("NthElement", _note, {"input": _x}, n=_n, reverse=_reverse)
for _note, _x, _n in (
    ("vector", A[0], 2),
    ("no rows", A[:0], 2),
    ("negative", A, -1),
    ("beyond", A, 5),
    ("scalar", F32(3), 0),
    ("n in a vector", A, [0]),
):
    raw_case("NthElement", _note, {"input": _x, "n": ints(_n)}, ranks=False)

_SORTED = np.array([[1, 2, 2, 3, 9], [1, 1, 1, 4, 4]])
_WANTED = np.array([[2, 0, 9, 10], [1, 4, 2, 5]])
for _op in ("LowerBound", "UpperBound"):
    for _dtype in (F32, np.float64, np.float16, I32, I64, np.uint8):
        _fed = {"sorted_inputs": _SORTED.astype(_dtype), "values": _WANTED.astype(_dtype)}
        for _type in (tf.int32, tf.int64):
            raw_case(_op, f"{np.dtype(_dtype).name} {_type.name}", _fed, out_type=_type)
    for _note, _x, _values in (
        ("nan", [[1, 2, 2, 3], [1, 1, 1, NAN]], [[2, 0, 9, NAN], [1, NAN, 2, 0]]),
        ("not sorted", [[5, 1, 4, 2, 8, 0, 3]], [[4, 2, 9, -1, 3]]),
        ("one", [[3]], [[2, 3, 4]]),
        ("no inputs", np.zeros((2, 0)), [[2], [1]]),
        ("no values", [[1, 2]], np.zeros((1, 0))),
        ("no rows", np.zeros((0, 2)), np.zeros((0, 3))),
        ("infinite", [[-INF, 0, INF]], [[-INF, INF, 1]]),
        ("rows differ", [[1, 2, 2, 3]], [[2], [1]]),
        ("vector", [1, 2], [[2]]),
        ("vector of values", [[1, 2]], [2]),
    ):
        _fed = {"sorted_inputs": np.array(_x, F32), "values": np.array(_values, F32)}
        raw_case(_op, _note, _fed, ranks=False)
_LONG = np.sort(rng.integers(0, 50, size=(3, 37))).astype(F32)
for _op in ("LowerBound", "UpperBound"):
    _fed = {"sorted_inputs": _LONG, "values": rng.integers(-2, 53, size=(3, 20)).astype(F32)}
    raw_case(_op, "long", _fed)

_VECTORS = {
    "float": np.array([1, NAN, 1, NAN, 0.0, -0.0, 2], F32),
    "double": np.array([3, 1, 3, 2, 1.0]),
    "half": np.array([3, 1, 3, 2, 1], np.float16),
    "bfloat16": np.array([3, 1, 3, 2, 1], BF16),
    "int32": ints([5, -1, 5, 2**31 - 1, -1]),
    "int64": ints([2**40 + 1, 3, 2**40 + 1, 3, 0], I64),
    "uint8": ints([255, 0, 255], np.uint8),
    "bool": np.array([True, False, True]),
    "string": np.array(["b", "a", "b", "", "é"], object),
    "nothing": np.zeros(0, F32),
    "one": np.ones(1, F32),
}
for _note, _x in _VECTORS.items():
    for _type in (tf.int32, tf.int64):
        for _op in ("Unique", "UniqueWithCounts"):
            raw_case(_op, f"{_note} {_type.name}", {"x": _x}, out_idx=_type)
        for _op in ("UniqueV2", "UniqueWithCountsV2"):
            _fed = {"x": _x, "axis": ints([0], I64)}
            raw_case(_op, f"{_note} {_type.name}", _fed, out_idx=_type)
for _note, _x, _axis in (
    ("rows", [[1, 2], [3, 4], [1, 2]], [0]),
    ("columns", [[1, 2, 1], [3, 4, 3]], [1]),
    ("last", [[1, 2, 1], [3, 4, 3]], [-1]),
    ("rank 3", [[[1, 2], [1, 2]], [[1, 2], [1, 2]], [[1, 2], [2, 2]]], [1]),
    ("nan rows", [[NAN, 2], [NAN, 2], [0.0, 1], [-0.0, 1]], [0]),
    ("empty rows", np.zeros((3, 0)), [0]),
    ("no rows", np.zeros((0, 3)), [0]),
    ("no axis", [1, 1, 2], []),
    ("no axis for a matrix", [[1, 1]], []),
    ("scalar axis", [1, 1], 0),
    ("two axes", [[1, 1]], [0, 1]),
    ("no such axis", [1, 1], [1]),
    ("scalar", 1, []),
):
    for _op in ("UniqueV2", "UniqueWithCountsV2"):
        _fed = {"x": np.array(_x, F32), "axis": ints(_axis)}
        raw_case(_op, _note, _fed, ranks=False)
_fed = {"x": np.array([["a", "b"], ["a", "b"], ["b", "a"]], object), "axis": ints([0])}
raw_case("UniqueV2", "rows of strings", _fed)
_fed = {"x": ints([[2**40, 1], [2**40, 1], [1, 2**40]], I64), "axis": ints([0])}
raw_case("UniqueV2", "rows of int64", _fed)
for _op in ("Unique", "UniqueWithCounts"):
    raw_case(_op, "matrix", {"x": A}, ranks=False)

for _note, _x in _VECTORS.items():
    for _type in (tf.int32, tf.int64) if _note != "bool" else ():
        _fed = {"x": _x, "y": _x[1:2]}
        raw_case("ListDiff", f"{_note} {_type.name}", _fed, out_idx=_type)
raw_case("ListDiff", "repeats", {"x": ints([1, 2, 1, 3, 3]), "y": ints([2, 7])})
raw_case("ListDiff", "nothing left", {"x": ints([1, 2, 1]), "y": ints([2, 1])})
raw_case("ListDiff", "matrix", {"x": A, "y": A[0]}, ranks=False)
raw_case("ListDiff", "other matrix", {"x": A[0], "y": A}, ranks=False)
