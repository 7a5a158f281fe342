"""Classifications and regressions as arrays, whichever protocol they came over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servable.client.api import Classification, Regression
from servable.errors import Internal


def classification(
    rows: Sequence[Sequence[tuple[str, float]]], version: int | None
) -> Classification:
    """Return labels and scores of every example as two arrays.

    Raises:
        Internal: examples have different numbers of classes, which no server should say.
    """
    width = len(rows[0]) if rows else 0
    if any(len(row) != width for row in rows):
        raise Internal("the server's answer has different numbers of classes for the examples")
    labels = np.empty((len(rows), width), dtype=object)
    scores = np.empty((len(rows), width), dtype=np.float32)
    for index, row in enumerate(rows):
        labels[index] = [label for label, _ in row]
        scores[index] = [score for _, score in row]
    return Classification(labels, scores, version)


def regression(values: Sequence[float], version: int | None) -> Regression:
    """Return one number for each example as an array."""
    return Regression(np.asarray(values, dtype=np.float32), version)
