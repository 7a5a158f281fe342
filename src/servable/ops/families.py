"""Imports every family of ops, which registers them."""

from __future__ import annotations

from collections.abc import Mapping

from servable.ops import (
    array,
    control,
    conv,
    conv_back,
    csv,
    dead,
    decoding,
    hashing,
    lists,
    math,
    nn,
    pool,
    regex,
    state,
    string_numbers,
    string_split,
    strings,
    tables,
    tensor_arrays,
    unicode,
    vocabulary,
)
from servable.ops.registry import Op

FAMILIES = (
    array,
    control,
    conv,
    conv_back,
    csv,
    dead,
    decoding,
    hashing,
    lists,
    math,
    nn,
    pool,
    regex,
    state,
    string_numbers,
    string_split,
    strings,
    tables,
    tensor_arrays,
    unicode,
    vocabulary,
)


def loaded(ops: dict[str, Op]) -> Mapping[str, Op]:
    """The register, full."""
    return ops
