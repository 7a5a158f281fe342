"""Special functions."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
rng = np.random.default_rng(17)
BFLOAT16 = tf.bfloat16.as_numpy_dtype
HALVES = ((np.float16, 2e-3), (BFLOAT16, 2e-2))
EDGES = np.array([0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan])


def _unary(name, x):
    return getattr(RAW, name)(x=feed(x))


def _record(name, x, half=(), **options):
    case(name, name=name, x=x.astype(np.float32), **options)(_unary)
    case(name, name=name, x=x, **options)(_unary)
    case(name, name=name, x=x[:0].astype(np.float32), **options)(_unary)
    case(name, name=name, x=np.float32(x[0]), **options)(_unary)
    for dtype, tolerance in half:
        case(name, name=name, x=x.astype(dtype), tolerance=tolerance)(_unary)


# Where each is defined, and which halves it has.
_HALF = HALVES[:1]
_DOMAINS = {
    "BesselI0": (-12.0, 12.0, _HALF),
    "BesselI0e": (-30.0, 30.0, _HALF),
    "BesselI1": (-12.0, 12.0, _HALF),
    "BesselI1e": (-30.0, 30.0, _HALF),
    "BesselJ0": (-20.0, 20.0, _HALF),
    "BesselJ1": (-20.0, 20.0, _HALF),
    "BesselK0": (0.1, 8.0, _HALF),
    "BesselK0e": (0.1, 30.0, _HALF),
    "BesselK1": (0.2, 8.0, _HALF),
    "BesselK1e": (0.2, 30.0, _HALF),
    "BesselY0": (0.1, 20.0, _HALF),
    "BesselY1": (0.2, 20.0, _HALF),
    "Dawsn": (-12.0, 12.0, ()),
    "Digamma": (-4.4, 20.0, _HALF),
    "Erf": (-3.0, 3.0, HALVES),
    "Erfc": (-3.0, 6.0, HALVES),
    "Erfinv": (-1.0, 1.0, ()),
    "Expint": (0.01, 30.0, ()),
    "FresnelCos": (-6.0, 6.0, ()),
    "FresnelSin": (-6.0, 6.0, ()),
    "Lgamma": (-4.4, 20.0, _HALF),
    "Ndtri": (0.0, 1.0, ()),
    "Spence": (0.0, 10.0, ()),
}
for _op, (_low, _high, _half) in _DOMAINS.items():
    _record(_op, np.sort(rng.uniform(_low, _high, 12)), _half)
    # Where TensorFlow's vector code and its scalar code agree.
    case(_op, name=_op, x=EDGES[_op == "BesselY1" :].astype(np.float32))(_unary)
    case(_op, name=_op, x=EDGES[:4] if _op == "Erf" else EDGES[_op == "BesselY1" :])(_unary)
case("Erf", name="Erf", x=np.array([-9.0, -4.0, 1e-20, 3.99, 5.0], np.float32))(_unary)
case("Ndtri", name="Ndtri", x=np.array([1e-200, 1e-20, 1e-5, 1 - 1e-9]))(_unary)
case("Lgamma", name="Lgamma", x=np.array([1e-5, 0.9, 1.1, 2.1, 50.0, 1e4], np.float32))(_unary)
case("Lgamma", name="Lgamma", x=np.array([-3.0, -2.0, 1e10]))(_unary)
case("Digamma", name="Digamma", x=np.array([-3.0, -2.0, 1e10]))(_unary)


def _binary(name, x, y):
    first, second = {"Polygamma": ("a", "x"), "Zeta": ("x", "q")}.get(name, ("a", "x"))
    return getattr(RAW, name)(**{first: feed(x), second: feed(y)})


_A = np.array([0.1, 0.5, 1.0, 2.5, 7.0, 40.0])
_X = np.array([0.05, 0.7, 3.0, 9.0, 45.0])
_PAIRS = {
    "Igamma": (_A[:, None], _X),
    "Igammac": (_A[:, None], _X),
    "Polygamma": (np.arange(5.0)[:, None], _X),
    "Zeta": (1 + _A[:, None], _X),
}
for _op, (_x, _y) in _PAIRS.items():
    for _dtype in (np.float32, np.float64):
        case(_op, name=_op, x=_x.astype(_dtype), y=_y.astype(_dtype))(_binary)
        case(_op, name=_op, x=_x[1].astype(_dtype), y=_y.astype(_dtype))(_binary)
        case(_op, name=_op, x=EDGES.astype(_dtype)[:, None], y=EDGES.astype(_dtype))(_binary)
    case(_op, name=_op, x=_dtype(1.0), y=_dtype(2.0))(_binary)
    case(_op, name=_op, x=_y[:3], y=_y[:2])(_binary)


def _betainc(a, b, x):
    return RAW.Betainc(a=feed(a, shape=None), b=feed(b, shape=None), x=feed(x, shape=None))


_P = np.array([0.01, 0.3, 0.5, 0.9, 0.999])
for _dtype in (np.float32, np.float64):
    for _a, _b in ((0.5, 0.5), (1, 3), (20, 7), (0.1, 40)):
        case("Betainc", a=_dtype(_a), b=_dtype(_b), x=_P.astype(_dtype))(_betainc)
    _a, _b = np.full(5, 2, _dtype), np.arange(1, 6).astype(_dtype)
    case("Betainc", a=_a, b=_b, x=_P.astype(_dtype))(_betainc)
    case("Betainc", a=_a, b=_dtype(3), x=_dtype(0.25))(_betainc)
    case("Betainc", a=_a[:4], b=_b, x=_dtype(0.25))(_betainc)
    for _a, _b in ((1, 1), (0, 1), (-1, 1), (np.nan, 1), (2, 0)):
        _x = np.array([0, 1, 0.5, -1, 2, np.nan], _dtype)
        case("Betainc", a=_dtype(_a), b=_dtype(_b), x=_x)(_betainc)
