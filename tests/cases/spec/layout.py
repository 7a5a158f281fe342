"""Elements in another order, borders, blocks of space, diagonals."""

import numpy as np
import tensorflow as tf
from record_cases import raw_case

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
    "complex": A.astype(np.complex64) * (1 + 2j),
    "string": np.array([["a", "", "ccc"], ["d", "é", "f"]], object),
}


def ints(value, dtype=I32):
    return np.array(value, dtype)


for _op in ("Transpose", "ConjugateTranspose"):
    for _note, _value in SAMPLES.items():
        raw_case(_op, _note, {"x": _value}, perm=[1, 0], tolerance=0)
    for _perm in ([0, 1, 2], [2, 0, 1], [2, 1, 0], [0, 2, 1]):
        raw_case(_op, f"{_perm}", {"x": B}, perm=_perm)
    raw_case(_op, "nothing", {"x": B[:0]}, perm=[2, 0, 1])
    for _perm in ([1, -2], [0], [0, 2], [0, 0], [[0, 1]], [0, -3]):
        raw_case(_op, f"fed {_perm}", {"x": A, "perm": ints(_perm)}, ranks=False)
    raw_case(_op, "int64", {"x": A, "perm": ints([1, 0], I64)}, ranks=False)

# TensorFlow's own ConjugateTranspose dies of a scalar.
raw_case("Transpose", "scalar", {"x": F32(1)}, perm=ints([]))

for _note, _value in SAMPLES.items():
    raw_case("Pad", _note, {"input": _value}, paddings=[[1, 0], [0, 2]], tolerance=0)
    _fed = {"input": _value, "constant_values": _value[1, 1]}
    if _note == "string":
        _fed["constant_values"] = np.array("z", object)
    raw_case("PadV2", _note, _fed, paddings=[[0, 1], [2, 0]], tolerance=0)
for _pads in (
    [[0, 0], [0, 0]],
    [[1, 2], [3, 4]],
    [[-1, 0], [0, 0]],
    [[1, 0]],
    [[1, 0, 1], [0, 0, 0]],
):
    for _dtype in (I32, I64):
        _fed = {"input": A, "paddings": ints(_pads, _dtype)}
        raw_case("Pad", f"{_pads}", _fed, ranks=False)
        raw_case("PadV2", f"{_pads}", {**_fed, "constant_values": F32(7)}, ranks=False)
raw_case("Pad", "scalar", {"input": F32(1)}, paddings=np.zeros((0, 2), I32))
raw_case("Pad", "nothing", {"input": A[:0]}, paddings=[[1, 1], [0, 0]])
for _note in ("float", "int32", "int64", "bool", "double"):
    _fixed = {"paddings": [[1, 0], [0, 2]], "constant_values": SAMPLES[_note][1, 2]}
    raw_case("PadV2", f"constant {_note}", {"input": SAMPLES[_note]}, tolerance=0, **_fixed)
_fed = {"input": A, "paddings": ints([[1, 0], [0, 0]]), "constant_values": A[0, :1]}
raw_case("PadV2", "value in a vector", _fed, ranks=False)

for _mode in ("REFLECT", "SYMMETRIC"):
    for _note, _value in SAMPLES.items():
        _fixed = {"paddings": [[1, 0], [0, 2]], "mode": _mode}
        raw_case("MirrorPad", f"{_mode} {_note}", {"input": _value}, tolerance=0, **_fixed)
    for _pads in (
        [[0, 0], [0, 0]],
        [[1, 1], [2, 1]],
        [[2, 0], [0, 3]],
        [[0, 0], [3, 4]],
        [[0, 0], [0, -1]],
        [[0, 0]],
    ):
        for _dtype in (I32, I64):
            _fed = {"input": A, "paddings": ints(_pads, _dtype)}
            raw_case("MirrorPad", f"{_mode} {_pads}", _fed, ranks=False, mode=_mode)
    for _pads in ([[0, 0], [1, 1]], [[0, 0], [0, 0]], [[1, 0], [0, 0]]):
        _fed = {"input": A[:0], "paddings": ints(_pads)}
        raw_case("MirrorPad", f"{_mode} nothing {_pads}", _fed, ranks=False, mode=_mode)
    raw_case("MirrorPad", f"{_mode} one", {"input": A[:1]}, paddings=[[0, 0], [1, 1]], mode=_mode)

for _note, _value in SAMPLES.items():
    raw_case("Roll", _note, {"input": _value}, shift=[1, -1], axis=[0, 1], tolerance=0)
