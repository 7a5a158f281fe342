"""Imports every family of ops, which registers them."""

from __future__ import annotations

from collections.abc import Mapping

from servable.ops import array, control, lists, math, nn, state
from servable.ops.registry import Op

FAMILIES = (array, control, lists, math, nn, state)


def loaded(ops: dict[str, Op]) -> Mapping[str, Op]:
    """The register, full."""
    return ops
