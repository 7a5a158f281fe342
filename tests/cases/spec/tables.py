"""Lookup tables."""

import numpy as np
import tensorflow as tf
from record_cases import case, feed, init

RAW = tf.raw_ops


def _constant(x, dtype):
    return tf.constant(x, dtype)


def _fill(table, keys, values):
    init(RAW.InitializeTableV2(table_handle=table, keys=keys, values=values))


def _insert(table, keys, values):
    init(RAW.LookupTableInsertV2(table_handle=table, keys=keys, values=values))


SAMPLES = {
    tf.string: (["a", "bé", b"\x00"], ["a", "missing", b"\x00"], "?"),
    tf.int64: ([3, -(2**40), 0], [3, 7, -(2**40)], -1),
    tf.int32: ([3, -4, 0], [3, 7, -4], -1),
    tf.float32: ([0.1, -1e30, np.inf], None, np.nan),
    tf.float64: ([0.1, -1e300, np.inf], None, -0.5),
    tf.bool: ([True, False, True], None, True),
}
PAIRS = [
    (tf.string, v) for v in (tf.string, tf.int32, tf.int64, tf.float32, tf.float64, tf.bool)
] + [(tf.int64, v) for v in (tf.string, tf.int32, tf.int64, tf.float32, tf.float64)]
PAIRS += [(tf.int32, v) for v in (tf.string, tf.int32, tf.float32, tf.float64)]

for _key, _value in PAIRS:

    @case("HashTableV2", tolerance=0, key=_key, value=_value)
    def hash_table(key, value):
        table = RAW.HashTableV2(key_dtype=key, value_dtype=value)
        keys, asked, _ = SAMPLES[key]
        values, _, default = SAMPLES[value]
        _fill(table, _constant(keys, key), _constant(values, value))
        return RAW.LookupTableFindV2(
            table_handle=table,
            keys=feed(np.array(asked, key.as_numpy_dtype)),
            default_value=_constant(default, value),
        )

    if (_key, _value) not in {(tf.string, tf.string), (tf.int32, tf.string)}:

        @case("MutableHashTableV2", tolerance=0, key=_key, value=_value)
        def mutable_hash_table(key, value):
            table = RAW.MutableHashTableV2(key_dtype=key, value_dtype=value)
            keys, asked, _ = SAMPLES[key]
            values, _, default = SAMPLES[value]
            _insert(table, _constant(keys, key), _constant(values, value))
            return RAW.LookupTableFindV2(
                table_handle=table,
                keys=feed(np.array(asked, key.as_numpy_dtype)),
                default_value=_constant(default, value),
            )


def _vocabulary():
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    _fill(table, ["a", "b"], _constant([1, 2], tf.int64))
    return table


@case("LookupTableFindV2", keys=["a", "z"], default=-1)
@case("LookupTableFindV2", keys=[["a"], ["z"]], default=-1)
@case("LookupTableFindV2", keys="b", default=-1)
@case("LookupTableFindV2", keys=np.zeros((0, 2), object), default=-1)
@case("LookupTableFindV2", keys=["a", "z"], default=[7, 8])
@case("LookupTableFindV2", keys=[["a"], ["z"]], default=[[7], [8]])
@case("LookupTableFindV2", keys=["a", "z"], default=[7])
@case("LookupTableFindV2", keys=["a", "z"], default=[7, 8, 9])
@case("LookupTableFindV2", keys=[["a"], ["z"]], default=[7, 8])
def find(keys, default):
    return RAW.LookupTableFindV2(
        table_handle=_vocabulary(),
        keys=feed(keys, shape=None),
        default_value=feed(default, np.int64, shape=None),
    )


@case("LookupTableFindV2")
def find_before_filled():
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    return RAW.LookupTableFindV2(
        table_handle=table, keys=feed(["a"]), default_value=_constant(0, tf.int64)
    )


