"""Feature crosses of sparse and dense columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.cross_support import (
    Column,
    as_hashes,
    as_text,
    column_of,
    cross,
    dense_column,
    hashed,
    in_buckets,
    joined,
)
from servable.ops.hashes import Words, fingerprint64, sip_hash
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, flat, one
from servable.tensors import Array


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


def _sparse(indices: Array, values: Array, batch: int) -> Column:
    """A column of features in order of their rows; those behind one out of order do not count."""
    rows = indices[:, 0]
    wrong = (rows < 0) | (rows >= batch)
    wrong[1:] |= rows[1:] < rows[:-1]
    end = int(wrong.argmax()) if wrong.any() else rows.size
    check_size((batch,), 8)
    return column_of(values, np.bincount(rows[:end], minlength=batch))


def _columns(inputs: _Inputs) -> list[Column]:
    batch = inputs.batch()
    sparse = zip(inputs.indices, inputs.values, strict=True)
    return [*(_sparse(*part, batch) for part in sparse), *map(dense_column, inputs.dense)]


@op("SparseCross", attrs="num_buckets hash_key out_type internal_type", no_effect="hashed_output")
def sparse_cross(build: Build) -> Kernel:
    """Crosses as hashes, or as strings with `_X_` between the features."""
    split = _split(build)
    buckets, key = build.int("num_buckets"), build.int("hash_key")
    text = build.type("out_type").name == "string"
    only_text = build.type("internal_type").name == "string"

    def kernel(*arrays: Array) -> Any:
        inputs = split(arrays)
        for name, parts in (("Input values", inputs.values), ("Dense inputs", inputs.dense)):
            numbers = any(x.dtype != object for x in parts)
            _refuse(only_text and numbers, f"{name} should be of internal type 7 but received 9")
        columns = _columns(inputs)
        found = cross(columns, inputs.batch())
        if text:
            return found.sparse(as_text(columns, found, b"_X_"))
        return found.sparse(hashed(columns, found, key, buckets))

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
        found = cross(columns, inputs.batch())
        return found.sparse(as_text(columns, found, one(separator, "sep")))

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
        found = cross(columns, inputs.batch())
        # Without a salt, numbers are hashed in sparse columns and taken as they are in dense ones.
        hashes = [
            as_hashes(column.features)[picked]
            if key is None and place >= len(inputs.indices)
            else _keyed(column.features, key)[picked]
            for place, (column, picked) in enumerate(zip(columns, found.picked, strict=True))
        ]
        _refuse(not hashes, "SparseCrossHashed needs at least one column")
        made = hashes[0]
        for after in hashes[1:]:
            made = joined(made, after)
        return found.sparse(in_buckets(made, int(np.reshape(num_buckets, -1)[0])))

    return kernel
