"""Rows that belong together, running sums, counts."""

import numpy as np
import tensorflow as tf
from record_cases import raw_case

F32, I32, I64 = np.float32, np.int32, np.int64
BF16 = tf.bfloat16.as_numpy_dtype
rng = np.random.default_rng(11)
A = rng.normal(size=(5, 3)).astype(F32)
INTS = np.array([5, -2, 8, -7, 3], I32)
CLOSE = {np.dtype(np.float16): 1e-2, np.dtype(BF16): 2e-2}
FLOATS = (F32, np.float64, np.float16, BF16)
NUMBERS = (*FLOATS, I32, I64, np.uint8, np.int8)
STRANGE = np.array([np.nan, -3, 8, np.nan, np.inf, 9, np.nan, 3, -np.inf, -np.inf, np.inf], F32)
STRANGE_IDS = [0, 0, 2, 2, 3, 4, 4, 4, 5, 6, 6]


def ints(value, dtype=I32):
    return np.array(value, dtype)


def close(dtype):
    return CLOSE.get(np.dtype(dtype), 1e-5)


for _op in ("Sum", "Mean", "Prod", "Max", "Min"):
    _segment, _unsorted = f"Segment{_op}", f"UnsortedSegment{_op}"
    for _dtype in (*NUMBERS, np.complex64):
        if _dtype is np.complex64 and _op in ("Max", "Min"):
            continue
        _data = np.array([5, 2, 8, 7, 3], _dtype)
        _fed = {"data": _data, "segment_ids": ints([0, 0, 2, 2, 2])}
        raw_case(_segment, np.dtype(_dtype).name, _fed, tolerance=close(_dtype))
        if _op != "Mean":
            _fed = {"data": _data, "segment_ids": ints([2, 0, 2, 0, -1])}
            _options = {"num_segments": 4, "tolerance": close(_dtype)}
            raw_case(_unsorted, np.dtype(_dtype).name, _fed, **_options)
    raw_case(_segment, "negative", {"data": INTS, "segment_ids": ints([0, 1, 1, 3, 3])})
    for _note, _data, _ids in (
        ("rows", A, [0, 0, 2, 2, 2]),
        ("rank 3", A[:4].reshape(2, 2, 3), [1, 1]),
        ("one each", A, [0, 1, 2, 3, 4]),
        ("nothing", A[:0], []),
        ("empty rows", A[:, :0], [0, 0, 1, 1, 2]),
        ("negative id", A, [-1, 0, 0, 0, 0]),
        ("descending", A, [0, 1, 0, 2, 2]),
        ("another number", A, [0, 1]),
        ("matrix of ids", A, [[0, 1, 1]]),
        ("scalar", F32(1), [0]),
        ("nan", STRANGE, STRANGE_IDS),
    ):
        for _dtype in (I32, I64) if _note == "rows" else (I32,):
            _fed = {"data": _data, "segment_ids": ints(_ids, _dtype)}
            raw_case(_segment, _note, _fed, ranks=False)
    if _op == "Mean":
        continue
    for _note, _data, _ids, _count in (
        ("rows", A, [2, 0, 2, -1, 0], 4),
        ("rank 3", A[:4].reshape(2, 2, 3), [1, 1], 2),
        ("matrix of ids", A[:2], [[0, 1, 1], [1, 0, -1]], 2),
        ("scalar id", A, 1, 2),
        ("nothing", A[:0], [], 2),
        ("empty rows", A[:, :0], [0, 0, 1, 1, 2], 3),
        ("no segments", A, [-1] * 5, 0),
        ("beyond", A, [2, 4, 2, 0, 0], 4),
        ("beyond, matrix", A[:2], [[0, 1, 1], [1, 2, 0]], 2),
        ("negative number", A, [2, 0, 2, 0, 0], -1),
        ("number in a vector", A, [2, 0, 2, 0, 0], [3]),
        ("another shape", A, [0, 1], 2),
        ("nan", STRANGE, STRANGE_IDS, 8),
    ):
        for _dtype in (I32, I64) if _note == "rows" else (I32,):
            _fed = {"data": _data, "segment_ids": ints(_ids, _dtype), "num_segments": ints(_count)}
            raw_case(_unsorted, _note, _fed, ranks=False)

