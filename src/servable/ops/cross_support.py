"""Feature crosses: for each row of a batch, every way to pick one feature from each column.

The last column changes fastest. A row has no crosses if one of the columns has no
feature there. The hashes are TensorFlow's, to the bit: models are trained on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servable.ops.hashes import Words, fingerprint64
from servable.ops.limits import check_size
from servable.ops.text import flat, strings
from servable.tensors import Array

_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SHIFT = np.uint64(47)
_MAX_INT64 = 2**63 - 1
_TEXT_BYTES = 64
"""What a string takes beside its content."""


@dataclass(frozen=True)
class Column:
    """Features one after another: those of row b are `counts[b]` from `starts[b]`."""

    features: Array
    starts: Array
    counts: Array


@dataclass(frozen=True)
class Crosses:
    """All crosses, in order.

    Attributes:
        rows: the row of each.
        totals: how many each row has.
        picked: for each column which of its features is in each cross.
    """

    rows: Array
    totals: Array
    picked: tuple[Array, ...]

    def sparse(self, values: Array) -> tuple[Array, Array, Array]:
        """Values of the crosses as a sparse tensor."""
        starts = np.cumsum(self.totals) - self.totals
        indices = np.stack((self.rows, np.arange(self.rows.size) - starts[self.rows]), axis=1)
        widest = int(self.totals.max(initial=0))
        return indices, values, np.array([self.totals.size, widest], np.int64)


def cross(columns: Sequence[Column], batch: int) -> Crosses:
    """All crosses of columns.

    Raises:
        ResourceExhausted: they are too many.
    """
    check_size((batch, len(columns) + 1), 8)
    counts = [column.counts for column in columns]
    # In floats first: the product may be anything.
    most = np.prod([c.astype(np.float64) for c in counts], axis=0).sum() if counts else batch
    check_size((math.ceil(most), len(columns) + 2), 8)
    totals = np.prod(counts, axis=0) if counts else np.ones(batch, np.int64)
    rows = np.repeat(np.arange(batch), totals)
    rest = np.arange(rows.size) - np.repeat(np.cumsum(totals) - totals, totals)
    picked = []
    for column in reversed(columns):
        rest, digit = np.divmod(rest, column.counts[rows])
        picked.append(column.starts[rows] + digit)
    return Crosses(rows, totals, tuple(reversed(picked)))


def column_of(features: Array, counts: Array) -> Column:
    """A column whose features stand in the order of their rows."""
    return Column(features, np.cumsum(counts) - counts, counts)


def dense_column(x: Array) -> Column:
    """The features of a matrix."""
    return column_of(x.reshape(-1), np.full(len(x), x.shape[1], np.int64))


def _shift_mix(x: Words) -> Words:
    return x ^ (x >> _SHIFT)


def joined(before: Words, after: Words) -> Words:
    """One hash of two."""
    mixed = (before ^ _MULTIPLIER) ^ (_shift_mix(after * _MULTIPLIER) * _MULTIPLIER)
    return _shift_mix(_shift_mix(mixed * _MULTIPLIER) * _MULTIPLIER)


def in_buckets(hashes: Words, buckets: int) -> Array:
    """Hashes modulo the number of buckets; never negative ones if that is not positive."""
    return (hashes % np.uint64(buckets if buckets > 0 else _MAX_INT64)).astype(np.int64)


def as_hashes(features: Array) -> Words:
    """Fingerprints of strings; numbers as they are."""
    if features.dtype == object:
        return fingerprint64(flat(features))
    return features.astype(np.int64).view(np.uint64)


def hashed(columns: Sequence[Column], crosses: Crosses, key: int, buckets: int) -> Array:
    """The hash of each cross, from a key onwards."""
    made = np.full(crosses.rows.size, np.uint64(key & (2**64 - 1)))
    for column, picked in zip(columns, crosses.picked, strict=True):
        made = joined(made, as_hashes(column.features)[picked])
    return in_buckets(made, buckets)


def as_text(columns: Sequence[Column], crosses: Crosses, separator: bytes) -> Array:
    """The features of each cross with a separator between them."""
    check_size((crosses.rows.size, len(columns) + 1), _TEXT_BYTES)
    sides = []
    size = len(separator) * len(columns) * crosses.rows.size
    for column, picked in zip(columns, crosses.picked, strict=True):
        features = flat(column.features)
        if column.features.dtype != object:
            features = [b"%d" % int(number) for number in features]
        lengths = np.fromiter(map(len, features), np.int64, len(features))
        size += int(lengths[picked].sum())
        check_size((size,), 1)
        sides.append([features[place] for place in picked.tolist()])
    return strings([separator.join(parts) for parts in zip(*sides, strict=True)])
