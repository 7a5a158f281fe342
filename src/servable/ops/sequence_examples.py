"""Batches of tf.SequenceExample to tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.example_wire import READERS, TAGS, Malformed, Values, length, sequence_entries
from servable.ops.feature_columns import (
    Column,
    as_values,
    check_dtypes,
    nothing,
    ragged_indices,
    splits,
)
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare, blank
from servable.ops.text import dims, flat
from servable.tensors import Array, DType

_UNNAMED = "<unknown>"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@dataclass(frozen=True)
class _Half:
    """What the attributes ask for of the context, or of the feature lists.

    Attributes:
        shapes: of the dense features; of one row if they are lists.
    """

    sparse: tuple[DType, ...]
    dense: tuple[DType, ...]
    shapes: tuple[tuple[int, ...], ...]
    ragged: tuple[DType, ...]
    ragged_splits: tuple[DType, ...]

    @classmethod
    def of(cls, build: Build, prefix: str, dense: str, *, ragged: bool) -> _Half:
        half = cls(
            build.list(f"{prefix}_sparse_types"),
            build.list(dense),
            build.list(f"{prefix}_dense_shapes"),
            build.list(f"{prefix}_ragged_value_types") if ragged else (),
            build.list(f"{prefix}_ragged_split_types") if ragged else (),
        )
        check_dtypes((*half.sparse, *half.dense, *half.ragged))
        if len(half.dense) != len(half.shapes) or len(half.ragged) != len(half.ragged_splits):
            raise InvalidArgument(f"the attributes of {prefix} features differ in length")
        if any(shape is None or None in shape for shape in half.shapes):
            raise InvalidArgument(f"{prefix}_dense_shapes must be fully defined")
        return half


@dataclass(frozen=True)
class _Keys:
    """The names of the features of one half."""

    sparse: Sequence[bytes]
    dense: Sequence[bytes]
    ragged: Sequence[bytes] = ()

    def check(self, half: _Half, what: str) -> None:
        """Refuse names that do not fit the attributes.

        Raises:
            InvalidArgument: there are too many or too few, or one has two kinds.
        """
        for kind in ("sparse", "dense", "ragged"):
            if len(getattr(self, kind)) != len(getattr(half, kind)):
                raise InvalidArgument(f"Expected len({kind}_keys) to match the {kind} types")
        for kind, others in (("ragged", self.sparse), ("dense", (*self.sparse, *self.ragged))):
            for key in set(getattr(self, kind)) & set(others):
                raise InvalidArgument(
                    f"{what} feature {_text(key)} cannot be both {kind} and sparse"
                )


@dataclass(frozen=True)
class _Batch:
    """The parts of all examples.

    Attributes:
        data: the examples.
        names: what messages call them.
        found: for each example the features of one half, and where their values lie.
        scalar: whether it is one example and no batch.
    """

    data: Sequence[bytes]
    names: Sequence[str]
    found: Sequence[dict[bytes, tuple[int, int]]]
    scalar: bool

    def where(self, key: bytes) -> Iterator[tuple[bytes, str, tuple[int, int] | None]]:
        """Each example, its name, and where its feature of this name lies."""
        for data, name, found in zip(self.data, self.names, self.found, strict=True):
            yield data, name, found.get(key)


def _read_all(serialized: Array, labels: Array) -> tuple[_Batch, _Batch]:
    data = flat(serialized)
    if np.size(labels) not in (0, len(data)):
        raise InvalidArgument("example_names must be empty or have the correct number of elements")
    names = [_text(label) for label in flat(labels)] or [_UNNAMED] * len(data)
    halves: tuple[list[dict[bytes, tuple[int, int]]], ...] = ([], [])
    for example, name in zip(data, names, strict=True):
        try:
            entries = sequence_entries(example)
        except Malformed:
            raise InvalidArgument(f"Invalid protocol message input, example id: {name}") from None
        for half, part in zip(halves, entries, strict=True):
            half.append({key: (first, last) for key, first, last in part})
    scalar = np.ndim(serialized) == 0
    return _Batch(data, names, halves[0], scalar), _Batch(data, names, halves[1], scalar)


def _feature(data: bytes, at: int, end: int, dtype: DType) -> tuple[Values, int]:
    """One Feature of a known kind, and the offset behind it.

    Raises:
        Malformed: it is of another kind, or broken.
    """
    if at >= end or data[at] != TAGS[dtype]:
        raise Malformed
    return READERS[dtype](data, at + 1, end, True)


def _context(batch: _Batch, key: bytes, dtype: DType, default: Values | None) -> Column:
    """The values of a context feature, with the default where an example has none."""
    column = Column(dtype)
    for data, name, place in batch.where(key):
        values = nothing(dtype)
        if place is None:
            values = nothing(dtype) if default is None else default
        elif place[0] < place[1]:
            try:
                values, _ = _feature(data, *place, dtype)
            except Malformed:
                raise InvalidArgument(
                    f"Name: {name}, Context feature: {_text(key)}.  Data types don't match."
                    f" Expected type: {dtype.name}"
                ) from None
        column.add(values)
    return column


def _context_outputs(
    batch: _Batch, half: _Half, keys: _Keys, defaults: Sequence[Array]
) -> list[list[Array]]:
    """Indices, values and shapes of sparse features, dense values, ragged values and splits."""
    dense = [
        _context_dense(batch, key, dtype, shape, np.asarray(default), number)
        for number, (key, dtype, shape, default) in enumerate(
            zip(keys.dense, half.dense, half.shapes, defaults, strict=True)
        )
    ]
    sparse = [_context(batch, k, d, None) for k, d in zip(keys.sparse, half.sparse, strict=True)]
    ragged = [_context(batch, k, d, None) for k, d in zip(keys.ragged, half.ragged, strict=True)]
    skipped = 1 if batch.scalar else 0
    return [
        [ragged_indices(c.counts)[:, skipped:] for c in sparse],
        [c.array() for c in sparse],
        [np.array([len(c.counts), max(c.counts, default=0)], np.int64)[skipped:] for c in sparse],
        dense,
        [c.array() for c in ragged],
        [
            # Nothing to split, and TensorFlow does not say what is in it.
            np.zeros((), s.numpy) if batch.scalar else splits(c.counts, s)
            for c, s in zip(ragged, half.ragged_splits, strict=True)
        ],
    ]


def _context_dense(
    batch: _Batch, key: bytes, dtype: DType, shape: tuple[int, ...], default: Array, number: int
) -> Array:
    if default.size and default.shape != shape:
        raise InvalidArgument(
            f"default_value[{number}].shape() == {dims(default.shape)} !="
            f" context_dense_shapes[{number}] == {dims(shape)}"
        )
    column = _context(batch, key, dtype, as_values(default, dtype) if default.size else None)
    size = int(np.prod(shape, dtype=np.int64))
    longest = max([default.size, *column.counts])
    if longest != size:
        raise InvalidArgument(
            f"Inconsistent max number of elements for feature {_text(key)}: expected {size},"
            f" but found {longest}"
        )
    for (_, name, place), count in zip(batch.where(key), column.counts, strict=True):
        if count != size:
            raise InvalidArgument(
                f"Unexpected number of elements in example {name}"
                if place is not None
                else f"Feature: {_text(key)} (data type: {dtype.name}) is required but could"
                " not be found."
            )
    return column.array().reshape(shape if batch.scalar else (len(batch.data), *shape))


@dataclass(frozen=True)
class _Lists:
    """The values of a feature list.

    Attributes:
        column: one entry of its counts for each row of each example.
        rows: how many rows each example has; None where it has no such list.
    """

    column: Column
    rows: list[int | None]

    def counts(self) -> list[list[int]]:
        """Values of each row, example by example."""
        ends = np.cumsum([0, *(number or 0 for number in self.rows)]).tolist()
        return [self.column.counts[a:b] for a, b in pairwise(ends)]


def _lists(batch: _Batch, key: bytes, dtype: DType) -> _Lists:
    column = Column(dtype)
    rows: list[int | None] = []
    for data, name, place in batch.where(key):
        rows.append(None if place is None else _rows(data, *place, name, key, column, dtype))
    return _Lists(column, rows)


def _rows(
    data: bytes, at: int, end: int, name: str, key: bytes, column: Column, dtype: DType
) -> int:
    """Read the rows of one example's list, and return their number."""
    rows = 0
    while at < end:
        try:
            if data[at] != 0x0A:
                raise Malformed
            size, at = length(data, at + 1, end)
        except Malformed:
            raise _broken(key, name) from None
        if size == 1:
            raise _broken(key, name)
        values = nothing(dtype)
        if size:
            # A reader may stop before the row does; what follows is then read as a row.
            stop = min(at + size, end)
            try:
                values, at = _feature(data, at, stop, dtype)
                if size == 2 and len(values):
                    raise Malformed
            except Malformed:
                raise InvalidArgument(
                    f"Name: {name}, Feature list: {_text(key)}, Index: {rows}.  Data types don't"
                    f" match. Expected type: {dtype.name}"
                ) from None
        column.add(values)
        rows += 1
    return rows


