"""From one dtype to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np

from servable.graph.ir import Node
from servable.ops.registry import Build, Island, Kernel, op
from servable.tensors import (
    BFLOAT16,
    BOOL,
    COMPLEX64,
    COMPLEX128,
    DOUBLE,
    FLOAT,
    FLOAT8_E4M3FN,
    FLOAT8_E5M2,
    HALF,
    INT4,
    INT32,
    UINT4,
    Array,
    DType,
)

_MANTISSA: Mapping[DType, int] = {
    DOUBLE: 52,
    FLOAT: 23,
    HALF: 10,
    BFLOAT16: 7,
    FLOAT8_E4M3FN: 3,
    FLOAT8_E5M2: 2,
}
"""Bits behind the leading one."""
_FLOATS8 = (FLOAT8_E4M3FN, FLOAT8_E5M2)
_INTS4 = (INT4, UINT4)


def _same_in_islands(node: Node) -> bool:
    # OpenVINO makes False of the lowest int32, and rounds where it should truncate.
    types = (node.attrs.get("SrcT"), node.attrs.get("DstT"))
    return types != (INT32, BOOL) and not node.attrs.get("Truncate")


@op("Cast", attrs="Truncate", island=Island.LIGHT, island_if=_same_in_islands, int32=True)
def cast(build: Build) -> Kernel:
    """To another dtype. Fractions are cut off towards zero, imaginary parts left out.

    A float outside the range of an integer dtype has no answer that TensorFlow
    promises; its vector code answers with the nearest limit for integers of 8 and 16
    bits, and so does this. NaN and what is outside int32 count as the lowest int32.
    """
    source, target = build.type("SrcT"), build.type("DstT")
    if not _supported(source, target):
        raise build.unsupported(f"{source.name} to {target.name}")
    convert = _conversion(source.numpy, target.numpy)
    if not build.bool("Truncate"):
        return convert
    if (source, target) == (DOUBLE, COMPLEX64):
        raise build.unsupported("Truncate=True from double to complex64")
    spare = _spare_bits(source, target)
    return _truncated(source.numpy, spare, convert) if spare > 0 else convert


def _supported(source: DType, target: DType) -> bool:
    if object in (source.numpy, target.numpy):
        return source is target
    if target in _FLOATS8:
        return source in _MANTISSA
    if source in _INTS4 or target in _INTS4:
        return all(d.numpy.kind in "iu" or d in _INTS4 for d in (source, target))
    return True


def _conversion(source: np.dtype[Any], target: np.dtype[Any]) -> Kernel:
    real = source.kind == "c" and target.kind != "c"
    fraction = source.kind in "fcV" and source not in (ml_dtypes.int4, ml_dtypes.uint4)
    if fraction and target.kind in "iu" and target.itemsize < 4:
        limits = np.iinfo(target)

        def saturated(x: Array) -> Any:
            whole = (x.real if real else x).astype(np.int32)
            return np.clip(whole, limits.min, limits.max).astype(target)

        return saturated
    if ml_dtypes.int4 in (source, target) or ml_dtypes.uint4 in (source, target):
        return lambda x: x.astype(np.int8).astype(target)
    if real:
        return lambda x: x.real.astype(target)
    return lambda x: x.astype(target)


def _spare_bits(source: DType, target: DType) -> int:
    """Bits of the source's mantissa for which the target has no room."""
    if target is BFLOAT16 and source is not FLOAT:
        return 0  # TensorFlow rounds these whatever it is asked for.
    parts = {COMPLEX64: FLOAT, COMPLEX128: DOUBLE}
    if target in parts and source not in parts:
        return 0
    kept = _MANTISSA.get(parts.get(target, target))
    given = _MANTISSA.get(parts.get(source, source))
    return 0 if kept is None or given is None else given - kept


def _truncated(source: np.dtype[Any], spare: int, convert: Kernel) -> Kernel:
    """Clear the bits that the target has no room for, so that nothing is rounded up."""
    width = source.itemsize // (2 if source.kind == "c" else 1)
    mask = np.array(-1 << spare, f"i{width}")

    def kernel(x: Array) -> Any:
        bits = np.ascontiguousarray(x).view(mask.dtype)
        return convert((bits & mask).view(source).reshape(x.shape))

    return kernel
