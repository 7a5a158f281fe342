"""Sparse tensors written into strings and variants, and read again."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
F32, I64 = np.float32, np.int64
INDICES = np.array([[0, 0], [0, 2], [2, 1]], I64)
VALUES = np.array([1.5, -2.5, 3.25], F32)
SHAPE = np.array([3, 4], I64)
WORDS = np.array([b"one", b"", "dré".encode()], object)
LONG = np.array([b"x" * 200, b"y", b"z" * 130], object)
CUBE = np.array([[0, 0, 1], [2, 1, 0], [2, 1, 3]], I64)
CUBE_SHAPE = np.array([4, 2, 5], I64)
NONE = (np.zeros((0, 2), I64), VALUES[:0], SHAPE)
KINDS = [
    *(VALUES, VALUES.astype(np.float64), VALUES.astype(np.float16), np.array([1, 2**40, -3], I64)),
    *(np.array([True, False, True]), WORDS, np.array([1, -2, 3], np.int8)),
    *(np.array([1 + 2j, 0, 3j], np.complex64), VALUES.astype(tf.bfloat16.as_numpy_dtype)),
]


def _fed(indices, values, shape):
    return {"sparse_indices": indices, "sparse_values": values, "sparse_shape": shape}


for _values in KINDS:
    _name = np.dtype(_values.dtype).name
    raw_case("SerializeSparse", f"of {_name}", _fed(INDICES, _values, SHAPE), tolerance=0)
    raw_case("SerializeManySparse", f"of {_name}", _fed(INDICES, _values, SHAPE), tolerance=0)
for _op in ("SerializeSparse", "SerializeManySparse"):
    raw_case(_op, "nothing", _fed(*NONE))
    raw_case(_op, "cube", _fed(CUBE, VALUES, CUBE_SHAPE))
    raw_case(_op, "vector of indices", _fed(INDICES[0], VALUES, SHAPE), ranks=False)
    raw_case(_op, "matrix of values", _fed(INDICES, VALUES[None], SHAPE), ranks=False)
    raw_case(_op, "matrix of sizes", _fed(INDICES, VALUES, SHAPE[None]), ranks=False)
    raw_case(_op, "too few values", _fed(INDICES, VALUES[:2], SHAPE), ranks=False)
    raw_case(_op, "too few sizes", _fed(INDICES, VALUES, SHAPE[:1]), ranks=False)
    raw_case(_op, "unordered", _fed(INDICES[::-1].copy(), VALUES, SHAPE), ranks=False)
    raw_case(_op, "outside", _fed(np.array([[5, 0]], I64), VALUES[:1], SHAPE), ranks=False)
raw_case("SerializeManySparse", "no rows", _fed(*NONE[:2], np.array([0, 4], I64)))
raw_case("SerializeManySparse", "vector", _fed(INDICES[:2, 1:], VALUES[:2], SHAPE[1:]), ranks=False)


def _read(serialized, dtype, many):
    if many:
        return RAW.DeserializeManySparse(serialized_sparse=serialized, dtype=dtype)
    return RAW.DeserializeSparse(serialized_sparse=serialized, dtype=dtype)


def _write(parts, kind=tf.string):
    return RAW.SerializeSparse(**_fed(*(feed(p, shape=None) for p in parts)), out_type=kind)


@case("DeserializeSparse", kind=tf.string, many=False)
@case("DeserializeSparse", kind=tf.variant, many=False)
@case("DeserializeManySparse", kind=tf.string, many=True)
def one_of_each_dtype(kind, many):
    back = []
    for values in KINDS:
        written = _write((INDICES, values, SHAPE), kind)
        dtype = tf.string if values.dtype == object else tf.as_dtype(values.dtype)
        back.append(_read(written[None] if many else written, dtype, many))
    return back


PARTS = {
    "one": [(INDICES, VALUES, SHAPE)],
    "two": [(INDICES, VALUES, SHAPE), (INDICES[1:], -VALUES[1:], SHAPE + 1)],
    "with nothing": [(INDICES, VALUES, SHAPE), NONE, (INDICES[::-1].copy(), VALUES, SHAPE)],
    "cubes": [(CUBE, VALUES, CUBE_SHAPE), (CUBE[:1], VALUES[:1], CUBE_SHAPE)],
    "words": [(INDICES, WORDS, SHAPE), (INDICES, LONG, SHAPE)],
    "other ranks": [(INDICES, VALUES, SHAPE), (CUBE, VALUES, CUBE_SHAPE)],
    "scalars": [(np.zeros((1, 0), I64), VALUES[:1], SHAPE[:0])] * 2,
}


@case("DeserializeSparse", name="one", kind=tf.variant)
@case("DeserializeSparse", name="two", kind=tf.variant)
@case("DeserializeSparse", name="with nothing", kind=tf.variant)
@case("DeserializeSparse", name="cubes", kind=tf.variant)
@case("DeserializeSparse", name="other ranks", kind=tf.variant)
@case("DeserializeSparse", name="one")
@case("DeserializeSparse", name="two")
@case("DeserializeSparse", name="with nothing")
@case("DeserializeSparse", name="cubes")
@case("DeserializeSparse", name="words")
@case("DeserializeSparse", name="other ranks")
@case("DeserializeSparse", name="scalars")
@case("DeserializeManySparse", name="one", many=True)
@case("DeserializeManySparse", name="two", many=True)
@case("DeserializeManySparse", name="with nothing", many=True)
@case("DeserializeManySparse", name="words", many=True)
@case("DeserializeManySparse", name="other ranks", many=True)
def several(name, kind=tf.string, many=False):
    dtype = tf.string if name == "words" else tf.float32
    return _read(tf.stack([_write(part, kind) for part in PARTS[name]]), dtype, many)


@case("DeserializeSparse")
def a_matrix_of_them():
    written = [_write(part) for part in PARTS["with nothing"] + PARTS["one"]]
    return _read(tf.reshape(tf.stack(written), (2, 2, 3)), tf.float32, False)


@case("SerializeManySparse", kind=tf.variant)
@case("SerializeManySparse", kind=tf.string)
def there_and_back(kind):
    parts = [feed(p) for p in (CUBE, VALUES, CUBE_SHAPE)]
    return _read(RAW.SerializeManySparse(**_fed(*parts), out_type=kind), tf.float32, False)


@case("DeserializeSparse", which="rank", many=False)
@case("DeserializeSparse", which="none", many=False)
@case("DeserializeSparse", which="columns", many=False)
@case("DeserializeSparse", which="dtype", many=False)
@case("DeserializeSparse", which="bytes", many=False)
@case("DeserializeSparse", which="order", many=False)
@case("DeserializeSparse", which="values", many=False)
@case("DeserializeSparse", which="shape", many=False)
@case("DeserializeManySparse", which="vector", many=True)
@case("DeserializeManySparse", which="none", many=True)
@case("DeserializeManySparse", which="columns", many=True)
@case("DeserializeManySparse", which="dtype", many=True)
@case("DeserializeManySparse", which="bytes", many=True)
@case("DeserializeManySparse", which="order", many=True)
@case("DeserializeManySparse", which="values", many=True)
@case("DeserializeManySparse", which="shape", many=True)
def refused(which, many):
    written = _write(PARTS["one"][0])
    if which == "dtype":
        return _read(written[None] if many else written, tf.int32, many)
    if which == "values":
        written = tf.stack([written[0], written[2], written[2]])
    elif which == "shape":
        written = tf.stack([written[0], written[1], _write(PARTS["cubes"][0])[2]])
    elif which == "order":
        written = written[::-1]
    elif which == "columns":
        written = written[:2]
    elif which == "bytes":
        written = feed([b"\x07what", b"is", b"\xff\xff"], shape=None)
    if which == "rank":
        written = feed(b"scalar", shape=None)
    elif which == "none":
        written = feed(np.zeros((0, 3), object), shape=None)
    elif many and which != "vector":
        written = written[None]
    written = tf.compat.v1.placeholder_with_default(written, None)
    return _read(written, tf.int64 if which in ("order", "values") else tf.float32, many)
