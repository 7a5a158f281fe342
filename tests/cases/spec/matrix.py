"""Products of matrices, and sums of products."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(13)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
HALVES = ((np.float16, 2e-3), (BFLOAT16, 2e-2))


def _values(shape, dtype="f"):
    dtype = np.dtype(dtype)
    if dtype.kind == "u":
        return rng.integers(0, 100, shape).astype(dtype)
    if dtype.kind == "i":
        return rng.integers(-99, 99, shape).astype(dtype)
    if dtype.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def _back(x, transpose):
    return x.swapaxes(-1, -2).copy() if transpose else x


_DTYPES = (
    *((np.float64, 1e-12), (np.int32, 0), (np.int64, 0), (np.int16, 0)),
    *((np.complex64, 1e-5), (np.complex128, 1e-12)),
    *HALVES,
)


def _mat_mul(x, y, a=False, b=False, name="MatMul", known="rank", **more):
    return getattr(RAW, name)(
        a=feed(_back(x, a), shape=known),
        b=feed(_back(y, b), shape=known),
        transpose_a=a,
        transpose_b=b,
        **more,
    )


for _a in (False, True):
    for _b in (False, True):
        case("MatMul", x=_values((3, 4)), y=_values((4, 2)), a=_a, b=_b)(_mat_mul)
        case("MatMul", x=_values((3, 4), "F"), y=_values((4, 2), "F"), a=_a, b=_b)(_mat_mul)

        @case("MatMul", a=_a, b=_b)
        def by_weights(a, b):
            y = tf.constant(_back(_values((4, 5)), b))
            return RAW.MatMul(a=feed(_back(_values((3, 4)), a)), b=y, transpose_a=a, transpose_b=b)


for _dtype, _tolerance in _DTYPES:
    _xy = {"x": _values((3, 5), _dtype), "y": _values((5, 2), _dtype)}
    if _dtype is not np.int16:
        case("MatMul", tolerance=_tolerance, **_xy)(_mat_mul)
case("MatMul", x=_values((3, 3), "i4") * 2**24, y=_values((3, 3), "i4") * 2**24)(_mat_mul)
for _x, _y in (((0, 4), (4, 2)), ((3, 0), (0, 2)), ((3, 4), (4, 0)), ((1, 1), (1, 1))):
    case("MatMul", x=_values(_x), y=_values(_y))(_mat_mul)
for _x, _y in (((3, 4), (3, 4)), ((4,), (4, 2)), ((3, 4), (4,)), ((2, 3, 4), (2, 4, 3))):
    case("MatMul", x=_values(_x), y=_values(_y), known=None)(_mat_mul)

for _a in (False, True):
    for _b in (False, True):
        case("SparseMatMul", x=_values((3, 4)), y=_values((4, 2)), a=_a, b=_b, name="SparseMatMul")(
            _mat_mul
        )
for _x, _y in ((BFLOAT16, "f"), ("f", BFLOAT16), (BFLOAT16, BFLOAT16)):
    _xy = {"x": _values((3, 4), _x), "y": _values((4, 2), _y), "tolerance": 1e-3}
    case("SparseMatMul", name="SparseMatMul", **_xy)(_mat_mul)
for _x, _y in (((3, 4), (3, 4)), ((4,), (4, 2)), ((3, 4), (4,))):
    case("SparseMatMul", x=_values(_x), y=_values(_y), known=None, name="SparseMatMul")(_mat_mul)
case(
    "SparseMatMul",
    name="SparseMatMul",
    x=_values((3, 4)) * np.float32([0, 1, 0, 0]),
    y=_values((4, 2)),
    a_is_sparse=True,
)(_mat_mul)


def _batch(name, x, y, a=False, b=False, known="rank", **more):
    return getattr(RAW, name)(
        x=feed(_back(x, a), shape=known),
        y=feed(_back(y, b), shape=known),
        adj_x=a,
        adj_y=b,
        **more,
    )


_BATCHES = {
    "BatchMatMul": (((2, 3, 4), (2, 4, 2)), ((2, 1, 3, 4), (2, 1, 4, 2)), ((3, 4), (4, 2))),
    "BatchMatMulV2": (((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (2, 4, 2)), ((3, 4), (4, 2))),
    "BatchMatMulV3": (((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (2, 4, 2)), ((3, 4), (4, 2))),
}
_BROKEN = (
    *(((2, 3, 4), (3, 4, 2)), ((2, 3, 4), (2, 3, 4)), ((4,), (4, 2)), ((3, 4), (4,))),
    ((2, 3, 4), (1, 2, 4, 2)),
)
for _op, _shapes in _BATCHES.items():

    def _more(dtype, op=_op):
        return {"Tout": tf.as_dtype(dtype)} if op == "BatchMatMulV3" else {}

    for _a in (False, True):
        for _b in (False, True):
            for _x, _y in _shapes[:2]:
                _xy = {"x": _values(_x), "y": _values(_y), "a": _a, "b": _b}
                case(_op, name=_op, **_xy, **_more(np.float32))(_batch)
            _x, _y = _shapes[0]
            _xy = {"x": _values(_x, "F"), "y": _values(_y, "F"), "a": _a, "b": _b}
            case(_op, name=_op, **_xy, **_more(np.complex64))(_batch)
    case(_op, name=_op, x=_values(_shapes[2][0]), y=_values(_shapes[2][1]), **_more(np.float32))(
        _batch
    )
    for _dtype, _tolerance in _DTYPES:
        if _dtype == (np.float16 if _op == "BatchMatMulV3" else np.int16):
            continue
        _xy = {"x": _values((2, 3, 5), _dtype), "y": _values((2, 5, 2), _dtype)}
        case(_op, name=_op, tolerance=_tolerance, **_xy, **_more(_dtype))(_batch)
    for _x, _y in (((0, 3, 4), (0, 4, 2)), ((2, 3, 0), (2, 0, 2)), ((2, 3, 4), (2, 4, 0))):
        case(_op, name=_op, x=_values(_x), y=_values(_y), **_more(np.float32))(_batch)
    for _x, _y in _BROKEN:
        case(_op, name=_op, x=_values(_x), y=_values(_y), known=None, **_more(np.float32))(_batch)
for _x, _y, _out in (
    *((np.int8, np.int8, tf.int32), (np.uint8, np.int8, tf.int32), (np.uint8, np.uint8, tf.int32)),
    *((BFLOAT16, np.int8, tf.bfloat16), (np.uint8, BFLOAT16, tf.bfloat16)),
):
    case(
        "BatchMatMulV3",
        name="BatchMatMulV3",
        x=_values((2, 3, 9), _x),
        y=_values((2, 9, 2), _y),
        Tout=_out,
        tolerance=2e-2,
    )(_batch)


def _einsum(equation, shapes, dtype="f"):
    inputs = [feed(_values(shape, dtype), shape=None) for shape in shapes]
    return RAW.Einsum(inputs=inputs, equation=equation)


_EQUATIONS = (
    # One input: transposes, sums, diagonals.
    *(("ij->ji", [(2, 3)]), ("ij->", [(2, 3)]), ("ij->j", [(2, 3)]), ("->", [()])),
    *(("ii->i", [(3, 3)]), ("ii->", [(3, 3)]), ("iij->ji", [(2, 2, 3)]), ("i->ii", [(3,)])),
    *(("ij->ijj", [(2, 3)]), ("ij->ii", [(2, 3)]), ("i->iii", [(2,)])),
    *(("...ij->...ji", [(2, 3, 4)]), ("...->...", [(2, 3)]), ("...i->...", [(2, 3)])),
    *(("a...b->b...a", [(2, 3, 4)]), ("ij->...ij", [(2, 3)]), ("...ii->...i", [(2, 3, 3)])),
    # Two inputs.
    *(("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,kj->ki", [(2, 3), (4, 3)])),
    *(("bij,bjk->bik", [(2, 3, 4), (2, 4, 2)]), ("bhid,bhjd->bhij", [(2, 2, 3, 4), (2, 2, 5, 4)])),
    *(("bij,jk->bik", [(2, 3, 4), (4, 2)]), ("abc,cde->abde", [(2, 3, 4), (4, 2, 3)])),
    *(("abde,cde->abc", [(2, 3, 2, 2), (4, 2, 2)]), ("i,j->ij", [(2,), (3,)])),
    *(("i,i->", [(3,), (3,)]), ("i,i->i", [(3,), (3,)]), (",->", [(), ()]), (",i->i", [(), (3,)])),
    *(("ij,ji->ij", [(2, 3), (3, 2)]), ("ij,j->i", [(2, 3), (3,)]), ("ij,k->", [(2, 3), (4,)])),
    *(("iij,jk->ik", [(2, 2, 3), (3, 4)]), ("ij,jk->iik", [(2, 3), (3, 4)])),
    *(("acbe,aecd->abcd", [(2, 3, 4, 2), (2, 2, 3, 5)]), ("ab,cd->bcda", [(2, 3), (4, 2)])),
    *(("ij,kj->ikj", [(2, 3), (4, 3)]), ("Ab,bA->A", [(2, 3), (3, 2)])),
    # Broadcast dimensions.
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("...ij,jk->...ik", [(2, 3, 4), (4, 2)]),
    ("...ij,jk->ik...", [(2, 3, 4), (4, 2)]),
    ("i...j,j...->...i", [(2, 3, 4), (4, 3)]),
    ("a...,a...->a...", [(2, 1, 3), (2, 4, 1)]),
    ("...,...->...", [(2, 1), (3,)]),
    ("...i,...i->...", [(1, 3), (2, 3)]),
    ("...d,...d->...", [(2, 0), (2, 0)]),
    ("bij,bjk->bik", [(0, 3, 4), (0, 4, 2)]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
    # Refusals.
    *(("ij->ji", [(2, 3, 4)]), ("ii->i", [(2, 3)]), ("ij,jk->ik", [(2, 3), (4, 2)])),
    *(("i...->i", [(2, 3)]), ("...ij->...ij", [(3,)]), ("ij,j->i", [(2, 3), (1,)])),
    ("...ij,...jk->...ik", [(2, 3, 4), (3, 4, 2)]),
)
for _equation, _shapes in _EQUATIONS:
    case("Einsum", equation=_equation, shapes=_shapes)(_einsum)
for _dtype, _tolerance in _DTYPES:
    if _dtype is not np.int16:
        _xy = {"shapes": [(2, 3, 4), (4, 2, 3)], "dtype": _dtype, "tolerance": _tolerance}
        case("Einsum", equation="abc,cde->adeb", **_xy)(_einsum)
        case("Einsum", equation="ij,ij->j", **(_xy | {"shapes": [(4, 3), (4, 3)]}))(_einsum)
        case("Einsum", equation="iij->j", **(_xy | {"shapes": [(3, 3, 2)]}))(_einsum)


@case("Einsum")
def einsum_by_weights():
    return RAW.Einsum(
        inputs=[feed(_values((2, 3, 4))), tf.constant(_values((4, 2, 3)))], equation="abc,cde->abde"
    )


def _cross(x, y, dtype="f"):
    return RAW.Cross(a=feed(_values(x, dtype), shape=None), b=feed(_values(y, dtype), shape=None))


_EXACT = (np.float64, np.int32, np.int64, np.int8, np.uint8, np.uint16)
for _dtype, _tolerance in (*((d, 1e-5) for d in (np.float32, *_EXACT)), *HALVES):
    case("Cross", x=(2, 3), y=(2, 3), dtype=_dtype, tolerance=_tolerance)(_cross)
for _x, _y in (((3,), (3,)), ((0, 3), (0, 3)), ((2, 3), (1, 3)), ((2, 2), (2, 2)), ((), ())):
    case("Cross", x=_x, y=_y)(_cross)