for _shift, _axis in (
    (1, 0),
    (-4, 1),
    ([1, 2], [1, 1]),
    ([1], [-1]),
    ([7, -5], [0, -1]),
    ([], []),
    ([1], [2]),
    ([1], [-3]),
    ([1], [1, 0]),
    ([1], 1),
    ([[1]], 1),
):
    _fed = {"input": A, "shift": ints(_shift), "axis": ints(_axis, I64)}
    raw_case("Roll", f"{_shift} {_axis}", _fed, ranks=False)
raw_case("Roll", "scalar", {"input": F32(1), "shift": ints([1]), "axis": ints([0])}, ranks=False)
raw_case("Roll", "nothing", {"input": A[:0], "shift": ints([1]), "axis": ints([0])}, ranks=False)

for _note, _value in SAMPLES.items():
    raw_case("Reverse", _note, {"tensor": _value}, dims=[False, True], tolerance=0)
    raw_case("ReverseV2", _note, {"tensor": _value}, axis=[1], tolerance=0)
for _dims in ([True, True], [False, False], [False], [[False]]):
    raw_case("Reverse", f"{_dims}", {"tensor": A, "dims": np.array(_dims)}, ranks=False)
for _axes in ([0], [-1, 0], [], [0, -2], [2], [-3], 0, [[0]]):
    for _dtype in (I32, I64):
        _fed = {"tensor": A, "axis": ints(_axes, _dtype)}
        raw_case("ReverseV2", f"fed {_axes}", _fed, ranks=False)
for _axes in ([0], [-1], [0, 1], [0, 2]):
    raw_case("ReverseV2", f"{_axes}", {"tensor": B}, axis=_axes)
raw_case("Reverse", "scalar", {"tensor": F32(1), "dims": np.zeros(0, bool)}, ranks=False)
raw_case("ReverseV2", "scalar", {"tensor": F32(1), "axis": ints([])}, ranks=False)


def _sequences(note, x, lengths, seq_dim, batch_dim, dtype=I64):
    raw_case(
        "ReverseSequence",
        note,
        {"input": x, "seq_lengths": ints(lengths, dtype)},
        ranks=False,
        tolerance=0,
        seq_dim=seq_dim,
        batch_dim=batch_dim,
    )


for _note, _value in SAMPLES.items():
    _sequences(_note, _value, [2, 3], 1, 0)
_sequences("of rows", A, [1, 2, 0], 0, 1, I32)
_sequences("rank 3", B, [3, 2], 1, 0)
_sequences("last", B, [4, 2, 3], 2, 1)
_sequences("batch behind", B, [2, 1, 0, 2], 0, 2)
_sequences("nothing", A[:0], [], 1, 0)
_sequences("too long", A, [1, 4], 1, 0)
_sequences("negative", A, [1, -1], 1, 0)
_sequences("another number", A, [1], 1, 0)
_sequences("matrix", A, [[1, 2]], 1, 0)
_sequences("same dimension", A, [1, 1], 0, 0)
_sequences("no such dimension", A, [1, 1], 2, 0)
_sequences("no such batch", A, [1, 1], 1, 2)
_sequences("negative dimension", A, [1, 1], -1, 0)
_sequences("negative batch", A, [1, 1], 1, -2)


def _one_hot(note, indices, depth, on, off, **options):
    fed = {"indices": indices, "on_value": on, "off_value": off, "depth": ints(depth)}
    raw_case("OneHot", note, fed, ranks=False, **options)


for _dtype in (np.uint8, np.int8, I32, I64):
    _one_hot(f"indices {np.dtype(_dtype).name}", ints([0, 2, 1, 5], _dtype), 3, F32(1), F32(0))
for _note, _value in SAMPLES.items():
    _on = np.ravel(_value)[:1].reshape(())
    _off = np.ravel(_value)[4:5].reshape(())
    _one_hot(_note, ints([[0, 3], [-1, 1]]), 3, _on, _off, tolerance=0)
for _axis in (-1, 0, 1, 2):
    _one_hot(f"axis {_axis}", ints([[0, 3, 2], [-1, 1, 0]]), 4, F32(5), F32(-1), axis=_axis)
    raw_case(
        "OneHot",
        f"constant axis {_axis}",
        {"indices": ints([[0, 3, 2], [-1, 1, 0]])},
        depth=4,
        on_value=1.0,
        off_value=0.0,
        axis=_axis,
    )
for _note in ("float", "int32", "bool"):
    _fixed = {"depth": 3, "on_value": SAMPLES[_note][1, 2], "off_value": SAMPLES[_note][0, 1]}
    raw_case("OneHot", f"constant {_note}", {"indices": ints([0, 2, 5, -1])}, tolerance=0, **_fixed)
    _fed = {"indices": ints([1, 0]), "on_value": SAMPLES[_note][1, 2]}
    raw_case("OneHot", f"fed {_note}", _fed, depth=2, off_value=SAMPLES[_note][0, 0], tolerance=0)
