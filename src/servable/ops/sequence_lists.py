"""The feature lists of batches of tf.SequenceExample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.example_wire import Malformed, length
from servable.ops.feature_columns import Column, nothing, ragged_indices, splits
from servable.ops.sequence_batch import Batch, Half, Keys, read_feature, text_of
from servable.ops.support import blank
from servable.ops.text import dims
from servable.tensors import Array, DType


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


def _lists(batch: Batch, key: bytes, dtype: DType) -> _Lists:
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
                values, at = read_feature(data, at, stop, dtype)
                if size == 2 and len(values):
                    raise Malformed
            except Malformed:
                raise InvalidArgument(
                    f"Name: {name}, Feature list: {text_of(key)}, Index: {rows}.  Data types don't"
                    f" match. Expected type: {dtype.name}"
                ) from None
        column.add(values)
        rows += 1
    return rows


def _broken(key: bytes, name: str) -> InvalidArgument:
    return InvalidArgument(f"Error in sequence feature {text_of(key)} in example {name}")


def list_outputs(
    batch: Batch, half: Half, keys: Keys, may_miss: Sequence[bool]
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


def _sparse_lists(batch: Batch, key: bytes, dtype: DType) -> tuple[Array, Array, Array]:
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
    batch: Batch, key: bytes, dtype: DType, shape: tuple[int, ...], may_miss: bool
) -> tuple[Array, Array]:
    found = _lists(batch, key, dtype)
    size = int(np.prod(shape, dtype=np.int64))
    counts = found.counts()
    longest = max((sum(row) for row in counts), default=0)
    if not size or longest % size:
        raise InvalidArgument(
            f"Feature list '{text_of(key)}' has an unexpected number of values.  Total values size:"
            f" {longest} is not consistent with output shape: {dims(('?', *shape))}"
        )
    for name, number, row in zip(batch.names, found.rows, counts, strict=True):
        if number is None and not may_miss:
            raise InvalidArgument(
                f"Name: {name}, Feature list '{text_of(key)}' is required but could not be found. "
                " Did you mean to include it in feature_list_dense_missing_assumed_empty or"
                " feature_list_dense_defaults?"
            )
        for index, count in enumerate(row):
            if count != size:
                raise InvalidArgument(
                    f"Name: {name}, Key: {text_of(key)}, Index: {index}.  Number of values !="
                    f" expected.  values size: {count} but output shape: {dims(shape)}"
                )
    lengths = np.array([number or 0 for number in found.rows], np.int64)
    values = blank((len(batch.data), longest // size, *shape), dtype.numpy)
    used = np.arange(longest // size) < lengths[:, None]
    values[used] = found.column.array().reshape(-1, *shape)
    return (values[0], lengths[0]) if batch.scalar else (values, lengths)
