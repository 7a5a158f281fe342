"""tf.SequenceExample to tensors."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops
DTYPES = {tf.float32: np.float32, tf.int64: np.int64, tf.string: object}
TYPES = {"f": tf.float32, "i": tf.int64, "b": tf.string}


def _feature(value):
    if value is None:
        return tf.train.Feature()
    kind, *values = value
    lists = {
        "f": lambda: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "i": lambda: tf.train.Feature(int64_list=tf.train.Int64List(value=values)),
        "b": lambda: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)),
    }
    return lists[kind]()


def sequence(context=(), **rows):
    message = tf.train.SequenceExample(
        context=tf.train.Features(feature={k: _feature(v) for k, v in dict(context).items()}),
        feature_lists=tf.train.FeatureLists(
            feature_list={
                k: tf.train.FeatureList(feature=[_feature(r) for r in v]) for k, v in rows.items()
            }
        ),
    )
    return message.SerializeToString(deterministic=True)


def _field(number, payload):
    assert len(payload) < 128
    return bytes([number << 3 | 2, len(payload)]) + payload


FULL = sequence(
    {"f": ("f", 1.5, 2.5), "i": ("i", 7), "b": ("b", b"x", b"yy")},
    f=[("f", 1.0, 2.0), ("f", 3.0, 4.0)],
    i=[("i", 1), ("i", 2), ("i", -3)],
    b=[("b", b"p"), ("b", b"q")],
)
SHORT = sequence(
    {"f": ("f", 0.5, 0.25), "i": ("i", 9), "b": ("b", b"", b"z")},
    f=[("f", 5.0, 6.0)],
    i=[],
    b=[("b", b"r")],
)
UNEVEN = sequence(
    {"f": ("f", 1.0), "b": ("b",)},
    f=[("f",), ("f", 1.0, 2.0, 3.0), None],
    i=[("i", 4, 5), ("i",)],
    b=[None, ("b", b"s", b"t")],
)
BARE = sequence()
WRONG = sequence({"f": ("i", 1)}, f=[("i", 1)])
WRONG_EMPTY = sequence(f=[("i",)])
BATCHES = {
    "full": [FULL, SHORT],
    "uneven": [UNEVEN, BARE, FULL],
    "bare": [BARE, b""],
    "none": [],
    "wrong": [FULL, WRONG],
    "wrong empty": [WRONG_EMPTY],
    "missing": [FULL, BARE],
}


def _none(kind):
    return np.array([], DTYPES[TYPES[kind]])


def _parse(
    examples, *, sparse=(), dense=(), shapes=(), defaults=None, ragged=(), list_sparse=(),
    list_dense=(), list_shapes=(), list_ragged=(), missing=(), split=tf.int64, names=(), version=2,
    known="rank",
):  # fmt: skip
    given = [_none(k) for k in dense] if defaults is None else defaults
    common = {
        "serialized": feed(np.array(examples, object), shape=known),
        "debug_name": np.array(names, object),
        "context_dense_defaults": [
            tf.constant(np.array(d, DTYPES[TYPES[k]])) for d, k in zip(given, dense, strict=True)
        ],
        "Ncontext_sparse": len(sparse),
        "Nfeature_list_sparse": len(list_sparse),
        "Nfeature_list_dense": len(list_dense),
        "context_sparse_types": [TYPES[k] for k in sparse],
        "context_dense_shapes": shapes,
        "feature_list_dense_types": [TYPES[k] for k in list_dense],
        "feature_list_sparse_types": [TYPES[k] for k in list_sparse],
        "feature_list_dense_shapes": list_shapes,
    }
    if version == 1:
        return RAW.ParseSequenceExample(
            feature_list_dense_missing_assumed_empty=list(missing),
            context_sparse_keys=list(sparse), context_dense_keys=list(dense),
            feature_list_sparse_keys=list(list_sparse), feature_list_dense_keys=list(list_dense),
            Ncontext_dense=len(dense), **common,
        )  # fmt: skip
    return RAW.ParseSequenceExampleV2(
        context_sparse_keys=np.array(sparse, object),
        context_dense_keys=np.array(dense, object),
        context_ragged_keys=np.array(ragged, object),
        feature_list_sparse_keys=np.array(list_sparse, object),
        feature_list_dense_keys=np.array(list_dense, object),
        feature_list_ragged_keys=np.array(list_ragged, object),
        feature_list_dense_missing_assumed_empty=np.array([k in missing for k in list_dense], bool),
        context_ragged_value_types=[TYPES[k] for k in ragged],
        context_ragged_split_types=[split] * len(ragged),
        feature_list_ragged_value_types=[TYPES[k] for k in list_ragged],
        feature_list_ragged_split_types=[split] * len(list_ragged),
        **common,
    )


KEYS = ["f", "i", "b"]
OPS = {1: "ParseSequenceExample", 2: "ParseSequenceExampleV2"}

# Both versions share their code: the first sees every batch, the second a few.
PAIRS = [(1, b) for b in BATCHES] + [(2, b) for b in ("uneven", "missing", "none")]

for _version, _batch in PAIRS:
    _op = OPS[_version]

    @case(_op, batch=_batch, version=_version)
    def context_sparse(batch, version):
        return _parse(BATCHES[batch], sparse=KEYS, version=version)

    @case(_op, batch=_batch, version=_version)
    def list_sparse(batch, version):
        return _parse(BATCHES[batch], list_sparse=KEYS, version=version)

    @case(_op, batch=_batch, version=_version)
    def context_dense(batch, version):
        return _parse(
            BATCHES[batch], dense=KEYS, shapes=[[2], [], [1, 2]], version=version,
            defaults=[[8.0, 9.0], 4, [[b"d", b"e"]]],
        )  # fmt: skip

    @case(_op, batch=_batch, version=_version)
    def context_dense_required(batch, version):
        return _parse(BATCHES[batch], dense=["f"], shapes=[[2]], version=version)

    @case(_op, batch=_batch, version=_version)
    @case(_op, batch=_batch, version=_version, missing=KEYS)
    def list_dense(batch, version, missing=()):
        return _parse(
            BATCHES[batch], list_dense=KEYS, list_shapes=[[2], [], [1]], missing=missing,
            version=version,
        )  # fmt: skip


for _batch, _split in (
    ("full", tf.int64), ("uneven", tf.int32), ("uneven", tf.int64), ("none", tf.int32),
    ("wrong", tf.int64),
):  # fmt: skip

    @case("ParseSequenceExampleV2", batch=_batch, split=_split)
    def context_ragged(batch, split):
        return _parse(BATCHES[batch], ragged=KEYS, split=split)

    @case("ParseSequenceExampleV2", batch=_batch, split=_split)
    def list_ragged(batch, split):
        return _parse(BATCHES[batch], list_ragged=KEYS, split=split)


for _data in (FULL, UNEVEN, BARE):
    for _version, _op in OPS.items():

        @case(_op, data=_data, version=_version)
        def one_sparse(data, version):
            return _parse(data, known=None, sparse=KEYS, list_sparse=KEYS, version=version)

        @case(_op, data=_data, version=_version)
        def one_dense(data, version):
            return _parse(
                data, known=None, dense=["f"], shapes=[[2]], defaults=[[1.0, 2.0]],
                list_dense=["i"], list_shapes=[[]], missing=["i"], version=version,
            )  # fmt: skip

    @case("ParseSequenceExampleV2", data=_data)
    def one_ragged(data):
        made = _parse(data, known=None, ragged=["f"], list_ragged=["f"])
        # What the splits of one example hold is not defined.
        return (
            made.context_ragged_values,
            made.feature_list_ragged_values,
            made.feature_list_ragged_inner_splits,
        )


PACKED = b"\x12\x0a\x0a\x08\x00\x00\x80\x3f\x00\x00\x00\x40"


def _raw(feature, rows=()):
    entry = _field(1, _field(1, b"f") + _field(2, feature))
    lists = _field(1, _field(1, b"f") + _field(2, b"".join(_field(1, r) for r in rows)))
    return _field(1, entry) + (_field(2, lists) if rows else b"")


STRANGE = {
    "unpacked": _raw(b"\x12\x0a\x0d\x00\x00\x80\x3f\x0d\x00\x00\x00\x40"),
    "partial float": _raw(b"\x12\x08\x0a\x06\x00\x00\x80\x3f\x00\x00"),
    "packed too long": _raw(b"\x12\x06\x0a\x08\x00\x00\x80\x3f"),
    "two packed chunks": _raw(b"\x12\x0c" + PACKED[2:8] * 2),
    "bytes after list": _raw(PACKED + b"\x12\x00"),
    "unknown kind": _raw(b"\x22\x00"),
    "value before key": _field(1, _field(1, _field(2, PACKED) + _field(1, b"f"))),
    "unknown top field": _raw(PACKED) + b"\x50\x05",
    "group": _raw(PACKED) + b"\x0b\x0c",
    "cut off": _raw(PACKED)[:-3],
    "text": b"not a sequence example",
    "twice": _raw(PACKED) + _raw(PACKED[:1] + b"\x06\x0a\x04" + PACKED[4:8]),
    "rows": _raw(PACKED, [PACKED, PACKED]),
    "rows after which something follows": _raw(PACKED, [PACKED + b"\x12\x00"]),
    "row of one byte": _raw(PACKED, [b"\x12"]),
    "row of nothing": _raw(PACKED, [b"", PACKED]),
    "row of an empty list": _raw(PACKED, [b"\x12\x00", PACKED]),
    "row of another empty list": _raw(PACKED, [b"\x1a\x00", PACKED]),
    "unknown field in list": _field(2, _field(1, _field(1, b"f") + _field(2, _field(3, b"ab")))),
}
for _name in STRANGE:

    @case("ParseSequenceExampleV2", name=_name)
    def strange(name):
        return _parse([STRANGE[name]], sparse=["f"], list_sparse=["f"])


for _name in ("bytes after list", "rows", "row of nothing", "row of an empty list"):

    @case("ParseSequenceExampleV2", name=_name)
    def strange_dense(name):
        return _parse(
            [STRANGE[name]], dense=["f"], shapes=[[2]], list_dense=["f"], list_shapes=[[2]],
            missing=["f"],
        )  # fmt: skip

    @case("ParseSequenceExampleV2", name=_name)
    def strange_ragged(name):
        return _parse([STRANGE[name]], ragged=["f"], list_ragged=["f"])


@case("ParseSequenceExampleV2", names=["a", "b"])
@case("ParseSequenceExampleV2", names=["a"])
@case("ParseSequenceExampleV2", names=["a", "b"], key="i")
def names(names, key="f"):
    return _parse([FULL, BARE], dense=[key], shapes=[[2]], names=names)


@case("ParseSequenceExampleV2", default=[1.0], shape=[2])
@case("ParseSequenceExampleV2", default=1.0, shape=[1])
@case("ParseSequenceExampleV2", default=[1.0, 2.0], shape=[1, 2])
@case("ParseSequenceExampleV2", default=[1.0, 2.0], shape=[2])
def default_shape(default, shape):
    return _parse([FULL], dense=["f"], shapes=[shape], defaults=[default])


@case("ParseSequenceExampleV2", sparse=["f"], dense=["f"])
@case("ParseSequenceExampleV2", sparse=["f"], ragged=["f"])
@case("ParseSequenceExampleV2", dense=["f"], ragged=["f"])
@case("ParseSequenceExampleV2", list_sparse=["f"], list_ragged=["f"])
@case("ParseSequenceExampleV2", sparse=["f"], list_ragged=["f"])
@case("ParseSequenceExampleV2", sparse=["f", "f"])
@case("ParseSequenceExampleV2", list_dense=["f", "f"])
def repeated_names(**kinds):
    shapes = [[2]] * len(kinds.get("dense", ()))
    lists = [[2]] * len(kinds.get("list_dense", ()))
    return _parse([FULL], shapes=shapes, list_shapes=lists, **kinds)


@case("ParseSequenceExampleV2")
def matrix():
    return _parse([[FULL]], known=None, sparse=["f"])


def _single(
    data, *, sparse=(), dense=(), shapes=(), defaults=None, list_sparse=(), list_dense=(),
    list_shapes=(), missing=(), name=(),
):  # fmt: skip
    given = [_none(k) for k in dense] if defaults is None else defaults
    return RAW.ParseSingleSequenceExample(
        serialized=feed(np.array(data, object), shape=None),
        feature_list_dense_missing_assumed_empty=np.array(missing, object),
        context_sparse_keys=list(sparse), context_dense_keys=list(dense),
        feature_list_sparse_keys=list(list_sparse), feature_list_dense_keys=list(list_dense),
        context_dense_defaults=[
            tf.constant(np.array(d, DTYPES[TYPES[k]])) for d, k in zip(given, dense, strict=True)
        ],
        debug_name=name if isinstance(name, str) else "",
        context_sparse_types=[TYPES[k] for k in sparse],
        feature_list_dense_types=[TYPES[k] for k in list_dense],
        context_dense_shapes=shapes,
        feature_list_sparse_types=[TYPES[k] for k in list_sparse],
        feature_list_dense_shapes=list_shapes,
    )  # fmt: skip


SINGLES = {
    "full": FULL,
    "short": SHORT,
    "uneven": UNEVEN,
    "bare": BARE,
    "wrong": WRONG,
    "wrong empty": WRONG_EMPTY,
    "nothing": b"",
    **STRANGE,
    "packed and unpacked": _raw(PACKED + b"\x12\x05\x0d\x00\x00\x80\x40"),
    "another kind replaces": _raw(b"\x1a\x02\x08\x05" + PACKED),
    "unknown field inside": _field(1, _field(3, b"") + _raw(PACKED)[2:]),
    "unknown field in feature": _raw(PACKED + b"\x28\x05"),
    "closed group": _raw(PACKED) + b"\x0b\x08\x01\x0c",
    "wrong wire type": b"\x08\x05" + _raw(PACKED),
    "wrong wire type inside": _raw(PACKED[:1] + b"\x0c\x08\x05" + PACKED[2:]),
    "field zero": b"\x00\x01",
}
SINGLES.pop("group")
for _name in SINGLES:

    @case("ParseSingleSequenceExample", name=_name)
    def single_sparse(name):
        return _single(SINGLES[name], sparse=["f"], list_sparse=["f"])


for _name in ("full", "uneven", "bare", "wrong", "rows", "row of nothing", "partial float"):

    @case("ParseSingleSequenceExample", name=_name)
    def single_dense(name):
        return _single(
            SINGLES[name], dense=["f"], shapes=[[2]], list_dense=["f"], list_shapes=[[2]]
        )


for _name in ("full", "short", "uneven", "bare"):

    @case("ParseSingleSequenceExample", name=_name)
    def single_all(name):
        return _single(
            SINGLES[name], sparse=KEYS, list_sparse=KEYS, dense=["f", "i", "b"],
            shapes=[[2], [], [2]], defaults=[[0.5, 1.5], 3, [b"u", b"v"]], list_dense=["b"],
            list_shapes=[[1]], missing=["b"],
        )  # fmt: skip


@case("ParseSingleSequenceExample", key="f", default=[1.0])
@case("ParseSingleSequenceExample", key="f", default=[[1.0, 2.0]])
@case("ParseSingleSequenceExample", key="f", default=[1.0, 2.0])
@case("ParseSingleSequenceExample", key="f", default=[], name="named")
def single_default(key, default, name=()):
    return _single(BARE, dense=[key], shapes=[[2]], defaults=[default], name=name)


@case("ParseSingleSequenceExample")
def single_vector():
    return _single([FULL], sparse=["f"])
