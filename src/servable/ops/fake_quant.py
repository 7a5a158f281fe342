"""Floats rounded as quantisation will round them, in nets trained for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_F = np.float32


class _Grid:
    """The integers to round to."""

    def __init__(self, build: Build) -> None:
        bits = build.int("num_bits")
        if not 2 <= bits <= 16:
            raise build.unsupported(f"num_bits={bits}: it must be between 2 and 16")
        self.lowest = _F(build.bool("narrow_range"))
        self.highest = _F((1 << bits) - 1)

    def round(self, x: Array, low: Array, high: Array) -> Any:
        """Numbers of a range, moved so that 0 is one of the grid, to the nearest of it."""
        steps = self.highest - self.lowest
        scale = (high - low) / steps
        zero = np.clip(self.lowest - low / scale, self.lowest, self.highest)
        zero = np.floor(zero + _F(0.5))
        nudged_low, nudged_high = (self.lowest - zero) * scale, (self.highest - zero) * scale
        shifted = np.clip(x, nudged_low, nudged_high) - nudged_low
        whole = np.floor(shifted * (steps / (high - low)) + _F(0.5))
        found = whole * scale + nudged_low
        return np.where((low == 0) & (high == 0), _F(0), found)


@op("FakeQuantWithMinMaxArgs", attrs="min max num_bits narrow_range")
def fake_quant_args(build: Build) -> Kernel:
    """Rounded to a grid over a range that is part of the graph."""
    grid = _Grid(build)
    low, high = _F(build.float("min")), _F(build.float("max"))
    if low >= high:
        raise build.unsupported(f"min={low:g} and max={high:g}: min has to be smaller than max")
    return lambda x: grid.round(x, np.asarray(low), np.asarray(high))


@op("FakeQuantWithMinMaxVars", attrs="num_bits narrow_range")
def fake_quant_vars(build: Build) -> Kernel:
    """Rounded to a grid over one range."""
    grid = _Grid(build)

    def kernel(x: Array, low: Array, high: Array) -> Any:
        for name, limit in (("min", low), ("max", high)):
            if limit.ndim:
                raise InvalidArgument(f"`{name}` must be rank 0 but is rank {limit.ndim}")
        return grid.round(x, low, high)

    return kernel


@op("FakeQuantWithMinMaxVarsPerChannel", attrs="num_bits narrow_range")
def fake_quant_per_channel(build: Build) -> Kernel:
    """Rounded to a grid over a range for each place of the last dimension."""
    grid = _Grid(build)

    def kernel(x: Array, low: Array, high: Array) -> Any:
        depth = x.shape[-1] if x.ndim else -1
        for name, limit in (("min", low), ("max", high)):
            if limit.ndim != 1 or limit.size != depth:
                raise InvalidArgument(
                    f"{name} has incorrect size, expected {depth} was {limit.size}:"
                    f" {shape_text(limit)}"
                )
        return grid.round(x, low, high)

    return kernel
