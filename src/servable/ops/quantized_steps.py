"""Integers that stand for steps of a range of floats: what ops of those share.

A tensor of n-bit integers comes with the floats that its lowest and highest number stand for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.ops.support import scalar
from servable.tensors import Array

_F = np.float32


def limit_of(x: Array, name: str) -> np.float32:
    """The one number that a limit of a range is.

    Raises:
        InvalidArgument: it is no scalar.
    """
    return _F(scalar(x, f"`{name}` must be rank 0 but is of shape {{}}"))


def ends(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The lowest and the highest integer."""
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def away(x: Any) -> Any:
    """Rounded to the nearest, halves away from zero."""
    whole = np.trunc(x)
    return whole + np.where(
        np.abs(x - whole) >= 0.5, np.copysign(np.ones((), np.asarray(x).dtype), x), 0
    )


def to_steps(x: Array, low: np.float32, high: np.float32, dtype: np.dtype[Any]) -> Array:
    """Floats as steps of a range, rounded, and clipped to what the dtype has."""
    least, most = ends(dtype)
    if low == high:
        return np.zeros(x.shape, dtype)
    count = float(most) - float(least) + 1
    adjusted = (float(high) - float(low)) * (count / (count - 1))
    scale = count / adjusted
    found = away(x.astype(np.float64) * scale) - away(np.asarray(float(low) * scale)) + least
    made: Array = np.clip(found, least, most).astype(dtype)
    return made


def to_floats(x: Array, low: np.float32, high: np.float32) -> Array:
    """The floats that steps of a range stand for."""
    least, most = ends(x.dtype)
    if low == high:
        return np.full(x.shape, low)
    count = float(most) - float(least) + 1
    scale = (float(high) - float(low)) * (count / (count - 1)) / count
    start = away(np.asarray(low / _F(scale))) * _F(scale)
    made = float(start) + (x.astype(np.float64) - least) * scale
    return made.astype(_F)