@case("LookupTableFindV2", key=np.int64, default=np.int64)
@case("LookupTableFindV2", key=object, default=np.int32)
def find_other_dtypes(key, default):
    return RAW.LookupTableFindV2(
        table_handle=_vocabulary(),
        keys=feed(np.array(["1"], object) if key is object else np.array([1], key)),
        default_value=feed(default(0)),
    )


@case("InitializeTableV2", keys=["a", "a"], values=[1, 1])
@case("InitializeTableV2", keys=["a", "a"], values=[1, 2])
@case("InitializeTableV2", keys=["a", "b"], values=[1])
@case("InitializeTableV2", keys=[], values=[])
@case("InitializeTableV2", keys=["a"], values=[3])
def initialise(keys, values):
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
    unknown = tf.compat.v1.placeholder_with_default
    _fill(
        table,
        unknown(np.array(keys, object), None),
        unknown(np.array(values, np.int64), None),
    )
    return RAW.LookupTableFindV2(
        table_handle=table, keys=feed(["a"]), default_value=_constant(0, tf.int64)
    )


@case("InitializeTableV2", keys=["c", "d"])
@case("InitializeTableV2", keys=["c"])
def initialise_twice(keys):
    table = _vocabulary()
    _fill(table, keys, _constant([5] * len(keys), tf.int64))
    return RAW.LookupTableFindV2(
        table_handle=table, keys=feed(["a", "c"]), default_value=_constant(0, tf.int64)
    )


@case("HashTableV2", one="x", two="x", by_name=False)
@case("HashTableV2", one="x", two="y", by_name=False)
@case("HashTableV2", one="", two="", by_name=True)
@case("HashTableV2", one="", two="", by_name=False)
def sharing(one, two, by_name):
    tables = [
        RAW.HashTableV2(
            key_dtype=tf.string, value_dtype=tf.int64, shared_name=n, use_node_name_sharing=by_name
        )
        for n in (one, two)
    ]
    _fill(tables[0], ["a"], _constant([1], tf.int64))
    return RAW.LookupTableFindV2(
        table_handle=tables[1], keys=feed(["a"]), default_value=_constant(0, tf.int64)
    )


OPTIONS = {
    "HashTable": {"key_dtype": tf.int64},
    "MutableHashTable": {"key_dtype": tf.int64},
    "MutableHashTableV2": {"key_dtype": tf.int64},
    "MutableHashTableOfTensors": {"key_dtype": tf.int64, "value_shape": [2]},
    "MutableHashTableOfTensorsV2": {"key_dtype": tf.int64, "value_shape": [2]},
    "MutableDenseHashTableV2": {
        "empty_key": np.int64(0), "deleted_key": np.int64(1), "initial_num_buckets": 4,
    },
}  # fmt: skip

for _kind in OPTIONS:

    @case(_kind, kind=_kind, one="x", two="x")
    @case(_kind, kind=_kind, one="x", two="y")
    @case(_kind, kind=_kind, one="", two="", by_name=True)
    def shared_state(kind, one, two, by_name=False):
        tables = [
            getattr(RAW, kind)(
                value_dtype=tf.int64,
                shared_name=name,
                use_node_name_sharing=by_name,
                **OPTIONS[kind],
            )
            for name in (one, two)
        ]
        suffix = "V2" if kind.endswith("V2") else ""
        fill = "InitializeTable" if kind == "HashTable" else "LookupTableInsert"
        value = [5, 6] if "OfTensors" in kind else 5
        for table in tables if kind == "HashTable" and one != two else tables[:1]:
            init(
                getattr(RAW, fill + suffix)(
                    table_handle=table, keys=_numbers([7]), values=_numbers([value])
                )
            )
        return getattr(RAW, "LookupTableFind" + suffix)(
            table_handle=tables[1 if one == two and not by_name else 0],
            keys=feed(np.int64([7, 8])),
            default_value=_numbers(np.zeros_like(value)),
        )


