"""Arithmetic of sparse tensors, with each other and with dense ones."""

import numpy as np
import tensorflow as tf
from record_cases import raw_case

F32, F64, I32, I64 = np.float32, np.float64, np.int32, np.int64
BFLOAT16 = tf.bfloat16.as_numpy_dtype
INDICES = np.array([[0, 0], [0, 2], [2, 1]], I64)
SHAPE = np.array([3, 4], I64)
VALUES = np.array([1.5, -2.5, 3.25], F32)
AGAIN = np.array([[2, 1], [0, 2], [0, 0], [2, 1]], I64)
FOUR = np.array([1.0, 2.0, -3.0, 0.5], F32)
CUBE = np.array([[0, 0, 0], [0, 1, 2], [1, 0, 1], [1, 1, 0], [1, 1, 2]], I64)
CUBE_SHAPE = np.array([2, 2, 3], I64)
FIVE = np.array([0.5, -1.0, 2.0, 3.0, -4.0], F32)
NONE = np.zeros((0, 2), I64)
NO_VALUES = np.zeros(0, F32)
COMPLEX = np.array([1 + 2j, -1j, 3.5], np.complex64)
rng = np.random.default_rng(3)
DENSE = rng.normal(size=(4, 3)).astype(F32)
TALL = rng.normal(size=(3, 2)).astype(F32)


def _sparse(indices=INDICES, values=VALUES, shape=SHAPE, *, prefix="a_", last="shape"):
    return {f"{prefix}indices": indices, f"{prefix}values": values, f"{prefix}{last}": shape}


# --- SparseTensorDenseMatMul


def matmul(note, b, *sparse, ranks=True, tolerance=1e-5, **more):
    fed = {**_sparse(*sparse), "b": b}
    raw_case("SparseTensorDenseMatMul", note, fed, ranks=ranks, tolerance=tolerance, **more)


for _dtype, _tolerance in (
    *((F32, 1e-5), (F64, 1e-12), (I32, 0), (np.complex64, 1e-5), (np.complex128, 1e-12)),
    *((np.float16, 2e-3), (BFLOAT16, 2e-2)),
):
    _dense = (DENSE * 4).astype(_dtype)
    _name = np.dtype(_dtype).name
    matmul(f"of {_name}", _dense, INDICES, VALUES.astype(_dtype), SHAPE, tolerance=_tolerance)
for _a in (False, True):
    for _b in (False, True):
        _dense = TALL if _a else DENSE
        _dense = _dense.T.copy() if _b else _dense
        matmul(f"adjoint {_a} {_b}", _dense, adjoint_a=_a, adjoint_b=_b)
        _of = (INDICES, COMPLEX, SHAPE)
        _dense = _dense + 1j * _dense[::-1]
        matmul(f"complex adjoint {_a} {_b}", _dense, *_of, adjoint_a=_a, adjoint_b=_b)
matmul("int32 indices", DENSE, INDICES.astype(I32), VALUES, SHAPE)
matmul("int32 indices, adjoint", TALL, INDICES.astype(I32), VALUES, SHAPE, adjoint_a=True)
matmul("unordered and repeated", DENSE, AGAIN, FOUR, SHAPE)
matmul("nothing", DENSE, NONE, NO_VALUES, SHAPE)
matmul("no columns", DENSE[:, :0], INDICES, VALUES, SHAPE)
matmul("one column", DENSE[:, :1], INDICES, VALUES, SHAPE)
matmul("no rows", DENSE, NONE, NO_VALUES, np.array([0, 4], I64))
matmul("nothing inside", DENSE[:0], NONE, NO_VALUES, np.array([3, 0], I64))
matmul("infinite", np.where(DENSE > 0, F32(np.inf), DENSE), INDICES, VALUES, SHAPE)
_row = np.array([[0, i] for i in range(256)], I64)
matmul("halves that cancel", np.full((4, 1), 1e4, np.float16), _row[:3],
       np.array([6, 6, -6], np.float16), SHAPE, tolerance=2e-3)  # fmt: skip
matmul("long halves", np.full((256, 2), 1.0, np.float16), _row,
       np.full(256, 1.3, np.float16), np.array([1, 256], I64), tolerance=2e-3)  # fmt: skip
for _outside in ([3, 0], [0, 4], [-1, 0], [0, -1]):
    _wrong = np.array([[0, 0], [0, 2], _outside], I64)
    matmul(f"outside {_outside}", DENSE, _wrong, VALUES, SHAPE)
    matmul(f"adjoint outside {_outside}", TALL, _wrong, VALUES, SHAPE, adjoint_a=True)
