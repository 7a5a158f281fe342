"""Ragged tensors turned into dense ones."""

import numpy as np
import tensorflow as tf
from record_cases import raw_case

F32, I32, I64 = np.float32, np.int32, np.int64
BFLOAT16 = tf.bfloat16.as_numpy_dtype
# Rows of 3, 0, 2 and 1 values.
SPLITS = np.array([0, 3, 3, 5, 6], I64)
ROWS = np.array([0, 0, 0, 2, 2, 3], I64)
VALUES = np.arange(6).astype(F32) + 0.5
WORDS = np.array([b"a", b"", "b\xe9".encode(), b"c", b"d", b"e"], object)
PAIRS = np.arange(12).reshape(6, 2).astype(F32)
# Three rows: of two rows, 2 and 1 values; of none; of two, none and 3 values.
OUTER = np.array([0, 2, 2, 4], I64)
INNER = np.array([0, 2, 3, 3, 6], I64)
OUTER_ROWS = np.array([0, 0, 2, 2], I64)
INNER_ROWS = np.array([0, 0, 1, 3, 3, 3], I64)
KINDS = [
    *(VALUES, VALUES.astype(np.float64), VALUES.astype(I64), WORDS, VALUES > 2),
    VALUES.astype(BFLOAT16),
]
ANY = np.array([-1, -1], I64)
S, R, N = "ROW_SPLITS", "VALUE_ROWIDS", "FIRST_DIM_SIZE"


def dense(note, types, parts, values=VALUES, shape=ANY, default=None, *, ranks=True):
    if default is None:
        default = np.array(b"-", object) if values.dtype == object else np.zeros((), values.dtype)
    fed = {"shape": np.asarray(shape), "values": values, "default_value": default,
           "row_partition_tensors": list(parts)}  # fmt: skip
    raw_case("RaggedTensorToTensor", note, fed, ranks=ranks, tolerance=0, row_partition_types=types)


for _values in KINDS:
    _name = "string" if _values.dtype == object else np.dtype(_values.dtype).name
    dense(f"of {_name}", [S], [SPLITS], _values)
LAYOUTS = {
    "splits": ([S], [SPLITS], 2),
    "rows": ([N, R], [I64(4), ROWS], 2),
    "rows, empty at the end": ([N, R], [I64(6), ROWS], 2),
    "two splits": ([S, S], [OUTER, INNER], 3),
    "two rows": ([N, R, R], [I64(3), OUTER_ROWS, INNER_ROWS], 3),
    "rows, then splits": ([N, R, S], [I64(3), OUTER_ROWS, INNER], 3),
    "splits, then rows": ([S, R], [OUTER, INNER_ROWS], 3),
}
SHAPES = {
    2: ([-1, -1], [2, 2], [-1, 2], [2, -1], [6, 5], [0, -1], [-1, 0], [3, 0]),
    3: ([-1, -1, -1], [2, 1, 2], [4, 3, 4], [-1, 1, -1], [-1, -1, 1], [-1, 3, -1]),
}
for _note, (_types, _parts, _rank) in LAYOUTS.items():
    for _shape in SHAPES[_rank]:
        if _note in ("splits", "rows", "two splits") or _shape in SHAPES[_rank][:2]:
            dense(f"{_note} to {_shape}", _types, _parts, shape=np.array(_shape, I64))