def _broken(key: bytes, name: str) -> InvalidArgument:
    return InvalidArgument(f"Error in sequence feature {_text(key)} in example {name}")


def _list_outputs(
    batch: _Batch, half: _Half, keys: _Keys, may_miss: Sequence[bool]
) -> list[list[Array]]:
    """Indices, values and shapes of sparse lists, dense values and lengths, ragged values,
    outer and inner splits."""
    dense = [
        _dense_lists(batch, *row)
        for row in zip(keys.dense, half.dense, half.shapes, may_miss, strict=True)
    ]
    sparse = [
        _sparse_lists(batch, key, dtype)
        for key, dtype in zip(keys.sparse, half.sparse, strict=True)
    ]
    ragged = [
        (_lists(batch, key, dtype), split)
        for key, dtype, split in zip(keys.ragged, half.ragged, half.ragged_splits, strict=True)
    ]
    return [
        *([row[i] for row in sparse] for i in range(3)),
        *([row[i] for row in dense] for i in range(2)),
        [found.column.array() for found, _ in ragged],
        [
            np.zeros((), s.numpy) if batch.scalar else splits([n or 0 for n in found.rows], s)
            for found, s in ragged
        ],
        [splits(found.column.counts, s) for found, s in ragged],
    ]


def _sparse_lists(batch: _Batch, key: bytes, dtype: DType) -> tuple[Array, Array, Array]:
    found = _lists(batch, key, dtype)
    inner = ragged_indices(found.column.counts)
    # Which example each row is of, and which row of it.
    owners = ragged_indices([number or 0 for number in found.rows])
    indices = np.column_stack([owners[inner[:, 0]], inner[:, 1]])
    rows = max((number or 0 for number in found.rows), default=0)
    shape = np.array([len(batch.data), rows, max(found.column.counts, default=0)], np.int64)
    skipped = 1 if batch.scalar else 0
    return indices[:, skipped:], found.column.array(), shape[skipped:]