matmul("other sizes", TALL, ranks=False)
matmul("other sizes, adjoint", DENSE, ranks=False, adjoint_a=True)
matmul("dense vector", DENSE[:, 0], ranks=False)
matmul("vector of indices", DENSE, INDICES[0], VALUES, SHAPE, ranks=False)
matmul("matrix of values", DENSE, INDICES, VALUES[None], SHAPE, ranks=False)
matmul("of a cube", DENSE, CUBE, FIVE, CUBE_SHAPE, ranks=False)
matmul("three columns", DENSE, CUBE[:3], VALUES, SHAPE, ranks=False)
matmul("too few values", DENSE, INDICES, VALUES[:2], SHAPE, ranks=False)
matmul("matrix of sizes", DENSE, INDICES, VALUES, SHAPE[None], ranks=False)

# --- SparseTensorDenseAdd


def dense_add(note, b, *sparse, ranks=True, tolerance=1e-5):
    raw_case(
        "SparseTensorDenseAdd", note, {**_sparse(*sparse), "b": b}, ranks=ranks, tolerance=tolerance
    )


WIDE = rng.normal(size=(3, 4)).astype(F32)
for _dtype, _tolerance in ((F32, 1e-6), (F64, 1e-12), (I32, 0), (I64, 0), (np.complex64, 1e-6),
                           (np.float16, 2e-3), (BFLOAT16, 2e-2), (np.uint8, 0)):  # fmt: skip
    _of = (INDICES, np.abs(VALUES).astype(_dtype), SHAPE)
    _dense = np.abs(WIDE * 9).astype(_dtype)
    dense_add(f"of {np.dtype(_dtype).name}", _dense, *_of, tolerance=_tolerance)
dense_add("int32 indices", WIDE, INDICES.astype(I32), VALUES, SHAPE.astype(I32))
dense_add("repeated", WIDE, AGAIN, FOUR, SHAPE)
dense_add("nothing", WIDE, NONE, NO_VALUES, SHAPE)
dense_add("empty", WIDE[:0], NONE, NO_VALUES, np.array([0, 4], I64))
dense_add("cube", rng.normal(size=(2, 2, 3)).astype(F32), CUBE, FIVE, CUBE_SHAPE)
dense_add("vector", VALUES, np.array([[1]], I64), VALUES[:1], np.array([3], I64))
dense_add("outside", WIDE, np.array([[0, 0], [3, 0]], I64), VALUES[:2], SHAPE)
dense_add("negative", WIDE, np.array([[0, 0], [0, -1]], I64), VALUES[:2], SHAPE)
dense_add("other sizes", DENSE, ranks=False)
dense_add("broadcast", WIDE[:1], ranks=False)
dense_add("other rank", WIDE[0], ranks=False)
dense_add("vector of indices", WIDE, INDICES[0], VALUES, SHAPE, ranks=False)
dense_add("matrix of values", WIDE, INDICES, VALUES[None], SHAPE, ranks=False)
dense_add("matrix of sizes", WIDE, INDICES, VALUES, SHAPE[None], ranks=False)
dense_add("too few values", WIDE, INDICES, VALUES[:2], SHAPE, ranks=False)
dense_add("too few sizes", WIDE, INDICES, VALUES, SHAPE[:1], ranks=False)

# --- SparseAdd

OTHER = np.array([[0, 1], [0, 2], [2, 1], [2, 3]], I64)
ADDED = np.array([9.0, 2.5, -3.0, 1.0], F32)


def add(note, a, b, thresh, *, ranks=True, tolerance=1e-6):
    fed = {**_sparse(*a), **_sparse(*b, prefix="b_"), "thresh": thresh}
    raw_case("SparseAdd", note, fed, ranks=ranks, tolerance=tolerance)


for _dtype, _real, _tolerance in (
    *((F32, F32, 1e-6), (F64, F64, 1e-12), (I32, I32, 0), (I64, I64, 0)),
    (np.complex64, F32, 1e-6),
):
    for _thresh in (0, 1):
        _a = (INDICES, VALUES.astype(_dtype), SHAPE)
        _b = (OTHER, ADDED.astype(_dtype), SHAPE)
        _name = np.dtype(_dtype).name
        add(f"of {_name} thresh {_thresh}", _a, _b, _real(_thresh), tolerance=_tolerance)
A, B = (INDICES, VALUES, SHAPE), (OTHER, ADDED, SHAPE)
add("thresh 0.25", A, B, F32(0.25))
add("thresh -1", A, B, F32(-1))
add("smallest int8", (INDICES, np.array([1, -64, 2], np.int8), SHAPE),
    (INDICES, np.array([1, -64, 2], np.int8), SHAPE), np.int8(100))  # fmt: skip
