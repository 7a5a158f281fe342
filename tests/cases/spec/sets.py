"""Sets in the last dimension of dense and sparse tensors."""

import numpy as np
from record_cases import raw_case

I64 = np.int64
A = np.array([[9, 5, 5, 1], [1, 1, 1, 1], [2, 7, 3, 2]])
B = np.array([[5, 6, 9], [2, 2, 3], [7, 2, 3]])
# Rows 0 and 2 only.
INDICES = np.array([[0, 0], [0, 1], [0, 3], [2, 0], [2, 2]], I64)
VALUES = np.array([5, 8, 5, 7, 2])
SHAPE = np.array([3, 4], I64)
OTHER = np.array([[0, 1], [1, 0], [1, 1], [2, 4]], I64)
OTHER_VALUES = np.array([8, 1, 4, 7])
OTHER_SHAPE = np.array([3, 5], I64)
NONE = np.zeros((0, 2), I64)
OPERATIONS = ("a-b", "b-a", "intersection", "union")
DTYPES = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, object)
UNORDERED = INDICES[::-1].copy()
CUBE = np.array([[0, 0, 0], [0, 1, 1], [1, 1, 0], [1, 1, 2]], I64)
CUBE_VALUES = np.array([4, 5, 5, 6])
CUBE_SHAPE = np.array([2, 2, 3], I64)
DENSE_CUBE = np.array([[[4, 5], [5, 5]], [[1, 2], [6, 7]]])


def _as(values, dtype):
    if dtype is object:
        names = [
            b"%c" % (97 + v) if v % 3 else b"" if v % 2 else b"\xff%d" % v for v in values.flat
        ]
        return np.array([*names, None], object)[:-1].reshape(values.shape)
    return values.astype(dtype)


def _sparse(name, indices, values, shape):
    return {f"{name}_indices": indices, f"{name}_values": values, f"{name}_shape": shape}


# --- sizes


def size(note, indices, values, shape, *, ranks=True, **more):
    raw_case("SetSize", note, _sparse("set", indices, values, shape), ranks=ranks, **more)


for _dtype in DTYPES:
    size(f"of {np.dtype(_dtype).name}", INDICES, _as(VALUES, _dtype), SHAPE)
size("cube", CUBE, CUBE_VALUES, CUBE_SHAPE)
size("nothing", NONE, VALUES[:0], SHAPE)
size("no rows", NONE, VALUES[:0], np.array([0, 4], I64))
for _validate in (True, False):
    _is = f"validated {_validate}: "
    size(_is + "unordered", UNORDERED, VALUES, SHAPE, validate_indices=_validate)
    size(
        _is + "rows that come again",
        INDICES[[0, 3, 1, 2, 4]],
        VALUES,
        SHAPE,
        validate_indices=_validate,
    )
    size(_is + "outside", np.array([[0, 9]], I64), VALUES[:1], SHAPE, validate_indices=_validate)
    size(
        _is + "outside rows", np.array([[3, 0]], I64), VALUES[:1], SHAPE, validate_indices=_validate
    )
size("repeated", INDICES[[0, 0]], VALUES[:2], SHAPE)
size("negative", -INDICES[1:2], VALUES[:1], SHAPE)
size("vector", INDICES[:3, 1:], VALUES[:3], SHAPE[1:], ranks=False)
size("vector of indices", INDICES[0], VALUES, SHAPE, ranks=False)
size("matrix of values", INDICES, VALUES[None], SHAPE, ranks=False)
size("matrix of sizes", INDICES, VALUES, SHAPE[None], ranks=False)
size("too few values", INDICES, VALUES[:2], SHAPE, ranks=False)
size("too few sizes", CUBE, CUBE_VALUES, SHAPE, ranks=False)
size("negative sizes", NONE, VALUES[:0], -SHAPE, ranks=False)

# --- dense and dense


def dense(note, operation, a, b, *, ranks=True, **more):
    fed = {"set1": a, "set2": b}
    raw_case("DenseToDenseSetOperation", note, fed, ranks=ranks, set_operation=operation, **more)


for _operation in (*OPERATIONS, "Union"):
    dense(f"{_operation}", _operation, A, B)
    dense(f"{_operation} of strings", _operation, _as(A, object), _as(B, object))
    dense(f"{_operation} of cubes", _operation, DENSE_CUBE, DENSE_CUBE[::-1].copy())
    dense(f"{_operation} with nothing", _operation, A, B[:, :0])
for _dtype in DTYPES[:-1]:
    dense(f"of {np.dtype(_dtype).name}", "union", _as(A, _dtype), _as(B, _dtype))
