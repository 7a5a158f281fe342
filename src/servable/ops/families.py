"""Imports every family of ops, which registers them."""

from __future__ import annotations

from collections.abc import Mapping

from servable.ops import array, control, conv, conv_back, dead, lists, math, nn, state, tensor_arrays
from servable.ops.registry import Op

FAMILIES = (array, control, conv, conv_back, dead, lists, math, nn, state, tensor_arrays)


def loaded(ops: dict[str, Op]) -> Mapping[str, Op]:
    """The register, full."""
    return ops