for _op in ("Sum", "Mean", "SqrtN"):
    _plain, _counted = f"SparseSegment{_op}", f"SparseSegment{_op}WithNumSegments"
    for _dtype in (*FLOATS, I32) if _op == "Sum" else FLOATS:
        _data = np.array([[5, 2], [8, 7], [3, 1]], _dtype)
        _fed = {"data": _data, "indices": ints([0, 1, 1, 2]), "segment_ids": ints([0, 0, 2, 2])}
        raw_case(_plain, np.dtype(_dtype).name, _fed, tolerance=close(_dtype))
        raw_case(_counted, np.dtype(_dtype).name, _fed, num_segments=4, tolerance=close(_dtype))
    for _note, _data, _indices, _ids in (
        ("rows", A, [0, 4, 4, 2, 1], [0, 0, 0, 1, 3]),
        ("vector", A[:, 0], [0, 1, 2], [0, 0, 1]),
        ("rank 3", A[:4].reshape(2, 2, 3), [1, 1, 0], [0, 1, 1]),
        ("nothing", A, [], []),
        ("beyond", A, [0, 5], [0, 0]),
        ("negative index", A, [0, -1], [0, 0]),
        ("negative id", A, [0, 1], [-1, 0]),
        ("descending", A, [0, 1], [1, 0]),
        ("another number", A, [0], [1, 0]),
        ("matrix", A, [[0]], [0]),
        ("scalar", F32(1), [0], [0]),
    ):
        for _dtype in (I32, I64) if _note == "rows" else (I32,):
            _fed = {
                "data": _data,
                "indices": ints(_indices, _dtype),
                "segment_ids": ints(_ids, _dtype),
            }
            raw_case(_plain, _note, _fed, ranks=False)
            raw_case(_counted, _note, {**_fed, "num_segments": ints(5)}, ranks=False)
    _fed = {"data": A, "indices": ints([0, 1, 4]), "segment_ids": ints([0, 0, 2])}
    for _count in (2, -2, [4], 0):
        _full = {**_fed, "num_segments": ints(_count)}
        raw_case(_counted, f"number {_count}", _full, ranks=False)
    raw_case(_plain, "sparse gradient", _fed, sparse_gradient=True)
    raw_case(_counted, "sparse gradient", _fed, num_segments=3, sparse_gradient=True)

for _op in ("Cumsum", "Cumprod", "CumulativeLogsumexp"):
    for _exclusive in (False, True):
        for _reverse in (False, True):
            _attrs = {"exclusive": _exclusive, "reverse": _reverse}
            for _axis in (0, 1, -1):
                raw_case(_op, f"axis {_axis} {_attrs}", {"x": A}, axis=_axis, **_attrs)
            raw_case(_op, f"nothing {_attrs}", {"x": A[:0]}, axis=0, **_attrs)
            for _dtype in FLOATS:
                _x = np.array([1, 2, 0.5, 3], _dtype)
                _note = f"{np.dtype(_dtype).name} {_attrs}"
                raw_case(_op, _note, {"x": _x}, axis=0, tolerance=close(_dtype), **_attrs)
    for _note, _x, _axis in (
        ("no such axis", A, 2),
        ("no such negative axis", A, -3),
        ("scalar", F32(1), 0),
        ("axis in a vector", A, [0]),
        ("infinite", np.array([-np.inf, 1, np.inf, np.nan, 2], F32), 0),
        ("minus infinity", np.array([-np.inf, -np.inf, 0], F32), 0),
        ("two infinities", np.array([1, np.inf, 2, np.inf, 3], F32), 0),
    ):
        for _dtype in (I32, I64):
            _fed = {"x": _x, "axis": ints(_axis, _dtype)}
            raw_case(_op, _note, _fed, ranks=False)