dense("int32 parts", [N, R], [I32(4), ROWS.astype(I32)])
dense("int32 shape", [S], [SPLITS], shape=ANY.astype(I32))
dense("unknown shape", [S], [SPLITS], shape=I64(-1), ranks=False)
dense("unknown shape of pairs", [S], [SPLITS], PAIRS, I64(-1), ranks=False)
dense("pairs", [S], [SPLITS], PAIRS, np.array([-1, -1, -1], I64))
dense("pairs, sizes given", [S], [SPLITS], PAIRS, np.array([3, 4, 2], I64))
dense("pairs cut", [S], [SPLITS], PAIRS, np.array([-1, -1, 1], I64))
dense("pairs made longer", [S], [SPLITS], PAIRS, np.array([-1, -1, 3], I64))
dense("default", [S], [SPLITS], default=F32(9))
dense("default of pairs", [S], [SPLITS], PAIRS, np.full(3, -1), np.array([7, 8], F32))
dense("one default for pairs", [S], [SPLITS], PAIRS, np.full(3, -1), np.array([7], F32))
dense("scalar default for pairs", [S], [SPLITS], PAIRS, np.full(3, -1), F32(7))
_cubes = np.arange(24).reshape(6, 2, 2).astype(F32)
dense("default column", [S], [SPLITS], _cubes, np.full(4, -1), np.array([[7], [8]], F32))
dense("default row", [S], [SPLITS], _cubes, np.full(4, -1), np.array([7, 8], F32))
dense("default too wide", [S], [SPLITS], PAIRS, np.full(3, -1), np.zeros(3, F32), ranks=False)
dense(
    "default of higher rank",
    [S],
    [SPLITS],
    PAIRS,
    np.full(3, -1),
    np.zeros((1, 2), F32),
    ranks=False,
)
dense("default vector for scalars", [S], [SPLITS], default=np.zeros(1, F32), ranks=False)
for _note, _splits in {
    **{"empty": [], "one": [0], "late": [1, 3, 6], "back": [0, 4, 3, 6], "short": [0, 3, 5]},
    **{"negative": [0, -1, 6]},
}.items():
    dense(f"splits {_note}", [S], [np.array(_splits, I64)], ranks=False)
for _note, _rows in {
    **{"outside": [0, 0, 0, 2, 2, 4], "negative": [-1, 0, 0, 2, 2, 3]},
    **{"short": [0, 0, 2], "first outside": [4, 4, 4, 4, 4, 4]},
}.items():
    dense(f"rows {_note}", [N, R], [I64(4), np.array(_rows, I64)], ranks=False)
dense("no values", [S], [SPLITS * 0], VALUES[:0])
dense("no values, sizes given", [S], [SPLITS * 0], VALUES[:0], np.array([-1, 2], I64))
dense("no values, no rows", [S], [SPLITS[:1]], VALUES[:0])
dense("no values, no rows, sizes given", [S], [SPLITS[:1]], VALUES[:0], np.array([2, 3], I64))
dense("no values of rows", [N, R], [I64(3), ROWS[:0]], VALUES[:0])
dense("no values of no rows", [N, R], [I64(0), ROWS[:0]], VALUES[:0])
dense("no values of pairs", [S], [SPLITS * 0], PAIRS[:0], np.full(3, -1))
dense("pairs of nothing", [S], [SPLITS], PAIRS[:, :0], np.full(3, -1))
dense("no inner rows", [S, S], [OUTER * 0, INNER[:1]], VALUES[:0], np.full(3, -1))
dense("inner splits short", [S, S], [OUTER, INNER[:-1]], shape=np.full(3, -1))
dense("inner splits long", [S, S], [OUTER[:-1], INNER], shape=np.full(3, -1))
dense("scalar values", [S], [SPLITS], F32(1), ranks=False)
dense("too many sizes", [S], [SPLITS], shape=np.full(3, -1), ranks=False)
dense("too few sizes", [S], [SPLITS], shape=np.full(1, -1), ranks=False)
dense("negative size", [S], [SPLITS], shape=np.array([-1, -2], I64), ranks=False)
dense("matrix of sizes", [S], [SPLITS], shape=np.array([[-1, -1]], I64), ranks=False)
dense("matrix of splits", [S], [SPLITS[None]], ranks=False)
dense("vector of first sizes", [N, R], [np.array([4], I64), ROWS], ranks=False)
dense("no first sizes", [N, R], [np.array([], I64), ROWS], ranks=False)
dense("negative first size", [N, R], [I64(-1), ROWS], ranks=False)
