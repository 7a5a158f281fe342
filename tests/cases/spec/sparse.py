"""Sparse tensors: made dense, ordered, reshaped, filled, joined, split and cut."""

import numpy as np
from record_cases import raw_case

F32, F64, I32, I64 = np.float32, np.float64, np.int32, np.int64
# A matrix of three rows, the second one empty.
INDICES = np.array([[0, 0], [0, 2], [2, 1]], I64)
SHAPE = np.array([3, 4], I64)
VALUES = np.array([1.5, -2.5, 3.25], F32)
UNORDERED = np.array([[2, 1], [0, 2], [0, 0]], I64)
WORDS = np.array([b"one", b"", "dré".encode()], object)
CUBE = np.array([[1, 0, 1], [0, 1, 2], [1, 1, 0], [0, 0, 0]], I64)
CUBE_SHAPE = np.array([2, 2, 3], I64)
NONE = np.zeros((0, 2), I64)
NO_VALUES = np.zeros(0, F32)
KINDS = [
    *(VALUES, VALUES.astype(F64), VALUES.astype(np.float16), np.array([1 + 2j, 0, 3j], "F")),
    *(np.array([1, 2**40, -3], I64), np.array([True, False, True]), WORDS),
]


def _zero(values):
    return np.array(b"no", object) if values.dtype == object else np.zeros((), values.dtype)


# --- SparseToDense


def to_dense(note, indices, shape, values, default, *, ranks=True, **more):
    fed = {"sparse_indices": indices, "output_shape": shape, "sparse_values": values,
           "default_value": default}  # fmt: skip
    raw_case("SparseToDense", note, fed, ranks=ranks, tolerance=0, **more)


for _values in KINDS:
    to_dense(f"of {_values.dtype}", INDICES, SHAPE, _values, _zero(_values))
to_dense("default", INDICES, SHAPE, VALUES, F32(np.nan))
to_dense("int32 indices", INDICES.astype(I32), SHAPE.astype(I32), VALUES, F32(7))
to_dense("one value", INDICES, SHAPE, F32(4), F32(7))
to_dense("vector of indices", np.array([1, 3], I64), np.array([5], I64), VALUES[:2], F32(0))
to_dense("scalar index", I64(2), np.array([5], I64), F32(3), F32(0))
to_dense("scalar index, vector value", I64(2), np.array([5], I64), VALUES[:1], F32(0))
to_dense("cube", np.sort(CUBE, axis=0), CUBE_SHAPE, np.arange(4, dtype=F32), F32(9))
to_dense("nothing", NONE, SHAPE, NO_VALUES, F32(9))
to_dense("empty", NONE, np.array([0, 4], I64), NO_VALUES, F32(9))
to_dense("nothing, one value", NONE, SHAPE, F32(1), F32(9))
for _validate in (True, False):
    _is = f"validated {_validate}: "
    to_dense(_is + "unordered", UNORDERED, SHAPE, VALUES, F32(0), validate_indices=_validate)
    _again = np.array([[0, 0], [0, 0], [2, 1]], I64)
    to_dense(_is + "repeated", _again, SHAPE, VALUES, F32(0), validate_indices=_validate)
    for _outside in ([0, 4], [3, 0], [-1, 0], [0, -1]):
        _wrong = np.array([[0, 0], [0, 2], _outside], I64)
        to_dense(
            f"{_is}outside {_outside}", _wrong, SHAPE, VALUES, F32(0), validate_indices=_validate
        )
to_dense("cube of indices", INDICES[None], SHAPE, VALUES, F32(0), ranks=False)
to_dense("matrix of sizes", INDICES, SHAPE[None], VALUES, F32(0), ranks=False)
to_dense("too few sizes", INDICES, SHAPE[:1], VALUES, F32(0), ranks=False)
to_dense("too few values", INDICES, SHAPE, VALUES[:2], F32(0), ranks=False)
to_dense("matrix of values", INDICES, SHAPE, VALUES[None], F32(0), ranks=False)
to_dense("vector of defaults", INDICES, SHAPE, VALUES, VALUES[:1], ranks=False)
to_dense("negative size", INDICES, -SHAPE, VALUES, F32(0), ranks=False)
to_dense("of rank 0", np.zeros((1, 0), I64), np.zeros(0, I64), VALUES[:1], F32(0), ranks=False)

