"""Inverses, determinants, solutions and factors of matrices."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(29)
DTYPES = (np.float32, np.float64, np.complex64, np.complex128)


def _values(shape, dtype=np.float32):
    x = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return x.astype(dtype)


def _regular(shape, dtype=np.float32):
    """Far from singular."""
    return _values(shape, dtype) + 3 * np.eye(shape[-1], dtype=dtype)


def _definite(shape, dtype=np.float32):
    x = _values(shape, dtype)
    return np.conj(x.swapaxes(-1, -2)) @ x + np.eye(shape[-1], dtype=dtype)


def _op(name, x, **attributes):
    return getattr(RAW, name)(input=feed(x, shape=None), **attributes)


ONES, NAN = np.ones((2, 2), np.float32), np.full((2, 2), np.nan, np.float32)
_SQUARE = ("MatrixInverse", "MatrixDeterminant", "LogMatrixDeterminant", "Cholesky", "Lu")
for _name in _SQUARE:
    _made = _definite if _name == "Cholesky" else _regular
    for _dtype in DTYPES:
        case(_name, name=_name, x=_made((3, 3), _dtype))(_op)
    case(_name, name=_name, x=_made((2, 2, 3, 3)))(_op)
    for _shape in ((0, 0), (0, 3, 3), (2, 0, 0), (1, 1), (2, 3), (3,), ()):
        _x = np.abs(_values(_shape)) + 0.5 if _shape == (1, 1) else _values(_shape)
        case(_name, name=_name, x=_x)(_op)
    for _x in (ONES, 0 * ONES, NAN, np.stack([ONES, np.eye(2, dtype="f")])):
        case(_name, name=_name, x=_x)(_op)
for _dtype in DTYPES:
    case("MatrixInverse", name="MatrixInverse", x=_regular((3, 3), _dtype), adjoint=True)(_op)
case("MatrixInverse", name="MatrixInverse", x=_regular((3, 3), "e"), tolerance=2e-3)(_op)
_upper = np.triu(np.full((3, 3), 9, np.float32), 1)
case("Cholesky", name="Cholesky", x=_definite((3, 3)) + _upper)(_op)
case("LogMatrixDeterminant", name="LogMatrixDeterminant", x=-_regular((3, 3)))(_op)
for _type in (tf.int32, tf.int64):
    case("Lu", name="Lu", x=_values((2, 4, 4)), output_idx_type=_type)(_op)
case("Lu", name="Lu", x=np.array([[0, 1], [2, 3]], np.float64))(_op)

for _full in (False, True):
    for _dtype in DTYPES:
        for _shape in ((4, 3), (3, 4), (3, 3)):
            case("Qr", name="Qr", x=_values(_shape, _dtype), full_matrices=_full)(_op)
    for _shape in ((2, 2, 4, 3), (0, 3, 3), (2, 0, 0), (0, 2), (3,), (1, 1)):
        if not (_full and _shape == (0, 2)):
            case("Qr", name="Qr", x=_values(_shape), full_matrices=_full)(_op)
case("Qr", name="Qr", x=_values((3, 2), "e"), tolerance=5e-3)(_op)


def _svd(x, vectors=True, full=False):
    """What does not depend on the vectors' signs."""
    s, u, v = RAW.Svd(input=feed(x), compute_uv=vectors, full_matrices=full)
    if not vectors:
        return s
    least = min(x.shape[-2:])
    scaled = u[..., :least] * tf.cast(s, x.dtype)[..., None, :]
    made = tf.matmul(scaled, v[..., :least], adjoint_b=True)
    return [s, tf.abs(u), tf.abs(v), made, tf.matmul(u, u, adjoint_a=True)]


for _dtype in DTYPES:
    for _shape in ((4, 3), (3, 4), (3, 3)):
        case("Svd", x=_values(_shape, _dtype), tolerance=2e-5)(_svd)
    case("Svd", x=_values((2, 3), _dtype), full=True)(_svd)
    case("Svd", x=_values((4, 3), _dtype), vectors=False)(_svd)
case("Svd", x=_values((2, 2, 4, 3)), tolerance=2e-5)(_svd)
case("Svd", x=_values((0, 4, 3)))(_svd)
case("Svd", x=NAN)(_svd)
case("Svd", x=NAN, vectors=False)(_svd)
case("Svd", name="Svd", x=_values((3,)))(_op)


