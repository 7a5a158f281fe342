"""Ragged tensors as elements of other tensors, as loops over their rows need them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.ragged_support import check_splits, splits_of
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare
from servable.ops.text import dims
from servable.ops.variants import RaggedVariant, variants
from servable.tensors import Array, DType, from_numpy


@op("RaggedTensorToVariant", attrs="batched_input", no_effect="RAGGED_RANK")
def ragged_to_variant(build: Build) -> Kernel:
    """A ragged tensor as a scalar, or each of its rows as an element of a vector."""
    batched = build.bool("batched_input")
    if batched and not build.int("RAGGED_RANK"):
        raise build.unsupported("batched_input=True and RAGGED_RANK=0")

    def kernel(*inputs: Array) -> Array:
        *nested, values = inputs
        _check(nested, values)
        if not batched:
            return variants([RaggedVariant(tuple(nested), values)], ())
        rows = [_row(nested, values, row) for row in range(len(nested[0]) - 1)]
        return variants(rows, (len(rows),))

    return kernel


def _check(nested: Sequence[Array], values: Array) -> None:
    if nested and not values.ndim:
        raise InvalidArgument(
            "Requires flat_values to have rank>=1 when nested_row_splits is not empty, but is 0."
        )
    for level, splits in enumerate(nested):
        if splits.ndim != 1:
            raise InvalidArgument(
                f"Requires nested_row_splits[{level}] to be a vector, but its shape is"
                f" {dims(splits.shape)}"
            )
        last = level + 1 == len(nested)
        check_splits(splits, len(values) if last else len(nested[level + 1]) - 1)


def _row(nested: Sequence[Array], values: Array, row: int) -> RaggedVariant:
    start, end = int(nested[0][row]), int(nested[0][row + 1])
    inner = []
    for splits in nested[1:]:
        own = splits[start : end + 1]
        inner.append(own - own[0])
        start, end = int(own[0]), int(own[-1])
    return RaggedVariant(tuple(inner), values[start:end])


@op("RaggedTensorFromVariant", attrs="input_ragged_rank output_ragged_rank Tsplits Tvalues")
def ragged_from_variant(build: Build) -> Kernel:
    """The ragged tensor that elements make up, one dimension more for each of theirs."""
    given, rank = build.int("input_ragged_rank"), build.int("output_ragged_rank")
    dtype, split = build.type("Tvalues"), build.type("Tsplits")

    def kernel(encoded: Any) -> Any:
        items = np.asarray(encoded, object)
        inner = rank - items.ndim if given == -1 else given
        if inner < 0:
            raise InvalidArgument(
                "Inferred input_ragged_rank (output_ragged_rank - encoded_variant.dims()) must be"
                f" >= 0, found output_ragged_rank: {rank}, encoded_variant.dims(): {items.ndim},"
                f" inferred input_ragged_rank: {inner}"
            )
        if rank != items.ndim + inner:
            raise InvalidArgument(
                "output_ragged_rank must be equal to input_ragged_rank + encoded_ragged.dims();"
                f" output_ragged_rank: {rank}, input_ragged_rank: {inner}, encoded_variant.dims():"
                f" {items.ndim}."
            )
        found = [
            _checked(item, place, inner, dtype, split) for place, item in enumerate(items.flat)
        ]
        if not items.ndim:
            return bare([*found[0].splits, found[0].values])
        return [*_stacked_splits(found, items.shape, inner, split.numpy), _joined(found, dtype)]

    return kernel


def _checked(item: object, place: int, rank: int, dtype: DType, split: DType) -> RaggedVariant:
    if not isinstance(item, RaggedVariant):
        raise InvalidArgument(
            f"Input Variant element at index {place} doesn't hold a RaggedTensorVariant:"
            f" {type(item).__name__}"
        )
    if len(item.splits) != rank:
        raise InvalidArgument(
            f"Encoded input RaggedTensorVariant has ragged_rank={len(item.splits)}.  Expected"
            f" ragged_rank={rank}."
        )
    if item.values.dtype != dtype.numpy:
        raise InvalidArgument(
            f"Expected values Tensor dtype: {dtype.name}, found:"
            f" {from_numpy(item.values.dtype).name}"
        )
    if not item.values.ndim:
        raise InvalidArgument(
            f"Ragged values must have rank >= 1; encoded scalar element at index {place} has"
            " values Tensor: []"
        )
    for splits in item.splits:
        if splits.dtype != split.numpy:
            raise InvalidArgument(
                f"Expected row_splits Tensor dtype: {split.name}, found:"
                f" {from_numpy(splits.dtype).name}"
            )
    return item


def _stacked_splits(
    items: Sequence[RaggedVariant], shape: tuple[int, ...], rank: int, dtype: np.dtype[Any]
) -> list[Array]:
    # As many as TensorFlow makes, which beyond two dimensions are fewer than there are rows.
    made = [
        (np.arange(size + 1) * length).astype(dtype) for size, length in itertools.pairwise(shape)
    ]
    rows = [len(item.splits[0]) - 1 if rank else len(item.values) for item in items]
    made.append(splits_of(np.array(rows, np.int64), dtype))
    for level in range(rank):
        lengths = [np.diff(item.splits[level]) for item in items]
        made.append(splits_of(np.concatenate([np.zeros(0, np.int64), *lengths]), dtype))
    return made


def _joined(items: Sequence[RaggedVariant], dtype: DType) -> Array:
    if not items:
        return np.zeros(0, dtype.numpy)
    first = items[0].values
    for place, item in enumerate(items):
        if item.values.ndim != first.ndim:
            raise InvalidArgument(
                "Rank of values must match for all components; values shape at index 0:"
                f" {dims(first.shape)}, values shape at index {place}: {dims(item.values.shape)}"
            )
    return np.concatenate([item.values for item in items])