add("nothing and something", (NONE, NO_VALUES, SHAPE), B, F32(0))
add("something and nothing", A, (NONE, NO_VALUES, SHAPE), F32(0))
add("nothing", (NONE, NO_VALUES, SHAPE), (NONE, NO_VALUES, SHAPE), F32(0))
add("zeros given", (INDICES, VALUES * 0, SHAPE), B, F32(0))
add("zeros given, thresh 1", (INDICES, VALUES * 0, SHAPE), B, F32(1))
add("not a number", (INDICES, VALUES * np.nan, SHAPE), B, F32(1))
add("cube", (CUBE, FIVE, CUBE_SHAPE), (CUBE[1:4], FIVE[1:4], CUBE_SHAPE), F32(0))
add("vector", (np.array([[1]], I64), FIVE[:1], np.array([4], I64)),
    (np.array([[0], [3]], I64), FIVE[1:3], np.array([4], I64)), F32(0))  # fmt: skip
add("unordered", (AGAIN, FOUR, SHAPE), B, F32(0))
add("repeated", (INDICES[[0, 0, 1]], VALUES, SHAPE), B, F32(0))
add("outside", (np.array([[9, 9]], I64), VALUES[:1], SHAPE), B, F32(0))
add("other sizes", A, (OTHER, ADDED, np.array([3, 5], I64)), F32(0), ranks=False)
add("other ranks", A, (CUBE, FIVE, CUBE_SHAPE), F32(0), ranks=False)
add("vector of indices", (INDICES[0], VALUES, SHAPE), B, F32(0), ranks=False)
add("matrix of values", (INDICES, VALUES[None], SHAPE), B, F32(0), ranks=False)
add("matrix of sizes", (INDICES, VALUES, SHAPE[None]), B, F32(0), ranks=False)
add("too few values", (INDICES, VALUES[:2], SHAPE), B, F32(0), ranks=False)
add("too few sizes", (INDICES, VALUES, SHAPE[:1]), B, F32(0), ranks=False)
add("vector of thresholds", A, B, VALUES[:1], ranks=False)
add("no dimensions", (np.zeros((1, 0), I64), FIVE[:1], np.zeros(0, I64)),
    (np.zeros((1, 0), I64), FIVE[:1], np.zeros(0, I64)), F32(0), ranks=False)  # fmt: skip

# --- reductions


def reduction(op, note, axes, *sparse, ranks=True, tolerance=1e-5, **more):
    fed = _sparse(*sparse, prefix="input_")
    raw_case(
        op, note, fed, ranks=ranks, tolerance=tolerance, reduction_axes=np.array(axes, I32), **more
    )


_DTYPES = ((F64, 1e-12), (I32, 0), (I64, 0), (np.uint8, 0), (np.float16, 2e-3), (BFLOAT16, 2e-2))
for _op in ("SparseReduceSum", "SparseReduceSumSparse", "SparseReduceMax", "SparseReduceMaxSparse"):
    for _keep in (False, True):
        for _axes in (0, 1, -1, [], [0, 1]):
            reduction(_op, f"axes {_axes} keep {_keep}", _axes, keep_dims=_keep)
        for _axes in ([0, 2], [1], [2, 1, -1]):
            _of = (CUBE, FIVE, CUBE_SHAPE)
            reduction(_op, f"cube axes {_axes} keep {_keep}", _axes, *_of, keep_dims=_keep)
    for _dtype, _tolerance in _DTYPES:
        _of = (INDICES, np.abs(VALUES).astype(_dtype), SHAPE)
        reduction(_op, f"of {np.dtype(_dtype).name}", 1, *_of, tolerance=_tolerance)
    if "Sum" in _op:
        reduction(_op, "of complex", 1, INDICES, COMPLEX, SHAPE)
    _cube = (CUBE[::-1].copy(), FIVE, CUBE_SHAPE)
    reduction(_op, "unordered", [1], *_cube)
    reduction(_op, "negative numbers", 1, INDICES, -np.abs(VALUES), SHAPE)
    reduction(_op, "repeated", 1, AGAIN, FOUR, SHAPE)
    reduction(_op, "nothing", 1, NONE, NO_VALUES, SHAPE)
    reduction(_op, "nothing at all", [0, 1], NONE, NO_VALUES, SHAPE)
    reduction(_op, "empty", 1, NONE, NO_VALUES, np.array([0, 4], I64))
    reduction(_op, "not a number", 1, INDICES, np.array([np.nan, 1, np.inf], F32), SHAPE)
    reduction(_op, "one not a number", 1, INDICES, np.array([1, np.nan, np.nan], F32), SHAPE)
    reduction(_op, "axis 2", 2)
    reduction(_op, "axis -3", -3)
    reduction(_op, "outside", 1, np.array([[7, 0]], I64), VALUES[:1], SHAPE)
    reduction(_op, "outside in the axis", 1, np.array([[0, 7]], I64), VALUES[:1], SHAPE)
    reduction(_op, "matrix of axes", [[0]], ranks=False)
    reduction(_op, "vector of indices", 0, INDICES[0], VALUES, SHAPE, ranks=False)
    reduction(_op, "matrix of values", 0, INDICES, VALUES[None], SHAPE, ranks=False)
    reduction(_op, "matrix of sizes", 0, INDICES, VALUES, SHAPE[None], ranks=False)
    reduction(_op, "too few values", 0, INDICES, VALUES[:2], SHAPE, ranks=False)
    reduction(_op, "too few sizes", 0, INDICES, VALUES, SHAPE[:1], ranks=False)
    reduction(_op, "negative size", 0, NONE, NO_VALUES, -SHAPE, ranks=False)

