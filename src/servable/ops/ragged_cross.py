"""Feature crosses of ragged, sparse and dense columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.cross_support import (
    Column,
    as_text,
    column_of,
    cross,
    dense_column,
    hashed,
)
from servable.ops.limits import check_size
from servable.ops.ragged_support import check_splits
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array


def _refuse(wrong: object, text: str) -> None:
    if wrong:
        raise InvalidArgument(text)


def _ragged(values: Array, splits: Array) -> Column:
    counts = np.diff(splits.astype(np.int64, copy=False))
    return Column(values, splits[:-1], counts)


def _sparse_anyhow(indices: Array, values: Array, batch: int) -> Column:
    """A column of features in order of their rows.

    One that is out of order counts to the row that was reached before it.
    """
    rows = np.maximum.accumulate(np.maximum(indices[:, 0], 0)) if values.size else indices[:, 0]
    return column_of(values, np.bincount(rows[rows < batch], minlength=batch)[:batch])


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
    text = build.type("out_values_type").name == "string"
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
            "D": iter([dense_column(x) for x in lists[5]]),
        }
        columns = [next(made[letter]) for letter in order]
        found = cross(columns, batch)
        splits = np.concatenate(([0], np.cumsum(found.totals))).astype(dtype)
        if text:
            return as_text(columns, found, b"_X_"), splits
        return hashed(columns, found, key, buckets), splits

    return kernel