# --- SparseReorder


def reorder(note, indices, values, shape, *, ranks=True):
    fed = {"input_indices": indices, "input_values": values, "input_shape": shape}
    raw_case("SparseReorder", note, fed, ranks=ranks, tolerance=0)


for _values in KINDS:
    reorder(f"of {_values.dtype}", UNORDERED, _values, SHAPE)
reorder("ordered", INDICES, VALUES, SHAPE)
reorder("vector", np.array([[3], [1], [2]], I64), VALUES, np.array([4], I64))
reorder("cube", CUBE, np.arange(4, dtype=I32), CUBE_SHAPE)
reorder("rank 6", np.array([[0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]], I64), VALUES[:2],
        np.full(6, 2, I64))  # fmt: skip
reorder("nothing", NONE, NO_VALUES, SHAPE)
reorder("far apart", np.array([[2**60, 5], [3, 2**61]], I64), VALUES[:2], np.full(2, 2**62, I64))
reorder(
    "small but far", np.array([[2**20, 5], [3, 2**20]], I64), VALUES[:2], np.full(2, 2**21, I64)
)
reorder("outside", np.array([[5, 0], [0, 9], [0, -3]], I64), VALUES, SHAPE)
reorder("vector of indices", INDICES[0], VALUES, SHAPE, ranks=False)
reorder("matrix of values", INDICES, VALUES[None], SHAPE, ranks=False)
reorder("matrix of sizes", INDICES, VALUES, SHAPE[None], ranks=False)
reorder("too few values", INDICES, VALUES[:2], SHAPE, ranks=False)
reorder("too few sizes", INDICES, VALUES, SHAPE[:1], ranks=False)
reorder("negative size", INDICES, VALUES, -SHAPE, ranks=False)

# --- SparseReshape


def reshape(note, indices, shape, new, *, ranks=True):
    fed = {"input_indices": indices, "input_shape": shape, "new_shape": np.array(new, I64)}
    raw_case("SparseReshape", note, fed, ranks=ranks, tolerance=0)


for _new in ([2, 6], [12], [-1], [2, -1, 3], [3, 4], [-1, 4], [1, 12, 1], [5, -1], [-1, -1], [2, 5],
             [-2, 6], [0, 12], [0, -1], []):  # fmt: skip
    reshape(f"to {_new}", INDICES, SHAPE, _new)
reshape("unordered", UNORDERED, SHAPE, [6, 2])
reshape("cube", CUBE, CUBE_SHAPE, [-1, 2])
reshape("nothing", NONE, SHAPE, [6, 2])
reshape("empty", NONE, np.array([0, 4], I64), [2, 0])
reshape("empty, unknown", NONE, np.array([0, 4], I64), [-1, 4])
reshape("empty, unknown beside 0", NONE, np.array([0, 4], I64), [-1, 0])
reshape("empty with indices", INDICES, np.array([0, 4], I64), [2, 0])
reshape("outside", np.array([[5, 0], [0, 9]], I64), SHAPE, [2, 6])
reshape("negative index", np.array([[-1, 0]], I64), SHAPE, [2, 6])
reshape("to a scalar", np.array([[0, 0]], I64), np.array([1, 1], I64), [])
reshape("from a scalar", np.zeros((1, 0), I64), np.zeros(0, I64), [1, 1])
reshape("too many columns", CUBE, SHAPE, [2, 6], ranks=False)
reshape("vector of indices", INDICES[0], SHAPE, [2, 6], ranks=False)
reshape("matrix of sizes", INDICES, SHAPE[None], [2, 6], ranks=False)
reshape("matrix of new sizes", INDICES, SHAPE, [[2, 6]], ranks=False)
reshape("too large", NONE, np.full(2, 2**40, I64), [-1], ranks=False)
reshape("negative size", NONE, -SHAPE, [-1], ranks=False)

# --- SparseFillEmptyRows


def fill(note, indices, values, shape, default, *, ranks=True):
    fed = {"indices": indices, "values": values, "dense_shape": shape, "default_value": default}
    raw_case("SparseFillEmptyRows", note, fed, ranks=ranks, tolerance=0)


for _values in KINDS:
    fill(f"of {_values.dtype}", INDICES, _values, SHAPE, _zero(_values))