# --- with a dense tensor, element by element


def elementwise(op, note, dense, *sparse, ranks=True, tolerance=1e-6):
    fed = {**_sparse(*sparse, prefix="sp_"), "dense": dense}
    raw_case(op, note, fed, ranks=ranks, tolerance=tolerance)


for _op in ("SparseDenseCwiseAdd", "SparseDenseCwiseMul", "SparseDenseCwiseDiv"):
    for _dtype, _tolerance in (
        *((F32, 1e-6), (F64, 1e-12), (I32, 0), (I64, 0), (np.int8, 0), (np.uint8, 0)),
        *((np.float16, 2e-3), (BFLOAT16, 2e-2)),
    ):
        _values = np.array([7, 100, 3]).astype(_dtype)
        _dense = (np.arange(12).reshape(3, 4) % 5 + 1).astype(_dtype)
        if np.dtype(_dtype).kind != "u":
            _dense[0, 2] = -3
        _of = (INDICES, _values, SHAPE)
        elementwise(_op, f"of {np.dtype(_dtype).name}", _dense, *_of, tolerance=_tolerance)
    elementwise(_op, "zeros", np.zeros((3, 4), F32))
    elementwise(
        _op, "integer zeros", np.zeros((3, 4), I32), INDICES, np.array([1, 2, 3], I32), SHAPE
    )
    elementwise(_op, "a zero elsewhere", np.array([[1, 0, 2, 3]], I32), INDICES[:2],
                np.array([5, 7], I32), SHAPE, ranks=False)  # fmt: skip
    elementwise(_op, "row", WIDE[0], ranks=False)
    elementwise(_op, "row of a matrix", WIDE[:1], ranks=False)
    elementwise(_op, "column", WIDE[:, :1], ranks=False)
    elementwise(_op, "scalar", F32(2.5), ranks=False)
    elementwise(_op, "larger", rng.normal(size=(4, 4)).astype(F32), ranks=False)
    elementwise(_op, "larger where one", WIDE, np.array([[0, 0]], I64), VALUES[:1],
                np.array([1, 4], I64), ranks=False)  # fmt: skip
    elementwise(_op, "other sizes", WIDE[:, :3], ranks=False)
    elementwise(_op, "larger rank", WIDE[None], ranks=False)
    elementwise(_op, "cube", WIDE[0, :3], CUBE, FIVE, CUBE_SHAPE, ranks=False)
    elementwise(_op, "unordered", WIDE, AGAIN, FOUR, SHAPE)
    elementwise(_op, "nothing", WIDE, NONE, NO_VALUES, SHAPE)
    elementwise(_op, "outside", WIDE, np.array([[3, 0]], I64), VALUES[:1], SHAPE)
    elementwise(_op, "negative", WIDE, np.array([[0, -1]], I64), VALUES[:1], SHAPE)
    elementwise(
        _op, "rank 6", F32(2), np.zeros((1, 6), I64), VALUES[:1], np.full(6, 2, I64), ranks=False
    )
    elementwise(_op, "vector of indices", WIDE, INDICES[0], VALUES, SHAPE, ranks=False)
    elementwise(_op, "matrix of values", WIDE, INDICES, VALUES[None], SHAPE, ranks=False)
    elementwise(_op, "matrix of sizes", WIDE, INDICES, VALUES, SHAPE[None], ranks=False)
    elementwise(_op, "too few values", WIDE, INDICES, VALUES[:2], SHAPE, ranks=False)
    elementwise(_op, "too few sizes", WIDE, INDICES, VALUES, SHAPE[:1], ranks=False)
    elementwise(
        _op, "empty", WIDE, np.zeros((0, 2), I64), NO_VALUES, np.array([0, 4], I64), ranks=False
    )

