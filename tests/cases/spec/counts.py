"""How often numbers occur in the rows of dense, sparse and ragged tensors."""

import numpy as np
from record_cases import raw_case

F32, F64, I32, I64 = np.float32, np.float64, np.int32, np.int64
VECTOR = np.array([1, 5, 1, 0, 5, 5, 2])
MATRIX = np.array([[3, 0, 3], [1, 1, 1], [7, 2, 3]])
INDICES = np.array([[0, 0], [0, 2], [0, 3], [2, 0], [2, 1]], I64)
VALUES = np.array([3, 0, 3, 7, 1])
SHAPE = np.array([3, 4], I64)
SPLITS = np.array([0, 3, 3, 5, 7], I64)
CUBE = np.array([[0, 0, 1], [1, 0, 0], [1, 1, 2]], I64)
LENGTHS = ((-1, -1), (4, -1), (9, -1), (-1, 4), (9, 4), (-1, 0), (0, 2))


def _weights(values, dtype):
    return ((np.arange(values.size) + 1) * 0.75).astype(dtype).reshape(values.shape)


# --- with sparse results


def count(kind, note, fed, weights=None, *, output=F32, binary=False, ranks=False, **more):
    weights = np.zeros(0, output) if weights is None else weights
    raw_case(f"{kind}CountSparseOutput", note, {**fed, "weights": weights}, ranks=ranks,
             binary_output=binary, tolerance=1e-6, **more)  # fmt: skip


def _dense(values):
    return {"values": values}


def _sparse(values=VALUES, indices=INDICES, shape=SHAPE):
    return {"indices": indices, "values": values, "dense_shape": shape}


def _ragged(values=VECTOR, splits=SPLITS):
    return {"splits": splits, "values": values}


_FED = {"Dense": lambda x=MATRIX: _dense(x), "Sparse": lambda x=VALUES: _sparse(x),
        "Ragged": lambda x=VECTOR: _ragged(x)}  # fmt: skip
for _kind, _fed in _FED.items():
    _x = _fed()["values"]
    for _dtype in (F32, F64, I32, I64):
        _name = np.dtype(_dtype).name
        count(_kind, f"to {_name}", _fed(), output=_dtype)
        count(_kind, f"weights of {_name}", _fed(), _weights(_x, _dtype))
    count(_kind, "int32", _fed(_x.astype(I32)))
    for _least, _most in LENGTHS:
        _of = {"minlength": _least, "maxlength": _most}
        count(_kind, f"lengths {_least} {_most}", _fed(), **_of)
    count(_kind, "binary", _fed(), binary=True)
    count(_kind, "binary with weights", _fed(), _weights(_x, F32), binary=True)
    count(_kind, "negative numbers", _fed(_x - 2))
    count(_kind, "large numbers", _fed(_x + 2**31 - 4))
    count(_kind, "very large numbers", _fed(_x + 2**40))
    count(_kind, "other weights", _fed(), _weights(_x, F32)[:2])
    count(_kind, "weights that cancel", _fed(), np.zeros(_x.shape, F32))
count("Dense", "vector", _dense(VECTOR))
count("Dense", "vector with weights", _dense(VECTOR), _weights(VECTOR, F32))
count("Dense", "vector of nothing", _dense(VECTOR[:0]))
count("Dense", "rows of nothing", _dense(MATRIX[:, :0]))
count("Dense", "no rows", _dense(MATRIX[:0]))
count("Dense", "scalar", _dense(np.int64(3)))
count("Dense", "cube", _dense(MATRIX[None]))
count("Sparse", "vector", _sparse(VALUES[:2], INDICES[:2, 1:], SHAPE[1:]))
count("Sparse", "unordered", _sparse(VALUES, INDICES[::-1].copy()))
count("Sparse", "cube", _sparse(VALUES[:3], CUBE, np.array([2, 2, 3], I64)))
count("Sparse", "nothing", _sparse(VALUES[:0], INDICES[:0]))
count("Sparse", "no rows", _sparse(VALUES[:0], INDICES[:0], np.array([0, 4], I64)))
count("Sparse", "outside", _sparse(VALUES[:1], np.array([[3, 0]], I64)))
count("Sparse", "negative", _sparse(VALUES[:1], np.array([[-1, 0]], I64)))
count("Sparse", "outside columns", _sparse(VALUES[:1], np.array([[0, 4]], I64)))
count("Sparse", "vector of indices", _sparse(VALUES, INDICES[0]))
count("Sparse", "matrix of values", _sparse(VALUES[None]))
count("Sparse", "matrix of sizes", _sparse(shape=SHAPE[None]))
count("Sparse", "too few values", _sparse(VALUES[:2]))
count("Sparse", "too few sizes", _sparse(shape=SHAPE[:1]))
count("Sparse", "no sizes", _sparse(VALUES[:0], np.zeros((0, 0), I64), SHAPE[:0]))
count("Sparse", "too many rows", _sparse(VALUES[:0], INDICES[:0], np.array([2**40, 4], I64)))
for _splits in (
    [0, 7],
    [0, 0, 7, 7],
    [0],
    [],
    [1, 7],
    [0, 3],
    [0, 9],
    [0, 5, 3, 7],
    [0, 3, 3, 9, 7],
):
    _bad = np.array(_splits, I64)
    count("Ragged", f"splits {_splits}", _ragged(splits=_bad))