fill(
    "unordered",
    np.array([[2, 1], [0, 2], [2, 0], [0, 3]], I64),
    np.arange(4, dtype=F32),
    SHAPE,
    F32(9),
)
fill(
    "unordered but full", np.array([[1, 1], [0, 2]], I64), VALUES[:2], np.array([2, 4], I64), F32(9)
)
fill("full", INDICES, VALUES, np.array([3, 4], I64), F32(-1))
fill("rows at the end", INDICES, VALUES, np.array([6, 4], I64), F32(-1))
fill("all rows full", np.array([[0, 3], [1, 0]], I64), VALUES[:2], np.array([2, 4], I64), F32(9))
fill("nothing", NONE, NO_VALUES, SHAPE, F32(-1))
fill("no rows", NONE, NO_VALUES, np.array([0, 4], I64), F32(-1))
fill("cube", CUBE, np.arange(4, dtype=F32), np.array([4, 2, 3], I64), F32(9))
fill("vector", np.array([[1], [3]], I64), VALUES[:2], np.array([5], I64), F32(9))
fill("no columns", NONE, NO_VALUES, np.array([2, 0], I64), F32(9))
fill("index in no rows", INDICES, VALUES, np.array([0, 4], I64), F32(9))
fill("outside", np.array([[0, 0], [3, 0]], I64), VALUES[:2], SHAPE, F32(9))
fill("negative", np.array([[-1, 0], [1, 0]], I64), VALUES[:2], SHAPE, F32(9))
fill("outside in the columns", np.array([[0, 99]], I64), VALUES[:1], SHAPE, F32(9))
fill("vector of indices", INDICES[:, 0], VALUES, SHAPE, F32(9), ranks=False)
fill("matrix of values", INDICES, VALUES[None], SHAPE, F32(9), ranks=False)
fill("too few values", INDICES, VALUES[:2], SHAPE, F32(9), ranks=False)
fill("matrix of sizes", INDICES, VALUES, SHAPE[None], F32(9), ranks=False)
fill("no sizes", INDICES, VALUES, SHAPE[:0], F32(9), ranks=False)
fill("vector of defaults", INDICES, VALUES, SHAPE, VALUES[:1], ranks=False)
fill("negative rows", NONE, NO_VALUES, -SHAPE, F32(9), ranks=False)

# --- SparseConcat

OTHER = np.array([[0, 1], [1, 0], [2, 3]], I64)


def concat(note, axis, parts, *, ranks=True):
    indices, values, shapes = (list(side) for side in zip(*parts, strict=True))
    fed = {"indices": indices, "values": values, "shapes": shapes}
    raw_case("SparseConcat", note, fed, ranks=ranks, tolerance=0, concat_dim=axis)


for _axis in (0, 1, -1, -2, 2, -3):
    concat(f"axis {_axis}", _axis, [(INDICES, VALUES, SHAPE), (OTHER, -VALUES, SHAPE)], ranks=False)
for _values in KINDS:
    concat(f"of {_values.dtype}", 1, [(INDICES, _values, SHAPE), (OTHER, _values, SHAPE)])
concat("three", 1, [(INDICES, VALUES, SHAPE), (NONE, NO_VALUES, np.array([3, 0], I64)),
                    (OTHER, -VALUES, np.array([3, 5], I64))])  # fmt: skip
concat("unordered", 0, [(UNORDERED, VALUES, SHAPE), (OTHER[::-1].copy(), -VALUES, SHAPE)])
concat("two of a cube", -2, [(CUBE, np.arange(4, dtype=F32), CUBE_SHAPE)] * 2)
concat("nothing", 0, [(NONE, NO_VALUES, SHAPE)] * 2)
concat(
    "other sizes",
    0,
    [(INDICES, VALUES, SHAPE), (OTHER, VALUES, np.array([3, 5], I64))],
    ranks=False,
)
concat("other ranks", 0, [(INDICES, VALUES, SHAPE), (CUBE[:3], VALUES, CUBE_SHAPE)], ranks=False)
concat("vector of indices", 0, [(INDICES, VALUES, SHAPE), (INDICES[0], VALUES, SHAPE)], ranks=False)
concat(
    "matrix of values", 0, [(INDICES, VALUES, SHAPE), (INDICES, VALUES[None], SHAPE)], ranks=False
)
concat(
    "matrix of sizes", 0, [(INDICES, VALUES, SHAPE), (INDICES, VALUES, SHAPE[None])], ranks=False
)
concat("too few values", 0, [(INDICES, VALUES, SHAPE), (INDICES, VALUES[:2], SHAPE)], ranks=False)
concat(
    "too few columns", 0, [(INDICES, VALUES, SHAPE), (INDICES[:, :1], VALUES, SHAPE)], ranks=False
)

