"""Ragged tensors: gathered, made, filled, and turned into dense and sparse tensors and variants."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, raw_case

RAW = tf.raw_ops
F32, F64, I32, I64 = np.float32, np.float64, np.int32, np.int64
BFLOAT16 = tf.bfloat16.as_numpy_dtype
# Rows of 3, 0, 2 and 1 values.
SPLITS = np.array([0, 3, 3, 5, 6], I64)
VALUES = np.arange(6).astype(F32) + 0.5
WORDS = np.array([b"a", b"", "b\xe9".encode(), b"c", b"d", b"e"], object)
PAIRS = np.arange(12).reshape(6, 2).astype(F32)
# Three rows: of two rows, 2 and 1 values; of none; of two, none and 3 values.
OUTER = np.array([0, 2, 2, 4], I64)
INNER = np.array([0, 2, 3, 3, 6], I64)
KINDS = [
    *(VALUES, VALUES.astype(F64), VALUES.astype(I32), VALUES.astype(np.uint8), WORDS),
    *(VALUES > 2, VALUES.astype(np.float16), VALUES.astype(BFLOAT16)),
    *(VALUES.astype(np.complex64),),
]
BAD_SPLITS = {
    "empty": [],
    "late": [1, 3, 6],
    "back": [0, 4, 3, 6],
    "short": [0, 3, 5],
    "long": [0, 3, 7],
    "negative": [0, -1, 6],
}


def _name(values):
    return "string" if values.dtype == object else np.dtype(values.dtype).name


# --- RaggedGather


def gather(note, splits, values, indices, *, ranks=True):
    extra = np.ndim(indices) - 1
    fed = {"params_nested_splits": splits, "params_dense_values": values, "indices": indices}
    raw_case("RaggedGather", note, fed, ranks=ranks, tolerance=0,
             OUTPUT_RAGGED_RANK=len(splits) + max(extra, -1))  # fmt: skip


SOME = np.array([3, 0, 1, 0], I64)
for _values in KINDS:
    gather(f"of {_name(_values)}", [SPLITS], _values, SOME)
gather("int32 indices", [SPLITS], VALUES, SOME.astype(I32))
gather("int32 splits", [SPLITS.astype(I32)], VALUES, SOME)
gather("rows of pairs", [SPLITS], PAIRS, SOME)
gather("matrix of indices", [SPLITS], VALUES, SOME.reshape(2, 2))
gather("cube of indices", [SPLITS], VALUES, np.array([[[0], [1]], [[3], [2]]], I64))
gather("two dimensions", [OUTER, INNER], VALUES, np.array([2, 1, 0, 2], I64))
gather("two dimensions, matrix", [OUTER, INNER], WORDS, np.array([[2, 1], [0, 2]], I64))
gather("one row", [OUTER, INNER], VALUES, I64(2))
gather("nothing", [SPLITS], VALUES, SOME[:0])
gather("no values", [SPLITS * 0], VALUES[:0], SOME)
gather("empty pairs", [SPLITS * 0], PAIRS[:0], SOME)
gather("no rows", [SPLITS[:1]], VALUES[:0], SOME[:0])
gather("outside", [SPLITS], VALUES, np.array([0, 4], I64))
gather("outside in a matrix", [SPLITS], VALUES, np.array([[0, 1], [2, 4]], I64))
gather("negative", [SPLITS], VALUES, np.array([0, -1], I64))
gather("scalar values", [SPLITS], F32(1), SOME, ranks=False)
gather("matrix of splits", [SPLITS[None]], VALUES, SOME[:0], ranks=False)
for _note, _splits in BAD_SPLITS.items():
    gather(f"splits {_note}", [np.array(_splits, I64)], VALUES, np.array([0], I64), ranks=False)
gather("inner splits short", [OUTER, INNER[:-1]], VALUES, np.array([0], I64))
gather("inner splits very short", [OUTER, INNER[:-2]], VALUES, np.array([0], I64))

# --- RaggedRange


def ragged_range(note, starts, limits, deltas, *, ranks=True, **more):
    fed = {"starts": starts, "limits": limits, "deltas": deltas}
    raw_case("RaggedRange", note, fed, ranks=ranks, tolerance=1e-6, **more)


for _dtype in (I32, I64, F32, F64):
    for _splits in (tf.int32, tf.int64):
        _of = [np.array(x).astype(_dtype) for x in ([0, 5, 3], [4, 5, -3], [1, 1, -2])]
        ragged_range(f"of {np.dtype(_dtype).name} to {_splits.name}", *_of, Tsplits=_splits)
    _of = [np.array(x).astype(_dtype) for x in ([0, 5], [4, 13], 2)]
    ragged_range(f"of {np.dtype(_dtype).name} with one delta", *_of)
ragged_range("tenths", np.array([0, 1], F32), np.array([1, 0], F32), np.array([0.1, -0.3], F32))
ragged_range("tenths in float64", F64(0), np.array([1, 3], F64), F64(0.1))
ragged_range("many tenths", F32(0), np.array([30, 1], F32), F32(0.1))
ragged_range("scalars", I32(0), I32(5), I32(2))
ragged_range("nowhere", np.array([5, 0], I32), np.array([0, 5], I32), np.array([1, -1], I32))
ragged_range("no rows", *[np.zeros(0, I32)] * 3)
ragged_range("one start, no rows", I32(0), np.zeros(0, I32), I32(1))
ragged_range("extreme", I32(-(2**31)), np.array([2**31 - 1], I32), I32(2**30))
ragged_range("zero delta", np.array([0, 1], I32), np.array([0, 5], I32), np.array([1, 0], I32))
ragged_range("other lengths", np.array([0, 1], I32), np.array([5, 5, 5], I32), I32(1))
ragged_range("one and two", np.array([0], I32), np.array([5, 5], I32), I32(1))
ragged_range("matrix of starts", np.zeros((1, 1), I32), I32(5), I32(1), ranks=False)
ragged_range("matrix of limits", I32(0), np.zeros((1, 1), I32), I32(1), ranks=False)
ragged_range("matrix of deltas", I32(0), I32(5), np.ones((1, 1), I32), ranks=False)
ragged_range("not a number", F32(np.nan), np.array([1.0], F32), F32(1))
ragged_range("endless", F32(0), np.array([np.inf], F32), F32(1))

# --- RaggedTensorToSparse


def to_sparse(note, splits, values, *, ranks=True):
    fed = {"rt_nested_splits": splits, "rt_dense_values": values}
    raw_case("RaggedTensorToSparse", note, fed, ranks=ranks, tolerance=0)


for _values in KINDS:
    to_sparse(f"of {_name(_values)}", [SPLITS], _values)
to_sparse("int32 splits", [SPLITS.astype(I32)], VALUES)
to_sparse("pairs", [SPLITS], PAIRS)
to_sparse("cubes", [SPLITS], np.arange(24).reshape(6, 2, 2))
to_sparse("pairs of nothing", [SPLITS], PAIRS[:, :0])
to_sparse("two dimensions", [OUTER, INNER], VALUES)
to_sparse("two dimensions of pairs", [OUTER, INNER], PAIRS)
to_sparse("no values", [SPLITS * 0], VALUES[:0])
to_sparse("no rows", [SPLITS[:1]], VALUES[:0])
to_sparse("scalar values", [np.array([0, 1], I64)], F32(1), ranks=False)
to_sparse("inner splits short", [OUTER, INNER[:-1]], VALUES)
for _note, _splits in BAD_SPLITS.items():
    to_sparse(f"splits {_note}", [np.array(_splits, I64)], VALUES, ranks=False)

# --- RaggedFillEmptyRows


def fill(note, rowids, values, nrows, default, *, ranks=True):
    fed = {"value_rowids": rowids, "values": values, "nrows": nrows, "default_value": default}
    raw_case("RaggedFillEmptyRows", note, fed, ranks=ranks, tolerance=0)


ROWS = np.array([0, 0, 2, 2, 2, 4], I64)
for _values in KINDS:
    fill(f"of {_name(_values)}", ROWS, _values, I64(6), _values[0])
fill("full", ROWS[:2], VALUES[:2], I64(1), F32(9))
fill("unordered", ROWS[::-1].copy(), VALUES, I64(5), F32(9))
fill("nothing", ROWS[:0], VALUES[:0], I64(2), F32(9))
fill("no rows", ROWS[:0], VALUES[:0], I64(0), F32(9))
fill("values in no rows", ROWS, VALUES, I64(0), F32(9))
fill("outside", ROWS, VALUES, I64(4), F32(9))
fill("negative", -ROWS, VALUES, I64(6), F32(9))
fill("negative rows", ROWS[:0], VALUES[:0], I64(-1), F32(9))
fill("matrix of rows", ROWS[None], VALUES, I64(6), F32(9), ranks=False)
fill("matrix of values", ROWS, VALUES[None], I64(6), F32(9), ranks=False)
fill("too few values", ROWS, VALUES[:2], I64(6), F32(9), ranks=False)
fill("vector of rows", ROWS, VALUES, np.array([6], I64), F32(9), ranks=False)
fill("vector of defaults", ROWS, VALUES, I64(6), VALUES[:1], ranks=False)

# --- variants


def there_and_back(splits, values, batched, rank=None, split=tf.int64, hide=True):
    splits = [feed(s, shape="rank" if hide else None) for s in splits]
    values = feed(values, shape="rank" if hide else None)
    written = RAW.RaggedTensorToVariant(
        rt_nested_splits=splits, rt_dense_values=values, batched_input=batched
    )
    return RAW.RaggedTensorFromVariant(
        encoded_ragged=written, input_ragged_rank=len(splits) - batched if rank is None else rank,
        output_ragged_rank=len(splits), Tvalues=values.dtype, Tsplits=split,
    )  # fmt: skip


_RAGGED = {
    "one": ([SPLITS], VALUES),
    "words": ([SPLITS], WORDS),
    "pairs": ([SPLITS], PAIRS),
    "two": ([OUTER, INNER], VALUES),
    "two of pairs": ([OUTER, INNER], PAIRS),
    "no values": ([SPLITS * 0], VALUES[:0]),
    "no rows": ([SPLITS[:1]], VALUES[:0]),
    "no rows of two": ([SPLITS[:1], SPLITS[:1]], VALUES[:0]),
    "three": ([np.array([0, 1, 3], I64), OUTER, INNER], WORDS),
}
for _note, (_splits, _values) in _RAGGED.items():

    @case("RaggedTensorFromVariant", note=_note, batched=True)
    @case("RaggedTensorFromVariant", note=_note, batched=False)
    def from_variant(note, batched):
        return there_and_back(*_RAGGED[note], batched)


@case("RaggedTensorToVariant")
def dense_rows():
    written = RAW.RaggedTensorToVariant(
        rt_nested_splits=[], rt_dense_values=feed(PAIRS), batched_input=False
    )
    return RAW.RaggedTensorFromVariant(
        encoded_ragged=written, input_ragged_rank=0, output_ragged_rank=0, Tvalues=tf.float32,
    )  # fmt: skip


@case("RaggedTensorToVariant", batched=True)
@case("RaggedTensorToVariant", batched=False)
def shape_of_the_variant(batched):
    written = RAW.RaggedTensorToVariant(
        rt_nested_splits=[feed(SPLITS)], rt_dense_values=feed(VALUES), batched_input=batched
    )
    return tf.shape(written)


@case("RaggedTensorToVariant")
def int32_splits():
    return there_and_back([SPLITS.astype(I32)], VALUES, True, split=tf.int32)


@case("RaggedTensorFromVariant")
def unknown_rank():
    return there_and_back([OUTER, INNER], VALUES, True, rank=-1)


@case("RaggedTensorFromVariant", what="rank")
@case("RaggedTensorFromVariant", what="dtype")
@case("RaggedTensorFromVariant", what="splits")
@case("RaggedTensorFromVariant", what="dimensions")
@case("RaggedTensorFromVariant", what="list")
@case("RaggedTensorFromVariant", what="scalar values")
def refused(what):
    values = feed(F32(1) if what == "scalar values" else VALUES, shape=None)
    splits = [feed(SPLITS, shape=None)]
    written = RAW.RaggedTensorToVariant(
        rt_nested_splits=splits, rt_dense_values=values, batched_input=False
    )
    if what == "list":
        written = RAW.TensorListFromTensor(tensor=values, element_shape=np.zeros(0, I32))
    dtype = tf.int32 if what == "dtype" else tf.float32
    kind = tf.int32 if what == "splits" else tf.int64
    if what == "dimensions":
        written = tf.stack([written, written])
    written = tf.compat.v1.placeholder_with_default(written, None)
    rank = 2 if what == "rank" else 1
    return RAW.RaggedTensorFromVariant(
        encoded_ragged=written, input_ragged_rank=rank, output_ragged_rank=rank, Tvalues=dtype,
        Tsplits=kind,
    )  # fmt: skip


@case("RaggedTensorToVariant", note="empty")
@case("RaggedTensorToVariant", note="late")
@case("RaggedTensorToVariant", note="back")
@case("RaggedTensorToVariant", note="short")
@case("RaggedTensorToVariant", note="long")
@case("RaggedTensorToVariant", note="negative")
@case("RaggedTensorToVariant", note="empty", batched=False)
@case("RaggedTensorToVariant", note="back", batched=False)
def splits(note, batched=True):
    return there_and_back([np.array(BAD_SPLITS[note], I64)], VALUES, batched, hide=False)


@case("RaggedTensorToVariant")
def inner_splits():
    return there_and_back([OUTER, INNER[:-1]], VALUES, True)


@case("RaggedTensorFromVariant", shape=(2,))
@case("RaggedTensorFromVariant", shape=(2, 1))
@case("RaggedTensorFromVariant", shape=(2, 1, 3))
@case("RaggedTensorFromVariant", shape=(0,))
@case("RaggedTensorFromVariant", shape=(0, 2))
def stacked(shape):
    written = [
        RAW.RaggedTensorToVariant(
            rt_nested_splits=[feed(s)], rt_dense_values=feed(v), batched_input=False
        )
        for s, v in ((SPLITS, PAIRS), (SPLITS[:2], PAIRS[:3])) * 3
    ]
    encoded = tf.reshape(tf.stack(written)[: int(np.prod(shape))], shape)
    return RAW.RaggedTensorFromVariant(
        encoded_ragged=encoded, input_ragged_rank=1,
        output_ragged_rank=1 + len(shape), Tvalues=tf.float32,
    )  # fmt: skip


@case("RaggedTensorFromVariant")
def stacked_with_other_ranks():
    written = [
        RAW.RaggedTensorToVariant(
            rt_nested_splits=[feed(SPLITS)], rt_dense_values=feed(v), batched_input=False
        )
        for v in (PAIRS, VALUES)
    ]
    return RAW.RaggedTensorFromVariant(
        encoded_ragged=tf.stack(written), input_ragged_rank=1, output_ragged_rank=2,
        Tvalues=tf.float32,
    )  # fmt: skip


@case("RaggedTensorFromVariant")
def in_a_loop():
    ragged = tf.RaggedTensor.from_row_splits(feed(VALUES), feed(SPLITS))
    made = tf.map_fn(
        lambda row: tf.concat([row, row[:1]], 0), ragged,
        fn_output_signature=tf.RaggedTensorSpec([None], tf.float32),
    )  # fmt: skip
    return made.values, made.row_splits