@case("HashTableV2", value=tf.int64)
@case("HashTableV2", value=tf.int32)
def shared_with_another_kind(value):
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="x")
    other = RAW.MutableHashTableV2(key_dtype=tf.string, value_dtype=value, shared_name="x")
    _fill(table, ["a"], _constant([1], tf.int64))
    return RAW.LookupTableFindV2(
        table_handle=other, keys=feed(["a"]), default_value=_constant(0, value)
    )


@case("LookupTableInsertV2")
def insert_into_hash_table():
    table = _vocabulary()
    _insert(table, ["c"], _constant([1], tf.int64))
    return RAW.LookupTableSizeV2(table_handle=table)


@case("LookupTableRemoveV2")
def remove_from_hash_table():
    table = _vocabulary()
    init(RAW.LookupTableRemoveV2(table_handle=table, keys=["a"]))
    return RAW.LookupTableSizeV2(table_handle=table)


@case("LookupTableImportV2", keys=["c", "d"])
@case("LookupTableImportV2", keys=["c"])
def import_into_hash_table(keys):
    table = _vocabulary()
    values = _constant([9] * len(keys), tf.int64)
    init(RAW.LookupTableImportV2(table_handle=table, keys=keys, values=values))
    return RAW.LookupTableSizeV2(table_handle=table)


def _numbers(values):
    return _constant(values, tf.int64)


def _mutable(keys=(1, 2, 1), values=(5, 6, 7)):
    table = RAW.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.int64)
    _insert(table, _numbers(keys), _numbers(values))
    return table


@case("LookupTableSizeV2")
@case("LookupTableInsertV2", again=True)
def size(again=False):
    table = _mutable()
    if again:
        _insert(table, _numbers([[8, 9], [1, 8]]), _numbers([[0, 0], [0, 0]]))
    return RAW.LookupTableSizeV2(table_handle=table), RAW.LookupTableFindV2(
        table_handle=table, keys=feed(np.int64([[1, 8], [9, 10]])), default_value=_numbers(-1)
    )


@case("LookupTableInsertV2", keys=3, values=4)
@case("LookupTableInsertV2", keys=[3, 4], values=[4])
@case("LookupTableInsertV2", keys=[], values=[])
def insert(keys, values):
    table = _mutable()
    unknown = tf.compat.v1.placeholder_with_default
    _insert(
        table, unknown(np.array(keys, np.int64), None), unknown(np.array(values, np.int64), None)
    )
    return RAW.LookupTableSizeV2(table_handle=table)


@case("LookupTableRemoveV2", keys=[1, 99])
@case("LookupTableRemoveV2", keys=[[1], [2]])
@case("LookupTableRemoveV2", keys=[])
def remove(keys):
    table = _mutable()
    init(RAW.LookupTableRemoveV2(table_handle=table, keys=_numbers(keys)))
    return RAW.LookupTableSizeV2(table_handle=table), RAW.LookupTableFindV2(
        table_handle=table, keys=feed(np.int64([1, 2])), default_value=_numbers(-1)
    )


@case("LookupTableImportV2")
@case("LookupTableExportV2")
def replace_and_export():
    table = _mutable()
    init(RAW.LookupTableImportV2(table_handle=table, keys=_numbers([4]), values=_numbers([8])))
    return RAW.LookupTableExportV2(table_handle=table, Tkeys=tf.int64, Tvalues=tf.int64)


@case("LookupTableExportV2", value=tf.float32)
@case("LookupTableExportV2", value=tf.int64)
def export_nothing(value):
    table = RAW.MutableHashTableV2(key_dtype=tf.string, value_dtype=value)
    return RAW.LookupTableExportV2(table_handle=table, Tkeys=tf.string, Tvalues=value)


@case("LookupTableExportV2")
def export_hash_table():
    table = RAW.HashTableV2(key_dtype=tf.string, value_dtype=tf.string)
    _fill(table, ["k"], ["v"])
    return RAW.LookupTableExportV2(table_handle=table, Tkeys=tf.string, Tvalues=tf.string)


