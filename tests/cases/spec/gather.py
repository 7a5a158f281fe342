"""Elements and slices picked by index and put at indices."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, init, raw_case

RAW = tf.raw_ops
F32, I32, I64 = np.float32, np.int32, np.int64
A = np.arange(6, dtype=F32).reshape(2, 3) + 0.5
B = np.arange(24, dtype=F32).reshape(2, 3, 4)
SAMPLES = {
    "float": A,
    "double": A.astype(np.float64),
    "half": A.astype(np.float16),
    "bfloat16": A.astype(tf.bfloat16.as_numpy_dtype),
    "int32": np.array([[7, -7, 0], [2**31 - 1, -(2**31), 16777217]], I32),
    "int64": np.array([[2**40 + 1, -5, 0], [7, -(2**63), 2**63 - 1]], I64),
    "uint8": np.array([[0, 255, 3], [4, 5, 6]], np.uint8),
    "bool": A > 2,
    "complex": A.astype(np.complex64) * 1j,
    "string": np.array([["a", "", "ccc"], ["d", "é", "f"]], object),
}


def ints(value, dtype=I32):
    return np.array(value, dtype)


for _note, _value in SAMPLES.items():
    _fed = {"params": _value, "indices": ints([[1, 0], [1, 1]])}
    raw_case("Gather", _note, _fed, tolerance=0)
    raw_case("GatherV2", _note, _fed, axis=0, tolerance=0)
    raw_case("GatherV2", f"{_note} axis 1", _fed, axis=1, tolerance=0)
for _note, _params, _indices in (
    ("scalar index", A, 1),
    ("no index", A, []),
    ("empty slices", A[:, :0], [1, 1]),
    ("empty slices, beyond", A[:, :0], [5]),
    ("vector", A[0], [2, 0]),
    ("beyond", A, [[1, 2]]),
    ("scalar beyond", A, 5),
    ("negative", A, [0, -1]),
    ("of nothing", A[:0], [0]),
    ("of a scalar", F32(1), [0]),
):
    for _dtype in (I32, I64) if _note == "beyond" else (I32,):
        _fed = {"params": _params, "indices": ints(_indices, _dtype)}
        raw_case("Gather", _note, _fed, ranks=False)
        raw_case("Gather", f"{_note}, unchecked", _fed, ranks=False, validate_indices=False)
        raw_case("GatherV2", _note, {**_fed, "axis": I32(0)}, ranks=False)
for _axis in (0, 1, 2, -1, -2, -3):
    _fed = {"params": B, "indices": ints([[1, 0, 1]])}
    raw_case("GatherV2", f"axis {_axis}", _fed, axis=_axis)
for _axis in (3, -4, [0]):
    _fed = {"params": B, "indices": ints([1]), "axis": ints(_axis)}
    raw_case("GatherV2", f"fed axis {_axis}", _fed, ranks=False)
_ROWS = ints([[0, 2], [1, 1]])
for _axis, _batch, _indices in (
    (1, 1, _ROWS),
    (2, 1, _ROWS),
    (2, 0, _ROWS),
    (1, -1, _ROWS),
    (2, 2, ints([[[0], [1], [3]], [[2], [2], [0]]])),
    (-1, 1, _ROWS),
    (1, 1, ints([2, 0])),
    (1, 2, _ROWS),
    (0, 1, _ROWS),
    (1, 3, _ROWS),
    (1, -3, _ROWS),
    (1, 1, _ROWS[:1]),
    (1, 1, ints([[0, 2], [1, 3]])),
):
    _note = f"axis {_axis} batch {_batch} {_indices.shape}"
    _fed = {"params": B, "indices": _indices, "axis": ints(_axis)}
    raw_case("GatherV2", _note, _fed, ranks=False, batch_dims=_batch)
_fed = {"params": SAMPLES["string"], "indices": _ROWS}
raw_case("GatherV2", "strings in batches", _fed, axis=1, batch_dims=1)
_fed = {"params": A, "indices": ints([1, 0], np.int16), "axis": I64(0)}
raw_case("GatherV2", "int16", _fed, ranks=False)


for _note in ("float", "int32", "bool"):
    for _axis, _indices in ((0, [1, 0]), (1, [[2, 0], [1, 1]]), (-1, 1), (1, []), (1, [0, 3])):
        _fixed = {"axis": _axis, "indices": ints(_indices)}
        _said = f"constant {_note} {_axis} {_indices}"
        raw_case("GatherV2", _said, {"params": SAMPLES[_note]}, tolerance=0, **_fixed)


@case("GatherV2", dtype=tf.int32)
@case("GatherV2", dtype=tf.int64)
def picked_sizes(dtype):
    sizes = RAW.Shape(input=feed(B), out_type=dtype)
    return RAW.GatherV2(params=sizes, indices=[2, 0], axis=0)


for _note, _value in SAMPLES.items():
    raw_case("GatherNd", _note, {"params": _value, "indices": ints([[1, 2], [0, 0]])}, tolerance=0)
    raw_case("GatherNd", f"{_note} rows", {"params": _value, "indices": ints([[1], [1]])})
for _note, _params, _indices in (
    ("rank 3", B, [[1, 2], [0, 0]]),
    ("deep indices", B, [[[1, 2, 3]], [[0, 0, 0]]]),
    ("one index", A, [1]),
    ("no depth", A, np.zeros((2, 0))),
    ("no indices", A, np.zeros((0, 2))),
    ("of nothing, no indices", A[:0], np.zeros((0, 1))),
    ("beyond", A, [[1, 2], [0, 3]]),
    ("beyond, deep", A, [[[1, 2]], [[2, 0]]]),
    ("negative", A, [[-1]]),
    ("too deep", A, [[0, 0, 0]]),
    ("scalar index", A, 1),
    ("of a scalar", F32(1), [[0]]),
    ("of nothing", A[:0], [[0]]),
    ("of empty slices", A[:, :0], [[0]]),
):
    for _dtype in (I32, I64) if "deep" in _note else (I32,):
        _fed = {"params": _params, "indices": ints(_indices, _dtype)}
        raw_case("GatherNd", _note, _fed, ranks=False)
for _policy in ("", "DEFAULT", "ERROR", "IGNORE"):
    _fixed = {"bad_indices_policy": _policy}
    _fed = {"params": A, "indices": ints([[1, 2], [0, 3], [-1, 0]])}
    raw_case("GatherNd", f"policy {_policy}", _fed, **_fixed)
    _fed = {"params": SAMPLES["string"], "indices": ints([[1, 2], [0, 3]])}
    raw_case("GatherNd", f"policy {_policy} strings", _fed, **_fixed)
    _fed = {"params": A, "indices": ints([[1], [2]])}
    raw_case("GatherNd", f"policy {_policy} rows", _fed, **_fixed)
    _fed = {"indices": ints([[1], [3], [-1], [0]]), "updates": A.ravel()[:4], "shape": ints([3])}
    raw_case("ScatterNd", f"policy {_policy}", _fed, **_fixed)
    _fed = {"tensor": A[0], "indices": ints([[1], [3], [-1], [0]]), "updates": A.ravel()[:4]}
    for _op in ("Update", "Add", "Sub", "Max", "Min"):
        raw_case(f"TensorScatter{_op}", f"policy {_policy}", _fed, **_fixed)
    _fed = {"input": A[0], "indices": _fed["indices"], "updates": _fed["updates"]}
    raw_case("ScatterNdNonAliasingAdd", f"policy {_policy}", _fed, **_fixed)


def _variable(value):
    handle = RAW.VarHandleOp(dtype=value.dtype, shape=value.shape, shared_name="v")
    init(RAW.AssignVariableOp(resource=handle, value=value))
    return handle


@case("ResourceGather", indices=ints([[1, 0]]))
@case("ResourceGather", indices=ints([1, 1], I64))
@case("ResourceGather", indices=ints([1, 1]), validate_indices=False)
@case("ResourceGather", indices=ints([2]))
@case("ResourceGather", indices=ints([-1]))
@case("ResourceGather", indices=ints([[0, 2], [1, 1]]), batch_dims=1)
@case("ResourceGather", indices=ints([[0, 2], [1, 4]]), batch_dims=1)
@case("ResourceGather", indices=ints([[[0], [1], [3]], [[2], [2], [0]]]), batch_dims=2)
def resource_gather(indices, **attrs):
    return RAW.ResourceGather(
        resource=_variable(B), indices=feed(indices), dtype=tf.float32, **attrs
    )


@case("ResourceGatherNd", indices=ints([[1, 0]]))
@case("ResourceGatherNd", indices=ints([[1, 2, 3], [0, 0, 0]], I64))
@case("ResourceGatherNd", indices=ints([[1, 3]]))
def resource_gather_nd(indices):
    return RAW.ResourceGatherNd(resource=_variable(B), indices=feed(indices), dtype=tf.float32)


@case("ResourceGather")
def resource_gather_without_value():
    handle = RAW.VarHandleOp(dtype=tf.float32, shape=[2], shared_name="v")
    return RAW.ResourceGather(resource=handle, indices=feed([0]), dtype=tf.float32)


_NUMBERS = [k for k in SAMPLES if k not in ("bool", "string")]
_TWICE = ints([[1], [0], [1]])
for _note in (*_NUMBERS, "bool", "string"):
    _values = SAMPLES[_note].ravel()[:3]
    _fed = {"indices": _TWICE, "updates": _values}
    _close = {"half": 1e-2, "bfloat16": 2e-2}.get(_note, 1e-5)
    raw_case("ScatterNd", _note, _fed, shape=[4], tolerance=_close)
    if _note != "string":
        _add = {"input": SAMPLES[_note].ravel()[2:6], **_fed}
        raw_case("ScatterNdNonAliasingAdd", _note, _add, tolerance=_close)
    for _op in ("Update", "Add", "Sub", "Max", "Min"):
        if _op == "Update" or _note not in ("bool", "string"):
            if _op in ("Max", "Min") and _note == "complex":
                continue
            _full = {"tensor": SAMPLES[_note].ravel()[2:6], **_fed}
            raw_case(f"TensorScatter{_op}", _note, _full, tolerance=_close)
for _note, _indices, _updates, _shape in (
    ("rows", [[2], [0]], A, [4, 3]),
    ("elements", [[2, 1], [0, 0]], A[0, :2], [3, 2]),
    ("deep", [[[1], [0]]], B[:1, :2], [3, 4]),
    ("vector of indices", [2], np.arange(3, dtype=F32), [4, 3]),
    ("no indices", np.zeros((0, 1)), A[0, :0], [3]),
    ("all empty", np.zeros((0, 1)), A[0, :0], [0]),
    ("beyond", [[1], [3]], A[0, :2], [3]),
    ("negative", [[1], [-1]], A[0, :2], [3]),
    ("beyond, deep", [[[0, 1]], [[0, 2]]], A[:, :1], [3, 2]),
    ("number of updates", [[1], [0]], A[0], [3]),
    ("size of updates", [[1], [0]], A[:, :2], [3, 3]),
    ("too deep", [[1, 1], [0, 0]], A[0, :2], [3]),
    ("into nothing", [[1], [0]], A[0, :2], [0]),
    ("scalar index", 1, F32(1), [3]),
    ("scalar update", [1], F32(1), [3]),
):
    for _dtype in (I32, I64) if "rows" in _note else (I32,):
        _fed = {"indices": ints(_indices, _dtype), "updates": _updates}
        _full = {**_fed, "shape": ints(_shape, _dtype)}
        raw_case("ScatterNd", _note, _full, ranks=False)
        _tensor = np.arange(np.prod(_shape), dtype=F32).reshape(_shape) * 2
        if "scalar" not in _note:
            # The text of TensorFlow's refusal would differ each time.
            raw_case("ScatterNdNonAliasingAdd", _note, {**_fed, "input": _tensor}, ranks=False)
        for _op in ("Update", "Add", "Sub", "Max", "Min"):
            raw_case(f"TensorScatter{_op}", _note, {**_fed, "tensor": _tensor}, ranks=False)
for _shape in ([-3], 3):
    _fed = {"indices": ints([[1]]), "updates": A[0, :1], "shape": ints(_shape)}
    raw_case("ScatterNd", f"shape {_shape}", _fed, ranks=False)
_wrap = {"indices": ints([[1], [1]]), "updates": ints([100, 100], np.int8)}
raw_case("ScatterNd", "wraps around", _wrap, shape=[2])
_fed = {
    "tensor": np.array([1, np.nan, 3, 4], F32),
    "indices": ints([[0], [0], [1], [2]]),
    "updates": np.array([5, 2, 1, np.nan], F32),
}
for _op in ("Max", "Min"):
    raw_case(f"TensorScatter{_op}", "nan", _fed)


def _inplace(op, x, i, v):
    # Of a copy, because TensorFlow writes into what it is given.
    return getattr(RAW, op)(x=RAW.DeepCopy(x=feed(x, shape=None)), i=feed(i, shape=None), v=feed(v))


for _op in ("InplaceUpdate", "InplaceAdd", "InplaceSub"):
    for _note, _value in SAMPLES.items():
        if _op == "InplaceUpdate" or _note not in ("bool", "string", "half", "bfloat16"):
            case(_op, op=_op, x=_value, i=ints([1, 0]), v=_value)(_inplace)
    for _i, _v in (
        ([1], A[:1]),
        ([1, 1], A),
        ([-1], A[:1]),
        ([2], A[:1]),
        ([], A[:0]),
        (1, A[0]),
        ([1], A),
        ([1], A[:1, :2]),
        ([[0]], A[:1]),
    ):
        case(_op, op=_op, x=A, i=ints(_i), v=_v)(_inplace)

for _note, _value in SAMPLES.items():
    _fed = {"data": _value, "partitions": ints([1, 0])}
    raw_case("DynamicPartition", _note, _fed, num_partitions=3, tolerance=0)
for _note, _data, _parts, _count in (
    ("one", A, [0, 0], 1),
    ("keeps order", np.arange(6, dtype=F32), [1, 0, 1, 1, 0, 1], 2),
    ("scalar", A, 1, 2),
    ("matrix", A, [[0, 1, 1], [1, 0, 1]], 2),
    ("nothing", A[:0], [], 2),
    ("beyond", A, [1, 3], 3),
    ("negative", A, [1, -1], 3),
    ("shape", A, [1, 1, 1], 3),
):
    _fed = {"data": _data, "partitions": ints(_parts)}
    raw_case("DynamicPartition", _note, _fed, ranks=False, num_partitions=_count)

for _op in ("DynamicStitch", "ParallelDynamicStitch"):
    for _note, _value in SAMPLES.items():
        _fed = {"indices": [ints([0, 2]), ints([1])], "data": [_value, _value[1:]]}
        raw_case(_op, _note, _fed, tolerance=0)
    for _note, _indices, _data in (
        ("one", [[1, 0]], [A]),
        ("later wins", [[0, 1], [1]], [A, A[:1] + 9]),
        ("twice", [[0, 0], [1]], [A, A[:1]]),
        ("scalar index", [0, [1]], [A[0], A[:1] + 9]),
        ("matrix", [[[0, 1], [2, 3]]], [B[:, :2]]),
        ("nothing", [[]], [A[:0]]),
        ("negative", [[-1]], [A[:1]]),
        ("shape", [[0]], [A]),
        ("rows differ", [[0, 1], [1]], [A, A[:1, :1]]),
    ):
        _fed = {"indices": [ints(i) for i in _indices], "data": _data}
        raw_case(_op, _note, _fed, ranks=False)
