"""Names that ops once had."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed
from tensorflow.core.framework import graph_pb2, versions_pb2

rng = np.random.default_rng(54)


def _old():
    """Makes the graph one of a time when these ops could still be made."""
    versions = versions_pb2.VersionDef(producer=6)
    tf.import_graph_def(graph_pb2.GraphDef(versions=versions))


def older(op, fed, **fixed):
    _old()
    inputs = {name: feed(value, shape=None) for name, value in fed.items()}
    return getattr(tf.raw_ops, op)(**inputs, **fixed)


def _case(op, fed, **fixed):
    case(op, op=op, fed=fed, **fixed)(older)


def _values(shape, dtype=np.float32):
    return rng.normal(size=shape).astype(dtype)


def _definite(shape, dtype=np.float32):
    x = _values(shape, dtype)
    return x.swapaxes(-1, -2) @ x + np.eye(shape[-1], dtype=dtype)


for _dtype in (np.float32, np.float64):
    for _name in ("BatchCholesky", "BatchMatrixDeterminant", "BatchMatrixInverse"):
        _case(_name, {"input": _definite((2, 3, 3), _dtype)})
        _case(_name, {"input": _values((2, 3), _dtype)})
_case("BatchMatrixInverse", {"input": _definite((2, 3, 3))}, adjoint=True)
_A, _B = _definite((2, 3, 3)), _values((2, 3, 2))
for _adjoint in (False, True):
    _case("BatchMatrixSolve", {"matrix": _A, "rhs": _B}, adjoint=_adjoint)
    for _lower in (False, True):
        _case(
            "BatchMatrixTriangularSolve",
            {"matrix": _A, "rhs": _B},
            adjoint=_adjoint,
            lower=_lower,
        )
_case("BatchMatrixTriangularSolve", {"matrix": _A[:1], "rhs": _B})
_case("BatchMatrixTriangularSolve", {"matrix": _A[0], "rhs": _B})
for _fast in (False, True):
    _given = {"matrix": _values((2, 4, 3)), "rhs": _values((2, 4, 2))}
    _case("BatchMatrixSolveLs", _given, l2_regularizer=0.1 * _fast, fast=_fast)


def absolute(name, x, **attributes):
    """The signs of vectors are open."""
    _old()
    found = getattr(tf.raw_ops, name)(input=feed(x), **attributes)
    # What is not computed is left open.
    vectors = attributes.get("compute_v", True) and attributes.get("compute_uv", True)
    return [tf.abs(part) for part in found] if vectors else found[0]


for _vectors in (False, True):
    case(
        "BatchSelfAdjointEigV2",
        name="BatchSelfAdjointEigV2",
        x=_definite((2, 3, 3)),
        compute_v=_vectors,
    )(absolute)
    for _full in (False, True):
        case(
            "BatchSvd",
            name="BatchSvd",
            x=_values((2, 3, 3)),
            compute_uv=_vectors,
            full_matrices=_full,
        )(absolute)
_case("BatchMatrixBandPart", {"input": _values((2, 4, 4))}, num_lower=1, num_upper=0)
_case("BatchMatrixBandPart", {"input": _values((4, 4))}, num_lower=-1, num_upper=1)
_case("BatchMatrixDiag", {"diagonal": _values((2, 3))})
_case("BatchMatrixDiag", {"diagonal": np.arange(3)})
_case("BatchMatrixDiagPart", {"input": _values((2, 3, 4))})
_case("BatchMatrixDiagPart", {"input": _values((3,))})
_case("BatchMatrixSetDiag", {"input": _values((2, 3, 4)), "diagonal": _values((2, 3))})


def self_adjoint(name, x):
    """The signs of vectors are open."""
    _old()
    return tf.abs(getattr(tf.raw_ops, name)(input=feed(x, shape=None)))


for _name in ("SelfAdjointEig", "BatchSelfAdjointEig"):
    for _dtype in (np.float32, np.float64):
        case(_name, name=_name, x=_definite((3, 3), _dtype))(self_adjoint)
    case(_name, name=_name, x=_definite((2, 3, 3)))(self_adjoint)
    for _shape in ((2, 3), (3,), (0, 3, 3), (1, 1)):
        case(_name, name=_name, x=_values(_shape))(self_adjoint)
