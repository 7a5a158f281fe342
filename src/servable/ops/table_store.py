"""Lookup tables: state that a servable's signatures share. All methods are thread-safe."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from servable.errors import FailedPrecondition, InvalidArgument, Unimplemented
from servable.ops.hashes import hash64
from servable.ops.limits import check_size
from servable.ops.text import dims
from servable.tensors import STRING, Array, DType

Shape = tuple[int, ...]


class Table:
    """Keys and their values; the base of every kind.

    Args:
        key, value: dtypes.
        key_shape, value_shape: the shape of one key, of one value.
    """

    _own_defaults = False

    def __init__(
        self, key: DType, value: DType, key_shape: Shape = (), value_shape: Shape = ()
    ) -> None:
        self.key, self.value = key, value
        self._key_shape, self._value_shape = key_shape, value_shape
        self._lock = threading.Lock()
        self._found: dict[Hashable, Any] = {}

    def size(self) -> int:
        """How many keys there are."""
        return len(self._found)

    def find(self, keys: Array, default: Array) -> Array:
        """The value of each key, or the default.

        Of as many defaults as keys, some kinds take the one of each key, as in
        TensorFlow; others take the first for all.

        Raises:
            InvalidArgument: a shape is wrong.
        """
        items, outer = self._keys(keys)
        shape = outer + self._value_shape
        if default.shape not in (self._value_shape, shape):
            raise InvalidArgument(
                f"Expected shape {dims(self._value_shape)} or {dims(shape)} for default value,"
                f" got {dims(default.shape)}"
            )
        defaults = self._rows(default)
        own = self._own_defaults and len(defaults) == len(items)
        missing = defaults if own else itertools.repeat(defaults[0] if defaults else None)
        get = self._found.get
        found = [get(item, value) for item, value in zip(items, missing, strict=False)]
        return self._array(found, shape)

    def insert(self, keys: Array, values: Array) -> None:
        """Give keys values; the last of equal keys counts.

        Raises:
            InvalidArgument: a shape is wrong.
            Unimplemented: a table of this kind is filled once.
        """
        del keys, values
        raise Unimplemented("Insert not supported by InitializableLookupTable implementations")

    def remove(self, keys: Array) -> None:
        """Forget keys; those that are not there do not matter."""
        del keys
        raise Unimplemented("Remove not supported by InitializableLookupTable implementations")

    def replace(self, keys: Array, values: Array) -> None:
        """Forget everything and insert."""
        raise NotImplementedError

    def export(self) -> tuple[Array, Array]:
        """All keys, in no particular order, and their values."""
        with self._lock:
            keys, values = list(self._found), list(self._found.values())
        return (
            _array(keys, self.key, (len(keys), *self._key_shape)),
            self._array(values, (len(values), *self._value_shape)),
        )

    def _keys(self, keys: Array) -> tuple[list[Hashable], Shape]:
        """Keys one by one, and the shape in which they came."""
        keys = np.asarray(keys)
        rank = len(self._key_shape)
        outer = keys.shape[: keys.ndim - rank]
        if rank > keys.ndim or keys.shape[keys.ndim - rank :] != self._key_shape:
            raise InvalidArgument(
                f"Input key shape {dims(keys.shape)} must end with the table's key shape"
                f" {dims(self._key_shape)}"
            )
        if not rank:
            return keys.ravel().tolist(), outer
        flat = keys.reshape(int(np.prod(outer, dtype=np.int64)), -1).tolist()
        return [tuple(row) for row in flat], outer

    def _pairs(self, keys: Array, values: Array) -> list[tuple[Hashable, Any]]:
        items, outer = self._keys(keys)
        shape = outer + self._value_shape
        if np.shape(values) != shape:
            raise InvalidArgument(
                f"Expected shape {dims(shape)} for value, got {dims(np.shape(values))}"
            )
        return list(zip(items, self._rows(np.asarray(values)), strict=True))

    def _rows(self, values: Array) -> list[Any]:
        count = values.ndim - len(self._value_shape)
        rows: list[Any] = values.reshape(
            int(np.prod(values.shape[:count], dtype=np.int64)), *self._value_shape
        ).tolist()
        return rows

    def _array(self, rows: list[Any], shape: Shape) -> Array:
        return _array(rows, self.value, shape)


def _array(rows: list[Any], dtype: DType, shape: Shape) -> Array:
    if dtype is STRING:
        array = np.empty(len(rows), object)
        array[:] = rows
        return array.reshape(shape)
    return np.array(rows, dtype.numpy).reshape(shape)


class HashTable(Table):
    """Filled once, by an initialiser; then read without a lock."""

    def __init__(self, key: DType, value: DType) -> None:
        super().__init__(key, value)
        self._ready = False

    @property
    def ready(self) -> bool:
        """Whether it was filled."""
        return self._ready

    def initialise(self, items: Iterable[tuple[Hashable, Any]]) -> None:
        """Fill it. A second time does nothing, if there are as many keys.

        Raises:
            FailedPrecondition: a key has two values, or the table was filled with
                another number of keys.
        """
        found: dict[Hashable, Any] = {}
        for key, value in items:
            if found.setdefault(key, value) != value:
                raise FailedPrecondition(
                    "HashTable has different value for same key. Key"
                    f" {_shown(key)} has {_shown(found[key])} and trying to add value"
                    f" {_shown(value)}"
                )
        with self._lock:
            if self._ready:
                if len(found) != len(self._found):
                    raise FailedPrecondition("Table was already initialized with different data.")
                return
            self._found = found
            self._ready = True

    def find(self, keys: Array, default: Array) -> Array:
        """See `Table.find`; raises FailedPrecondition before the table is filled."""
        if not self._ready:
            raise FailedPrecondition("Table not initialized.")
        return super().find(keys, default)

    def replace(self, keys: Array, values: Array) -> None:
        """Fill it, as `initialise` does."""
        self.initialise(self._pairs(keys, values))


def _shown(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class MutableTable(Table):
    """May change at any time; readers see each change as a whole."""

    _own_defaults = True

    def find(self, keys: Array, default: Array) -> Array:
        """See `Table.find`."""
        with self._lock:
            return super().find(keys, default)

    def insert(self, keys: Array, values: Array) -> None:
        """See `Table.insert`."""
        pairs = self._pairs(keys, values)
        with self._lock:
            self._found.update(pairs)

    def remove(self, keys: Array) -> None:
        """See `Table.remove`."""
        items, _ = self._keys(keys)
        with self._lock:
            for item in items:
                self._found.pop(item, None)

    def replace(self, keys: Array, values: Array) -> None:
        """See `Table.replace`."""
        pairs = self._pairs(keys, values)
        with self._lock:
            self._found = dict(pairs)


_FEWEST_BUCKETS = 4


class DenseTable(MutableTable):
    """Has two keys that it does not hold, one for empty buckets and one for deleted keys.

    Buckets matter only to `export` and `replace`, whose arrays hold one entry for each
    bucket. Ours are filled in the order of insertion, and deleted keys leave no mark.
    """

    _own_defaults = False

    def __init__(
        self,
        dtypes: tuple[DType, DType],
        value_shape: Shape,
        reserved: tuple[Array, Array],
        buckets: int,
        load: float,
    ) -> None:
        empty, deleted = reserved
        super().__init__(*dtypes, np.shape(empty), value_shape)
        if np.shape(deleted) != np.shape(empty):
            raise InvalidArgument(
                "Empty and deleted keys must have same shape, got shapes:"
                f" {dims(np.shape(empty))} and {dims(np.shape(deleted))}"
            )
        for name, shape in (("value", value_shape), ("key", np.shape(empty))):
            if len(shape) > 1:
                raise InvalidArgument(
                    f"Empty {name} must be a scalar or a vector, got shape {dims(shape)}"
                )
        if buckets < _FEWEST_BUCKETS or buckets & (buckets - 1):
            raise InvalidArgument(
                f"Number of buckets must be at least 4 and a power of 2, got: {buckets}"
            )
        if not 0 < load < 1:
            raise InvalidArgument(f"max_load_factor must be between 0 and 1, got: {load:g}")
        self._empty = super()._keys(empty)[0][0]
        removed = super()._keys(deleted)[0][0]
        if removed == self._empty:
            raise InvalidArgument("Empty and deleted keys cannot be equal")
        self._reserved = {self._empty: "empty_key", removed: "deleted_key"}
        self._buckets, self._load = buckets, load

    def find(self, keys: Array, default: Array) -> Array:
        """See `Table.find`; raises InvalidArgument for a key that it can not hold."""
        self._check(self._keys(keys)[0])
        return super().find(keys, default)

    def insert(self, keys: Array, values: Array) -> None:
        """See `Table.insert`; raises InvalidArgument for a key that it can not hold."""
        pairs = self._pairs(keys, values)
        self._check(key for key, _ in pairs)
        with self._lock:
            while len(self._found) + len(pairs) > self._buckets * self._load:
                self._buckets *= 2
            self._found.update(pairs)

    def remove(self, keys: Array) -> None:
        """See `Table.remove`; raises InvalidArgument for a key that it can not hold."""
        self._check(self._keys(keys)[0])
        super().remove(keys)

    def replace(self, keys: Array, values: Array) -> None:
        """Take over exported buckets."""
        key_shape, value_shape = self._key_shape or (1,), self._value_shape or (1,)
        buckets = len(keys) if keys.ndim else 0
        if keys.shape != (buckets, *key_shape) or values.shape != (buckets, *value_shape):
            raise InvalidArgument(
                f"Expected shape {dims((buckets, *value_shape))} for value, got"
                f" {dims(values.shape)}"
            )
        pairs = self._pairs(
            keys.reshape(buckets, *self._key_shape), values.reshape(buckets, *self._value_shape)
        )
        with self._lock:
            self._buckets = buckets
            self._found = {key: value for key, value in pairs if key not in self._reserved}

    def export(self) -> tuple[Array, Array]:
        """The buckets' keys and values, the empty ones included."""
        with self._lock:
            buckets, found = self._buckets, dict(self._found)
        key_shape, value_shape = self._key_shape or (1,), self._value_shape or (1,)
        check_size((buckets, *key_shape, *value_shape), 8)
        keys: list[Any] = [self._empty] * buckets
        zero = np.zeros(self._value_shape, self.value.numpy)
        rows: list[Any] = [b"" if self.value is STRING else zero.tolist()] * buckets
        taken: set[int] = set()
        for key, start in zip(found, self._hashes(list(found)), strict=True):
            place = start & (buckets - 1)
            for step in itertools.count(1):
                if place not in taken:
                    break
                place = (place + step) & (buckets - 1)
            taken.add(place)
            keys[place], rows[place] = key, found[key]
        if not self._key_shape:
            keys = [(key,) for key in keys]
        flat = [part for key in keys for part in key]
        return (
            _array(flat, self.key, (buckets, *key_shape)),
            self._array(rows, (buckets, *value_shape)),
        )

    def _keys(self, keys: Array) -> tuple[list[Hashable], Shape]:
        keys = np.asarray(keys)
        rows, size = (len(keys) if keys.ndim else 1), int(np.prod(self._key_shape, dtype=np.int64))
        if keys.size != rows * size:
            raise InvalidArgument(
                f"Expected key shape {dims((rows, *self._key_shape))} got {dims(keys.shape)}"
            )
        return super()._keys(keys)

    def _hashes(self, keys: Sequence[Any]) -> list[int]:
        """The bucket where each key is looked for first, before it is cut to their number."""
        rows = keys if self._key_shape else [(key,) for key in keys]
        if self.key is STRING:
            parts = [hash64(row).tolist() for row in rows]
        else:
            parts = [[part & _WORD for part in row] for row in rows]
        return [_combined(p) if len(p) != 1 else p[0] for p in parts]

    def _check(self, keys: Iterable[Hashable]) -> None:
        for key in keys:
            if (name := self._reserved.get(key)) is not None:
                raise InvalidArgument(f"Using the {name} as a table key is not allowed")


_WORD = 0xFFFFFFFFFFFFFFFF


def _combined(parts: Sequence[int]) -> int:
    result = 0
    for part in parts:
        result ^= (part + 0x9E3779B97F4A7800 + (result << 10) + (result >> 4)) & _WORD
    return result
