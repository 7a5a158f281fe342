"""Simulated quantisation: floats to a grid of few levels and back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar, shape_text
from servable.tensors import Array

_FAKE = "num_bits narrow_range"


def _levels(build: Build) -> tuple[np.float32, np.float32]:
    """The lowest and the highest level of a fake quantisation."""
    bits = build.int("num_bits")
    if not 2 <= bits <= 16:
        raise InvalidArgument(f"num_bits must be between 2 and 16, inclusive, got {bits}")
    return np.float32(build.bool("narrow_range")), np.float32((1 << bits) - 1)


def _fake(x: Array, low: Array, high: Array, levels: tuple[np.float32, np.float32]) -> Array:
    """Round to levels between low and high, moved so that zero is one of the levels."""
    least, most = levels
    scale = (high - low) / (most - least)
    # TensorFlow rounds halves away from zero, and no level is negative.
    zero = np.floor(np.clip(least - low / scale, least, most) + np.float32(0.5))
    start, stop = (least - zero) * scale, (most - zero) * scale
    steps = 1 / scale
    shift = np.floor(-start * steps + np.float32(0.5))
    # A number that is none passes; where low and high are both 0, all becomes 0.
    clamped = np.maximum(np.minimum(x, stop), start)
    made = np.floor((clamped - start) * steps - shift + np.float32(0.5)) * scale
    return np.where((low == 0) & (high == 0), np.float32(0), made)


@op("FakeQuantWithMinMaxArgs", attrs=f"min max {_FAKE}")
def fake_quant_args(build: Build) -> Kernel:
    """Round to levels between two attributes."""
    levels = _levels(build)
    low, high = (np.array(build.float(name), np.float32) for name in ("min", "max"))
    if low >= high:
        raise InvalidArgument(f"min has to be smaller than max, was: {low} >= {high}")
    return lambda x: _fake(x, low, high, levels)


@op("FakeQuantWithMinMaxVars", attrs=_FAKE)
def fake_quant_vars(build: Build) -> Kernel:
    """Round to levels between two scalars."""
    levels = _levels(build)

    def kernel(x: Array, low: Array, high: Array) -> Array:
        for name, bound in (("min", low), ("max", high)):
            if np.ndim(bound):
                raise InvalidArgument(f"`{name}` must be rank 0 but is rank {np.ndim(bound)}")
        return _fake(x, low, high, levels)

    return kernel


@op("FakeQuantWithMinMaxVarsPerChannel", attrs=_FAKE)
def fake_quant_channels(build: Build) -> Kernel:
    """Round to levels between two numbers for every last index."""
    levels = _levels(build)

    def kernel(x: Array, low: Array, high: Array) -> Array:
        for name, bound in (("min", low), ("max", high)):
            if bound.ndim != 1:
                raise InvalidArgument(f"`{name}` must be rank 1 but is rank {bound.ndim}")
            if bound.shape != x.shape[-1:]:
                raise InvalidArgument(
                    f"{name} has incorrect size, expected {x.shape[-1] if x.ndim else 0}"
                    f" was {bound.size}"
                )
        return _fake(x, low, high, levels)

    return kernel


_THERE_AND_BACK = "signed_input range_given narrow_range axis"
_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "HALF_TO_EVEN": np.rint,
    "HALF_UP": lambda x: np.floor(x + np.array(0.5, x.dtype)),
}


def _there_and_back(
    build: Build, rounding: Callable[[Array], Array], *, narrow: bool, axis: int
) -> Callable[[Array, Array, Array, int], Array]:
    signed, given = build.bool("signed_input"), build.bool("range_given")
    if axis < -1:
        raise InvalidArgument(f"Axis must be at least -1. Found {axis}")

    def run(x: Array, low: Array, high: Array, bits: int) -> Array:
        if not 0 < bits < (62 if signed else 63):
            raise InvalidArgument(
                f"num_bits is out of range: {bits} with `signed_input_` {int(signed)}"
            )
        if axis >= x.ndim:
            raise InvalidArgument(f"Axis should be at most {x.ndim - 1}, got {axis}")
        numbers = wide(x)
        others = tuple(d for d in range(x.ndim) if d != axis)
        if given:
            low, high = (_bound(wide(b), x, axis) for b in (low, high))
            if (low > high).any():
                at = int(np.argmax(low > high))
                raise InvalidArgument(
                    f"Invalid range: input_min {low.flat[at]:g} > input_max {high.flat[at]:g}"
                )
        else:
            low = numbers.min(axis=others, keepdims=True, initial=np.inf)
            high = numbers.max(axis=others, keepdims=True, initial=-np.inf)
        least = (-(1 << (bits - 1)) + narrow) if signed else 0
        most = (1 << (bits - (1 if signed else 0))) - 1
        low, high, scale, back = _grid(low, high, least, most)
        if given:
            numbers = np.maximum(np.minimum(numbers, high), low)
        return (rounding(numbers * scale) * back).astype(x.dtype, copy=False)

    return run


def _bound(bound: Array, x: Array, axis: int) -> Array:
    """A bound that is given, shaped to be broadcast."""
    if axis < 0:
        return np.asarray(
            scalar(bound, "input_min and input_max must be scalars, got {}"), bound.dtype
        )
    if bound.shape != x.shape[axis : axis + 1]:
        raise InvalidArgument(
            f"input_min_tensor has incorrect size, was {bound.size} expected {x.shape[axis]}"
            f" to match dim {axis} of the input {shape_text(bound)}"
        )
    return bound.reshape([-1 if d == axis else 1 for d in range(x.ndim)])


def _grid(low: Array, high: Array, least: int, most: int) -> tuple[Array, Array, Array, Array]:
    """Bounds, scale and its inverse, such that levels fit the bounds and zero stays zero."""
    dtype = low.dtype
    least_, most_, largest = dtype.type(least), dtype.type(most), np.finfo(dtype).max
    from_low = np.where(least_ * low > 0, least_ / low, largest)
    from_high = np.where(most_ * high > 0, most_ / high, largest)
    lower = from_low < from_high
    scale = np.where(lower, from_low, from_high)
    back = np.where(lower, low / least_, high / most_)
    return (
        np.where(lower, low, least_ * back),
        np.where(lower, most_ * back, high),
        scale.astype(dtype, copy=False),
        back.astype(dtype, copy=False),
    )


@op(
    "QuantizeAndDequantizeV2",
    "QuantizeAndDequantizeV4",
    attrs=f"{_THERE_AND_BACK} num_bits round_mode",
)
def quantize_and_dequantize(build: Build) -> Kernel:
    """Round to levels of a number of bits, within a range that is given or found."""
    rounding = _ROUNDINGS[build.choice("round_mode", *_ROUNDINGS)]
    narrow, axis = build.bool("narrow_range"), build.int("axis")
    run = _there_and_back(build, rounding, narrow=narrow, axis=axis)
    bits, given = build.int("num_bits"), build.bool("range_given")

    def kernel(x: Array, low: Array, high: Array) -> Array:
        if given and (np.ndim(low) or np.ndim(high)):
            # TensorFlow takes no other bounds here, whatever the axis.
            raise InvalidArgument("input_min must be a scalar.")
        return run(x, low, high, bits)

    return kernel


@op("QuantizeAndDequantizeV3", attrs=_THERE_AND_BACK)
def quantize_and_dequantize_v3(build: Build) -> Kernel:
    """QuantizeAndDequantizeV2 whose number of bits is an input."""
    narrow, axis = build.bool("narrow_range"), build.int("axis")
    run = _there_and_back(build, _ROUNDINGS["HALF_TO_EVEN"], narrow=narrow, axis=axis)

    def kernel(x: Array, low: Array, high: Array, bits: Array) -> Array:
        return run(x, low, high, int(scalar(bits, "num_bits must be a scalar, got {}")))

    return kernel


@op(
    "QuantizeAndDequantize",
    attrs="signed_input num_bits range_given input_min input_max",
)
def quantize_and_dequantize_v1(build: Build) -> Kernel:
    """QuantizeAndDequantizeV2 whose range is in attributes."""
    run = _there_and_back(build, _ROUNDINGS["HALF_TO_EVEN"], narrow=False, axis=-1)
    bits = build.int("num_bits")
    dtype = build.type().numpy
    low, high = (np.asarray(build.float(name), dtype) for name in ("input_min", "input_max"))
    return lambda x: run(x, low, high, bits)
