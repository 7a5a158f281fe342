"""Lookup tables under many threads, and what models may not do with them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_kernels import kernel

from servable.errors import InvalidArgument, ResourceExhausted
from servable.graph.ir import UnsupportedOps
from servable.ops.resources import Resources
from servable.ops.table_store import DenseTable, HashTable, MutableTable
from servable.ops.text import strings
from servable.tensors import INT64, STRING, Array


def numbers(*values: int) -> Array:
    return np.array(values, np.int64)


NONE = np.asarray(-1, np.int64)
RESERVED = (np.asarray(-1, np.int64), np.asarray(-2, np.int64))
DTYPES: dict[str, Any] = {"key_dtype": STRING, "value_dtype": INT64}


def in_threads(count: int, work: Callable[[int], None]) -> None:
    start = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as error:  # reported below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_readers_see_each_change_of_a_mutable_table_as_a_whole() -> None:
    table = MutableTable(INT64, INT64)
    keys = np.arange(200)
    table.insert(keys, np.zeros(200, np.int64))

    def work(number: int) -> None:
        for round_ in range(30):
            if number:
                assert len(set(table.find(keys, NONE).tolist())) == 1
            else:
                table.insert(keys, np.full(200, round_, np.int64))

    in_threads(4, work)


def test_a_hash_table_is_filled_once_however_many_try() -> None:
    table = HashTable(INT64, INT64)

    in_threads(8, lambda number: table.replace(numbers(1, 2), numbers(number, number)))

    first, second = table.find(numbers(1, 2), NONE).tolist()
    assert first == second


def test_inserts_of_many_threads_all_arrive() -> None:
    table = DenseTable((INT64, INT64), (), RESERVED, 4, 0.5)

    in_threads(8, lambda n: table.insert(np.arange(n * 50, n * 50 + 50), np.full(50, n)))

    assert table.size() == 400
    keys, values = table.export()
    found = {k: v for k, v in zip(keys.ravel(), values.ravel(), strict=True) if k >= 0}
    assert found == {key: key // 50 for key in range(400)}


def test_an_exported_dense_table_can_be_imported() -> None:
    def make() -> DenseTable:
        return DenseTable((STRING, INT64), (2,), (_string(b""), _string(b"x")), 4, 0.8)

    table, copy = make(), make()
    keys = strings([b"key %d" % i for i in range(40)])
    table.insert(keys, np.arange(80).reshape(40, 2))

    copy.replace(*table.export())

    default = np.zeros(2, np.int64)
    np.testing.assert_array_equal(copy.find(keys, default), np.arange(80).reshape(40, 2))


def _string(value: bytes) -> Array:
    return strings([value], ())


def test_buckets_that_do_not_fit_into_memory_are_not_exported() -> None:
    table = DenseTable((INT64, INT64), (), RESERVED, 1 << 60, 0.5)

    with pytest.raises(ResourceExhausted):
        table.export()


@pytest.mark.parametrize(("shared", "by_name"), [(b"x", False), (b"", True), (b"", False)])
def test_a_node_finds_its_table_again(shared: bytes, by_name: bool) -> None:
    resources = Resources()
    attrs: dict[str, Any] = {"shared_name": shared, "use_node_name_sharing": by_name, **DTYPES}
    first = kernel("HashTableV2", resources=resources, **attrs)
    again = kernel("HashTableV2", resources=resources, **attrs)

    assert first() is again()


def test_a_private_table_is_not_one_that_is_named_like_its_node() -> None:
    resources = Resources()
    private = kernel("HashTableV2", resources=resources, name="x", **DTYPES)
    named = kernel("HashTableV2", resources=resources, name="y", shared_name=b"x", **DTYPES)

    assert private() is not named()


def test_one_name_for_tables_of_different_dtypes_is_refused() -> None:
    resources = Resources()
    kernel("HashTableV2", resources=resources, shared_name=b"x", **DTYPES)()
    other = kernel(
        "HashTableV2", resources=resources, shared_name=b"x", key_dtype=INT64, value_dtype=INT64
    )

    with pytest.raises(InvalidArgument, match="Conflicting key/value dtypes"):
        other()


def test_a_dense_table_of_unknown_value_shape_is_refused_at_load() -> None:
    with pytest.raises(UnsupportedOps, match="value_shape"):
        kernel(
            "MutableDenseHashTableV2",
            key_dtype=INT64,
            value_dtype=INT64,
            value_shape=(None,),
            initial_num_buckets=4,
        )


def test_finding_does_not_change_the_keys() -> None:
    table = HashTable(STRING, INT64)
    table.replace(strings([b"a"]), numbers(1))
    keys = strings([b"a", b"b"])
    keys.flags.writeable = False

    assert table.find(keys, NONE).tolist() == [1, -1]
    assert keys.tolist() == [b"a", b"b"]