# --- SparseSplit


def split(note, axis, indices, values, shape, pieces, *, ranks=True):
    fed = {"split_dim": I64(axis), "indices": indices, "values": values, "shape": shape}
    raw_case("SparseSplit", note, fed, ranks=ranks, tolerance=0, num_split=pieces)


for _axis, _pieces in (
    (0, 3),
    (0, 2),
    (1, 2),
    (1, 3),
    (1, 4),
    (0, 1),
    (0, 4),
    (1, 5),
    (2, 1),
    (-1, 2),
    (-3, 1),
):
    split(f"axis {_axis} in {_pieces}", _axis, INDICES, VALUES, SHAPE, _pieces)
for _values in KINDS:
    split(f"of {_values.dtype}", 1, INDICES, _values, SHAPE, 2)
split("unordered", 1, UNORDERED, VALUES, SHAPE, 3)
split("uneven", 1, np.array([[0, i] for i in range(11)], I64), np.arange(11, dtype=F32),
      np.array([1, 11], I64), 4)  # fmt: skip
split("cube", 2, CUBE, np.arange(4, dtype=F32), CUBE_SHAPE, 2)
split("nothing", 1, NONE, NO_VALUES, SHAPE, 2)
split("outside", 1, np.array([[0, 9]], I64), VALUES[:1], SHAPE, 2)
split("negative", 1, np.array([[0, -1]], I64), VALUES[:1], SHAPE, 2)
split("vector of indices", 1, INDICES[0], VALUES, SHAPE, 2, ranks=False)
split("matrix of values", 1, INDICES, VALUES[None], SHAPE, 2, ranks=False)
split("matrix of sizes", 1, INDICES, VALUES, SHAPE[None], 2, ranks=False)
split("vector of axes", [1], INDICES, VALUES, SHAPE, 2, ranks=False)
split("two axes", [0, 1], INDICES, VALUES, SHAPE, 2, ranks=False)
split("too few values", 1, INDICES, VALUES[:2], SHAPE, 2, ranks=False)

# --- SparseSlice


def cut(note, start, size, indices=INDICES, values=VALUES, shape=SHAPE, *, ranks=True):
    fed = {"indices": indices, "values": values, "shape": shape, "start": np.array(start, I64),
           "size": np.array(size, I64)}  # fmt: skip
    raw_case("SparseSlice", note, fed, ranks=ranks, tolerance=0)


for _start, _size in (
    *(([0, 0], [3, 4]), ([0, 1], [2, 2]), ([1, 0], [5, 9]), ([2, 1], [1, 1]), ([1, 0], [1, 4])),
    *(([0, 0], [0, 0]), ([3, 4], [1, 1]), ([4, 0], [1, 1]), ([-1, 0], [2, 2])),
    *(([0, 0], [-1, 2]), ([0], [1]), ([0, 0], [1])),
):
    cut(f"from {_start} of {_size}", _start, _size, ranks=False)
for _values in KINDS:
    cut(f"of {_values.dtype}", [0, 1], [3, 2], values=_values)
cut("unordered", [0, 1], [3, 2], UNORDERED)
cut("cube", [0, 1, 0], [2, 1, 3], CUBE, np.arange(4, dtype=F32), CUBE_SHAPE)
cut("nothing", [0, 1], [3, 2], NONE, NO_VALUES)
cut("vector of indices", [0, 1], [3, 2], INDICES[0], ranks=False)
cut("matrix of values", [0, 1], [3, 2], values=VALUES[None], ranks=False)
cut("matrix of sizes", [0, 1], [3, 2], shape=SHAPE[None], ranks=False)
cut("too few values", [0, 1], [3, 2], values=VALUES[:2], ranks=False)
cut("far", [0, 1], [2**62, 2**63 - 1])