# --- larger and smaller of two


def extreme(op, note, a, b, *, ranks=True):
    fed = {**_sparse(*a), **_sparse(*b, prefix="b_")}
    raw_case(op, note, fed, ranks=ranks, tolerance=0)


for _op in ("SparseSparseMaximum", "SparseSparseMinimum"):
    for _dtype in (F32, F64, I32, I64, np.int8, np.float16, BFLOAT16):
        _a, _b = (INDICES, VALUES.astype(_dtype), SHAPE), (OTHER, ADDED.astype(_dtype), SHAPE)
        extreme(_op, f"of {np.dtype(_dtype).name}", _a, _b)
    extreme(_op, "nothing and something", (NONE, NO_VALUES, SHAPE), B)
    extreme(_op, "something and nothing", A, (NONE, NO_VALUES, SHAPE))
    extreme(_op, "nothing", (NONE, NO_VALUES, SHAPE), (NONE, NO_VALUES, SHAPE))
    extreme(_op, "equal", (INDICES, VALUES, SHAPE), (INDICES, -VALUES, SHAPE))
    extreme(_op, "not a number", (INDICES, VALUES * np.nan, SHAPE), B)
    extreme(_op, "not a number there", A, (OTHER, ADDED * np.nan, SHAPE))
    extreme(_op, "cube", (CUBE, FIVE, CUBE_SHAPE), (CUBE[1:4], -FIVE[1:4], CUBE_SHAPE))
    extreme(_op, "unordered", (INDICES[::-1].copy(), VALUES, SHAPE), B)
    extreme(_op, "other sizes", A, (OTHER, ADDED, np.array([3, 5], I64)), ranks=False)
    extreme(_op, "other ranks", A, (CUBE, FIVE, CUBE_SHAPE), ranks=False)
    extreme(_op, "vector of indices", (INDICES[0], VALUES, SHAPE), B, ranks=False)
    extreme(_op, "matrix of values", (INDICES, VALUES[None], SHAPE), B, ranks=False)
    extreme(_op, "matrix of sizes", (INDICES, VALUES, SHAPE[None]), B, ranks=False)
    extreme(_op, "too few values", (INDICES, VALUES[:2], SHAPE), B, ranks=False)
    extreme(_op, "outside", (np.array([[9, 9]], I64), VALUES[:1], SHAPE), B)

# --- SparseSoftmax


def softmax(note, *sparse, ranks=True, tolerance=1e-5):
    raw_case(
        "SparseSoftmax", note, _sparse(*sparse, prefix="sp_"), ranks=ranks, tolerance=tolerance
    )


for _dtype, _tolerance in ((F32, 1e-5), (F64, 1e-12), (np.float16, 2e-3)):
    softmax(
        f"of {np.dtype(_dtype).name}", INDICES, VALUES.astype(_dtype), SHAPE, tolerance=_tolerance
    )
    softmax(
        f"cube of {np.dtype(_dtype).name}",
        CUBE,
        FIVE.astype(_dtype),
        CUBE_SHAPE,
        tolerance=_tolerance,
    )
softmax("large", INDICES, VALUES * 1e4, SHAPE)
softmax("not a number", INDICES, np.array([np.nan, 1, 2], F32), SHAPE)
softmax("infinite", INDICES, np.array([np.inf, 1, -np.inf], F32), SHAPE)
softmax("nothing", NONE, NO_VALUES, SHAPE)
softmax("unordered", INDICES[::-1].copy(), VALUES, SHAPE)
softmax("rows that come again", np.array([[0, 0], [1, 0], [0, 1]], I64), VALUES, SHAPE)
softmax("vector", np.array([[0], [1]], I64), VALUES[:2], np.array([4], I64), ranks=False)
softmax("vector of indices", INDICES[0], VALUES, SHAPE, ranks=False)
softmax("matrix of values", INDICES, VALUES[None], SHAPE, ranks=False)
softmax("matrix of sizes", INDICES, VALUES, SHAPE[None], ranks=False)
softmax("too few values", INDICES, VALUES[:2], SHAPE, ranks=False)
softmax("too few sizes", INDICES, VALUES, SHAPE[:1], ranks=False)
softmax("outside", np.array([[9, 9]], I64), VALUES[:1], SHAPE)
