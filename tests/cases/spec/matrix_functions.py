"""Functions of square matrices."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed
from tensorflow.core.framework import graph_pb2, versions_pb2

RAW = tf.raw_ops
rng = np.random.default_rng(53)
DTYPES = (np.float32, np.float64, np.complex64, np.complex128)


def _values(shape, dtype=np.float32):
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def _definite(shape, dtype=np.float32):
    x = _values(shape, dtype)
    return np.conj(x.swapaxes(-1, -2)) @ x + np.eye(shape[-1], dtype=dtype)


def function(name, x):
    if name == "MatrixExponential":
        # Graphs of today can not have it; those of its time can.
        versions = versions_pb2.VersionDef(producer=20)
        tf.import_graph_def(graph_pb2.GraphDef(versions=versions))
    return getattr(RAW, name)(input=feed(x, shape=None))


_TURN = np.array([[0, -1], [1, 0]])
_JORDAN = np.array([[2, 1, 0], [0, 2, 1], [0, 0, 2]])
_EDGES = {
    "turn": _TURN,
    "jordan": _JORDAN,
    "one": np.eye(3),
    "zero": np.zeros((2, 2)),
    "negative": np.diag([-1, 4]),
    "nan": np.full((2, 2), np.nan),
}
_WITHOUT = {
    ("MatrixLogarithm", "zero"),
    ("MatrixLogarithm", "nan"),
    ("MatrixSquareRoot", "nan"),
    ("MatrixSquareRoot", "zero"),
}
for _name in ("MatrixExponential", "MatrixSquareRoot", "MatrixLogarithm"):
    _of = DTYPES[2:] if _name == "MatrixLogarithm" else DTYPES
    for _dtype in _of:
        case(_name, name=_name, x=_definite((4, 4), _dtype))(function)
        case(_name, name=_name, x=_definite((2, 3, 3), _dtype))(function)
    for _edge, _x in _EDGES.items():
        if (_name, _edge) not in _WITHOUT:
            case(_name, name=_name, x=_x.astype(_of[0]))(function)
    for _shape in ((0, 0), (0, 3, 3), (1, 1), (2, 3), (3,)):
        case(_name, name=_name, x=np.abs(_values(_shape)).astype(_of[0]))(function)
case("MatrixExponential", name="MatrixExponential", x=20 * _values((5, 5), np.float64))(function)
case("MatrixSquareRoot", name="MatrixSquareRoot", x=_definite((12, 12), np.float64))(function)
case("MatrixLogarithm", name="MatrixLogarithm", x=100 * _definite((7, 7), np.complex128))(function)


def eig(x, vectors=True):
    """Order and phase are open: sorted here, and put together again."""
    out = tf.complex128 if x.dtype in (np.float64, np.complex128) else tf.complex64
    made = RAW.Eig(input=feed(x, shape=None), compute_v=vectors, Tout=out)
    real = tf.sort(tf.math.real(made.e), axis=-1)
    if not vectors:
        return real, tf.shape(made.v)
    again = tf.matmul(made.v * made.e[..., None, :], tf.linalg.inv(made.v))
    return real, again, tf.reduce_sum(tf.abs(made.v) ** 2, axis=-2)


for _dtype in DTYPES:
    for _vectors in (True, False):
        case("Eig", x=_values((4, 4), _dtype), vectors=_vectors)(eig)
case("Eig", x=_values((2, 3, 3)))(eig)
case("Eig", x=_values((3, 3)), vectors=False)(eig)
for _x in (_values((2, 3)), _values((3,)), np.full((2, 2), np.nan, np.float32)):
    case("Eig", x=_x, vectors=False)(eig)
case("Eig", x=_values((0, 3, 3)), vectors=False)(eig)