def _eig(x, vectors=True):
    """What does not depend on the vectors' signs."""
    e, v = RAW.SelfAdjointEigV2(input=feed(x, shape=None), compute_v=vectors)
    if not vectors:
        return e
    return [e, tf.abs(v), tf.matmul(v * tf.cast(e, x.dtype)[..., None, :], v, adjoint_b=True)]


for _dtype in DTYPES:
    case("SelfAdjointEigV2", x=_definite((3, 3), _dtype), tolerance=2e-5)(_eig)
    case("SelfAdjointEigV2", x=_definite((3, 3), _dtype), vectors=False)(_eig)
for _x in (_values((3, 3)), _definite((2, 2, 3, 3)), _values((0, 3, 3)), _values((1, 1))):
    case("SelfAdjointEigV2", x=_x, tolerance=2e-5)(_eig)
for _x in (_values((2, 3)), _values((3,)), NAN):
    case("SelfAdjointEigV2", name="SelfAdjointEigV2", x=_x)(_op)


def _solve(name, matrix, rhs, **attributes):
    return getattr(RAW, name)(
        matrix=feed(matrix, shape=None), rhs=feed(rhs, shape=None), **attributes
    )


_SHAPES = (
    *(((2, 3), (2, 3)), ((3, 3), (2, 2)), ((1, 3, 3), (3, 3)), ((3, 3), (3,)), ((3,), (3, 1))),
    *(((0, 0), (0, 2)), ((2, 3, 3), (3, 3, 3)), ((2, 3, 3), (3, 2)), ((3, 3), (3, 0))),
    *(((0, 3, 3), (0, 3, 2)), ((2, 3, 3), (2, 3, 1)), ((1, 1), (1, 1))),
)
for _name in ("MatrixSolve", "MatrixTriangularSolve"):
    for _dtype in DTYPES:
        for _adjoint in (False, True):
            for _more in ({},) if _name == "MatrixSolve" else ({"lower": True}, {"lower": False}):
                _xy = {"matrix": _regular((3, 3), _dtype), "rhs": _values((3, 2), _dtype)}
                case(_name, name=_name, adjoint=_adjoint, **_xy, **_more)(_solve)
    for _x, _y in _SHAPES:
        _matrix = _regular(_x) if _x[-2:] in ((3, 3), (1, 1)) else _values(_x)
        case(_name, name=_name, matrix=_matrix, rhs=_values(_y))(_solve)
    for _x in (ONES, 0 * ONES, NAN):
        case(_name, name=_name, matrix=_x, rhs=ONES)(_solve)


def _least_squares(matrix, rhs, l2=0.0, fast=True):
    return RAW.MatrixSolveLs(
        matrix=feed(matrix, shape=None),
        rhs=feed(rhs, shape=None),
        l2_regularizer=feed(np.float64(l2), shape=None),
        fast=fast,
    )


for _dtype in DTYPES:
    for _fast in (True, False):
        for _l2 in (0.0, 0.5):
            for _shape in ((5, 3), (3, 5)) if _dtype == np.float32 else ((4, 3),):
                _xy = {"matrix": _values(_shape, _dtype), "rhs": _values((_shape[0], 2), _dtype)}
                _more = {"l2": _l2, "fast": _fast, "tolerance": 1e-4}
                case("MatrixSolveLs", **_xy, **_more)(_least_squares)
for _fast in (True, False):
    for _x, _y in _SHAPES:
        _matrix = _regular(_x) if _x[-2:] in ((3, 3), (1, 1)) else _values(_x)
        _more = {"fast": _fast, "tolerance": 1e-4}
        case("MatrixSolveLs", matrix=_matrix, rhs=_values(_y), **_more)(_least_squares)
    case("MatrixSolveLs", matrix=0 * ONES, rhs=ONES, fast=_fast)(_least_squares)
    case("MatrixSolveLs", matrix=ONES, rhs=ONES, l2=-1.0, fast=_fast)(_least_squares)
case("MatrixSolveLs", matrix=ONES, rhs=ONES, fast=False)(_least_squares)
case("MatrixSolveLs", matrix=ONES, rhs=ONES, l2=[1.0])(_least_squares)


_BANDS = ((2, 4), (1, 4), (4, 4), (3, 4))
for _lower in (True, False):
    for _adjoint in (False, True):
        for _dtype in DTYPES:
            _matrix = _values((2, 4), _dtype) / 2 + np.array(2, _dtype)
            _xy = {"matrix": _matrix, "rhs": _values((4, 2), _dtype)}
            _more = {"lower": _lower, "adjoint": _adjoint}
            case("BandedTriangularSolve", name="BandedTriangularSolve", **_xy, **_more)(_solve)
        for _shape in _BANDS:
            _matrix = _values(_shape) / 4 + 2
            _xy = {"matrix": _matrix, "rhs": _values((4, 1))}
            case("BandedTriangularSolve", name="BandedTriangularSolve", **_xy, **_more)(_solve)
