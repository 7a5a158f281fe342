"""Ragged tensors as ops see them: values, and for each ragged dimension where its rows end."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.tensors import Array


def check_splits(splits: Array, count: int | None) -> None:
    """Check that splits begin at 0, never go back, and end at the number of values.

    Args:
        splits: a vector.
        count: the number of values; None if it does not count.

    Raises:
        InvalidArgument: they do not.
    """
    problem = _problem(splits, count)
    if problem:
        raise InvalidArgument(f"Invalid ragged splits: {problem}")


def _problem(splits: Array, count: int | None) -> str:
    if not splits.size:
        return "ragged splits must have at least one splits, but is empty"
    if splits[0] != 0:
        return f"first element of ragged splits  must be 0 but is {int(splits[0])}"
    back = splits[1:] < splits[:-1]
    if back.any():
        at = int(back.argmax()) + 1
        return (
            "ragged splits must be monotonically increasing, but"
            f" ragged_splits[{at}]={int(splits[at])} is smaller than"
            f" row_splits[{at - 1}]={int(splits[at - 1])}"
        )
    if count is not None and splits[-1] != count:
        return (
            f"last element of ragged splits must be the number of ragged values({count}) but is"
            f" {int(splits[-1])}"
        )
    return ""


def ranges(starts: Array, lengths: Array) -> Array:
    """The numbers from each start on, as many as its length says, one range after another.

    Raises:
        ResourceExhausted: they are too many.
    """
    total = int(lengths.sum())
    check_size((total,), 32)
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(total)


def splits_of(lengths: Array, dtype: np.dtype[Any]) -> Array:
    """The splits of rows of these lengths."""
    made = np.zeros(lengths.size + 1, dtype)
    np.cumsum(lengths, out=made[1:])
    return made
