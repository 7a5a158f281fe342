"""tf.Example to tensors."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed

RAW = tf.raw_ops


def _feature(value):
    """A feature of the kind of its first value; None for one without a kind."""
    if value is None:
        return tf.train.Feature()
    kind, *values = value
    lists = {
        "f": lambda: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "i": lambda: tf.train.Feature(int64_list=tf.train.Int64List(value=values)),
        "b": lambda: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)),
    }
    return lists[kind]()


def example(**features):
    made = {name: _feature(value) for name, value in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString(
        deterministic=True
    )


def _field(number, payload):
    """A length-delimited field."""
    size = len(payload)
    head = [number << 3 | 2]
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + payload


def raw_example(*entries):
    """An Example from serialized features, so that it may be as no library would write it."""
    return _field(1, b"".join(_field(1, _field(1, k) + _field(2, v)) for k, v in entries))


FULL = example(f=("f", 1.5, -2.0), i=("i", 3, -(2**40)), b=("b", b"x", b""), extra=("i", 1))
LESS = example(f=("f", 0.0, 7.0), b=("b", b"\xff\x00"))
BARE = example()
EMPTY_KINDS = example(f=("f",), i=("i",), b=("b",))
UNSET = example(f=None, i=None, b=None)
KEYS = ["f", "i", "b"]
TYPES = [tf.float32, tf.int64, tf.string]
DTYPES = {tf.float32: np.float32, tf.int64: np.int64, tf.string: object}


def _none(dtype):
    return np.array([], DTYPES[dtype])


def _parse(
    examples, *, sparse=(), dense=(), shapes=(), defaults=None, ragged=(), split=tf.int64, names=(),
    version=2, known="rank",
):  # fmt: skip
    kinds = dict(zip(KEYS, TYPES, strict=True))
    if defaults is None:
        defaults = [_none(kinds[k]) for k in dense]
    defaults = [
        tf.constant(np.array(d, DTYPES[kinds[k]])) for d, k in zip(defaults, dense, strict=True)
    ]
    common = {
        "serialized": feed(np.array(examples, object), shape=known),
        "names": np.array(names, object),
        "dense_defaults": defaults,
        "sparse_types": [kinds[k] for k in sparse],
        "dense_shapes": shapes,
    }
    if version == 1:
        return RAW.ParseExample(sparse_keys=list(sparse), dense_keys=list(dense), **common)
    return RAW.ParseExampleV2(
        sparse_keys=np.array(sparse, object),
        dense_keys=np.array(dense, object),
        ragged_keys=np.array(ragged, object),
        num_sparse=len(sparse),
        ragged_value_types=[kinds[k] for k in ragged],
        ragged_split_types=[split] * len(ragged),
        **common,
    )


ONE = [[], [], []]
BATCHES = {
    "two": [FULL, LESS],
    "many": [BARE, FULL, EMPTY_KINDS, LESS, UNSET, FULL, FULL, BARE, LESS, FULL],
    "none": [],
    "empty": [b"", BARE],
}


@case("ParseExampleV2", batch="two")
@case("ParseExampleV2", batch="many")
@case("ParseExampleV2", batch="none")
@case("ParseExampleV2", batch="empty")
@case("ParseExample", batch="two", version=1)
@case("ParseExample", batch="many", version=1)
@case("ParseExample", batch="none", version=1)
def sparse(batch, version=2):
    return _parse(BATCHES[batch], sparse=KEYS, version=version)


@case("ParseExampleV2", batch="two")
@case("ParseExampleV2", batch="many", split=tf.int32)
@case("ParseExampleV2", batch="none", split=tf.int32)
@case("ParseExampleV2", batch="none")
def ragged(batch, split=tf.int64):
    return _parse(BATCHES[batch], ragged=KEYS, split=split)


@case("ParseExampleV2", batch="two")
@case("ParseExampleV2", batch="many")
@case("ParseExampleV2", batch="none")
@case("ParseExampleV2", batch="empty")
@case("ParseExample", batch="many", version=1)
def varying(batch, version=2):
    return _parse(
        BATCHES[batch], dense=KEYS, shapes=[[None]] * 3, defaults=[9.5, -7, b"pad"], version=version
    )


@case("ParseExampleV2", batch="two")
@case("ParseExampleV2", batch="many")
def varying_stride(batch):
    shapes = [[None, 2], [None, 2, 1], [None, 1]]
    defaults = [[9.5], [[-7]], b"pad"]
    return _parse(BATCHES[batch], dense=KEYS, shapes=shapes, defaults=defaults)


DEFAULTS = [[0.5, 0.25], [[8], [9]], [b"d", b"e"]]
SHAPES = [[2], [2, 1], [2]]


@case("ParseExampleV2", batch=[FULL, BARE, UNSET, FULL])
@case("ParseExampleV2", batch=[])
@case("ParseExampleV2", batch=[LESS])
@case("ParseExampleV2", batch=[EMPTY_KINDS])
@case("ParseExample", batch=[FULL, BARE, UNSET, FULL], version=1)
@case("ParseExample", batch=[LESS], version=1)
def dense(batch, version=2):
    return _parse(batch, dense=KEYS, shapes=SHAPES, defaults=DEFAULTS, version=version)


@case("ParseExampleV2", batch=[FULL, FULL])
@case("ParseExampleV2", batch=[FULL, BARE])
@case("ParseExampleV2", batch=[FULL, BARE], names=["first", "second"])
@case("ParseExampleV2", batch=[UNSET])
@case("ParseExampleV2", batch=[])
@case("ParseExample", batch=[FULL, BARE], version=1)
def dense_required(batch, names=(), version=2):
    return _parse(batch, dense=KEYS, shapes=SHAPES, names=names, version=version)


@case("ParseExampleV2")
def all_kinds():
    batch = [FULL, LESS, BARE]
    return _parse(batch, sparse=["i"], dense=["b"], shapes=[[None]], defaults=[b""], ragged=["f"])


@case("ParseExampleV2", shape=[])
@case("ParseExampleV2", shape=[1, 1])
@case("ParseExampleV2", shape=[2])
@case("ParseExampleV2", shape=[0])
def dense_shape(shape):
    return _parse([example(f=("f", 4.5))], dense=["f"], shapes=[shape])


@case("ParseExampleV2", default=[1.0, 2.0, 3.0], shape=[2])
@case("ParseExampleV2", default=1.0, shape=[1])
@case("ParseExampleV2", default=[1.0, 2.0], shape=[None])
@case("ParseExampleV2", default=[], shape=[None])
def dense_default_shape(default, shape):
    return _parse([FULL], dense=["f"], shapes=[shape], defaults=[default])


for _kind in ("sparse", "ragged", "dense", "varying"):
    for _bad in (example(f=("i", 1)), example(f=("b", b"x")), raw_example((b"f", b"\x22\x00"))):

        @case("ParseExampleV2", kind=_kind, data=_bad)
        def wrong_kind(kind, data, known="rank", scalar=False):
            batch = data if scalar else [FULL, data]
            if kind in ("sparse", "ragged"):
                return _parse(batch, known=known, **{kind: ["f"]})
            shape = [[2]] if kind == "dense" else [[None]]
            default = [_none(tf.float32) if kind == "dense" else 0.0]
            return _parse(batch, known=known, dense=["f"], shapes=shape, defaults=default)

        if _kind != "ragged":
            case("ParseExampleV2", kind=_kind, data=_bad, known=None, scalar=True)(wrong_kind)
    for _good in (BARE, UNSET, EMPTY_KINDS):
        case("ParseExampleV2", kind=_kind, data=_good, known=None, scalar=True)(wrong_kind)


@case("ParseExampleV2")
@case("ParseExampleV2", data=BARE)
@case("ParseExampleV2", data=LESS)
@case("ParseExampleV2", data=EMPTY_KINDS)
def one_example(data=FULL):
    return _parse(
        data, known=None, sparse=["i"], dense=["b"], shapes=[[None, 1]], defaults=[b"pad"],
        ragged=["f"], split=tf.int32,
    )  # fmt: skip


@case("ParseExampleV2")
@case("ParseExampleV2", data=BARE)
@case("ParseExampleV2", data=LESS)
def one_example_dense(data=FULL):
    return _parse(data, known=None, dense=KEYS, shapes=SHAPES, defaults=DEFAULTS)


PACKED = b"\x12\x0a\x0a\x08\x00\x00\x80\x3f\x00\x00\x00\x40"
UNPACKED = b"\x12\x0a\x0d\x00\x00\x80\x3f\x0d\x00\x00\x00\x40"
# TensorFlow can not tell us of an error whose text, the data, is not UTF-8.
PLAIN = example(b=("b", b"x"), i=("i", 5))
STRANGE = {
    "unpacked floats": raw_example((b"f", UNPACKED)),
    "unpacked ints": raw_example((b"i", b"\x1a\x04\x08\x05\x08\x06")),
    "repeated key": raw_example((b"f", PACKED), (b"f", UNPACKED[:1] + b"\x05" + UNPACKED[2:7])),
    "repeated key, last unset": raw_example((b"f", PACKED), (b"f", b"")),
    "two examples in one": FULL + LESS,
    "unknown top field": PLAIN + b"\x50\x05" + b"\x55abcd" + b"\x51abcdefgh" + b"\x52\x01z",
    "unknown top field cut off": PLAIN + b"\x55ab",
    "unknown top field too long": PLAIN + b"\x52\x20z",
    "group": PLAIN + b"\x0b\x0c",
    "value before key": _field(1, _field(1, _field(2, PACKED) + _field(1, b"f"))),
    "no key": _field(1, _field(1, _field(2, PACKED))),
    "three fields in entry": _field(1, _field(1, _field(1, b"f") + _field(2, PACKED) * 2)),
    "unknown field in features": _field(1, _field(3, b"")),
    "bytes after list": raw_example((b"f", PACKED + b"\x12\x00")),
    "two packed chunks": raw_example((b"f", b"\x12\x0c" + PACKED[2:8] * 2)),
    "partial float": raw_example((b"f", b"\x12\x08\x0a\x06\x00\x00\x80\x3f\x00\x00")),
    "packed too long": raw_example((b"f", b"\x12\x06\x0a\x08\x00\x00\x80\x3f")),
    "list too long": raw_example((b"f", b"\x12\x20" + PACKED[2:])),
    "ints too long": raw_example((b"i", b"\x1a\x04\x0a\x20\x05\x06")),
    "int without end": raw_example((b"i", b"\x1a\x04\x0a\x02\x85\x86")),
    "ten-byte int": raw_example((b"i", b"\x1a\x0c\x0a\x0a" + b"\xff" * 9 + b"\x01")),
    "eleven-byte int": raw_example((b"i", b"\x1a\x0d\x0a\x0b" + b"\x80" * 10 + b"\x01")),
    "wrong tag in list": raw_example((b"f", b"\x12\x02\x08\x01")),
    "wrong tag in bytes": raw_example((b"b", b"\x0a\x02\x10\x01")),
    "string too long": raw_example((b"b", b"\x0a\x03\x0a\x05x")),
    "garbage": b"\x7f\x7f\x7f",
    "cut off": PLAIN[:-3],
    "features too long": b"\x0a\x7f" + PLAIN[2:],
    "long varint of length": b"\x0a\xc2\x80\x00",
    "many ints": example(i=("i", *range(-100, 300, 3), 2**62, -(2**63))),
    "text": b"not an example",
}
# Those that the other paths through the reader treat in a way of their own.
DENSE_TOO = ("repeated key", "repeated key, last unset", "partial float", "packed too long")
SCALAR_TOO = (*DENSE_TOO, "two packed chunks", "wrong tag in bytes", "string too long", "text")

for _name in STRANGE:

    @case("ParseExampleV2", name=_name)
    def strange(name):
        return _parse([STRANGE[name]], sparse=KEYS)


for _name in DENSE_TOO:

    @case("ParseExampleV2", name=_name)
    def strange_dense(name):
        return _parse([STRANGE[name]], dense=["f"], shapes=[[None]], defaults=[9.5])


for _name in SCALAR_TOO:

    @case("ParseExampleV2", name=_name)
    def strange_scalar(name):
        return _parse(STRANGE[name], known=None, sparse=["f", "b"])


@case("ParseExampleV2", dense=["f"], sparse=["f"])
@case("ParseExampleV2", dense=["f", "f"], sparse=[])
@case("ParseExampleV2", dense=["f", "f"], sparse=[], default=[5.0, 6.0])
@case("ParseExampleV2", dense=["f"], sparse=["f", "f"], default=[5.0, 6.0])
@case("ParseExampleV2", dense=["f"], sparse=["f"], ragged=["f"], default=[5.0, 6.0])
def repeated_name(dense, sparse, ragged=(), default=()):
    defaults = [default] * len(dense)
    shapes = [[2]] * len(dense)
    return _parse(
        [FULL], dense=dense, sparse=sparse, ragged=ragged, shapes=shapes, defaults=defaults
    )


@case("ParseExampleV2", names=["one"])
@case("ParseExampleV2", names=["one", "two"])
def names(names):
    return _parse([BARE, BARE], dense=["f"], shapes=[[2]], names=names)


@case("ParseExampleV2")
def matrix():
    return _parse([[FULL]], sparse=["f"], known=None)


@case("ParseExample")
def scalar_v1():
    return _parse(FULL, sparse=["f"], known=None, version=1)


@case("ParseExampleV2")
def keys_from_request():
    return RAW.ParseExampleV2(
        serialized=feed(np.array([FULL], object)), names=np.array([], object),
        sparse_keys=feed(np.array(["f", "i"], object), shape=None),
        dense_keys=np.array([], object), ragged_keys=np.array([], object), dense_defaults=[],
        num_sparse=1, sparse_types=[tf.float32], ragged_value_types=[], ragged_split_types=[],
        dense_shapes=[],
    )  # fmt: skip


@case("ParseSingleExample", data=FULL)
@case("ParseSingleExample", data=BARE)
@case("ParseSingleExample", data=LESS)
@case("ParseSingleExample", data=UNSET)
@case("ParseSingleExample", data=EMPTY_KINDS)
@case("ParseSingleExample", data=b"garbage")
@case("ParseSingleExample", data=FULL, sparse=["i", "b"], dense=["f"])
@case("ParseSingleExample", data=FULL, sparse=["nothing", "b"], dense=["f"])
@case("ParseSingleExample", data=FULL, dense=["nothing"])
@case("ParseSingleExample", data=[FULL])
@case("ParseSingleExample", data=example(f=("f", 1.0)))
@case("ParseSingleExample", data=example(f=("i", 1)))
@case("ParseSingleExample", data=example(i=("f", 1.0)))
@case("ParseSingleExample", data=BARE, default=[])
@case("ParseSingleExample", data=BARE, default=[1.0])
@case("ParseSingleExample", data=LESS, shape=[None], default=[5.0])
@case("ParseSingleExample", data=BARE, shape=[None], default=[5.0])
def parse_single(data, sparse=("i", "b"), dense=("f",), shape=(2,), default=(0.5, 0.25)):
    return RAW.ParseSingleExample(
        serialized=feed(np.array(data, object), shape=None),
        dense_defaults=[np.array(default, np.float32)],
        num_sparse=len(sparse),
        sparse_keys=list(sparse),
        dense_keys=list(dense),
        sparse_types=[tf.int64, tf.string],
        dense_shapes=[list(shape)],
    )