_one_hot("scalar", I64(1), 2, F32(1), F32(0))
_one_hot("no depth", ints([0]), 0, F32(1), F32(0))
_one_hot("nothing", ints([]), 2, F32(1), F32(0))
_one_hot("negative depth", ints([0]), -1, F32(1), F32(0))
_one_hot("no such axis", ints([0]), 1, F32(1), F32(0), axis=2)
_one_hot("depth in a vector", ints([0]), [1], F32(1), F32(0))
_one_hot("value in a vector", ints([0]), 1, A[0, :1], F32(0))

_IMAGE = np.arange(32, dtype=F32).reshape(1, 4, 4, 2)
for _note, _dtype in (("float", F32), ("double", np.float64), ("int32", I32), ("int64", I64)):
    raw_case(
        "SpaceToBatchND",
        _note,
        {"input": _IMAGE.astype(_dtype)},
        block_shape=[2, 2],
        paddings=[[0, 0], [2, 0]],
    )
    raw_case(
        "BatchToSpaceND",
        _note,
        {"input": _IMAGE.reshape(4, 2, 2, 2).astype(_dtype)},
        block_shape=[2, 2],
        crops=[[0, 1], [1, 0]],
    )
    raw_case("SpaceToDepth", _note, {"input": _IMAGE.astype(_dtype)}, block_size=2)
    _deep = _IMAGE.reshape(1, 2, 2, 8).astype(_dtype)
    raw_case("DepthToSpace", _note, {"input": _deep}, block_size=2)
for _note, _x, _block, _pads in (
    ("rows only", _IMAGE, [2], [[1, 1]]),
    ("rows and channels", _IMAGE, [2, 1, 2], [[0, 0], [1, 0], [0, 0]]),
    ("by 3", _IMAGE, [3, 1], [[1, 1], [0, 0]]),
    ("no block", _IMAGE, np.zeros(0, I32), np.zeros((0, 2), I32)),
    ("of a matrix", A, [3], [[0, 0]]),
    ("nothing", _IMAGE[:0], [2, 2], [[0, 0], [0, 0]]),
    ("does not divide", _IMAGE, [3, 2], [[0, 0], [0, 0]]),
    ("negative", _IMAGE, [2, 2], [[-2, 0], [0, 0]]),
    ("pads for one", _IMAGE, [2, 2], [[0, 0]]),
    ("rank", A[0], [2, 2], [[0, 0], [0, 0]]),
    ("too many", np.zeros((1,) * 7, F32), [2] * 6, [[0, 1]] * 6),
):
    _fed = {"input": _x, "paddings": ints(_pads, I64)}
    raw_case("SpaceToBatchND", _note, _fed, ranks=False, block_shape=_block)
_BATCHES = np.arange(48, dtype=F32).reshape(12, 2, 2)
for _note, _x, _block, _crops in (
    ("rows only", _BATCHES, [2], [[1, 0]]),
    ("by 3", _BATCHES, [3, 2], [[0, 2], [1, 1]]),
    ("no block", _BATCHES, np.zeros(0, I32), np.zeros((0, 2), I32)),
    ("all cropped", _BATCHES, [2, 2], [[2, 2], [1, 0]]),
    ("nothing", _BATCHES[:0], [2, 2], [[0, 0], [0, 0]]),
    ("does not divide", _BATCHES, [5], [[0, 0]]),
    ("too much cropped", _BATCHES, [2], [[3, 2]]),
    ("negative", _BATCHES, [2], [[-1, 0]]),
    ("crops for one", _BATCHES, [2, 2], [[0, 0]]),
    ("rank", A[0], [2, 2], [[0, 0], [0, 0]]),
):
    _fed = {"input": _x, "crops": ints(_crops)}
    raw_case("BatchToSpaceND", _note, _fed, ranks=False, block_shape=_block)
