"""Sparse tensors as ops see them: indices [n, rank], values [n] and a shape [rank], in one place.

Their indices are int64 and mean what they say only if they are checked: any of the
three may come from a request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.text import dims
from servable.tensors import Array

_MAX_INT64 = 2**63 - 1


def check(indices: Array, values: Array, shape: Array, *, inside: bool = False) -> None:
    """Check that three tensors make up a sparse one.

    Args:
        inside: whether each index must lie within the shape, too.

    Raises:
        InvalidArgument: they do not.
    """
    for name, x, rank in (("indices", indices, 2), ("values", values, 1), ("shape", shape, 1)):
        if x.ndim != rank:
            raise InvalidArgument(f"Sparse {name} must be rank {rank} but is rank {x.ndim}")
    if len(indices) != len(values):
        raise InvalidArgument(
            f"Number of elements in indices ({len(indices)}) and values ({len(values)}) do not"
            " match"
        )
    if indices.shape[1] != len(shape):
        raise InvalidArgument(
            f"Index rank ({indices.shape[1]}) and shape rank ({len(shape)}) do not match"
        )
    if inside:
        check_inside(indices, shape)


def check_inside(indices: Array, shape: Array | Sequence[int]) -> None:
    """Check that each index lies within the shape.

    Raises:
        InvalidArgument: one does not.
    """
    wrong = outside(indices, shape)
    if wrong.any():
        row = int(wrong.argmax())
        text = ", ".join(map(str, indices[row].tolist()))
        raise InvalidArgument(f"Sparse index tuple indices[{row}, :] = [{text}] is out of bounds")


def outside(indices: Array, shape: Array | Sequence[int]) -> Array:
    """Which rows of indices do not lie within the shape."""
    wrong = (indices < 0) | (indices >= np.asarray(shape))
    return np.asarray(wrong.any(axis=1))


def check_ordered(indices: Array, shape: Array) -> None:
    """Check that indices lie within the shape and ascend, none of them twice.

    Raises:
        InvalidArgument: they do not; the text is about the first that is wrong.
    """
    beyond = outside(indices, shape)
    less, same = _steps(indices)
    wrong = beyond.copy()
    wrong[1:] |= less | same
    if not wrong.any():
        return
    row = int(wrong.argmax())
    text = f"indices[{row}] = {dims(indices[row].tolist())}"
    if beyond[row]:
        raise InvalidArgument(f"{text} is out of bounds: need 0 <= index < {dims(shape.tolist())}")
    if less[row - 1]:
        raise InvalidArgument(
            f"{text} is out of order. Many sparse ops require sorted indices.\n    Use"
            " `tf.sparse.reorder` to create a correctly ordered copy.\n\n"
        )
    raise InvalidArgument(f"{text} is repeated")


def _steps(indices: Array) -> tuple[Array, Array]:
    """For each row but the first whether it comes before the last one, and whether it equals it."""
    before, after = indices[:-1], indices[1:]
    differs = before != after
    same = ~differs.any(axis=1)
    if not indices.shape[1]:
        return np.zeros_like(same), same
    column = differs.argmax(axis=1)[:, None]
    less = np.take_along_axis(after < before, column, 1)[:, 0]
    return less, same


def order(indices: Array) -> Array:
    """The permutation that puts rows of indices in ascending order; equal ones stay as they are."""
    if not indices.shape[1]:
        return np.arange(len(indices))
    return np.lexsort(indices.T[::-1])


def is_ordered(indices: Array) -> bool:
    """Whether the rows ascend; equal ones may follow each other."""
    return ordered_count(indices) == len(indices)


def ordered_count(indices: Array) -> int:
    """How many rows from the front ascend; equal ones may follow each other."""
    less = _steps(indices)[0]
    return int(less.argmax()) + 1 if less.any() else len(indices)


def group_starts(indices: Array) -> Array:
    """Where runs of equal rows begin."""
    if not len(indices):
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], ~_steps(indices)[1])))


def merged(a: Array, b: Array) -> tuple[Array, Array]:
    """Where the indices of the union of two tensors come from.

    Returns:
        for each index of the union its place in `a`, and its place in `b`; -1 where it
        is not in it.
    """
    if not (is_ordered(a) and is_ordered(b)):
        return _merged_as_they_come(a.tolist(), b.tolist())
    # Of equal indices in one tensor, the first goes with the first of the other, and so on.
    both = np.concatenate((_counted(a), _counted(b)))
    places = order(both)
    starts = group_starts(both[places])
    ends = np.append(starts[1:], places.size)[: starts.size]
    first = places[starts]
    last = places[ends - 1]
    from_a = np.where(first < len(a), first, -1)
    from_b = np.where(last >= len(a), last - len(a), -1)
    return from_a, from_b


def _counted(indices: Array) -> Array:
    """Ordered indices with one more column: which one among its equals each is."""
    starts = group_starts(indices)
    sizes = np.diff(starts, append=len(indices))
    return np.column_stack((indices, np.arange(len(indices)) - np.repeat(starts, sizes)))


def _merged_as_they_come(a: list[list[int]], b: list[list[int]]) -> tuple[Array, Array]:
    """As `merged` for indices in no order: always the smaller of the two that come next."""
    pairs = []
    i = j = 0
    while i < len(a) and j < len(b):
        take_a, take_b = a[i] <= b[j], b[j] <= a[i]
        pairs.append((i if take_a else -1, j if take_b else -1))
        i, j = i + take_a, j + take_b
    pairs += [(k, -1) for k in range(i, len(a))] + [(-1, k) for k in range(j, len(b))]
    merged = np.array(pairs, np.int64).reshape((-1, 2))
    return merged[:, 0], merged[:, 1]


def strides(shape: Sequence[int]) -> Array:
    """How far apart in a flat tensor the elements along each dimension are; 0 if it has none."""
    if 0 in shape:
        return np.zeros(len(shape), np.int64)
    return np.array([math.prod(shape[d + 1 :]) for d in range(len(shape))], np.int64)


def flat_places(indices: Array, shape: Sequence[int]) -> Array:
    """The places in a flat tensor of indices that lie within its shape."""
    places: Array = indices @ strides(shape)
    return places


def sizes_of(shape: Array) -> tuple[int, ...]:
    """A sparse tensor's shape as plain numbers.

    Raises:
        InvalidArgument: a size is negative, or a dense tensor of it would have more elements
            than an int64 holds.
    """
    sizes: list[int] = shape.tolist()
    count = 1
    for size in sizes:
        if size < 0:
            raise InvalidArgument(f"Expected shape dimensions to be non-negative, got {size}")
        if count * size > _MAX_INT64:
            raise InvalidArgument(
                f"Encountered overflow when multiplying {count} with {size}, result: -1"
            )
        count *= size
    return tuple(sizes)