def _tensors(width=2):
    table = RAW.MutableHashTableOfTensorsV2(
        key_dtype=tf.int64, value_dtype=tf.float32, value_shape=[width]
    )
    rows = np.arange(2 * width, dtype=np.float32).reshape(2, width)
    _insert(table, _numbers([1, 2]), rows)
    return table


@case("MutableHashTableOfTensorsV2", keys=[1, 5], default=[0, 9])
@case("MutableHashTableOfTensorsV2", keys=[[1], [5]], default=[0, 9])
@case("MutableHashTableOfTensorsV2", keys=2, default=[0, 9])
@case("MutableHashTableOfTensorsV2", keys=[1, 5], default=[[0, 9], [7, 7]])
@case("MutableHashTableOfTensorsV2", keys=[1, 5], default=0)
@case("MutableHashTableOfTensorsV2", keys=[1, 5], default=[0, 1, 2])
@case("MutableHashTableOfTensorsV2", keys=[2, 5], default=[0, 1, 2], width=3)
def tensors(keys, default, width=2):
    table = _tensors(width)
    return RAW.LookupTableFindV2(
        table_handle=table,
        keys=feed(keys, np.int64, shape=None),
        default_value=feed(default, np.float32, shape=None),
    )


@case("MutableHashTableOfTensorsV2", values=[1.0])
@case("MutableHashTableOfTensorsV2", values=[[1.0, 2.0, 3.0]])
def tensors_insert(values):
    table = _tensors()
    unknown = tf.compat.v1.placeholder_with_default
    _insert(table, _numbers([1]), unknown(np.float32(values), None))
    return RAW.LookupTableSizeV2(table_handle=table)


@case("MutableHashTableOfTensorsV2")
def tensors_export():
    table = _tensors()
    init(RAW.LookupTableRemoveV2(table_handle=table, keys=_numbers([1])))
    return RAW.LookupTableExportV2(table_handle=table, Tkeys=tf.int64, Tvalues=tf.float32)


@case("MutableHashTableOfTensorsV2", shape=[])
@case("MutableHashTableOfTensorsV2", shape=[2, 2])
@case("MutableHashTableOfTensorsV2", shape=None)
def tensors_shape(shape):
    return RAW.LookupTableSizeV2(
        table_handle=RAW.MutableHashTableOfTensorsV2(
            key_dtype=tf.int64, value_dtype=tf.float32, value_shape=shape
        )
    )


def _dense(buckets=4, **options):
    table = RAW.MutableDenseHashTableV2(
        empty_key=_numbers(0),
        deleted_key=_numbers(-1),
        value_dtype=tf.int64,
        initial_num_buckets=buckets,
        **options,
    )
    _insert(table, _numbers([5, 6]), _numbers([50, 60]))
    return table


@case("MutableDenseHashTableV2", keys=[5, 6, 7], default=-5)
@case("MutableDenseHashTableV2", keys=[0], default=-5)
@case("MutableDenseHashTableV2", keys=[-1], default=-5)
@case("MutableDenseHashTableV2", keys=[5, 9], default=[8, 9])
@case("MutableDenseHashTableV2", keys=[5, 9], default=[[8], [9]])
@case("MutableDenseHashTableV2", keys=[[5, 9]], default=-5)
@case("MutableDenseHashTableV2", keys=5, default=-5)
def dense(keys, default):
    return RAW.LookupTableFindV2(
        table_handle=_dense(),
        keys=feed(keys, np.int64, shape=None),
        default_value=feed(default, np.int64, shape=None),
    )


@case("MutableDenseHashTableV2", keys=[9, 13])
@case("MutableDenseHashTableV2", keys=[0])
@case("MutableDenseHashTableV2", keys=[-1])
def dense_insert(keys):
    table = _dense()
    _insert(table, _numbers(keys), _numbers([1] * len(keys)))
    return RAW.LookupTableSizeV2(table_handle=table)


@case("MutableDenseHashTableV2", keys=[5, 77])
@case("MutableDenseHashTableV2", keys=[0])
def dense_remove(keys):
    table = _dense()
    init(RAW.LookupTableRemoveV2(table_handle=table, keys=_numbers(keys)))
    return RAW.LookupTableSizeV2(table_handle=table), RAW.LookupTableFindV2(
        table_handle=table, keys=feed(np.int64([5, 6])), default_value=_numbers(-5)
    )


