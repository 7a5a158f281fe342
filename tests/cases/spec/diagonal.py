"""Diagonals and bands of matrices."""

import numpy as np
from record_cases import raw_case

F32, I32, I64 = np.float32, np.int32, np.int64
A = np.arange(6, dtype=F32).reshape(2, 3) + 0.5
M = np.arange(12, dtype=F32).reshape(3, 4) + 1
ALIGNMENTS = ("RIGHT_LEFT", "LEFT_RIGHT", "LEFT_LEFT", "RIGHT_RIGHT")
DTYPES = (F32, np.float64, np.float16, I32, I64, np.complex64)


def ints(value, dtype=I32):
    return np.array(value, dtype)


for _dtype in DTYPES:
    _name = np.dtype(_dtype).name
    raw_case("Diag", _name, {"diagonal": A[0].astype(_dtype)}, tolerance=0)
    raw_case("DiagPart", _name, {"input": M[:, :3].astype(_dtype)}, tolerance=0)
for _dtype in (*DTYPES, bool):
    _name = np.dtype(_dtype).name
    raw_case("MatrixDiag", _name, {"diagonal": A.astype(_dtype)}, tolerance=0)
    raw_case("MatrixDiagPart", _name, {"input": M.astype(_dtype)}, tolerance=0)
    _fed = {"input": M.astype(_dtype), "diagonal": A[1].astype(_dtype)}
    raw_case("MatrixSetDiag", _name, _fed, tolerance=0)
    _fed = {"input": M.astype(_dtype), "num_lower": I64(1), "num_upper": I64(0)}
    raw_case("MatrixBandPart", _name, _fed, tolerance=0)
raw_case("Diag", "of a matrix", {"diagonal": A[:, :2]})
raw_case("Diag", "of nothing", {"diagonal": A[0, :0]})
raw_case("Diag", "of a scalar", {"diagonal": F32(1)}, ranks=False)
raw_case("DiagPart", "rank 4", {"input": np.arange(36, dtype=F32).reshape(2, 3, 2, 3)})
raw_case("DiagPart", "rank 1", {"input": A[0]}, ranks=False)
raw_case("DiagPart", "of a scalar", {"input": F32(1)}, ranks=False)
raw_case("DiagPart", "sizes differ", {"input": A}, ranks=False)

raw_case("MatrixDiag", "vector", {"diagonal": A[0]})
raw_case("MatrixDiag", "nothing", {"diagonal": A[:0]})
raw_case("MatrixDiag", "scalar", {"diagonal": F32(1)}, ranks=False)
raw_case("MatrixDiagPart", "batch", {"input": M.reshape(2, 2, 3)})
raw_case("MatrixDiagPart", "nothing", {"input": M[:0]})
raw_case("MatrixDiagPart", "vector", {"input": M[0]}, ranks=False)
raw_case("MatrixSetDiag", "batch", {"input": M.reshape(2, 3, 2), "diagonal": M[:2, :2] + 50})
for _note, _x, _diagonal in (
    ("length", M, A[0, :2]),
    ("rank", M, A),
    ("vector", M[0], A[0]),
    ("scalar diagonal", M, F32(1)),
    ("batch differs", M.reshape(2, 3, 2), A[:1, :2]),
):
    raw_case("MatrixSetDiag", _note, {"input": _x, "diagonal": _diagonal}, ranks=False)
for _lower, _upper in (
    (0, 0),
    (1, 1),
    (-1, 0),
    (0, -1),
    (-1, -1),
    (3, 4),
    (2, 1),
    (4, 0),
    (0, 5),
    ([0], 0),
):
    _fed = {"input": M, "num_lower": ints(_lower), "num_upper": ints(_upper)}
    raw_case("MatrixBandPart", f"{_lower} {_upper}", _fed, ranks=False)
    _fixed = {"num_lower": _lower, "num_upper": _upper}
    if np.ndim(_lower) == 0 and _lower < 4 and _upper < 5:
        raw_case("MatrixBandPart", f"constant {_lower} {_upper}", {"input": M}, **_fixed)
raw_case("MatrixBandPart", "batch", {"input": M.reshape(2, 2, 3)}, num_lower=0, num_upper=1)
raw_case("MatrixBandPart", "nothing", {"input": M[:0]}, num_lower=0, num_upper=1)
_fed = {"input": M[0], "num_lower": I32(0), "num_upper": I32(0)}
raw_case("MatrixBandPart", "vector", _fed, ranks=False)