dense("negative numbers", "union", -A, -B)
dense("no rows", "union", A[:0], B[:0])
dense("not validated", "union", A, B, validate_indices=False)
dense("other rows", "union", A, B[:2], ranks=False)
dense("vectors", "union", A[0], B[0], ranks=False)
dense("other ranks", "union", DENSE_CUBE, A, ranks=False)

# --- dense and sparse


def mixed(note, operation, a, indices, values, shape, *, ranks=True, **more):
    fed = {"set1": a, **_sparse("set2", indices, values, shape)}
    raw_case("DenseToSparseSetOperation", note, fed, ranks=ranks, set_operation=operation, **more)


for _operation in OPERATIONS:
    mixed(f"{_operation}", _operation, A, INDICES, VALUES, SHAPE)
    mixed(
        f"{_operation} of strings", _operation, _as(A, object), INDICES, _as(VALUES, object), SHAPE
    )
    mixed(f"{_operation} of cubes", _operation, DENSE_CUBE, CUBE, CUBE_VALUES, CUBE_SHAPE)
    mixed(f"{_operation} with nothing", _operation, A, NONE, VALUES[:0], SHAPE)
for _dtype in (np.int8, np.int32, np.uint16):
    mixed(
        f"of {np.dtype(_dtype).name}", "union", _as(A, _dtype), INDICES, _as(VALUES, _dtype), SHAPE
    )
for _validate in (True, False):
    _is = f"validated {_validate}: "
    mixed(_is + "ordered", "union", A, INDICES, VALUES, SHAPE, validate_indices=_validate)
    mixed(_is + "unordered", "union", A, UNORDERED, VALUES, SHAPE, validate_indices=_validate)
    mixed(
        _is + "outside",
        "union",
        A,
        np.array([[0, 9]], I64),
        VALUES[:1],
        SHAPE,
        validate_indices=_validate,
    )
mixed("other rows", "union", A[:2], INDICES, VALUES, SHAPE, ranks=False)
mixed("vector", "union", A[0], INDICES, VALUES, SHAPE, ranks=False)
mixed("sparse vector", "union", A[0], INDICES[:3, 1:], VALUES[:3], SHAPE[1:], ranks=False)
mixed("matrix of values", "union", A, INDICES, VALUES[None], SHAPE, ranks=False)

# --- sparse and sparse


def sparse(note, operation, a, b, *, ranks=True, **more):
    fed = {**_sparse("set1", *a), **_sparse("set2", *b)}
    raw_case("SparseToSparseSetOperation", note, fed, ranks=ranks, set_operation=operation, **more)


ONE, TWO = (INDICES, VALUES, SHAPE), (OTHER, OTHER_VALUES, OTHER_SHAPE)
for _operation in OPERATIONS:
    sparse(f"{_operation}", _operation, ONE, TWO)
    _words = [(i, _as(v, object), s) for i, v, s in (ONE, TWO)]
    sparse(f"{_operation} of strings", _operation, *_words)
    _other = (CUBE[1:], CUBE_VALUES[:3], CUBE_SHAPE)
    sparse(f"{_operation} of cubes", _operation, (CUBE, CUBE_VALUES, CUBE_SHAPE), _other)
    sparse(f"{_operation} with nothing", _operation, ONE, (NONE, VALUES[:0], SHAPE))
    sparse(f"{_operation} with nothing in front", _operation, (NONE, VALUES[:0], SHAPE), ONE)
for _dtype in (np.int8, np.int32, np.uint16):
    sparse(
        f"of {np.dtype(_dtype).name}", "union", *[(i, _as(v, _dtype), s) for i, v, s in (ONE, TWO)]
    )
for _validate in (True, False):
    _is = f"validated {_validate}: "
    sparse(_is + "ordered", "union", ONE, TWO, validate_indices=_validate)
    _outside = (np.array([[0, 9]], I64), VALUES[:1], SHAPE)
    sparse(_is + "outside", "union", ONE, _outside, validate_indices=_validate)
sparse("unordered", "union", (UNORDERED, VALUES, SHAPE), TWO)
sparse("other rows", "union", (INDICES[:3], VALUES[:3], SHAPE - 1), TWO, ranks=False)
sparse("other ranks", "union", (CUBE, CUBE_VALUES, CUBE_SHAPE), TWO, ranks=False)
sparse("vectors", "union", *[(INDICES[:3, 1:], VALUES[:3], SHAPE[1:])] * 2, ranks=False)
