"""Feature crosses of sparse, dense and ragged columns."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
I64 = np.int64


def _strings(*items):
    return np.array([*(i if isinstance(i, bytes) else i.encode() for i in items), None], object)[
        :-1
    ]


# Sparse columns of a batch of three: indices, values, shape.
WORDS = (
    np.array([[0, 0], [0, 1], [2, 0]], I64),
    _strings("a", "b\xe9\u4e16", ""),
    np.array([3, 2], I64),
)
COLOURS = (
    np.array([[0, 0], [1, 0], [2, 0], [2, 1]], I64),
    _strings("red", "green", "blue", b"\xff\x00x"),
    np.array([3, 2], I64),
)
NUMBERS = (
    np.array([[0, 0], [0, 1], [1, 0], [2, 0]], I64),
    np.array([7, -1, 2**40 + 5, -(2**63)], I64),
    np.array([3, 2], I64),
)
NOTHING = (np.zeros((0, 2), I64), _strings(), np.array([3, 2], I64))
UNORDERED = (np.array([[0, 0], [2, 0], [1, 0]], I64), WORDS[1], WORDS[2])
BEYOND = (np.array([[0, 0], [1, 0], [5, 0]], I64), WORDS[1], WORDS[2])
NEGATIVE = (np.array([[-1, 0], [1, 0], [2, 0]], I64), WORDS[1], WORDS[2])
DENSE = _strings("x", "y", "a longer feature than all the others here", "", "z", "w").reshape(3, 2)
DENSE_NUMBERS = np.array([[1, 2**40], [-3, 4], [0, -(2**62)]], I64)


def _fed(sparse, dense, ranks):
    shape = "rank" if ranks else None
    sides = zip(*sparse, strict=True) if sparse else ((), (), ())
    indices, values, shapes = ([feed(x, shape=shape) for x in side] for side in sides)
    return {"indices": indices, "values": values, "shapes": shapes,
            "dense_inputs": [feed(x, shape=shape) for x in dense]}  # fmt: skip


COLUMNS = {
    "words": ([WORDS], []),
    "words and colours": ([WORDS, COLOURS], []),
    "words and numbers": ([WORDS, NUMBERS], []),
    "numbers": ([NUMBERS, NUMBERS], []),
    "sparse": ([WORDS, NUMBERS], [DENSE]),
    "dense": ([], [DENSE, DENSE]),
    "dense numbers": ([], [DENSE_NUMBERS, DENSE]),
    "all": ([WORDS, NUMBERS], [DENSE, DENSE_NUMBERS]),
    "with nothing": ([WORDS, NOTHING], [DENSE]),
    "unordered": ([COLOURS, UNORDERED], []),
    "beyond": ([BEYOND, COLOURS], []),
    "negative": ([NEGATIVE, COLOURS], []),
}
_EMPTY = tuple(x[:0] for x in WORDS[:2]), np.array([0, 2], I64)
COLUMNS["no rows"] = ([(*_EMPTY[0], _EMPTY[1])], [DENSE[:0]])
COLUMNS["no dense features"] = ([WORDS], [DENSE[:, :0]])
WRONG = {
    "vector of indices": ([(WORDS[0][0], *WORDS[1:])], []),
    "three columns": ([(np.zeros((3, 3), I64), *WORDS[1:])], []),
    "matrix of values": ([(WORDS[0], WORDS[1][None], WORDS[2])], []),
    "too few values": ([(WORDS[0], WORDS[1][:2], WORDS[2])], []),
    "matrix of sizes": ([(*WORDS[:2], WORDS[2][None])], []),
    "three sizes": ([(*WORDS[:2], np.array([3, 2, 1], I64))], []),
    "vector of dense features": ([WORDS], [DENSE[:, 0]]),
    "other batch": ([WORDS, (*COLOURS[:2], COLOURS[2] + 1)], []),
    "other dense batch": ([WORDS], [DENSE[:2]]),
}
# No strong hashes of dense numbers: TensorFlow's kernel dies of them.


def _names(columns):
    return [c[1].dtype == object for c in columns[0]] + [d.dtype == object for d in columns[1]]


def cross_v2(name, separator="_X_", ranks=True):
    return RAW.SparseCrossV2(**_fed(*(COLUMNS | WRONG)[name], ranks), sep=separator)


def cross_hashed(name, buckets=0, strong=False, salt=(0, 0), ranks=True):
    return RAW.SparseCrossHashed(
        **_fed(*(COLUMNS | WRONG)[name], ranks), num_buckets=buckets, strong_hash=strong,
        salt=salt,
    )  # fmt: skip


def cross(name, hashed=True, buckets=0, key=0xDECAFCAFFE, internal=None, ranks=True):
    columns = (COLUMNS | WRONG)[name]
    plain = all(_names(columns))
    return RAW.SparseCross(
        **_fed(*columns, ranks), hashed_output=hashed, num_buckets=buckets, hash_key=key,
        out_type=tf.int64 if hashed else tf.string,
        internal_type=internal or (tf.string if plain else tf.int64),
    )  # fmt: skip


for _name in COLUMNS:
    case("SparseCrossV2", name=_name)(cross_v2)
    case("SparseCrossHashed", name=_name)(cross_hashed)
    if _name in ("words", "words and numbers", "sparse", "unordered", "no rows"):
        case("SparseCrossHashed", name=_name, strong=True, salt=(137, 2**40))(cross_hashed)
for _name in ("words and numbers", "dense", "all", "with nothing", "unordered"):
    case("SparseCross", name=_name)(cross)
    case("SparseCross", name=_name, hashed=False)(cross)
for _name in WRONG:
    case("SparseCrossV2", name=_name, ranks=False)(cross_v2)
for _name in ("three columns", "other batch", "other dense batch"):
    case("SparseCrossHashed", name=_name, ranks=False)(cross_hashed)
    case("SparseCross", name=_name, ranks=False)(cross)
for _separator in ("", "\u00e9", "__"):
    case("SparseCrossV2", name="words and numbers", separator=_separator)(cross_v2)
case("SparseCrossV2", name="words", separator=["a"])(cross_v2)
for _buckets in (1, 1000, 2**62, -1):
    case("SparseCrossHashed", name="numbers", buckets=_buckets)(cross_hashed)
    case("SparseCrossHashed", name="words", buckets=_buckets, strong=True)(cross_hashed)
for _buckets in (1, 7, 1000, 2**62):
    case("SparseCross", name="words", buckets=_buckets)(cross)
for _salt in ((1, 2), (-1, 2**63 - 1), (1,), (1, 2, 3)):
    case("SparseCrossHashed", name="words", buckets=1000, strong=True, salt=_salt)(cross_hashed)
for _key in (0, 1, -1, 2**63 - 1):
    case("SparseCross", name="words", key=_key)(cross)
for _internal in (tf.string, tf.int64):
    for _hashed in (False, True):
        for _name in ("words", "numbers"):
            case("SparseCross", name=_name, hashed=_hashed, internal=_internal)(cross)


# --- ragged columns: values, splits

RAGGED = (WORDS[1], np.array([0, 2, 2, 3], I64))
RAGGED_NUMBERS = (NUMBERS[1], np.array([0, 1, 3, 4], I64))
RAGGED_SHORT = (WORDS[1], np.array([0, 1, 2, 3], np.int32))
RAGGED_COLUMNS = {
    "ragged": ("R", [RAGGED], [], []),
    "two ragged": ("RR", [RAGGED, RAGGED_NUMBERS], [], []),
    "int32 splits": ("RR", [RAGGED_SHORT, RAGGED_SHORT], [], []),
    "ragged and sparse": ("RS", [RAGGED_NUMBERS], [WORDS], []),
    "sparse and ragged": ("SR", [RAGGED_NUMBERS], [WORDS], []),
    "sparse": ("SS", [], [COLOURS, NUMBERS], []),
    "dense": ("DD", [], [], [DENSE, DENSE_NUMBERS]),
    "all": ("DRSDR", [RAGGED_NUMBERS, RAGGED_NUMBERS], [COLOURS], [DENSE, DENSE_NUMBERS]),
    "with nothing": ("RS", [RAGGED_NUMBERS], [NOTHING], []),
    "no rows": ("R", [(WORDS[1][:0], np.array([0], I64))], [], []),
    "unordered": ("SS", [], [UNORDERED, COLOURS], []),
    "beyond": ("SS", [], [COLOURS, BEYOND], []),
    "negative": ("SS", [], [COLOURS, NEGATIVE], []),
}
RAGGED_WRONG = {
    "order": ("RQ", [RAGGED, RAGGED_NUMBERS], [], []),
    "short order": ("R", [RAGGED, RAGGED_NUMBERS], [], []),
    "order of others": ("RD", [RAGGED, RAGGED_NUMBERS], [], []),
    "matrix of values": ("R", [(WORDS[1][None], RAGGED[1])], [], []),
    "matrix of splits": ("R", [(WORDS[1], RAGGED[1][None])], [], []),
    "no splits": ("R", [(WORDS[1], RAGGED[1][:0])], [], []),
    "splits that go back": ("R", [(WORDS[1], np.array([0, 2, 1, 3], I64))], [], []),
    "splits that begin late": ("R", [(WORDS[1], np.array([1, 2, 3], I64))], [], []),
    "splits that end early": ("R", [(WORDS[1], np.array([0, 2], I64))], [], []),
    "splits that end late": ("R", [(WORDS[1], np.array([0, 2, 4], I64))], [], []),
    "other batch": ("RD", [RAGGED], [], [DENSE[:2]]),
    "other sparse batch": ("RS", [RAGGED], [(*COLOURS[:2], COLOURS[2] + 1)], []),
    "sparse cube": ("S", [], [(*COLOURS[:2], np.array([3, 2, 1], I64))], []),
    "sparse vector of indices": ("S", [], [(COLOURS[0][0], *COLOURS[1:])], []),
    "dense vector": ("D", [], [], [DENSE[0]]),
}


def ragged_cross(name, hashed=True, buckets=0, key=956888297470, splits=tf.int64, ranks=True):
    order, ragged, sparse, dense = (RAGGED_COLUMNS | RAGGED_WRONG)[name]
    shape = "rank" if ranks else None
    sides = zip(*sparse, strict=True) if sparse else ((), (), ())
    indices, values, shapes = ([feed(x, shape=shape) for x in side] for side in sides)
    return RAW.RaggedCross(
        ragged_values=[feed(r[0], shape=shape) for r in ragged],
        ragged_row_splits=[feed(r[1], shape=shape) for r in ragged],
        sparse_indices=indices, sparse_values=values, sparse_shape=shapes,
        dense_inputs=[feed(d, shape=shape) for d in dense],
        input_order=order, hashed_output=hashed, num_buckets=buckets, hash_key=key,
        out_values_type=tf.int64 if hashed else tf.string, out_row_splits_type=splits,
    )  # fmt: skip


for _name in RAGGED_COLUMNS:
    _splits = tf.int32 if _name == "int32 splits" else tf.int64
    for _hashed in (False, True):
        case("RaggedCross", name=_name, hashed=_hashed, splits=_splits)(ragged_cross)
for _name in RAGGED_WRONG:
    case("RaggedCross", name=_name, ranks=False)(ragged_cross)
for _buckets in (1, 7, 2**62):
    case("RaggedCross", name="ragged", buckets=_buckets)(ragged_cross)
for _key in (0, 1, -1):
    case("RaggedCross", name="ragged", key=_key)(ragged_cross)
case("RaggedCross", name="dense", splits=tf.int32)(ragged_cross)