for _x, _y in (
    *(((2, 3), (2, 3)), ((3,), (3, 1)), ((2, 3), (3,)), ((0, 0), (0, 2)), ((2, 3), (3, 0))),
    *(((2, 2, 3), (3, 3, 2)), ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 2)), ((4, 3), (3, 2))),
):
    _xy = {"matrix": _values(_x) / 4 + 2, "rhs": _values(_y)}
    case("BandedTriangularSolve", name="BandedTriangularSolve", **_xy)(_solve)
case(
    "BandedTriangularSolve",
    name="BandedTriangularSolve",
    matrix=np.array([[1, 0, 1], [1, 1, 1]], np.float32),
    rhs=_values((3, 1)),
)(_solve)


def _tridiagonal(diagonals, rhs, pivoting=True, perturb=False):
    return RAW.TridiagonalSolve(
        diagonals=feed(diagonals, shape=None),
        rhs=feed(rhs, shape=None),
        partial_pivoting=pivoting,
        perturb_singular=perturb,
    )


case(
    "TridiagonalSolve",
    diagonals=np.ones((3, 4), np.float32),
    rhs=np.ones((4, 1), np.float32),
    pivoting=False,
    perturb=True,
)(_tridiagonal)


for _pivoting in (True, False):
    for _dtype in DTYPES:
        _diagonals = _values((3, 4), _dtype) + np.array([[0], [4], [0]], _dtype)
        case(
            "TridiagonalSolve",
            diagonals=_diagonals,
            rhs=_values((4, 2), _dtype),
            pivoting=_pivoting,
        )(_tridiagonal)
    for _x, _y in (
        *(((2, 2, 3, 4), (2, 2, 4, 1)), ((3, 1), (1, 2)), ((3, 2), (2, 2)), ((3, 0), (0, 2))),
        *(((0, 3, 4), (0, 4, 2)), ((2, 4), (4, 2)), ((3, 4), (3, 2)), ((1, 3, 4), (4, 2))),
        *(((4,), (4, 2)), ((3, 4), (4,)), ((2, 3, 4), (3, 4, 2))),
    ):
        _diagonals = _values(_x)
        if len(_x) > 1 and _x[-2] == 3:
            _diagonals[..., 1, :] += 4
        case("TridiagonalSolve", diagonals=_diagonals, rhs=_values(_y), pivoting=_pivoting)(
            _tridiagonal
        )
    _swaps = np.array([[1, 2, 1, 0], [0, 0.1, 1, 2], [0, 3, 1, 1]], np.float32)
    case("TridiagonalSolve", diagonals=_swaps, rhs=_values((4, 2)), pivoting=_pivoting)(
        _tridiagonal
    )
    case("TridiagonalSolve", diagonals=0 * _swaps, rhs=_values((4, 2)), pivoting=_pivoting)(
        _tridiagonal
    )


def _tridiagonal_product(above, main, below, rhs, dtype=np.float32):
    return RAW.TridiagonalMatMul(
        superdiag=feed(_values(above, dtype), shape=None),
        maindiag=feed(_values(main, dtype), shape=None),
        subdiag=feed(_values(below, dtype), shape=None),
        rhs=feed(_values(rhs, dtype), shape=None),
    )


for _dtype in DTYPES:
    _row = {"above": (1, 4), "main": (1, 4), "below": (1, 4), "dtype": _dtype}
    case("TridiagonalMatMul", rhs=(4, 2), **_row)(_tridiagonal_product)
_SIDES = ("above", "main", "below")
case("TridiagonalMatMul", rhs=(2, 4, 2), **dict.fromkeys(_SIDES, (2, 1, 4)))(_tridiagonal_product)
case("TridiagonalMatMul", rhs=(1, 2), **dict.fromkeys(_SIDES, (1, 1)))(_tridiagonal_product)
for _side in _SIDES:
    for _shape in ((1, 3), (2, 4), (4,), (1, 1, 4)):
        _row = dict.fromkeys(_SIDES, (1, 4)) | {_side: _shape}
        case("TridiagonalMatMul", rhs=(4, 2), **_row)(_tridiagonal_product)