@case("MutableDenseHashTableV2")
@case("MutableDenseHashTableV2", buckets=8)
@case("MutableDenseHashTableV2", buckets=4, max_load_factor=0.3)
@case("LookupTableExportV2", buckets=8)
def dense_export(**options):
    return RAW.LookupTableExportV2(table_handle=_dense(**options), Tkeys=tf.int64, Tvalues=tf.int64)


@case("MutableDenseHashTableV2", keys=[[0], [5], [6], [-1]], values=[[0], [51], [61], [0]])
@case("MutableDenseHashTableV2", keys=[1, 2], values=[3, 4])
@case("LookupTableImportV2", keys=[[0], [5], [6], [-1]], values=[[0], [51], [61], [0]])
def dense_import(keys, values):
    table = _dense()
    unknown = tf.compat.v1.placeholder_with_default
    init(
        RAW.LookupTableImportV2(
            table_handle=table,
            keys=unknown(np.int64(keys), None),
            values=unknown(np.int64(values), None),
        )
    )
    return RAW.LookupTableSizeV2(table_handle=table), RAW.LookupTableFindV2(
        table_handle=table, keys=feed(np.int64([5, 6, 7])), default_value=_numbers(-5)
    )


@case("MutableDenseHashTableV2", initial_num_buckets=3)
@case("MutableDenseHashTableV2", initial_num_buckets=2)
@case("MutableDenseHashTableV2", max_load_factor=1.5)
@case("MutableDenseHashTableV2", max_load_factor=0.0)
@case("MutableDenseHashTableV2", value_shape=[1, 2])
@case("MutableDenseHashTableV2", deleted=0)
@case("MutableDenseHashTableV2", deleted=[1])
@case("MutableDenseHashTableV2", empty=[[0]], deleted=[[1]])
def dense_options(empty=0, deleted=-1, **options):
    unknown = tf.compat.v1.placeholder_with_default
    return RAW.LookupTableSizeV2(
        table_handle=RAW.MutableDenseHashTableV2(
            empty_key=unknown(np.int64(empty), None),
            deleted_key=unknown(np.int64(deleted), None),
            value_dtype=tf.int64,
            **options,
        )
    )


def _dense_vectors():
    table = RAW.MutableDenseHashTableV2(
        empty_key=_numbers([0, 0]),
        deleted_key=_numbers([1, 0]),
        value_dtype=tf.float32,
        value_shape=[2],
        initial_num_buckets=4,
    )
    _insert(table, _numbers([[5, 6]]), [[50.0, 60.0]])
    return table


@case("MutableDenseHashTableV2", keys=[[5, 6], [7, 8]])
@case("MutableDenseHashTableV2", keys=[[0, 0]])
@case("MutableDenseHashTableV2", keys=[5, 6])
@case("MutableDenseHashTableV2", keys=[[5], [6]])
def dense_vectors(keys):
    return RAW.LookupTableFindV2(
        table_handle=_dense_vectors(),
        keys=feed(keys, np.int64, shape=None),
        default_value=[-5.0, 0.0],
    )


@case("MutableDenseHashTableV2")
def dense_vectors_export():
    return RAW.LookupTableExportV2(
        table_handle=_dense_vectors(), Tkeys=tf.int64, Tvalues=tf.float32
    )


@case("MutableDenseHashTableV2")
def dense_strings_export():
    table = RAW.MutableDenseHashTableV2(
        empty_key="", deleted_key="x", value_dtype=tf.int64, initial_num_buckets=8
    )
    _insert(table, ["a", "b", "c"], _numbers([50, 60, 70]))
    return RAW.LookupTableExportV2(table_handle=table, Tkeys=tf.string, Tvalues=tf.int64)