count("Ragged", "nothing", _ragged(VECTOR[:0], np.array([0, 0, 0], I64)))

# --- with dense results


def bincount(kind, note, fed, size, weights=None, *, output=F32, ranks=False, **more):
    weights = np.zeros(0, output) if weights is None else weights
    raw_case(f"{kind}Bincount", note, {**fed, "size": size, "weights": weights}, ranks=ranks,
             tolerance=1e-6, **more)  # fmt: skip


for _kind, _fed in list(_FED.items())[1:]:
    _x = _fed()["values"]
    for _dtype in (F32, F64, I32, I64):
        _name = np.dtype(_dtype).name
        bincount(_kind, f"to {_name}", _fed(), I64(8), output=_dtype)
        bincount(_kind, f"weights of {_name}", _fed(), I64(8), _weights(_x, _dtype))
    bincount(_kind, "int32", _fed(_x.astype(I32)), I32(8))
    for _size in (0, 2, 9, -1):
        bincount(_kind, f"size {_size}", _fed(), I64(_size))
    for _binary in (False, True):
        bincount(_kind, f"binary {_binary}", _fed(), I64(8), binary_output=_binary)
        _some = _weights(_x, F32)
        bincount(
            _kind, f"binary {_binary} with weights", _fed(), I64(8), _some, binary_output=_binary
        )
    bincount(_kind, "negative numbers", _fed(_x - 2), I64(8))
    bincount(_kind, "vector of sizes", _fed(), np.array([8], I64))
bincount("Sparse", "vector", _sparse(VALUES[:2], INDICES[:2, 1:], SHAPE[1:]), I64(8))
bincount("Sparse", "vector, binary", _sparse(VALUES[[0, 0]], INDICES[:2, 1:], SHAPE[1:]), I64(8),
         binary_output=True)  # fmt: skip
bincount("Sparse", "vector, small size", _sparse(VALUES[:2], INDICES[:2, 1:], SHAPE[1:]), I64(2))
bincount("Sparse", "vector, negative", _sparse(-VALUES[:2], INDICES[:2, 1:], SHAPE[1:]), I64(2))
bincount("Sparse", "unordered", _sparse(VALUES, INDICES[::-1].copy()), I64(8))
bincount("Sparse", "cube", _sparse(VALUES[:3], CUBE, np.array([2, 2, 3], I64)), I64(8))
bincount("Sparse", "nothing", _sparse(VALUES[:0], INDICES[:0]), I64(8))
bincount("Sparse", "no rows", _sparse(VALUES[:0], INDICES[:0], np.array([0, 4], I64)), I64(8))
bincount("Sparse", "outside", _sparse(VALUES[:1], np.array([[3, 0]], I64)), I64(8))
bincount("Sparse", "negative", _sparse(VALUES[:1], np.array([[-1, 0]], I64)), I64(8))
bincount("Sparse", "vector of indices", _sparse(VALUES, INDICES[0]), I64(8))
bincount("Sparse", "matrix of values", _sparse(VALUES[None]), I64(8))
bincount("Sparse", "matrix of sizes", _sparse(shape=SHAPE[None]), I64(8))
bincount("Sparse", "too few values", _sparse(VALUES[:2]), I64(8))
for _splits in ([0, 7], [0, 0, 7, 7], [0], [], [1, 7], [0, 3], [0, 9], [0, 5, 3, 7]):
    _bad = np.array(_splits, I64)
    bincount("Ragged", f"splits {_splits}", _ragged(splits=_bad), I64(8))
bincount("Ragged", "nothing", _ragged(VECTOR[:0], np.array([0, 0, 0], I64)), I64(8))
bincount("Ragged", "matrix of splits", _ragged(splits=SPLITS[None]), I64(8))