for _pads in ([[1, 0], [0, 2]], [[0, 1], [2, 2]]):
    _fixed = {"block_shape": [1, 2], "paddings": ints(_pads)}
    raw_case("SpaceToBatchND", f"constant {_pads}", {"input": _IMAGE}, **_fixed)
    raw_case("SpaceToBatchND", f"int32 {_pads}", {"input": _IMAGE.astype(I32) + 2**24}, **_fixed)
    _fixed = {"block_shape": [3, 2], "crops": ints(_pads) // 2}
    raw_case("BatchToSpaceND", f"constant {_pads}", {"input": _BATCHES}, **_fixed)
    _large = _BATCHES.astype(I32) + 2**24
    raw_case("BatchToSpaceND", f"int32 {_pads}", {"input": _large}, **_fixed)
raw_case("SpaceToBatch", "by 2", {"input": _IMAGE}, paddings=[[0, 0], [1, 1]], block_size=2)
raw_case("SpaceToBatch", "by 3", {"input": _IMAGE}, paddings=[[1, 1], [0, 2]], block_size=3)
raw_case(
    "SpaceToBatch",
    "rank",
    {"input": A, "paddings": ints([[0, 0], [0, 0]])},
    ranks=False,
    block_size=2,
)
_deep = np.arange(36, dtype=F32).reshape(36, 1, 1, 1)
raw_case("BatchToSpace", "by 2", {"input": _deep}, crops=[[0, 1], [0, 0]], block_size=2)
raw_case("BatchToSpace", "by 3", {"input": _deep}, crops=[[1, 1], [0, 0]], block_size=3)

raw_case("SpaceToDepth", "by 4", {"input": _IMAGE}, block_size=4)
raw_case("SpaceToDepth", "half", {"input": _IMAGE.astype(np.float16)}, block_size=2)
raw_case("SpaceToDepth", "string", {"input": _IMAGE.astype(I32).astype(str)}, block_size=2)
raw_case("SpaceToDepth", "nothing", {"input": _IMAGE[:0]}, block_size=2)
raw_case("SpaceToDepth", "does not divide", {"input": _IMAGE}, ranks=False, block_size=3)
raw_case("SpaceToDepth", "rank", {"input": A}, ranks=False, block_size=2)
raw_case("DepthToSpace", "by 4", {"input": _IMAGE.reshape(1, 1, 2, 16)}, block_size=4)
raw_case("DepthToSpace", "two images", {"input": _IMAGE.reshape(2, 1, 2, 8)}, block_size=2)
raw_case("DepthToSpace", "half", {"input": _IMAGE.reshape(1, 2, 2, 8).astype("f2")}, block_size=2)
raw_case("DepthToSpace", "does not divide", {"input": _IMAGE}, ranks=False, block_size=2)
raw_case("DepthToSpace", "rank", {"input": A}, ranks=False, block_size=2)


def _patches(note, x, size=(2, 2), stride=(1, 1), rate=(1, 1), padding="VALID", **options):
    raw_case(
        "ExtractImagePatches",
        note,
        {"images": x},
        ksizes=[1, *size, 1],
        strides=[1, *stride, 1],
        rates=[1, *rate, 1],
        padding=padding,
        **options,
    )


_PICTURE = np.arange(40, dtype=F32).reshape(1, 5, 4, 2)
for _padding in ("VALID", "SAME"):
    _patches(f"{_padding}", _PICTURE, padding=_padding)
    _patches(f"{_padding} size", _PICTURE, (3, 1), padding=_padding)
    _patches(f"{_padding} stride", _PICTURE, stride=(2, 3), padding=_padding)
    _patches(f"{_padding} rate", _PICTURE, rate=(2, 1), padding=_padding)
    _patches(f"{_padding} too large", _PICTURE, (6, 2), padding=_padding)
    _patches(f"{_padding} nothing", _PICTURE[:0], padding=_padding)
for _dtype in (np.float64, np.float16, I32, np.uint8, I64):
    _patches(np.dtype(_dtype).name, _PICTURE.astype(_dtype), tolerance=0)
_patches("rank", A, ranks=False)
_patches("far too large", _PICTURE, (4, 2), stride=(2, 1), rate=(3, 1), ranks=False)

_VOLUME = np.arange(54, dtype=F32).reshape(1, 3, 3, 3, 2)
for _note, _size, _stride, _padding in (
    ("plain", (2, 2, 2), (1, 1, 1), "VALID"),
    ("same", (2, 1, 3), (1, 1, 1), "SAME"),
    ("stride", (1, 2, 2), (2, 1, 3), "SAME"),
    ("too large", (4, 1, 1), (1, 1, 1), "VALID"),
):
    raw_case(
        "ExtractVolumePatches",
        _note,
        {"input": _VOLUME},
        ksizes=[1, *_size, 1],
        strides=[1, *_stride, 1],
        padding=_padding,
    )
raw_case(
    "ExtractVolumePatches",
    "int32",
    {"input": _VOLUME.astype(I32)},
    ksizes=[1, 2, 2, 2, 1],
    strides=[1, 2, 2, 2, 1],
    padding="SAME",
)