for _op in ("Cumsum", "Cumprod"):
    for _dtype in (I32, I64, np.int8, np.uint8, np.complex64):
        _x = np.array([[100, 100, 3], [2, 5, 7]], _dtype)
        raw_case(_op, np.dtype(_dtype).name, {"x": _x}, axis=1)
        raw_case(_op, f"{np.dtype(_dtype).name} exclusive", {"x": _x}, axis=1, exclusive=True)

for _note, _numbers, _size, _weights in (
    ("counts", [1, 5, 1, 0], 3, np.zeros(0, F32)),
    ("weights", [1, 5, 1, 0], 3, np.array([1, 2, 3.5, 4], F32)),
    ("double weights", [1, 5, 1], 3, np.array([1, 2, 3.5])),
    ("int32 weights", [1, 5, 1], 3, ints([7, 8, 9])),
    ("int64 weights", [1, 5, 1], 3, ints([2**53, 8, 1], I64)),
    ("int32 counts", [1, 5, 1], 3, ints([])),
    ("matrix", [[1, 2], [2, 2]], 4, np.zeros(0, F32)),
    ("no bins", [1, 2], 0, np.zeros(0, F32)),
    ("nothing", [], 2, np.zeros(0, F32)),
    ("negative", [1, -5, 1], 3, np.zeros(0, F32)),
    ("negative size", [1], -3, np.zeros(0, F32)),
    ("size in a vector", [1], [3], np.zeros(0, F32)),
    ("other weights", [1], 3, np.ones(2, F32)),
):
    _fed = {"size": ints(_size), "weights": _weights}
    raw_case("Bincount", _note, {**_fed, "arr": ints(_numbers)}, ranks=False)
    for _dtype in (I32, I64) if "weights" in _note else (I32,):
        for _binary in (False, True):
            _fed = {"size": ints(_size, _dtype), "weights": _weights}
            raw_case(
                "DenseBincount",
                f"{_note} binary={_binary}",
                {**_fed, "input": ints(_numbers, _dtype)},
                ranks=False,
                binary_output=_binary,
            )
for _note, _numbers, _weights in (
    ("rows", [[1, 5, 1], [0, 0, 2]], np.zeros(0, F32)),
    ("weighted rows", [[1, 5, 1], [0, 0, 2]], np.arange(6, dtype=F32).reshape(2, 3)),
    ("negative in rows", [[1, -5, 1]], np.zeros(0, F32)),
    ("no rows", np.zeros((0, 3)), np.zeros(0, F32)),
    ("empty rows", np.zeros((2, 0)), np.zeros(0, F32)),
    ("rank 3", [[[1]]], np.zeros(0, F32)),
    ("scalar", 1, np.zeros(0, F32)),
):
    for _binary in (False, True):
        raw_case(
            "DenseBincount",
            f"{_note} {_binary}",
            {"input": ints(_numbers), "size": I32(3), "weights": _weights},
            ranks=False,
            binary_output=_binary,
        )

for _dtype in (F32, np.float64, I32, I64):
    _fed = {
        "values": np.array([-1, 0, 1, 2, 5, 9, 4], _dtype),
        "value_range": np.array([0, 5], _dtype),
        "nbins": I32(5),
    }
    for _type in (tf.int32, tf.int64):
        raw_case("HistogramFixedWidth", f"{np.dtype(_dtype).name} {_type.name}", _fed, dtype=_type)
for _note, _values, _range, _bins in (
    ("matrix", [[-1, 0], [0.5, 1]], [0, 5], 5),
    ("infinite", [np.inf, -np.inf], [0, 5], 3),
    ("edges", [0.1, 0.2, 0.3, 0.6, 0.7], [0, 1], 10),
    ("nothing", [], [0, 1], 3),
    ("nan", [np.nan], [0, 5], 3),
    ("empty range", [1], [5, 5], 5),
    ("range of three", [1], [0, 5, 6], 1),
    ("no bins", [1], [0, 5], 0),
    ("bins in a vector", [1], [0, 5], [3]),
):
    _fed = {
        "values": np.array(_values, F32),
        "value_range": np.array(_range, F32),
        "nbins": ints(_bins),
    }
    raw_case("HistogramFixedWidth", _note, _fed, ranks=False)
