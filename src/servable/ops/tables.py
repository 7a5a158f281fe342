"""Ops on lookup tables. TF1's, on references, do the same as those on resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.table_store import DenseTable, HashTable, MutableTable, Table
from servable.ops.text import dims
from servable.tensors import Array, DType

_NAMED = "shared_name use_node_name_sharing"


def _name(build: Build) -> str:
    """Under which a table node shares its state."""
    shared = build.text("shared_name")
    if shared:
        return shared
    # Without sharing by name the table is the node's own: no shared name begins so.
    return build.node.name if build.bool("use_node_name_sharing") else "\0" + build.node.name


def _shared(build: Build, key: DType, value: DType) -> Callable[[Callable[[], Table]], Table]:
    name, resources = _name(build), build.environment.resources

    def get(make: Callable[[], Table]) -> Table:
        table = resources.get(Table, name, make)
        if table.key != key or table.value != value:
            raise InvalidArgument(
                f"Conflicting key/value dtypes {key.name}->{value.name} with"
                f" {table.key.name}-{table.value.name} for table {name}"
            )
        return table

    return get


def _vector(build: Build) -> tuple[int, ...]:
    shape = build.node.attrs.get("value_shape")
    if not isinstance(shape, tuple) or None in shape:
        raise build.unsupported(f"value_shape={shape!r}")
    return shape


@op("HashTable", "HashTableV2", attrs=_NAMED, no_effect="container")
def hash_table(build: Build) -> Kernel:
    """A table that is filled once."""
    key, value = build.type("key_dtype"), build.type("value_dtype")
    get = _shared(build, key, value)
    return lambda: get(lambda: HashTable(key, value))


@op("MutableHashTable", "MutableHashTableV2", attrs=_NAMED, no_effect="container")
def mutable_hash_table(build: Build) -> Kernel:
    """A table of scalars that may change."""
    key, value = build.type("key_dtype"), build.type("value_dtype")
    get = _shared(build, key, value)
    return lambda: get(lambda: MutableTable(key, value))


@op(
    "MutableHashTableOfTensors",
    "MutableHashTableOfTensorsV2",
    attrs=_NAMED + " value_shape",
    no_effect="container",
)
def mutable_hash_table_of_tensors(build: Build) -> Kernel:
    """A table of vectors that may change."""
    key, value = build.type("key_dtype"), build.type("value_dtype")
    shape = _tensors_shape(build)
    get = _shared(build, key, value)
    return lambda: get(lambda: MutableTable(key, value, (), shape))


def _tensors_shape(build: Build) -> tuple[int, ...]:
    shape = build.node.attrs.get("value_shape")
    if not isinstance(shape, tuple) or len(shape) != 1:
        shown = dims(shape) if isinstance(shape, tuple) else "<unknown>"
        raise InvalidArgument(f"Default value must be a vector, got shape {shown}")
    return _vector(build)


_DENSE = "value_shape initial_num_buckets max_load_factor"


def _dense(build: Build) -> Callable[..., Table]:
    dtypes = build.type("key_dtype"), build.type("value_dtype")
    shape = _vector(build)
    buckets, load = build.int("initial_num_buckets"), build.float("max_load_factor")

    def make(empty: Array, deleted: Array) -> Table:
        return DenseTable(dtypes, shape, (empty, deleted), buckets, load)

    return make


@op("MutableDenseHashTableV2", attrs=f"{_NAMED} {_DENSE}", no_effect="container")
def mutable_dense_hash_table(build: Build) -> Kernel:
    """A table that may change, of scalars or vectors.

    Its TF1 form lacks an input that TensorFlow's own kernel asks for.
    """
    make = _dense(build)
    get = _shared(build, build.type("key_dtype"), build.type("value_dtype"))
    return lambda *reserved: get(lambda: make(*reserved))


@op("AnonymousHashTable")
def anonymous_hash_table(build: Build) -> Kernel:
    """A new table, each time it runs."""
    key, value = build.type("key_dtype"), build.type("value_dtype")
    return lambda: HashTable(key, value)


@op("AnonymousMutableHashTable")
def anonymous_mutable_hash_table(build: Build) -> Kernel:
    """A new table, each time it runs."""
    key, value = build.type("key_dtype"), build.type("value_dtype")
    return lambda: MutableTable(key, value)


@op("AnonymousMutableHashTableOfTensors", attrs="value_shape")
def anonymous_mutable_hash_table_of_tensors(build: Build) -> Kernel:
    """A new table, each time it runs."""
    key, value = build.type("key_dtype"), build.type("value_dtype")
    shape = _tensors_shape(build)
    return lambda: MutableTable(key, value, (), shape)


@op("AnonymousMutableDenseHashTable", attrs=_DENSE)
def anonymous_mutable_dense_hash_table(build: Build) -> Kernel:
    """A new table, each time it runs."""
    return _dense(build)


def check_dtypes(table: Table, key: DType, value: DType | None) -> None:
    """Refuse tensors of other dtypes than the table's.

    Raises:
        InvalidArgument: they are.
    """
    if table.key != key or (value is not None and table.value != value):
        have, want = (key, value or table.value), (table.key, table.value)
        raise InvalidArgument(
            f"Signature mismatch, have: resource, {have[0].name}, {have[1].name}->{have[1].name}"
            f" expected: resource, {want[0].name}, {want[1].name}->{want[1].name}"
        )


@op("InitializeTable", "InitializeTableV2")
def initialize_table(build: Build) -> Kernel:
    """Fill a table from two vectors."""
    key, value = build.type("Tkey"), build.type("Tval")

    def kernel(table: Table, keys: Array, values: Array) -> None:
        if not isinstance(table, HashTable):
            raise InvalidArgument("Table is not initializable")
        check_dtypes(table, key, value)
        if keys.ndim != 1 or values.ndim != 1:
            raise InvalidArgument(
                "Keys and values must be vectors, but received shapes"
                f" {dims(keys.shape)} and {dims(values.shape)}"
            )
        if keys.size != values.size:
            raise InvalidArgument(
                f"Keys and values must have the same size {keys.size} vs {values.size}"
            )
        if not keys.size:
            raise InvalidArgument("keys and values cannot be empty tensors.")
        table.replace(keys, values)

    return kernel


@op("LookupTableFind", "LookupTableFindV2")
def lookup_table_find(build: Build) -> Kernel:
    """The value of each key, or the default."""
    key, value = build.type("Tin"), build.type("Tout")

    def kernel(table: Table, keys: Array, default: Array) -> Array:
        check_dtypes(table, key, value)
        return table.find(keys, np.asarray(default))

    return kernel


@op("LookupTableInsert", "LookupTableInsertV2")
def lookup_table_insert(build: Build) -> Kernel:
    """Give keys values."""
    return _writing(build, lambda table, *pair: table.insert(*pair))


@op("LookupTableImport", "LookupTableImportV2")
def lookup_table_import(build: Build) -> Kernel:
    """Replace the contents of the table."""
    return _writing(build, lambda table, *pair: table.replace(*pair))


def _writing(build: Build, write: Callable[..., None]) -> Kernel:
    key, value = build.type("Tin"), build.type("Tout")

    def kernel(table: Table, keys: Array, values: Array) -> None:
        check_dtypes(table, key, value)
        write(table, keys, values)

    return kernel


@op("LookupTableRemoveV2")
def lookup_table_remove(build: Build) -> Kernel:
    """Forget keys."""
    key = build.type("Tin")

    def kernel(table: Table, keys: Array) -> None:
        check_dtypes(table, key, None)
        table.remove(keys)

    return kernel


@op("LookupTableSize", "LookupTableSizeV2")
def lookup_table_size(build: Build) -> Kernel:
    """How many keys there are."""
    del build
    return lambda table: np.asarray(table.size(), np.int64)


@op("LookupTableExport", "LookupTableExportV2")
def lookup_table_export(build: Build) -> Kernel:
    """All keys and their values."""
    key, value = build.type("Tkeys"), build.type("Tvalues")

    def kernel(table: Table) -> Any:
        check_dtypes(table, key, value)
        return table.export()

    return kernel
