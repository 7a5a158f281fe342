"""Arithmetic and elementary functions, element by element."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(7)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
HALVES = ((np.float16, 2e-3), (BFLOAT16, 2e-2))
A = rng.normal(size=(3, 4)).astype(np.float32)
B = rng.normal(size=(3, 4)).astype(np.float32)
# What an island gets to see, and what only the host does.
FINITE = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -2.5, 1e-30, -20.0, 3e38], np.float32)
EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30, 100.0], np.float32)
COMPLEX = np.array([0.5 + 1j, -0.25 + 0.75j, 0.1 - 0.9j, -0.6 - 0.2j], np.complex64)
INTS = np.array([[7, -7, 0, 3], [2**31 - 1, -(2**31), 5, -1]], np.int32)
SMALL = np.array([[7, -7, 0], [127, -128, 5]], np.int8)


def _unary(name, x):
    return getattr(RAW, name)(x=feed(x))


def _binary(name, x, y):
    return getattr(RAW, name)(x=feed(x), y=feed(y))


def _within(low, high, shape=(2, 5)):
    return rng.uniform(low, high, shape).astype(np.float32)


_ANYWHERE = (-3.0, 3.0)
_UNARY = {
    "Acos": (-1.0, 1.0),
    "Acosh": (1.0, 50.0),
    "Asin": (-1.0, 1.0),
    "Asinh": (-50.0, 50.0),
    "Atan": (-10.0, 10.0),
    "Atanh": (-1.0, 1.0),
    "Cos": (-20.0, 20.0),
    "Cosh": _ANYWHERE,
    "Exp": (-20.0, 5.0),
    "Expm1": (-2.0, 2.0),
    "Inv": _ANYWHERE,
    "Log": (0.01, 50.0),
    "Log1p": (-0.9, 5.0),
    "Neg": _ANYWHERE,
    "Reciprocal": _ANYWHERE,
    "Rsqrt": (0.01, 50.0),
    "Sigmoid": (-10.0, 10.0),
    "Sign": _ANYWHERE,
    "Sin": (-20.0, 20.0),
    "Sinh": _ANYWHERE,
    "Sqrt": (0.0, 50.0),
    "Square": _ANYWHERE,
    "Tan": (-1.5, 1.5),
    "Tanh": (-10.0, 10.0),
}
_REAL_ONLY = {
    "Abs": _ANYWHERE,
    "Ceil": _ANYWHERE,
    "Floor": _ANYWHERE,
    "Rint": _ANYWHERE,
    "Round": _ANYWHERE,
}
for _op, (_low, _high) in (_UNARY | _REAL_ONLY).items():
    _x = _within(_low, _high)
    case(_op, name=_op, x=_x)(_unary)
    case(_op, name=_op, x=_x.astype(np.float64))(_unary)
    case(_op, name=_op, x=_x[0, 0])(_unary)
    case(_op, name=_op, x=_x[:0])(_unary)
    case(_op, name=_op, x=FINITE)(_unary)
    case(_op, name=_op, x=EDGES)(_unary)
    if _op != "Rint":
        for _dtype, _tolerance in HALVES:
            case(_op, name=_op, x=_x[0].astype(_dtype), tolerance=_tolerance)(_unary)
    if _op in _UNARY:
        case(_op, name=_op, x=COMPLEX if _op != "Acosh" else COMPLEX + 2)(_unary)
        case(_op, name=_op, x=COMPLEX[:2].astype(np.complex128))(_unary)
for _op in ("Inv", "Log", "Reciprocal", "Rsqrt", "Sign", "Sqrt"):
    case(_op, name=_op, x=np.zeros(2, np.complex64))(_unary)
for _op in ("Abs", "Neg", "Sign", "Square"):
    for _x in (INTS, INTS.astype(np.int64) * 2**33, SMALL):
        case(_op, name=_op, x=_x)(_unary)
case("Square", name="Square", x=SMALL.view(np.uint8))(_unary)
for _dtype in (np.complex64, np.complex128):
    _out = tf.float32 if _dtype == np.complex64 else tf.float64

    @case("ComplexAbs", dtype=_dtype, out=_out)
    def complex_abs(dtype, out):
        return RAW.ComplexAbs(x=feed(COMPLEX.astype(dtype)), Tout=out)


_WITH_INTS = ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference")
_WITH_COMPLEX = (
    *("Add", "AddV2", "Sub", "Mul", "SquaredDifference", "RealDiv"),
    *("DivNoNan", "MulNoNan", "Xdivy", "Xlogy", "Xlog1py"),
)
_BINARY = (*_WITH_INTS, "RealDiv", "DivNoNan", "MulNoNan", "Xdivy", "Xlogy", "Xlog1py")
for _op in _BINARY:
    _y = np.abs(B) if "log" in _op else B
    case(_op, name=_op, x=A, y=_y)(_binary)
    case(_op, name=_op, x=A, y=_y[:1])(_binary)
    case(_op, name=_op, x=A, y=_y[0, 0])(_binary)
    case(_op, name=_op, x=A[:, :1], y=_y[0])(_binary)
    case(_op, name=_op, x=A[:0], y=_y[:1])(_binary)
    case(_op, name=_op, x=A, y=_y[:, :3])(_binary)
    case(_op, name=_op, x=FINITE, y=FINITE[::-1].copy())(_binary)
    case(_op, name=_op, x=EDGES, y=EDGES[::-1].copy())(_binary)
    case(_op, name=_op, x=A.astype(np.float64), y=_y.astype(np.float64))(_binary)
    for _dtype, _tolerance in HALVES:
        _xy = {"x": A[0].astype(_dtype), "y": _y[0].astype(_dtype)}
        case(_op, name=_op, tolerance=_tolerance, **_xy)(_binary)
    if _op in _WITH_INTS:
        case(_op, name=_op, x=INTS, y=INTS[::-1].copy())(_binary)
        case(_op, name=_op, x=INTS.astype(np.int64) * 2**33, y=np.int64(3))(_binary)
        if _op != "SquaredDifference":
            case(_op, name=_op, x=SMALL, y=SMALL[::-1].copy())(_binary)
            if _op != "Add":
                _unsigned = SMALL.view(np.uint8).astype(np.uint32) * 2**24
                case(_op, name=_op, x=_unsigned, y=_unsigned[::-1].copy())(_binary)
    if _op in _WITH_COMPLEX:
        case(_op, name=_op, x=COMPLEX, y=COMPLEX[::-1].copy())(_binary)
        case(_op, name=_op, x=COMPLEX * np.array([0, 1, 0, 1], "F"), y=COMPLEX[::-1] * 0)(_binary)
case("Add", name="Add", x=["a", "b"], y=["c"])(_binary)

for _x, _y in (
    (A, B),
    (A, B[:1]),
    (FINITE, FINITE[::-1].copy()),
    (EDGES, EDGES[::-1].copy()),
    (A.astype(np.float64), B.astype(np.float64)),
):

    @case("Atan2", y=_x, x=_y)
    def atan2(y, x):
        return RAW.Atan2(y=feed(y), x=feed(x))

    @case("NextAfter", x1=_x, x2=_y, tolerance=0)
    def next_after(x1, x2):
        x1, x2 = (np.where(np.abs(x) < 1e-20, x.dtype.type(1), x) for x in (x1, x2))
        return RAW.NextAfter(x1=feed(x1), x2=feed(x2))


for _dtype, _tolerance in HALVES:

    @case("Atan2", dtype=_dtype, tolerance=_tolerance)
    def atan2_of_halves(dtype):
        return RAW.Atan2(y=feed(A[0].astype(dtype)), x=feed(B[0].astype(dtype)))


@case("NextAfter")
def next_after_mismatch():
    return RAW.NextAfter(x1=feed(A), x2=feed(B[:, :3]))


for _op in ("InvGrad", "ReciprocalGrad", "SqrtGrad", "RsqrtGrad", "SigmoidGrad", "TanhGrad"):
    for _dtype, _tolerance in (
        *((np.float32, 1e-5), (np.float64, 1e-12), (np.complex64, 1e-5), (np.complex128, 1e-12)),
        *HALVES,
    ):

        @case(_op, name=_op, dtype=_dtype, tolerance=_tolerance)
        def gradient(name, dtype):
            y, dy = A[0].astype(np.float64), B[0].astype(np.float64)
            if np.dtype(dtype).kind == "c":
                y, dy = y + 1j * A[1], dy - 1j * B[1]
            return getattr(RAW, name)(y=feed(y.astype(dtype)), dy=feed(dy.astype(dtype)))


def _add_n(name, parts):
    more = {"shape": parts[0].shape} if name == "AccumulateNV2" else {}
    return getattr(RAW, name)(inputs=[feed(p) for p in parts], **more)


for _op in ("AddN", "AccumulateNV2"):
    case(_op, name=_op, parts=[A])(_add_n)
    case(_op, name=_op, parts=[A, B, A])(_add_n)
    case(_op, name=_op, parts=[INTS, INTS])(_add_n)
    case(_op, name=_op, parts=[A[:0], B[:0]])(_add_n)
    case(_op, name=_op, parts=[A.astype(np.float64)] * 3)(_add_n)
    case(_op, name=_op, parts=[COMPLEX, COMPLEX])(_add_n)
    for _dtype, _tolerance in HALVES:
        case(_op, name=_op, parts=[A[0].astype(_dtype)] * 3, tolerance=_tolerance)(_add_n)
case("AddN", name="AddN", parts=[A, B[:, :3]])(_add_n)
case("AddN", name="AddN", parts=[A, B[:1]])(_add_n)

# Division with a whole result, remainders and powers.
_NUMBERS = np.array([7, -7, 7, -7, 0, 5, -6, 2**31 - 1, -(2**31), -(2**31)], np.int32)
_BY = np.array([2, 2, -2, -2, 5, 5, 3, -3, -1, 10], np.int32)
_FLOATS = np.array([7.5, -7.5, 7.5, -7.5, 0.0, 1.0, -6.0, 3e8, -1.0, 0.3], np.float32)
_BY_FLOATS = np.array([2.0, 2.0, -2.0, -2.0, 5.0, 0.1, 3.0, -3.0, 7.0, -0.1], np.float32)
_EVERY_INT = ("Div", "FloorDiv", "FloorMod", "TruncateDiv")
for _op in (*_EVERY_INT, "Mod", "TruncateMod"):
    case(_op, name=_op, x=_NUMBERS, y=_BY)(_binary)
    case(_op, name=_op, x=_NUMBERS[:4, None], y=_BY[:3])(_binary)
    case(_op, name=_op, x=_NUMBERS.astype(np.int64) * 2**31, y=_BY.astype(np.int64))(_binary)
    case(_op, name=_op, x=_NUMBERS[:0], y=np.int32(0))(_binary)
    case(_op, name=_op, x=_NUMBERS, y=_BY * (_BY != 5))(_binary)
    case(_op, name=_op, x=_NUMBERS, y=_BY[:3])(_binary)
    case(_op, name=_op, x=_FLOATS, y=_BY_FLOATS)(_binary)
    case(_op, name=_op, x=_FLOATS, y=np.float32(0))(_binary)
    case(_op, name=_op, x=A, y=B[0])(_binary)
    case(_op, name=_op, x=EDGES, y=EDGES[::-1].copy())(_binary)
    case(_op, name=_op, x=_FLOATS.astype(np.float64), y=_BY_FLOATS.astype(np.float64))(_binary)
    if _op in _EVERY_INT:
        case(_op, name=_op, x=SMALL, y=np.array([3, -3, 2], np.int8))(_binary)
        case(_op, name=_op, x=SMALL.view(np.uint8), y=np.array([3, 200, 2], np.uint8))(_binary)
        for _dtype, _tolerance in HALVES:
            _xy = {"x": _FLOATS[:5].astype(_dtype), "y": _BY_FLOATS[:5].astype(_dtype)}
            case(_op, name=_op, tolerance=_tolerance, **_xy)(_binary)
case("Div", name="Div", x=COMPLEX, y=COMPLEX[::-1].copy())(_binary)

case("Pow", name="Pow", x=np.abs(A), y=B)(_binary)
case("Pow", name="Pow", x=np.abs(A), y=B[:1])(_binary)
case("Pow", name="Pow", x=A, y=np.float32(2))(_binary)
case("Pow", name="Pow", x=A, y=np.float32(0.5))(_binary)
case("Pow", name="Pow", x=np.abs(A).astype(np.float64), y=B.astype(np.float64))(_binary)
case("Pow", name="Pow", x=A, y=B[:, :3])(_binary)
case("Pow", name="Pow", x=FINITE, y=FINITE[::-1].copy())(_binary)
case("Pow", name="Pow", x=EDGES[:, None], y=EDGES)(_binary)
case("Pow", name="Pow", x=COMPLEX, y=COMPLEX[::-1].copy())(_binary)
case("Pow", name="Pow", x=INTS, y=np.array([3, 2, 0, 40], np.int32))(_binary)
case("Pow", name="Pow", x=INTS.astype(np.int64), y=np.array([3, 2, 0, 40]))(_binary)
case("Pow", name="Pow", x=SMALL, y=np.array([3, 2, 0], np.int8))(_binary)
case("Pow", name="Pow", x=INTS, y=np.array([3, 2, 0, -1], np.int32))(_binary)
for _dtype, _tolerance in HALVES:
    _xy = {"x": np.abs(A[0]).astype(_dtype), "y": B[0].astype(_dtype)}
    case("Pow", name="Pow", tolerance=_tolerance, **_xy)(_binary)
