"""Integers with a scale and a zero point, for a whole tensor or for each slice along an axis.

A number q stands for (q - zero point) * scale.
"""

from __future__ import annotations

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_F = np.float32


def _axis(build: Build, name: str) -> int:
    axis = build.int(name)
    if axis < -1:
        raise InvalidArgument(f"{name} must be >= -1, given: {axis}")
    return axis


def _check(x: Array, scales: Array, zeros: Array, axis: int) -> None:
    """Refuse scales and zero points that do not go with a tensor.

    Raises:
        InvalidArgument: their shapes do not fit.
    """
    if scales.shape != zeros.shape:
        raise InvalidArgument(
            "scales and zero_points shape must be same, but given scales shape"
            f" {shape_text(scales)} and zero_points shape {shape_text(zeros)}"
        )
    if axis >= x.ndim:
        raise InvalidArgument(
            f"quantization_axis must be -1 or in range [0, input.rank), but given {axis}"
        )
    if axis == -1 and scales.ndim:
        raise InvalidArgument(
            "If quantization_axis is -1, scales and zero_points must be scalar tensors, but given"
            f" scales shape {shape_text(scales)} and zero_points shape {shape_text(zeros)}"
        )
    if axis >= 0 and scales.shape != (x.shape[axis],):
        raise InvalidArgument(
            "If quantization_axis is not -1, scales and zero_points must be a tensor of rank 1 and"
            " the size must be equal to the input.dim_size(quantization_axis), but given"
            f" quantization_axis {axis}, scales shape {shape_text(scales)} and zero_points shape"
            f" {shape_text(zeros)}"
        )


def _along(values: Array, x: Array, axis: int) -> Array:
    """One value for each slice along an axis, in a shape that goes with the tensor's."""
    if axis == -1:
        return np.asarray(values)
    return values.reshape([-1 if d == axis else 1 for d in range(x.ndim)])


@op("UniformQuantize", attrs="quantization_axis quantization_min_val quantization_max_val")
def uniform_quantize(build: Build) -> Kernel:
    """Floats as integers, halves rounded up."""
    dtype, axis = build.type("Tout").numpy, _axis(build, "quantization_axis")
    least = np.int32(build.int("quantization_min_val"))
    most = np.int32(build.int("quantization_max_val"))

    def kernel(x: Array, scales: Array, zeros: Array) -> Array:
        _check(x, scales, zeros, axis)
        with np.errstate(all="ignore"):
            inverse = _along(np.asarray(_F(1) / scales), x, axis)
            # What no int32 holds becomes the lowest, as a processor has it.
            steps = np.floor(x * inverse + _F(0.5)).astype(np.int32)
            steps = steps + _along(zeros, x, axis)
        made: Array = np.maximum(np.minimum(steps, most), least)
        return made.astype(dtype)

    return kernel


@op(
    "UniformDequantize",
    attrs="quantization_axis",
    no_effect="quantization_min_val quantization_max_val",
)
def uniform_dequantize(build: Build) -> Kernel:
    """Integers as floats."""
    axis = _axis(build, "quantization_axis")

    def kernel(x: Array, scales: Array, zeros: Array) -> Array:
        _check(x, scales, zeros, axis)
        with np.errstate(all="ignore"):
            steps = x.astype(np.int32) - _along(zeros, x, axis)
            made: Array = steps.astype(_F) * _along(scales, x, axis)
        return made

    return kernel


def _multiplier(scale: Array) -> tuple[Array, Array]:
    """Factors as 31-bit numbers and how far to the right their products are shifted.

    Raises:
        InvalidArgument: a factor is not positive and finite.
    """
    if not (np.isfinite(scale) & (scale > 0)).all():
        raise InvalidArgument("double_multiplier must be a positive finite number.")
    part, shift = np.frexp(scale)
    number = np.floor(part * 2.0**31 + 0.5).astype(np.int64)
    whole = number == 1 << 31
    number, shift = np.where(whole, number // 2, number), shift + whole
    tiny, huge = shift < -31, shift > 30
    number = np.where(tiny, 0, np.where(huge, (1 << 31) - 1, number))
    return number, 31 - np.where(tiny, 0, np.where(huge, 30, shift)).astype(np.int64)


_OUTPUT = "output_quantization_axis output_quantization_min_val output_quantization_max_val"


@op(
    "UniformRequantize",
    attrs=f"input_quantization_axis {_OUTPUT}",
    no_effect="input_quantization_min_val input_quantization_max_val",
)
def uniform_requantize(build: Build) -> Kernel:
    """Integers as integers of another scale and zero point, in fixed-point arithmetic."""
    dtype = build.type("Tout").numpy
    own = _axis(build, "input_quantization_axis")
    new = _axis(build, "output_quantization_axis")
    least = np.int32(build.int("output_quantization_min_val"))
    most = np.int32(build.int("output_quantization_max_val"))
    ends = np.iinfo(np.int32)
    if own >= 0 and new >= 0 and own != new:
        raise InvalidArgument(
            "If input and output is both per-axis quantized, the quantization axis must be same."
        )

    def kernel(x: Array, scales: Array, zeros: Array, new_scales: Array, new_zeros: Array) -> Array:
        _check(x, scales, zeros, own)
        _check(x, new_scales, new_zeros, new)
        if not ((scales > 0).all() and (new_scales > 0).all()):
            raise InvalidArgument("input/output scales elements must be all positive.")
        scale = _along(scales, x, own).astype(np.float64) / _along(new_scales, x, new)
        factor, shift = _multiplier(scale)
        with np.errstate(over="ignore"):
            steps = (x.astype(np.int32) - _along(zeros, x, own)).astype(np.int64)
            moved = (steps * factor + (np.int64(1) << (shift - 1))) >> shift
            moved = np.clip(moved, ends.min, ends.max).astype(np.int32)
            moved = moved + _along(new_zeros, x, new)
        made: Array = np.maximum(np.minimum(moved, most), least)
        return made.astype(dtype)

    return kernel
