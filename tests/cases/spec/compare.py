"""Comparison, choice, bits, and changes of dtype."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(5)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
A = rng.integers(-2, 3, (3, 4)).astype(np.float32)
B = rng.integers(-2, 3, (3, 4)).astype(np.float32)
EDGES = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-30], np.float32)
INTS = np.array([[7, -7, 0, 3], [2**31 - 1, -(2**31), 5, -1]], np.int32)
NEAR = np.array([2**24, 2**24 + 1, 2**31 - 1, -(2**31), 0], np.int32)
COMPLEX = np.array([0.5 + 1j, 0.5 - 1j, 0.5 + 1j], np.complex64)
UNSIGNED = np.array([0, 1, 2**31, 2**32 - 1], np.uint32)
BITS = {
    np.int8: [0, 1, -1, 127, -128, 85],
    np.uint8: [0, 1, 255, 127, 128, 85],
    np.int16: [0, 1, -1, 2**15 - 1, -(2**15), 1234],
    np.uint16: [0, 1, 2**16 - 1, 2**15, 1234, 255],
    np.int32: [0, 1, -1, 2**31 - 1, -(2**31), 123456789],
    np.uint32: [0, 1, 2**32 - 1, 2**31, 123456789, 255],
    np.int64: [0, 1, -1, 2**63 - 1, -(2**63), 123456789012345],
    np.uint64: [0, 1, 2**64 - 1, 2**63, 123456789012345, 255],
}


def _binary(name, x, y, **attributes):
    return getattr(RAW, name)(x=feed(x), y=feed(y), **attributes)


def _incompatible(name, x, y, strict):
    return getattr(RAW, name)(
        x=feed(x, shape=None), y=feed(y, shape=None), incompatible_shape_error=strict
    )


_ORDER = ("Less", "LessEqual", "Greater", "GreaterEqual")
for _op in ("Equal", "NotEqual", *_ORDER):
    case(_op, name=_op, x=A, y=B)(_binary)
    case(_op, name=_op, x=A, y=B[:1])(_binary)
    case(_op, name=_op, x=A[0, 0], y=B[0])(_binary)
    case(_op, name=_op, x=A[:, :0], y=B[:, :1])(_binary)
    case(_op, name=_op, x=A, y=B[:, :3])(_binary)
    case(_op, name=_op, x=EDGES[:, None], y=EDGES)(_binary)
    case(_op, name=_op, x=INTS, y=INTS[::-1].copy())(_binary)
    case(_op, name=_op, x=NEAR, y=NEAR[:, None])(_binary)
    case(_op, name=_op, x=INTS.astype(np.int64) + 2**40, y=np.int64(2**40))(_binary)
    case(_op, name=_op, x=UNSIGNED, y=UNSIGNED[:, None])(_binary)
    for _dtype in (np.float64, np.float16, BFLOAT16, np.int8, np.uint8):
        case(_op, name=_op, x=np.abs(A[0]).astype(_dtype), y=np.abs(B).astype(_dtype))(_binary)
for _op in ("Equal", "NotEqual"):
    case(_op, name=_op, x=COMPLEX, y=COMPLEX[:1])(_binary)
    case(_op, name=_op, x=[True, False], y=[[True], [False]])(_binary)
    case(_op, name=_op, x=["a", "b", ""], y=["a"])(_binary)
    case(_op, name=_op, x="a", y="a")(_binary)
    case(_op, name=_op, x=np.array([], object), y="a")(_binary)
    for _strict in (True, False):
        case(_op, name=_op, x=A, y=B[:, :3], strict=_strict)(_incompatible)
        case(_op, name=_op, x=A, y=B[:1], strict=_strict)(_incompatible)
        case(_op, name=_op, x=["a", "b"], y=["a", "b", "c"], strict=_strict)(_incompatible)

for _tolerance in (1e-5, 0.5, 1.0):
    for _dtype in (np.float32, np.float64):
        _x = np.array([1.0, 1.0, 1.0, 1.0], _dtype)
        _y = np.array([1.0, 1.4, 1.999, 3.0], _dtype)
        case("ApproximateEqual", name="ApproximateEqual", x=_x, y=_y, tolerance=0)(
            lambda name, x, y, t=_tolerance: _binary(name, x, y, tolerance=t)
        )


@case("ApproximateEqual")
def approximate_equal_mismatch():
    return RAW.ApproximateEqual(x=feed(A, shape=None), y=feed(A[:1], shape=None))


for _op in ("LogicalAnd", "LogicalOr"):
    case(_op, name=_op, x=[True, True, False, False], y=[True, False, True, False])(_binary)
    case(_op, name=_op, x=[True, False], y=[[True], [False]])(_binary)
    case(_op, name=_op, x=True, y=[True, False])(_binary)
    case(_op, name=_op, x=[True, False], y=[True, False, False])(_binary)


@case("LogicalNot", x=[True, False])
@case("LogicalNot", x=True)
def logical_not(x):
    return RAW.LogicalNot(x=feed(x))


@case("IsFinite", op="IsFinite")
@case("IsInf", op="IsInf")
@case("IsNan", op="IsNan")
def kind_of_number(op):
    kinds = (np.float32, np.float64, np.float16, BFLOAT16)
    asked = [*(EDGES.astype(dtype) for dtype in kinds), A, A[:0], np.float32(np.nan)]
    return [getattr(RAW, op)(x=feed(x)) for x in asked]


# Choice.
_BY_DTYPE = (
    (A, B),
    (A.astype(np.float64), B.astype(np.float64)),
    (A.astype(np.float16), B.astype(np.float16)),
    (A.astype(np.int64) * 2**40, B.astype(np.int64)),
    (A.astype(np.int32) + (2**30 + 1), B.astype(np.int32) - (2**30 - 1)),
    (A > 0, B > 0),
    (A.astype(np.complex64), B * np.complex64(1j)),
    (np.where(A > 0, "x", "y"), np.where(B > 0, "z", "")),
)
_MASK = rng.random((3, 4)) < 0.5


def _select(condition, t, e):
    return RAW.Select(
        condition=feed(condition, shape=None), x=feed(t, shape=None), y=feed(e, shape=None)
    )


def _select_v2(condition, t, e, known=None):
    return RAW.SelectV2(
        condition=feed(condition, shape=known), t=feed(t, shape=known), e=feed(e, shape=known)
    )


for _t, _e in _BY_DTYPE:
    case("Select", condition=_MASK, t=_t, e=_e)(_select)
    case("SelectV2", condition=_MASK, t=_t, e=_e, known="rank")(_select_v2)
for _condition, _t, _e in (
    (np.array([True, False, True]), A, B),
    (np.array(True), A, B),
    (np.array(False), A, B),
    (np.array(True), A[0, 0], B[0, 0]),
    (np.array([True, False]), A[0, :2], B[0, :2]),
    (np.array([True, False]), A, B),
    (np.array([True]), A[0, 0], B[0, 0]),
    (np.array([[True]]), A, B),
    (_MASK, A, B[:1]),
    (np.array(True), A, B[:1]),
    (_MASK[:0], A[:0], B[:0]),
):
    case("Select", condition=_condition, t=_t, e=_e)(_select)
for _condition, _t, _e in (
    (np.array(True), A, B),
    (np.array([True, False, True, False]), A, B),
    (_MASK, A[0], B[:, :1]),
    (_MASK[:1], A[:, :1], B[0, 0]),
    (_MASK, A[0, 0], B[0, 0]),
    (np.array([True, False, True]), A, B),
    (_MASK[:0], A[:0], B[:1]),
    (_MASK, EDGES[[4, 6, 1, 5]], A),
):
    case("SelectV2", condition=_condition, t=_t, e=_e)(_select_v2)
    case("SelectV2", condition=_condition, t=_t, e=_e, known="rank")(_select_v2)


def _clip(x, low, high, known="rank"):
    return RAW.ClipByValue(
        t=feed(x, shape=known),
        clip_value_min=feed(np.asarray(low, x.dtype), shape=known),
        clip_value_max=feed(np.asarray(high, x.dtype), shape=known),
    )


for _dtype in (np.float32, np.float64, np.int32, np.int64, np.int8, np.float16, BFLOAT16):
    case("ClipByValue", x=A.astype(_dtype), low=-1, high=1)(_clip)
for _x, _low, _high in (
    (A, np.full((3, 4), -1), 1),
    (A, -1, np.full((3, 4), 1)),
    (A, B - 0.5, B + 0.5),
    (A, 1, -1),
    (A[0, 0], 0, 1),
    (A[:0], 0, 1),
    (EDGES, -1, 1),
    (EDGES, np.nan, 1),
    (EDGES, -1, np.nan),
    (EDGES, -np.inf, np.inf),
    (NEAR, -(2**31), 2**24 + 1),
    (A.astype(np.uint8), 2, 200),
):
    case("ClipByValue", x=_x, low=_low, high=_high)(_clip)
for _low, _high in ((np.full(4, -1), 1), (np.full((3, 1), -1), np.full((3, 4), 1)), ([0], 1)):
    case("ClipByValue", x=A, low=_low, high=_high, known=None)(_clip)

# Bits.
for _dtype, _bits in BITS.items():
    _x = np.array(_bits, _dtype)
    for _op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        case(_op, name=_op, x=_x, y=_x[::-1].copy())(_binary)
        if _dtype == np.int32:
            case(_op, name=_op, x=_x[:, None], y=_x)(_binary)
            case(_op, name=_op, x=_x[0], y=_x[:0])(_binary)
            case(_op, name=_op, x=_x, y=_x[:4])(_binary)
    for _op in ("LeftShift", "RightShift"):
        _by = np.array([1, 7, 8, 31, 32, 63], _dtype)
        case(_op, name=_op, x=_x, y=_by)(_binary)
        if np.dtype(_dtype).kind == "i":
            case(_op, name=_op, x=_x, y=-_by)(_binary)

    @case("Invert", name="Invert", x=_x)
    @case("PopulationCount", name="PopulationCount", x=_x)
    @case("PopulationCount", name="PopulationCount", x=_x[3])
    def bits(name, x):
        return getattr(RAW, name)(x=feed(x))


case("LeftShift", name="LeftShift", x=np.int32(1), y=np.arange(4, dtype=np.int32))(_binary)


# Dtypes.
_REALS = (tf.float32, tf.float64, tf.float16, tf.bfloat16)
_INTEGERS = (
    *(tf.int8, tf.uint8, tf.int16, tf.uint16),
    *(tf.int32, tf.uint32, tf.int64, tf.uint64),
)
_COMPLEX = (tf.complex64, tf.complex128)
_FLOATS8 = (tf.dtypes.experimental.float8_e5m2, tf.dtypes.experimental.float8_e4m3fn)


def _cast(x, to, truncate=False):
    source = feed(x)
    return [RAW.Cast(x=source, DstT=dtype, Truncate=truncate) for dtype in to]


_FRACTIONS = np.array([0.0, -0.0, 0.5, -0.5, 1.9, -1.9, 99.99, 127.0])
_POSITIVE = np.array([0.0, 0.5, 1.9, 99.99, 127.0])
_WIDE = np.array([1.0 + 2**-12, 3.14159265358979, -2.71828182845905, 7000.0, 1e-3, 1e4, -449.0])
_SIGNED = tuple(dtype for dtype in _INTEGERS if not dtype.is_unsigned)
_UNSIGNED = tuple(dtype for dtype in _INTEGERS if dtype.is_unsigned)
_EXACT = {"tolerance": 1e-9}
for _source in (*_REALS, *_COMPLEX):
    _dtype = _source.as_numpy_dtype
    _i = np.array(1j if _source.is_complex else 0, _dtype)
    _others = (*_REALS, *_COMPLEX, *(() if _source.is_complex else _FLOATS8))
    case("Cast", x=_FRACTIONS.astype(_dtype) + _i, to=(*_SIGNED, tf.bool), **_EXACT)(_cast)
    case("Cast", x=_POSITIVE.astype(_dtype) + _i, to=_UNSIGNED, **_EXACT)(_cast)
    case("Cast", x=_WIDE.astype(_dtype) + _i, to=_others, **_EXACT)(_cast)
    if not _source.is_complex:
        _others = (*_REALS, *_FLOATS8)
        case("Cast", x=_WIDE.astype(_dtype), to=_others, truncate=True, **_EXACT)(_cast)
case("Cast", x=np.array([1j, 0, 1]), to=[tf.bool])(_cast)
for _source, _bits in BITS.items():
    _to = (*_REALS, *_INTEGERS, *_COMPLEX, tf.bool)
    case("Cast", x=np.array(_bits, _source), to=_to, **_EXACT)(_cast)
case("Cast", x=np.array([True, False]), to=(*_REALS, *_INTEGERS, *_COMPLEX), **_EXACT)(_cast)
for _source in (np.float32, np.float64):
    _x = np.array([np.nan, np.inf, -np.inf, 65504, 65519, 65520, 57344, 61440, 448, 465], _source)
    case("Cast", x=_x, to=(*_REALS, *_FLOATS8), **_EXACT)(_cast)
    case("Cast", x=_x, to=(*_REALS, *_FLOATS8), truncate=True, **_EXACT)(_cast)
for _source in _FLOATS8:
    _x = np.array([0, 1.5, -2, 448], np.float32).astype(_source.as_numpy_dtype)
    case("Cast", x=_x, to=(*_REALS, tf.int32, tf.bool), **_EXACT)(_cast)
# Out of range: what TensorFlow's vector code answers, so long as vectors are full.
_BEYOND = [128.0, 200.0, 256.0, -1.0, -129.0, 32768.0, 65536.0, -32769.0, 3e9, -3e9]
_BEYOND = np.array([*_BEYOND, np.nan, np.inf, -np.inf, 1e20, -1e20, 0.0] * 4)
case("Cast", x=_BEYOND.astype(np.float32), to=_SIGNED, island=False)(_cast)
case("Cast", x=_BEYOND, to=_SIGNED, island=False)(_cast)
case("Cast", x=_BEYOND.astype(np.float32), to=_UNSIGNED[:2], island=False)(_cast)
case("Cast", x=np.float32(2.5), to=[tf.int32])(_cast)
case("Cast", x=NEAR, to=[tf.float32, tf.int32])(_cast)
case("Cast", x=np.array([True, False]), to=[tf.float32, tf.int32])(_cast)
case("Cast", x=np.array([2.9, -2.9, 1e9, -1e9], np.float32), to=[tf.int32, tf.bool])(_cast)
case("Cast", x=np.zeros((0, 2), np.float32), to=[tf.int64])(_cast)


for _dtype in (np.float32, np.float64):
    _out = tf.complex64 if _dtype == np.float32 else tf.complex128
    for _y in (B, B[:1], B[0, 0], B[:, :3]):

        @case("Complex", dtype=_dtype, imag=_y, out=_out)
        def complex_(dtype, imag, out):
            return RAW.Complex(real=feed(A.astype(dtype)), imag=feed(imag.astype(dtype)), Tout=out)


_NUMBERS = np.array([0.5 + 1j, -1, 0, -1j, complex(-1, -0.0), 3 - 4j, complex(np.nan, 1)])
for _op in ("Real", "Imag", "Angle"):
    for _dtype, _out in ((np.complex64, tf.float32), (np.complex128, tf.float64)):

        @case(_op, name=_op, dtype=_dtype, out=_out)
        def part(name, dtype, out):
            return getattr(RAW, name)(input=feed(_NUMBERS.astype(dtype)), Tout=out)


for _dtype in (np.complex64, np.complex128):

    @case("Conj", dtype=_dtype)
    def conj(dtype):
        return RAW.Conj(input=feed(_NUMBERS.astype(dtype)))


@case(
    "Bucketize", x=np.array([[-5, 0, 10], [99.5, 100, np.nan]], np.float32), boundaries=[0, 10, 100]
)
@case("Bucketize", x=np.array([-5, 0.1, 10, np.inf]), boundaries=[0.1, 0.1, 10])
@case("Bucketize", x=np.array([-5, 0, 10, 1000], np.int32), boundaries=[0, 9.5, 100])
@case("Bucketize", x=np.array([-5, 0, 10, 2**24 + 1]), boundaries=[0, 16777216])
@case("Bucketize", x=np.zeros((0, 2), np.float32), boundaries=[0, 1])
@case("Bucketize", x=np.float32(3), boundaries=[])
def bucketize(x, boundaries):
    return RAW.Bucketize(input=feed(x), boundaries=boundaries)