_STORED = np.arange(9, dtype=F32).reshape(3, 3) + 1
for _note, _diagonal, _k, _rows, _columns in (
    ("above", A[0], 1, -1, -1),
    ("below", A[0], -2, -1, -1),
    ("band", _STORED, [-1, 1], -1, -1),
    ("band above", A, [1, 2], -1, -1),
    ("band below", A, [-3, -2], -1, -1),
    ("wide", _STORED, [-1, 1], 3, 4),
    ("high", _STORED, [-1, 1], 4, 3),
    ("rows given", A[0], 1, 3, -1),
    ("columns given", A[0], 1, -1, 4),
    ("more rows", A[0], 0, 5, 3),
    ("more columns", A[0], 0, 3, 5),
    ("batch of one diagonal", A, [1, 1], -1, -1),
    ("k of one", A, [1], -1, -1),
    ("batch of bands", np.stack([_STORED, -_STORED]), [-1, 1], -1, -1),
    ("nothing", A[0, :0], 1, -1, -1),
    ("inconsistent", A[0], 1, 7, 7),
    ("too few rows", A[0], 1, 1, 5),
    ("too few columns", A[0], 1, 3, 2),
    ("k descending", A, [1, 0], -1, -1),
    ("k of three", A, [1, 0, 1], -1, -1),
    ("k a matrix", A, [[1, 0]], -1, -1),
    ("k of none", A, [], -1, -1),
    ("other number of diagonals", A, [0, 2], -1, -1),
    ("rows in a vector", A[0], 0, [3], 3),
):
    _fed = {
        "diagonal": _diagonal,
        "k": ints(_k),
        "num_rows": ints(_rows),
        "num_cols": ints(_columns),
        "padding_value": F32(9),
    }
    raw_case("MatrixDiagV2", _note, _fed, ranks=False)
    for _align in ALIGNMENTS if _diagonal is _STORED else ALIGNMENTS[:1]:
        raw_case("MatrixDiagV3", f"{_note} {_align}", _fed, ranks=False, align=_align)
for _dtype in (*DTYPES, bool):
    _fed = {
        "diagonal": _STORED.astype(_dtype),
        "k": ints([-1, 1]),
        "num_rows": I32(3),
        "num_cols": I32(4),
        "padding_value": np.array(1, _dtype),
    }
    raw_case("MatrixDiagV3", np.dtype(_dtype).name, _fed, tolerance=0)
    raw_case("MatrixDiagV2", np.dtype(_dtype).name, _fed, tolerance=0)
_fed = {
    "diagonal": A[0],
    "k": I32(0),
    "num_rows": I32(-1),
    "num_cols": I32(-1),
    "padding_value": A[0],
}
raw_case("MatrixDiagV3", "padding in a vector", _fed, ranks=False)

for _k in (0, 1, -2, [-1, 1], [-2, 3], [1, 3], [-2, -1], [2, 2], [-3, 0], [0, 4], 4, [1, 0]):
    _fed = {"input": M, "k": ints(_k), "padding_value": F32(9)}
    raw_case("MatrixDiagPartV2", f"{_k}", _fed, ranks=False)
    for _align in ALIGNMENTS if np.ndim(_k) else ALIGNMENTS[:1]:
        raw_case("MatrixDiagPartV3", f"{_k} {_align}", _fed, ranks=False, align=_align)
for _note, _x, _k in (
    ("batch", M.reshape(2, 3, 2), [-1, 1]),
    ("no rows", M[:0], 0),
    ("no columns", M[:, :0], [-1, 0]),
    ("vector", M[0], 0),
):
    _fed = {"input": _x, "k": ints(_k), "padding_value": F32(9)}
    raw_case("MatrixDiagPartV3", _note, _fed, ranks=False)
_fed = {"input": M, "k": I32(0), "padding_value": A[0]}
raw_case("MatrixDiagPartV3", "padding in a vector", _fed, ranks=False)
for _dtype in (*DTYPES, bool):
    _fed = {"input": M.astype(_dtype), "k": ints([0, 1]), "padding_value": np.array(0, _dtype)}
    raw_case("MatrixDiagPartV3", np.dtype(_dtype).name, _fed, tolerance=0)

for _note, _diagonal, _k in (
    ("main", A[0], 0),
    ("above", A[0], 1),
    ("below", A[0, :1], -2),
    ("band", _STORED, [-1, 1]),
    ("band above", _STORED, [1, 3]),
    ("single in a band", A[0], [0, 0]),
    ("length", A, [0, 1]),
    ("shorter", A[:, :2], [0, 1]),
    ("number", A, [-1, 1]),
    ("vector for a band", A[0], [0, 1]),
    ("outside", A[0], 4),
    ("k descending", A, [1, 0]),
):
    _fed = {"input": M, "diagonal": _diagonal + 50, "k": ints(_k)}
    raw_case("MatrixSetDiagV2", _note, _fed, ranks=False)
    for _align in ALIGNMENTS if _diagonal is _STORED else ALIGNMENTS[:1]:
        raw_case("MatrixSetDiagV3", f"{_note} {_align}", _fed, ranks=False, align=_align)
_fed = {"input": M.reshape(2, 3, 2), "diagonal": M[:2, :2] + 50, "k": I32(0)}
raw_case("MatrixSetDiagV3", "batch", _fed)
_fed = {"input": M[:0], "diagonal": M[0, :0], "k": I32(0)}
raw_case("MatrixSetDiagV3", "nothing", _fed)
for _dtype in (*DTYPES, bool):
    _fed = {"input": M.astype(_dtype), "diagonal": A[0].astype(_dtype), "k": I32(1)}
    raw_case("MatrixSetDiagV3", np.dtype(_dtype).name, _fed, tolerance=0)
