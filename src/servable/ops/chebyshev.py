"""Chebyshev series of special functions; `scripts/generate_approximations.py` makes them."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from servable.tensors import Array


@functools.cache
def _series() -> Mapping[str, list[float]]:
    text = (Path(__file__).parent / "approximations.json").read_text(encoding="utf-8")
    found: Mapping[str, list[float]] = json.loads(text)
    return found


def over(name: str, x: Array, low: float, high: float) -> Any:
    """The named function at x in [low, high], float64. What lies outside counts as the border."""
    t = (2 * x - (low + high)) / (high - low)
    return _sum(name, np.clip(t, -1, 1))


def beyond(name: str, x: Array, low: float) -> Any:
    """The named function at x in [low, inf), float64."""
    y = np.maximum(x - low, 0)
    return _sum(name, np.where(y < 1e8, (y - 3.75) / (y + 3.75), 1))


def _sum(name: str, t: Array) -> Any:
    """Clenshaw's recurrence."""
    first, *rest = _series()[name]
    after = before = np.zeros_like(t)
    for coefficient in reversed(rest):
        before, after = 2 * t * before - after + coefficient, before
    return t * before - after + first
