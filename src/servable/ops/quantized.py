"""Floats as integers that stand for steps of a range, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array

_F = np.float32
_MODES = ("MIN_COMBINED", "MIN_FIRST", "SCALED")
_LARGEST = np.finfo(np.float32).max


def _away(x: Array) -> Any:
    """Rounded to the nearest, halves away from zero."""
    whole = np.trunc(x)
    return whole + np.where(np.abs(x - whole) >= 0.5, np.copysign(x.dtype.type(1), x), 0)


def _along(values: Array, x: Array, axis: int) -> Array:
    """One value for each slice along an axis, in a shape that goes with the tensor's."""
    return values.reshape([-1 if d == axis else 1 for d in range(x.ndim)])


def _ranges(x: Array, low: Array, high: Array, axis: int) -> tuple[Array, Array]:
    """The lower and upper limits: scalars, or one for each slice along the axis."""
    if axis == -1:
        for name, limit in (("min_range", low), ("max_range", high)):
            if limit.size != 1:
                raise InvalidArgument(
                    f"If axis is not specified, {name} must contain a single float element,"
                    f" but it contains {limit.size} elements"
                )
        return low.reshape(()), high.reshape(())
    if axis >= x.ndim:
        raise InvalidArgument(
            "Axis is on a zero-based index, so its value must always be less than number of"
            f" input's dims, but given axis value was {axis} and input's dims was {x.ndim}"
        )
    for name, limit in (("min_range", low), ("max_range", high)):
        if limit.ndim != 1 or limit.size != x.shape[axis]:
            raise InvalidArgument(
                f"If axis is specified, {name} must be a 1-D tensor whose size matches the axis"
                f" dimension of the input and output tensors, but {name} is a {limit.ndim}-D"
                f" tensor of size {limit.size} and input's axis dimension is of size"
                f" {x.shape[axis]}"
            )
    return low, high


class _Steps:
    """The integers of a dtype, as float32 numbers."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        limits = np.iinfo(dtype)
        self.lowest, self.highest = _F(limits.min), _F(limits.max)
        self.span = _F(float(limits.max) - float(limits.min))
        self.count = 2.0**limits.bits
        self.half = _F((float(limits.max) - float(limits.min) + 1) / 2 if limits.min else 0)


def _axis(build: Build) -> int:
    axis = build.int("axis")
    if axis < -1:
        raise build.unsupported(f"axis={axis}")
    return axis


@op("QuantizeV2", attrs="mode round_mode narrow_range axis ensure_minimum_range")
def quantize(build: Build) -> Kernel:
    """Floats in a range as integers of T; the range grows to hold 0 and not to vanish."""
    dtype = build.type().numpy
    mode, axis = build.choice("mode", *_MODES), _axis(build)
    even = build.choice("round_mode", "HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN") == "HALF_TO_EVEN"
    least = _F(build.float("ensure_minimum_range"))
    if even and mode != "SCALED":
        raise InvalidArgument(
            f"Round mode 'HALF_TO_EVEN' only supported for mode 'SCALED', but mode is '{mode}'."
        )
    if mode == "MIN_FIRST" and axis != -1:
        raise build.unsupported(f"mode='MIN_FIRST' and axis={axis}")
    steps = _Steps(dtype)
    lowest = steps.lowest + _F(build.bool("narrow_range"))

    def kernel(x: Array, min_range: Array, max_range: Array) -> tuple[Any, Any, Any]:
        given_low, given_high = _ranges(x, min_range, max_range, axis)
        if np.any(given_low > given_high):
            raise InvalidArgument("input_max_range must be larger than input_min_range.")
        low = np.minimum(_F(0), given_low)
        size = np.maximum(_F(1), np.maximum(np.abs(given_low), np.abs(given_high)))
        high = np.maximum(_F(0), np.maximum(given_high, low + size * least))
        if mode == "SCALED":
            scale = _scale(low, high, lowest, steps.highest)
            low, high = lowest / scale, steps.highest / scale
            scaled = _clipped(x, low, high, axis) * _shaped(scale, x, axis)
            found = np.rint(scaled) if even else _away(scaled)
        elif mode == "MIN_FIRST":
            found = _min_first(x, low, high, steps)
        else:
            scale = _shaped(steps.span / (high - low), x, axis)
            scaled = (_clipped(x, low, high, axis) - _shaped(low, x, axis)) * scale
            found = _away(scaled - steps.half) if steps.half else scaled + _F(0.5)
        return found.astype(dtype), low, high

    return kernel


def _shaped(limit: Array, x: Array, axis: int) -> Array:
    return limit if axis == -1 else _along(limit, x, axis)


def _clipped(x: Array, low: Array, high: Array, axis: int) -> Any:
    return np.maximum(np.minimum(x, _shaped(high, x, axis)), _shaped(low, x, axis))


def _scale(low: Array, high: Array, lowest: Any, highest: Any) -> Any:
    """Steps for each unit, so many that neither end of the range falls outside."""
    below = np.where(lowest * low > 0, lowest / low, _LARGEST)
    above = np.where(highest * high > 0, highest / high, _LARGEST)
    return np.minimum(below, above).astype(_F)


def _min_first(x: Array, low: Array, high: Array, steps: _Steps) -> Any:
    if low == high:
        return np.zeros_like(x)
    adjusted = (float(high) - float(low)) * (steps.count / (steps.count - 1))
    scale = steps.count / adjusted
    start = _F(_away(np.asarray(float(low) * scale)))
    found = _away(x * _F(scale)) - start + steps.lowest
    # The largest int32 is no float32.
    most = min(steps.highest, np.nextafter(_F(2.0**31), _F(0)))
    return np.clip(found, steps.lowest, most)


@op("Dequantize", attrs="mode narrow_range axis dtype")
def dequantize(build: Build) -> Kernel:
    """Integers as floats in a range: what QuantizeV2 does, backwards."""
    mode, axis = build.choice("mode", *_MODES), _axis(build)
    target, steps = build.type("dtype").numpy, _Steps(build.type().numpy)
    lowest = steps.lowest + _F(build.bool("narrow_range"))
    if mode == "MIN_FIRST" and axis != -1:
        raise build.unsupported(f"mode='MIN_FIRST' and axis={axis}")
    if mode == "MIN_FIRST" and target != np.float32:
        raise InvalidArgument(
            "When output type is bfloat16, Mode string must be 'MIN_COMBINED', is 'MIN_FIRST'"
        )

    def kernel(x: Array, min_range: Array, max_range: Array) -> Any:
        low, high = _ranges(x, min_range, max_range, axis)
        number = x.astype(_F)
        if mode == "SCALED":
            scale = high / steps.highest
            if lowest < 0:
                scale = np.maximum(low / lowest, scale)
            found: Any = number * _shaped(scale, x, axis)
        elif mode == "MIN_FIRST":
            found = _from_min_first(x, low, high, steps)
        else:
            scale = _shaped((high - low) / steps.span, x, axis)
            found = (number + steps.half) * scale + _shaped(low, x, axis)
        return found.astype(target, copy=False)

    return kernel


def _from_min_first(x: Array, low: Array, high: Array, steps: _Steps) -> Any:
    adjusted = (float(high) - float(low)) * (steps.count / (steps.count - 1))
    scale = adjusted / steps.count
    start = float(low)
    if low != high:
        start = float(_away(np.asarray(start / scale))) * scale
    return start + (x.astype(np.float64) - float(steps.lowest)) * scale
