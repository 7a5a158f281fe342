"""Rows of several requests as one, and the outputs cut apart again.

Errors are the peer's (behaviour reference 6.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from servable.errors import FailedPrecondition
from servable.tensors import Array


def merged(parts: Sequence[Mapping[str, Array]], padding: int = 0) -> dict[str, Array]:
    """Return the rows of all parts below one another.

    Args:
        parts: alias -> array, with the same aliases, dtypes and shapes of a row.
        padding: rows to add at the end, copies of the first row of the last part that has
            any: a real row is one that the model can compute. None if no part has rows.
    """
    last = next((part for part in reversed(parts) if len(next(iter(part.values())))), parts[-1])
    fill = {alias: np.repeat(last[alias][:1], padding, axis=0) for alias in last if padding}
    return {
        alias: np.concatenate(
            [part[alias] for part in parts] + ([fill[alias]] if padding else []), axis=0
        )
        for alias in parts[0]
    }


def cut(
    outputs: Mapping[str, Array], rows: Sequence[int], padding: int = 0
) -> list[dict[str, Array]]:
    """Return what belongs to each part: views of the outputs.

    Args:
        outputs: alias -> array, computed from all rows.
        rows: how many rows each part has.
        padding: rows at the end that belong to nobody.

    Raises:
        FailedPrecondition: an output does not have as many rows as went in.
    """
    size = sum(rows) + padding
    for array in outputs.values():
        if not array.ndim:
            raise FailedPrecondition(
                "Batched output tensor has 0 dimensions",
                hint="A model that makes one answer of all rows can not be batched.",
            )
        if array.shape[0] != size:
            raise FailedPrecondition(
                "Batched output tensor's 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors",
                hint=f"{size} rows went in, {array.shape[0]} came out.",
            )
    made = []
    start = 0
    for count in rows:
        end = start + count
        made.append({alias: array[start:end] for alias, array in outputs.items()})
        start = end
    return made
