"""One tf.SequenceExample to tensors, read as protobuf reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.example_wire import Malformed, Values
from servable.ops.feature_columns import (
    Column,
    as_values,
    check_dtypes,
    nothing,
    ragged_indices,
)
from servable.ops.messages import Feature, entries, feature, fields
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare
from servable.ops.text import dims, flat, one
from servable.tensors import STRING, Array, DType


@dataclass(frozen=True)
class _Sequence:
    """A sequence example.

    Attributes:
        name: what messages call it.
    """

    name: str
    context: Mapping[bytes, Feature]
    lists: Mapping[bytes, list[Feature]]


def _read(data: bytes, name: str) -> _Sequence:
    context: dict[bytes, Feature] = {}
    lists: dict[bytes, list[Feature]] = {}
    try:
        for number, wire, start, end in fields(data, 0, len(data)):
            if wire != 2:
                continue
            if number == 1:
                for key, first, last in entries(data, start, end):
                    context[key] = feature(data, first, last)
            elif number == 2:
                for key, first, last in entries(data, start, end):
                    lists[key] = [
                        feature(data, begin, stop)
                        for part, kind, begin, stop in fields(data, first, last)
                        if part == 1 and kind == 2
                    ]
    except Malformed:
        raise InvalidArgument(f"Could not parse example input, value: '{_text(data)}'") from None
    return _Sequence(name, context, lists)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _values(found: Feature, dtype: DType, where: str, *, unset: bool) -> Values:
    """The values of a feature.

    Args:
        unset: whether a feature without a kind will do.
    """
    if found is None and unset:
        return nothing(dtype)
    if found is None or found[0] is not dtype:
        kind = found[0].name if found else "unset"
        raise InvalidArgument(
            f"{where}.  Data types don't match. Expected type: {dtype.name}  Feature is: {kind}"
        )
    return found[1]


@dataclass(frozen=True)
class _Shaped:
    """A dense feature."""

    key: bytes
    dtype: DType
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def add(self, column: Column, values: Values, name: str, index: int) -> None:
        """Append the values of one row, of which there must be as many as the shape has."""
        count = column.add(values)
        if count != self.size:
            word = "bytes" if self.dtype is STRING else self.dtype.name
            raise InvalidArgument(
                f"Name: {name}, Key: {_text(self.key)}, Index: {index}.  Number of {word} values"
                f" != expected.  values size: {count} but output shape: {dims(self.shape)}"
            )

    def from_context(self, sequence: _Sequence, default: Array, number: int) -> Array:
        if default.size and default.shape != self.shape:
            raise InvalidArgument(
                f"def_value[{number}].shape() == {dims(default.shape)} !="
                f" context_dense_shapes_[{number}] == {dims(self.shape)}"
            )
        column = Column(self.dtype)
        if self.key in sequence.context:
            where = f"Name: {sequence.name}, Context feature: {_text(self.key)}"
            found = sequence.context[self.key]
            self.add(column, _values(found, self.dtype, where, unset=False), sequence.name, 0)
        elif default.size:
            column.add(as_values(default, self.dtype))
        else:
            raise InvalidArgument(
                f"Name: {sequence.name}, Context feature '{_text(self.key)}' is required but could"
                " not be found."
            )
        return column.array().reshape(self.shape)

    def from_list(self, sequence: _Sequence, may_miss: bool) -> Array:
        rows = sequence.lists.get(self.key)
        if rows is None and not may_miss:
            raise InvalidArgument(
                f"Name: {sequence.name}, Feature list '{_text(self.key)}' is required but could"
                " not be found.  Did you mean to include it in"
                " feature_list_dense_missing_assumed_empty or feature_list_dense_defaults?"
            )
        column = Column(self.dtype)
        for index, row in enumerate(rows or ()):
            where = f"Name: {sequence.name}, Feature list: {_text(self.key)}, Index: {index}"
            values = _values(row, self.dtype, where, unset=False)
            self.add(column, values, sequence.name, index)
        return column.array().reshape(len(rows or ()), *self.shape)


Sparse = tuple[Array, Array, Array]


def _sparse_context(sequence: _Sequence, key: bytes, dtype: DType) -> Sparse:
    column = Column(dtype)
    where = f"Name: {sequence.name}, Context feature: {_text(key)}"
    column.add(_values(sequence.context.get(key), dtype, where, unset=True))
    return ragged_indices(column.counts)[:, 1:], column.array(), np.array(column.counts, np.int64)


def _sparse_list(sequence: _Sequence, key: bytes, dtype: DType) -> Sparse:
    column = Column(dtype)
    for index, row in enumerate(sequence.lists.get(key, ())):
        where = f"Name: {sequence.name}, Feature List: {_text(key)}, Index: {index}"
        column.add(_values(row, dtype, where, unset=True))
    counts = column.counts
    shape = np.array([len(counts), max(counts, default=0)], np.int64)
    return ragged_indices(counts), column.array(), shape


def _columns(rows: Sequence[Sparse]) -> list[Array]:
    return [row[i] for i in range(3) for row in rows]


@op(
    "ParseSingleSequenceExample",
    attrs="context_sparse_types Tcontext_dense feature_list_dense_types context_dense_shapes"
    " feature_list_sparse_types feature_list_dense_shapes",
)
def parse_single_sequence_example(build: Build) -> Kernel:
    """Context and feature lists of one example; the names of the features are inputs."""
    types = {
        name: build.list(name)
        for name in (
            "context_sparse_types",
            "Tcontext_dense",
            "feature_list_sparse_types",
            "feature_list_dense_types",
        )
    }
    for dtypes in types.values():
        check_dtypes(dtypes)
    shapes = build.list("context_dense_shapes"), build.list("feature_list_dense_shapes")
    counts = [len(types[name]) for name in types]

    def kernel(serialized: Array, missing: Array, *rest: Array) -> Any:
        # In the order of the inputs: keys of four kinds, defaults, the name.
        inputs = iter(rest)
        keys = [[one(next(inputs), "key") for _ in range(count)] for count in counts]
        defaults = [np.asarray(next(inputs)) for _ in range(counts[1])]
        label = flat(next(inputs))
        if np.ndim(serialized) != 0:
            raise InvalidArgument(
                f"Expected serialized to be a scalar, got shape: {dims(np.shape(serialized))}"
            )
        sequence = _read(one(serialized, "serialized"), _text(label[0]) if label else "<unknown>")
        may_miss = set(flat(missing))
        dense = [
            _Shaped(key, dtype, shape).from_context(sequence, default, number)
            for number, (key, dtype, shape, default) in enumerate(
                zip(keys[1], types["Tcontext_dense"], shapes[0], defaults, strict=True)
            )
        ]
        sparse = [
            _sparse_context(sequence, key, dtype)
            for key, dtype in zip(keys[0], types["context_sparse_types"], strict=True)
        ]
        lists = [
            _Shaped(key, dtype, shape).from_list(sequence, key in may_miss)
            for key, dtype, shape in zip(
                keys[3], types["feature_list_dense_types"], shapes[1], strict=True
            )
        ]
        sparse_lists = [
            _sparse_list(sequence, key, dtype)
            for key, dtype in zip(keys[2], types["feature_list_sparse_types"], strict=True)
        ]
        return bare([*_columns(sparse), *dense, *_columns(sparse_lists), *lists])

    return kernel
