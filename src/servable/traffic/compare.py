"""Two versions' answers to one request, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servable.tensors import Array


@dataclass(frozen=True, slots=True)
class Gap:
    """How far one output is from the answer that was given.

    Attributes:
        rows: the output's size along its first axis; 1 for a scalar.
        differ: rows with an element beyond the tolerance.
        absolute: the largest difference of two finite numbers.
        relative: the largest difference over the larger of the two magnitudes.
        broken: rows where one side alone is NaN or infinite; they differ, too.
        ranked: rows of which the largest element was looked for: those of floats of shape
            [rows, 2 or more].
        reranked: those of them where it is at another place.
        problem: why the two can not be compared, and all rows differ; "" if they can.
    """

    rows: int
    differ: int = 0
    absolute: float = 0.0
    relative: float = 0.0
    broken: int = 0
    ranked: int = 0
    reranked: int = 0
    problem: str = ""


def compare(
    answer: Mapping[str, Array], other: Mapping[str, Array], tolerance: float
) -> dict[str, Gap]:
    """Compare every output of an answer with another version's.

    Args:
        answer: alias -> array, what was returned.
        other: the same of the other version.
        tolerance: see `ShadowRule`.
    """
    return {
        alias: _gap(array, other[alias], tolerance)
        if alias in other
        else _unlike(array, "is missing")
        for alias, array in answer.items()
    }


def _gap(a: Array, b: Array, tolerance: float) -> Gap:
    if a.shape != b.shape:
        return _unlike(a, f"shape {list(b.shape)}, not {list(a.shape)}")
    if a.dtype != b.dtype:
        return _unlike(a, f"dtype {b.dtype}, not {a.dtype}")
    rows = _rows(a)
    if not a.size:
        return Gap(rows)
    differs = np.asarray(a != b)
    if a.dtype == object or a.dtype.kind == "b":
        return Gap(rows, _having(differs, rows))
    kind = np.complex128 if a.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        x, y = a.astype(kind), b.astype(kind)
        gap = np.asarray(np.abs(x - y))
        gap[~differs | (np.isnan(x) & np.isnan(y))] = 0  # infinities that are equal, too
        if a.dtype.kind in "iu":
            gap[differs & (gap == 0)] = 1  # large ones, which float64 does not tell apart
        broken = ~np.isfinite(gap)
        gap[broken] = 0
        magnitudes = np.maximum(np.abs(x), np.abs(y))
        beyond = broken | (gap > tolerance * np.maximum(1, np.abs(x)))
        relative = gap[gap > 0] / magnitudes[gap > 0]
    ranked = rows if a.ndim == 2 and a.shape[1] > 1 and a.dtype.kind not in "iuc" else 0
    return Gap(
        rows,
        _having(beyond, rows),
        float(gap.max()),
        float(relative.max(initial=0)),
        _having(broken, rows),
        ranked,
        int((x.argmax(1) != y.argmax(1)).sum()) if ranked else 0,
    )


def _unlike(array: Array, problem: str) -> Gap:
    rows = _rows(array)
    return Gap(rows, rows, problem=problem)


def _rows(array: Array) -> int:
    return len(array) if array.ndim else 1


def _having(found: npt.NDArray[np.bool_], rows: int) -> int:
    """Count the rows with any element that is True."""
    return int(found.reshape(rows, -1).any(1).sum())
