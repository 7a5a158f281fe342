"""Feature crosses: for each row of a batch, every way to pick one feature from each column.

The last column changes fastest. A row has no crosses if one of the columns has no
feature there. The hashes are TensorFlow's, to the bit: models are trained on them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.hashes import Words, fingerprint64, sip_hash
from servable.ops.limits import check_size
from servable.ops.ragged_support import check_splits
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, flat, one, strings
from servable.tensors import Array

_MULTIPLIER = np.uint64(0xC6A4A7935BD1E995)
_SHIFT = np.uint64(47)
_MAX_INT64 = 2**63 - 1


@dataclass(frozen=True)
class _Column:
    """Features one after another: those of row b are `counts[b]` from `starts[b]`."""

    features: Array
    starts: Array
    counts: Array


@dataclass(frozen=True)
class _Crosses:
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


def _crosses(columns: Sequence[_Column], batch: int) -> _Crosses:
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
    return _Crosses(rows, totals, tuple(reversed(picked)))


def _column(features: Array, counts: Array) -> _Column:
    return _Column(features, np.cumsum(counts) - counts, counts)


def _dense(x: Array) -> _Column:
    return _column(x.reshape(-1), np.full(len(x), x.shape[1], np.int64))


def _shift_mix(x: Words) -> Words:
    return x ^ (x >> _SHIFT)


def _joined(before: Words, after: Words) -> Words:
    """One hash of two."""
    mixed = (before ^ _MULTIPLIER) ^ (_shift_mix(after * _MULTIPLIER) * _MULTIPLIER)
    return _shift_mix(_shift_mix(mixed * _MULTIPLIER) * _MULTIPLIER)


def _in_buckets(hashes: Words, buckets: int) -> Array:
    return (hashes % np.uint64(buckets if buckets > 0 else _MAX_INT64)).astype(np.int64)


def _as_hashes(features: Array) -> Words:
    """Fingerprints of strings; numbers as they are."""
    if features.dtype == object:
        return fingerprint64(flat(features))
    return features.astype(np.int64).view(np.uint64)


def _hashed(columns: Sequence[_Column], crosses: _Crosses, key: int, buckets: int) -> Array:
    """The hash of each cross, from a key onwards."""
    made = np.full(crosses.rows.size, np.uint64(key & (2**64 - 1)))
    for column, picked in zip(columns, crosses.picked, strict=True):
        made = _joined(made, _as_hashes(column.features)[picked])
    return _in_buckets(made, buckets)


def _as_text(columns: Sequence[_Column], crosses: _Crosses, separator: bytes) -> Array:
    """The features of each cross with a separator between them."""
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


# --- sparse and dense columns


def _refuse(wrong: object, text: str) -> None:
    if wrong:
        raise InvalidArgument(text)


@dataclass(frozen=True)
class _Inputs:
    """The inputs of the three ops for sparse and dense columns."""

    indices: tuple[Array, ...]
    values: tuple[Array, ...]
    shapes: tuple[Array, ...]
    dense: tuple[Array, ...]
    others: tuple[Array, ...]

    def batch(self) -> int:
        """How many rows the batch has."""
        if self.shapes:
            return int(self.shapes[0][0])
        return len(self.dense[0]) if self.dense else 0


def _split(build: Build) -> Callable[..., _Inputs]:
    count, dense = build.int("N"), 3 * build.int("N") + len(build.list("dense_types"))
    ends = (count, 2 * count, 3 * count, dense)

    def split(inputs: tuple[Array, ...]) -> _Inputs:
        starts = (0, *ends)
        parts = [inputs[start:end] for start, end in zip(starts, ends, strict=False)]
        made = _Inputs(parts[0], parts[1], parts[2], parts[3], inputs[dense:])
        _check(made)
        return made

    return split


def _check(inputs: _Inputs) -> None:
    for place, x in enumerate(inputs.indices):
        _refuse(
            x.ndim != 2,
            f"Input indices should be a matrix but received shape {dims(x.shape)} at position"
            f" {place}",
        )
        width = x.shape[1]
        _refuse(width != 2, f"Expected D2 of index to be 2 got {width} at position {place}")
    for place, (indices, x) in enumerate(zip(inputs.indices, inputs.values, strict=True)):
        _refuse(
            x.ndim != 1,
            f"Input values should be a vector but received shape {dims(x.shape)} at position"
            f" {place}",
        )
        _refuse(
            len(indices) != x.size,
            f"Expected size of values to be {len(indices)} got {x.size} at position {place}",
        )
    for place, x in enumerate(inputs.shapes):
        _refuse(
            x.ndim != 1,
            f"Input shapes should be a vector but received shape {dims(x.shape)} at position"
            f" {place}",
        )
        _refuse(
            x.size != 2,
            f"shape should imply a 2D tensor, but got {dims(x.shape)} at position {place}",
        )
    for place, x in enumerate(inputs.dense):
        _refuse(
            x.ndim != 2,
            f"Dense inputs should be a matrix but received shape {dims(x.shape)} at position"
            f" {place}",
        )
    batch = inputs.batch()
    for place, x in enumerate(inputs.shapes):
        _refuse(x[0] != batch, f"Expected batch size {batch} got {int(x[0])} at position {place}")
    for place, x in enumerate(inputs.dense):
        _refuse(
            len(x) != batch, f"Expected batch size {batch} got {len(x)} at dense tensor {place}"
        )


def _sparse(indices: Array, values: Array, batch: int) -> _Column:
    """A column of features in order of their rows; those behind one out of order do not count."""
    rows = indices[:, 0]
    wrong = (rows < 0) | (rows >= batch)
    wrong[1:] |= rows[1:] < rows[:-1]
    end = int(wrong.argmax()) if wrong.any() else rows.size
    check_size((batch,), 8)
    return _column(values, np.bincount(rows[:end], minlength=batch))


def _columns(inputs: _Inputs) -> list[_Column]:
    batch = inputs.batch()
    sparse = zip(inputs.indices, inputs.values, strict=True)
    return [*(_sparse(*part, batch) for part in sparse), *map(_dense, inputs.dense)]


@op("SparseCross", attrs="num_buckets hash_key out_type internal_type", no_effect="hashed_output")
def sparse_cross(build: Build) -> Kernel:
    """Crosses as hashes, or as strings with `_X_` between the features."""
    split = _split(build)
    buckets, key = build.int("num_buckets"), build.int("hash_key")
    as_text = build.type("out_type").name == "string"
    only_text = build.type("internal_type").name == "string"

    def kernel(*arrays: Array) -> Any:
        inputs = split(arrays)
        for name, parts in (("Input values", inputs.values), ("Dense inputs", inputs.dense)):
            numbers = any(x.dtype != object for x in parts)
            _refuse(only_text and numbers, f"{name} should be of internal type 7 but received 9")
        columns = _columns(inputs)
        crosses = _crosses(columns, inputs.batch())
        if as_text:
            return crosses.sparse(_as_text(columns, crosses, b"_X_"))
        return crosses.sparse(_hashed(columns, crosses, key, buckets))

    return kernel


@op("SparseCrossV2")
def sparse_cross_v2(build: Build) -> Kernel:
    """Crosses as strings with a separator between the features."""
    split = _split(build)

    def kernel(*arrays: Array) -> Any:
        inputs = split(arrays)
        (separator,) = inputs.others
        _refuse(
            np.ndim(separator),
            f"Input separator should be a scalar. Received: shape {dims(np.shape(separator))}",
        )
        columns = _columns(inputs)
        crosses = _crosses(columns, inputs.batch())
        return crosses.sparse(_as_text(columns, crosses, one(separator, "sep")))

    return kernel


def _keyed(features: Array, salt: tuple[int, int] | None) -> Words:
    """Hashes under a salt; without one, fingerprints.

    Of a number only the first four bytes count, as in TensorFlow's kernel.
    """
    if features.dtype == object:
        texts = flat(features)
    else:
        low = features.astype("<i8").reshape(-1).view(np.uint8).reshape((-1, 8))[:, :4]
        texts = [row.tobytes() for row in low]
    return fingerprint64(texts) if salt is None else sip_hash(texts, salt)


@op("SparseCrossHashed")
def sparse_cross_hashed(build: Build) -> Kernel:
    """Crosses as hashes, on request under a salt."""
    split = _split(build)

    def kernel(*arrays: Array) -> Any:
        inputs = split(arrays)
        num_buckets, strong, salt = inputs.others
        _refuse(salt.size != 2, f'Input "salt" must have length 2 but has length {salt.size}')
        first, second = salt.reshape(-1).tolist()
        key = (first, second) if bool(np.reshape(strong, -1)[0]) else None
        columns = _columns(inputs)
        crosses = _crosses(columns, inputs.batch())
        # Without a salt, numbers are hashed in sparse columns and taken as they are in dense ones.
        hashes = [
            _as_hashes(column.features)[picked]
            if key is None and place >= len(inputs.indices)
            else _keyed(column.features, key)[picked]
            for place, (column, picked) in enumerate(zip(columns, crosses.picked, strict=True))
        ]
        _refuse(not hashes, "SparseCrossHashed needs at least one column")
        made = hashes[0]
        for after in hashes[1:]:
            made = _joined(made, after)
        return crosses.sparse(_in_buckets(made, int(np.reshape(num_buckets, -1)[0])))

    return kernel


# --- ragged columns


def _ragged(values: Array, splits: Array) -> _Column:
    counts = np.diff(splits.astype(np.int64, copy=False))
    return _Column(values, splits[:-1], counts)


def _sparse_anyhow(indices: Array, values: Array, batch: int) -> _Column:
    """As `_sparse`, but a feature that is out of order counts to the row that was reached."""
    rows = np.maximum.accumulate(np.maximum(indices[:, 0], 0)) if values.size else indices[:, 0]
    return _column(values, np.bincount(rows[rows < batch], minlength=batch)[:batch])


_RANK = "tf.ragged.cross only supports inputs with rank=2."


def _check_ragged(
    ragged: Sequence[tuple[Array, Array]],
    sparse: Sequence[tuple[Array, Array, Array]],
    dense: Sequence[Array],
) -> int:
    """Check the inputs, and return how many rows the batch has."""
    for values, splits in ragged:
        _refuse(values.ndim != 1 or splits.ndim != 1, _RANK)
        check_splits(splits, values.size)
    for place, (indices, values, shape) in enumerate(sparse):
        wrong = indices.ndim != 2 or values.ndim != 1 or shape.ndim != 1
        _refuse(wrong or len(indices) != values.size, f"Invalid SparseTensor {place}")
        _refuse(shape.size != 2 or indices.shape[1] != 2, _RANK)
    for x in dense:
        _refuse(x.ndim != 2, _RANK)
    rows = [splits.size - 1 for _, splits in ragged] + [len(x) for x in dense]
    rows += [int(shape[0]) for _, _, shape in sparse]
    _refuse(len(set(rows)) > 1, "inputs must all have the same batch dimension size.")
    return rows[0] if rows else 0


@op(
    "RaggedCross",
    attrs="Nsparse input_order num_buckets hash_key out_values_type out_row_splits_type",
    no_effect="hashed_output",
)
def ragged_cross(build: Build) -> Kernel:
    """Crosses of ragged, sparse and dense columns, as a ragged tensor of hashes or strings."""
    ragged, sparse = len(build.list("ragged_values_types")), build.int("Nsparse")
    order, dense = build.text("input_order"), len(build.list("dense_types"))
    if len(order) != ragged + sparse + dense:
        raise InvalidArgument("Invalid length for input_order")
    if any(letter not in "RSD" for letter in order):
        raise InvalidArgument("Unexpected input_order value.")
    for letter, what, count in (
        ("R", "ragged", ragged),
        ("S", "sparse", sparse),
        ("D", "dense", dense),
    ):
        if order.count(letter) != count:
            raise InvalidArgument(
                f'input_order "{order}" specifies reading {order.count(letter)} {what} tensors'
                f" from a list of {count}"
            )
    buckets, key = build.int("num_buckets"), build.int("hash_key")
    as_text = build.type("out_values_type").name == "string"
    dtype = build.type("out_row_splits_type").numpy

    def kernel(*inputs: Array) -> tuple[Array, Array]:
        taken = iter(inputs)
        lists = [[next(taken) for _ in range(n)] for n in (ragged,) * 2 + (sparse,) * 3 + (dense,)]
        of_ragged = list(zip(lists[0], lists[1], strict=True))
        of_sparse = list(zip(lists[2], lists[3], lists[4], strict=True))
        batch = _check_ragged(of_ragged, of_sparse, lists[5])
        check_size((batch,), 8)
        made = {
            "R": iter([_ragged(*part) for part in of_ragged]),
            "S": iter([_sparse_anyhow(*part[:2], batch) for part in of_sparse]),
            "D": iter([_dense(x) for x in lists[5]]),
        }
        columns = [next(made[letter]) for letter in order]
        crosses = _crosses(columns, batch)
        splits = np.concatenate(([0], np.cumsum(crosses.totals))).astype(dtype)
        if as_text:
            return _as_text(columns, crosses, b"_X_"), splits
        return _hashed(columns, crosses, key, buckets), splits

    return kernel