def _dense_lists(
    batch: _Batch, key: bytes, dtype: DType, shape: tuple[int, ...], may_miss: bool
) -> tuple[Array, Array]:
    found = _lists(batch, key, dtype)
    size = int(np.prod(shape, dtype=np.int64))
    counts = found.counts()
    longest = max((sum(row) for row in counts), default=0)
    if not size or longest % size:
        raise InvalidArgument(
            f"Feature list '{_text(key)}' has an unexpected number of values.  Total values size:"
            f" {longest} is not consistent with output shape: {dims(('?', *shape))}"
        )
    for name, number, row in zip(batch.names, found.rows, counts, strict=True):
        if number is None and not may_miss:
            raise InvalidArgument(
                f"Name: {name}, Feature list '{_text(key)}' is required but could not be found. "
                " Did you mean to include it in feature_list_dense_missing_assumed_empty or"
                " feature_list_dense_defaults?"
            )
        for index, count in enumerate(row):
            if count != size:
                raise InvalidArgument(
                    f"Name: {name}, Key: {_text(key)}, Index: {index}.  Number of values !="
                    f" expected.  values size: {count} but output shape: {dims(shape)}"
                )
    lengths = np.array([number or 0 for number in found.rows], np.int64)
    values = blank((len(batch.data), longest // size, *shape), dtype.numpy)
    used = np.arange(longest // size) < lengths[:, None]
    values[used] = found.column.array().reshape(-1, *shape)
    return (values[0], lengths[0]) if batch.scalar else (values, lengths)


def _check_rank(serialized: Array) -> None:
    if np.ndim(serialized) > 1:
        raise InvalidArgument(
            f"Expected serialized to be a scalar or vector, got shape: {dims(np.shape(serialized))}"
        )


_CONTEXT = "context_sparse_types Tcontext_dense context_dense_shapes"
_LISTS = "feature_list_sparse_types feature_list_dense_types feature_list_dense_shapes"


@op(
    "ParseSequenceExample",
    attrs="feature_list_dense_missing_assumed_empty context_sparse_keys context_dense_keys"
    f" feature_list_sparse_keys feature_list_dense_keys {_CONTEXT} {_LISTS}",
    no_effect="Ncontext_dense",
)
def parse_sequence_example(build: Build) -> Kernel:
    """Sequence examples; the names of the features are attributes."""
    context = _Half.of(build, "context", "Tcontext_dense", ragged=False)
    lists = _Half.of(build, "feature_list", "feature_list_dense_types", ragged=False)
    names = _Keys(build.list("context_sparse_keys"), build.list("context_dense_keys"))
    list_names = _Keys(
        build.list("feature_list_sparse_keys"), build.list("feature_list_dense_keys")
    )
    missing = set(build.list("feature_list_dense_missing_assumed_empty"))
    names.check(context, "Context")
    list_names.check(lists, "Sequence")
    may_miss = [key in missing for key in list_names.dense]

    def kernel(serialized: Array, labels: Array, *defaults: Array) -> Any:
        _check_rank(serialized)
        first, second = _read_all(serialized, labels)
        indices, values, shapes, dense, *_ = _context_outputs(first, context, names, defaults)
        outputs = _list_outputs(second, lists, list_names, may_miss)
        return bare([*indices, *values, *shapes, *dense, *(x for part in outputs for x in part)])

    return kernel


@op(
    "ParseSequenceExampleV2",
    attrs=f"{_CONTEXT} {_LISTS} context_ragged_value_types context_ragged_split_types"
    " feature_list_ragged_value_types feature_list_ragged_split_types",
)
def parse_sequence_example_v2(build: Build) -> Kernel:
    """Sequence examples; the names of the features are inputs, and some are ragged."""
    context = _Half.of(build, "context", "Tcontext_dense", ragged=True)
    lists = _Half.of(build, "feature_list", "feature_list_dense_types", ragged=True)

    def kernel(serialized: Array, labels: Array, *rest: Array) -> Any:
        _check_rank(serialized)
        names = _Keys(*(flat(keys) for keys in rest[:3]))
        list_names = _Keys(*(flat(keys) for keys in rest[3:6]))
        names.check(context, "Context")
        list_names.check(lists, "Sequence")
        may_miss: list[bool] = np.ravel(rest[6]).tolist()
        if len(may_miss) != len(lists.dense):
            raise InvalidArgument(
                "Expected len(feature_list_dense_missing_assumed_empty to match Nfeature_list_dense"
            )
        first, second = _read_all(serialized, labels)
        outputs = [
            *_context_outputs(first, context, names, rest[7:]),
            *_list_outputs(second, lists, list_names, may_miss),
        ]
        return bare([x for part in outputs for x in part])

    return kernel