@case("HashTable", shared="")
@case("HashTable", shared="x")
@case("LookupTableFind", shared="")
@case("InitializeTable", shared="")
@case("LookupTableSize", shared="")
def reference_hash_table(shared):
    table = RAW.HashTable(key_dtype=tf.string, value_dtype=tf.int64, shared_name=shared)
    init(RAW.InitializeTable(table_handle=table, keys=["a"], values=_numbers([4])))
    found = RAW.LookupTableFind(
        table_handle=table, keys=feed(["a", "b"]), default_value=_numbers(0)
    )
    return found, RAW.LookupTableSize(table_handle=table)


@case("MutableHashTable", by_name=False)
@case("MutableHashTable", by_name=True)
@case("LookupTableInsert", by_name=False)
@case("LookupTableImport", by_name=False)
@case("LookupTableExport", by_name=False)
def reference_mutable(by_name):
    table = RAW.MutableHashTable(
        key_dtype=tf.string, value_dtype=tf.int64, use_node_name_sharing=by_name
    )
    init(RAW.LookupTableInsert(table_handle=table, keys=["a"], values=_numbers([4])))
    init(RAW.LookupTableImport(table_handle=table, keys=["b"], values=_numbers([5])))
    return RAW.LookupTableExport(table_handle=table, Tkeys=tf.string, Tvalues=tf.int64)


@case("MutableHashTableOfTensors", width=1)
@case("MutableHashTableOfTensors", width=3)
def reference_tensors(width):
    table = RAW.MutableHashTableOfTensors(
        key_dtype=tf.string, value_dtype=tf.int64, value_shape=[width]
    )
    init(RAW.LookupTableInsert(table_handle=table, keys=["a"], values=_numbers([[4] * width])))
    return RAW.LookupTableFind(
        table_handle=table, keys=feed(["a", "b"]), default_value=_numbers([0] * width)
    )


@case("AnonymousHashTable")
def anonymous():
    table = RAW.AnonymousHashTable(key_dtype=tf.string, value_dtype=tf.int64)
    keys = feed(["a"])
    with tf.control_dependencies(
        [RAW.InitializeTableV2(table_handle=table, keys=keys, values=_numbers([1]))]
    ):
        return RAW.LookupTableFindV2(
            table_handle=table, keys=feed(["a", "b"]), default_value=_numbers(-1)
        )


@case("AnonymousMutableHashTable", kind="AnonymousMutableHashTable")
@case("AnonymousMutableHashTableOfTensors", kind="AnonymousMutableHashTableOfTensors", width=2)
@case("AnonymousMutableHashTableOfTensors", kind="AnonymousMutableHashTableOfTensors", width=1)
@case("AnonymousMutableDenseHashTable", kind="AnonymousMutableDenseHashTable")
@case("AnonymousMutableDenseHashTable", kind="AnonymousMutableDenseHashTable", width=2)
@case("AnonymousMutableDenseHashTable", kind="AnonymousMutableDenseHashTable", buckets=3)
@case("AnonymousMutableDenseHashTable", kind="AnonymousMutableDenseHashTable", load=2.0)
def anonymous_mutable(kind, width=0, buckets=4, load=0.8):
    options = {"value_shape": [width] if width else []}
    if kind == "AnonymousMutableHashTable":
        options = {"key_dtype": tf.string}
    elif kind == "AnonymousMutableHashTableOfTensors":
        options |= {"key_dtype": tf.string}
    else:
        options |= {"empty_key": "", "deleted_key": "x"}
        options |= {"initial_num_buckets": buckets, "max_load_factor": load}
    table = getattr(RAW, kind)(value_dtype=tf.int64, **options)
    value = np.arange(max(width, 1)).reshape([width] if width else ())
    with tf.control_dependencies(
        [
            RAW.LookupTableInsertV2(
                table_handle=table, keys=feed(["a"]), values=_numbers(value[None] + 5)
            )
        ]
    ):
        return RAW.LookupTableFindV2(
            table_handle=table, keys=feed(["a", "b"]), default_value=_numbers(value)
        )
