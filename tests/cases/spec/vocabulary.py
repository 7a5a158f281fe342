"""Tables filled from text files."""

import numpy as np
import tensorflow as tf
from record_cases import asset, case, feed

RAW = tf.raw_ops
DEFAULTS = {tf.string: "?", tf.int64: -1, tf.int32: -1, tf.float32: -1.0, tf.float64: -1.0}


def _table(
    content, keys=("a", "b"), key=tf.string, value=tf.int64, key_index=-2, value_index=-1, v1=False,
    **options,
):  # fmt: skip
    file = asset(content)
    asked = feed(np.array(keys, key.as_numpy_dtype))
    default = tf.constant(DEFAULTS[value], value)
    names = {"key_index": key_index, "value_index": value_index, **options}
    if v1:
        table = RAW.HashTable(key_dtype=key, value_dtype=value)
        ready = RAW.InitializeTableFromTextFile(table_handle=table, filename=file, **names)
        with tf.control_dependencies([ready]):
            return RAW.LookupTableFind(table_handle=table, keys=asked, default_value=default)
    table = RAW.HashTableV2(key_dtype=key, value_dtype=value)
    ready = RAW.InitializeTableFromTextFileV2(table_handle=table, filename=file, **names)
    with tf.control_dependencies([ready]):
        found = RAW.LookupTableFindV2(table_handle=table, keys=asked, default_value=default)
        return found, RAW.LookupTableSizeV2(table_handle=table)


_OP = "InitializeTableFromTextFileV2"
_PAIRS = {"key_index": 0, "value_index": 1, "delimiter": ","}

for _content in (
    b"a\nb\nc", b"a\nb\nc\n", b"a\r\nb\r\n", b"x\ra\nb\r", b"a\n\nb\n", b"a\nb\n\n", b"", b"\n",
    b"a\na\n", b" a\nb \n", b"a\0\nb\xff\n",
):  # fmt: skip
    case(_OP, content=_content, keys=["a", "b", "c", "x\ra", "b\r", " a", "b "])(_table)
for _size in (-1, 0, 1, 2, 3, 4):
    case(_OP, content=b"a\nb\nc\n", keys=["a", "b", "c"], vocab_size=_size)(_table)
for _offset in (0, 10, -3):
    case(_OP, content=b"a\nb\n", offset=_offset)(_table)
    case(_OP, content=b"5,a\n6,b\n", keys=[5, 6, 15, 16], key=tf.int32, value=tf.string,
         offset=_offset, **_PAIRS)(_table)  # fmt: skip
    for _type in (tf.int32, tf.int64, tf.float32, tf.float64):
        case(_OP, content=b"a,5\nb, 6 \n", value=_type, offset=_offset, **_PAIRS)(_table)
case(_OP, content=b"a\t5\nb\t6\n", key_index=0, value_index=1)(_table)
case(_OP, content=b"5;a;x\n6;b;y\n", value=tf.string, key_index=1, value_index=2, delimiter=";")(
    _table
)
case(_OP, content=b"5;a;x\n6;b;y\n", key_index=1, value_index=0, delimiter=";")(_table)
case(_OP, content=b"a,5\nb\n", **_PAIRS)(_table)
case(_OP, content=b"a,5\nb,x\n", **_PAIRS)(_table)
case(_OP, content=b"a,5\nb,1e3\n", **_PAIRS)(_table)
case(_OP, content=b"a,2147483648\n", value=tf.int32, **_PAIRS)(_table)
case(_OP, content=b"a,5\na,5\n", **_PAIRS)(_table)
case(_OP, content=b"a,5\na,6\n", **_PAIRS)(_table)
case(_OP, content=b"a,,\nb,x,\n", value=tf.string, **_PAIRS)(_table)
case(_OP, content=b"a,5\n", key_index=0, value_index=1, delimiter=",,")(_table)
case(_OP, content=b"x\ny\n", keys=[0, 1, 2], key=tf.int64, value=tf.string, key_index=-1,
     value_index=-2)(_table)  # fmt: skip
case(_OP, content=b"5\n6\n", keys=[5, 6, 7], key=tf.int64)(_table)
case(_OP, content=b"5\n6\n", keys=["5", "6"], value_index=-2)(_table)
case(_OP, content=b"a\n", value=tf.int32)(_table)
case(_OP, content=b"a\n", value=tf.float32, value_index=-2)(_table)
case(_OP, content=b"a\n", key_index=-1, value_index=-2)(_table)
for _options in ({}, {"vocab_size": 1}, {"offset": 4}):
    case("InitializeTableFromTextFile", content=b"a\nb\n", v1=True, **_options)(_table)
for _delimiter in (",", ";"):
    case("InitializeTableFromTextFile", content=b"a,1;b\n", v1=True, value=tf.string, key_index=0,
         value_index=1, delimiter=_delimiter)(_table)  # fmt: skip


@case(_OP, second=b"c\nd\n")
@case(_OP, second=b"c\nd\ne\n")
@case(_OP, second=b"c\n\n")
def filled_twice(second):
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    after = []
    for content in (b"a\nb\n", second):
        with tf.control_dependencies(after):
            after = [
                RAW.InitializeTableFromTextFileV2(
                    table_handle=table, filename=asset(content), key_index=-2, value_index=-1
                )
            ]
    with tf.control_dependencies(after):
        return RAW.LookupTableFindV2(
            table_handle=table,
            keys=feed(["a", "c"]),
            default_value=tf.constant(-1, tf.int64),
        )


@case(_OP)
def mutable_table():
    table = RAW.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    ready = RAW.InitializeTableFromTextFileV2(
        table_handle=table, filename=asset(b"a\n"), key_index=-2, value_index=-1
    )
    with tf.control_dependencies([ready]):
        return RAW.LookupTableSizeV2(table_handle=table)


@case(_OP, name="")
@case(_OP, name=["a", "b"])
def file_name(name):
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    ready = RAW.InitializeTableFromTextFileV2(
        table_handle=table, filename=feed(name, shape=None), key_index=-2, value_index=-1
    )
    with tf.control_dependencies([ready]):
        return RAW.LookupTableSizeV2(table_handle=table)
