"""Batches of tf.SequenceExample to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.example_wire import Malformed, Values
from servable.ops.feature_columns import Column, as_values, nothing, ragged_indices, splits
from servable.ops.registry import Build, Kernel, op
from servable.ops.sequence_batch import Batch, Half, Keys, read_all, read_feature, text_of
from servable.ops.sequence_lists import list_outputs
from servable.ops.support import bare
from servable.ops.text import dims, flat
from servable.tensors import Array, DType


def _context(batch: Batch, key: bytes, dtype: DType, default: Values | None) -> Column:
    """The values of a context feature, with the default where an example has none."""
    column = Column(dtype)
    for data, name, place in batch.where(key):
        values = nothing(dtype)
        if place is None:
            values = nothing(dtype) if default is None else default
        elif place[0] < place[1]:
            try:
                values, _ = read_feature(data, *place, dtype)
            except Malformed:
                raise InvalidArgument(
                    f"Name: {name}, Context feature: {text_of(key)}.  Data types don't match."
                    f" Expected type: {dtype.name}"
                ) from None
        column.add(values)
    return column


def context_outputs(
    batch: Batch, half: Half, keys: Keys, defaults: Sequence[Array]
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
    batch: Batch, key: bytes, dtype: DType, shape: tuple[int, ...], default: Array, number: int
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
            f"Inconsistent max number of elements for feature {text_of(key)}: expected {size},"
            f" but found {longest}"
        )
    for (_, name, place), count in zip(batch.where(key), column.counts, strict=True):
        if count != size:
            raise InvalidArgument(
                f"Unexpected number of elements in example {name}"
                if place is not None
                else f"Feature: {text_of(key)} (data type: {dtype.name}) is required but could"
                " not be found."
            )
    return column.array().reshape(shape if batch.scalar else (len(batch.data), *shape))


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
    context = Half.of(build, "context", "Tcontext_dense", ragged=False)
    lists = Half.of(build, "feature_list", "feature_list_dense_types", ragged=False)
    names = Keys(build.list("context_sparse_keys"), build.list("context_dense_keys"))
    list_names = Keys(build.list("feature_list_sparse_keys"), build.list("feature_list_dense_keys"))
    missing = set(build.list("feature_list_dense_missing_assumed_empty"))
    names.check(context, "Context")
    list_names.check(lists, "Sequence")
    may_miss = [key in missing for key in list_names.dense]

    def kernel(serialized: Array, labels: Array, *defaults: Array) -> Any:
        _check_rank(serialized)
        first, second = read_all(serialized, labels)
        indices, values, shapes, dense, *_ = context_outputs(first, context, names, defaults)
        outputs = list_outputs(second, lists, list_names, may_miss)
        return bare([*indices, *values, *shapes, *dense, *(x for part in outputs for x in part)])

    return kernel


@op(
    "ParseSequenceExampleV2",
    attrs=f"{_CONTEXT} {_LISTS} context_ragged_value_types context_ragged_split_types"
    " feature_list_ragged_value_types feature_list_ragged_split_types",
)
def parse_sequence_example_v2(build: Build) -> Kernel:
    """Sequence examples; the names of the features are inputs, and some are ragged."""
    context = Half.of(build, "context", "Tcontext_dense", ragged=True)
    lists = Half.of(build, "feature_list", "feature_list_dense_types", ragged=True)

    def kernel(serialized: Array, labels: Array, *rest: Array) -> Any:
        _check_rank(serialized)
        names = Keys(*(flat(keys) for keys in rest[:3]))
        list_names = Keys(*(flat(keys) for keys in rest[3:6]))
        names.check(context, "Context")
        list_names.check(lists, "Sequence")
        may_miss: list[bool] = np.ravel(rest[6]).tolist()
        if len(may_miss) != len(lists.dense):
            raise InvalidArgument(
                "Expected len(feature_list_dense_missing_assumed_empty to match Nfeature_list_dense"
            )
        first, second = read_all(serialized, labels)
        outputs = [
            *context_outputs(first, context, names, rest[7:]),
            *list_outputs(second, lists, list_names, may_miss),
        ]
        return bare([x for part in outputs for x in part])

    return kernel
