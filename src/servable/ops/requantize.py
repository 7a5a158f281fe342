"""Integers that stand for steps of one range, as steps of another.

The 32-bit results of quantized products become 8-bit numbers again here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.image_resize import Corners, check_images, corners
from servable.ops.quantized_steps import away, limit_of, to_floats
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_F = np.float32
_POINT = 16
"""Bits after the point of the fixed-point numbers that TensorFlow computes with."""


def _first(x: Array, name: str) -> np.float32:
    """The first number of a limit, whatever its shape."""
    if not x.size:
        raise InvalidArgument(f"`{name}` must not be empty")
    return _F(x.flat[0])


def _to_bytes(
    x: Array, own: tuple[np.float32, np.float32], new: tuple[np.float32, np.float32]
) -> Array:
    """Steps of a 32-bit range as 8-bit steps of another, in fixed-point numbers."""
    (low, high), (new_low, new_high) = own, new
    one = float(1 << _POINT)
    with np.errstate(all="ignore"):
        span, new_span = high - low, new_high - new_low
        middle = _F((low + high) / 2)
        if new_span == 0:
            scale, start, zero = np.int64(0), np.int64(0), np.int64(0)
        else:
            steps = _F(255 / float(new_span))
            scale = np.int64(255 * one * float(span) / float(new_span))
            zero = np.int64(middle * steps * _F(one))
            start = np.int64(one * (float(new_low) * 255) / float(new_span))
        found = ((x.astype(np.int64) * scale) >> 32) + (zero - start + (1 << (_POINT - 1)))
    made: Array = np.clip(found >> _POINT, 0, 255).astype(np.uint8)
    return made


def _used(x: Array, low: np.float32, high: np.float32) -> tuple[np.float32, np.float32]:
    """The range that the numbers of a tensor use; it reaches down to 0."""
    limits = np.iinfo(x.dtype)
    least = x.min(initial=limits.max)
    most = x.max(initial=limits.min)
    start, stop = to_floats(np.array([least, most], x.dtype), low, high)
    return min(_F(0), start), stop


def _bytes_only(build: Build) -> None:
    if build.type("out_type").numpy != np.uint8 or build.type("Tinput").numpy != np.int32:
        raise build.unsupported("types other than qint32 to quint8")


@op("QuantizeDownAndShrinkRange")
def quantize_down(build: Build) -> Kernel:
    """32-bit numbers as 8-bit ones of the range that they use."""
    _bytes_only(build)

    def kernel(x: Array, input_min: Array, input_max: Array) -> tuple[Any, Any, Any]:
        own = limit_of(input_min, "input_min"), limit_of(input_max, "input_max")
        new = _used(x, *own)
        return _to_bytes(x, own, new), np.asarray(new[0]), np.asarray(new[1])

    return kernel


@op("RequantizationRange")
def requantization_range(build: Build) -> Kernel:
    """The range that 32-bit numbers use."""
    del build

    def kernel(x: Array, input_min: Array, input_max: Array) -> tuple[Any, Any]:
        low, high = _used(x, _first(input_min, "input_min"), _first(input_max, "input_max"))
        return np.asarray(low), np.asarray(high)

    return kernel


@op("Requantize")
def requantize(build: Build) -> Kernel:
    """32-bit numbers as 8-bit ones of a range that is given."""
    _bytes_only(build)

    def kernel(
        x: Array, input_min: Array, input_max: Array, asked_min: Array, asked_max: Array
    ) -> tuple[Any, Any, Any]:
        own = limit_of(input_min, "input_min"), limit_of(input_max, "input_max")
        low = limit_of(asked_min, "requested_output_min")
        high = limit_of(asked_max, "requested_output_max")
        if low > 0:
            raise InvalidArgument(f"requested_output_min must be <= 0, but got {low:g}")
        if high < low:
            raise InvalidArgument(
                f"requested_output_max must be >= requested_output_min, but got {high:g}"
                f" and {low:g}"
            )
        return _to_bytes(x, own, (low, high)), np.asarray(low), np.asarray(high)

    return kernel


def _largest(x: Array, low: Array, high: Array) -> Array:
    """How far from 0 the range of each channel reaches: float32 [channels]."""
    if low.ndim != 1 or low.shape != high.shape:
        raise InvalidArgument(
            f"input_min and input_max must be vectors of one size, not {shape_text(low)} and"
            f" {shape_text(high)}"
        )
    if x.shape[-1] != low.size:
        raise InvalidArgument(
            "input must have same number of channels as length of input_min:"
            f" {x.shape[-1]} vs {low.size}"
        )
    made: Array = np.maximum(np.abs(low), np.abs(high))
    return made


@op("RequantizationRangePerChannel", attrs="clip_value_max")
def requantization_range_per_channel(build: Build) -> Kernel:
    """The range that 32-bit numbers use whose channels have ranges of their own."""
    most = _F(build.float("clip_value_max"))

    def kernel(x: Array, input_min: Array, input_max: Array) -> tuple[Any, Any]:
        if not x.size:
            raise InvalidArgument("input must not be empty")
        if x.ndim != 4:
            raise InvalidArgument("input must be in NHWC format")
        reach = _largest(x, input_min, input_max)
        numbers = np.abs(x.astype(np.int64)).max(axis=(0, 1, 2)).astype(_F)
        high = np.max(reach * numbers / _F(1 << 31), initial=np.finfo(_F).tiny)
        high = np.asarray(min(high, most), _F)
        return (-high if (x < 0).any() else np.zeros((), _F)), high

    return kernel


@op("RequantizePerChannel")
def requantize_per_channel(build: Build) -> Kernel:
    """32-bit numbers whose channels have ranges of their own, as 8-bit ones of one range."""
    dtype = build.type("out_type").numpy
    if dtype not in (np.int8, np.uint8):
        raise build.unsupported(f"out_type={build.type('out_type').name}")
    limits = np.iinfo(dtype)

    def kernel(
        x: Array, input_min: Array, input_max: Array, asked_min: Array, asked_max: Array
    ) -> tuple[Any, Any, Any]:
        low = _first(asked_min, "requested_output_min")
        high = _first(asked_max, "requested_output_max")
        if dtype == np.int8 and low >= 0:
            raise InvalidArgument(
                f"If out_type is QINT8, requested_output_max must be non negative, got {low:g}"
            )
        if x.ndim != 4:
            raise InvalidArgument("Current RequantizePerChannel operator supports 4D tensors only.")
        reach = _largest(x, input_min, input_max)
        scale = _F(limits.max) * (reach / max(abs(low), abs(high)) / _F(1 << 31))
        made = np.clip(np.rint(x.astype(_F) * scale), limits.min, limits.max).astype(dtype)
        return made, np.asarray(low), np.asarray(high)

    return kernel


_NORM = "output_range_given given_y_min given_y_max variance_epsilon min_separation"


@op("QuantizedInstanceNorm", attrs=_NORM)
def quantized_instance_norm(build: Build) -> Kernel:
    """Each image's channels with mean 0 and variance 1, as steps of a range given or found."""
    given = build.bool("output_range_given")
    given_low, given_high = _F(build.float("given_y_min")), _F(build.float("given_y_max"))
    epsilon, apart = _F(build.float("variance_epsilon")), _F(build.float("min_separation"))
    if given and given_low >= given_high:
        raise InvalidArgument(
            f"given_y_min must be less than given_y_max : {given_low:g} >= {given_high:g}"
        )

    def kernel(x: Array, x_min: Array, x_max: Array) -> tuple[Any, Any, Any]:
        least, most = limit_of(x_min, "x_min"), limit_of(x_max, "x_max")
        if least >= most:
            raise InvalidArgument(f"input_min must be less than input_max : {least:g} >= {most:g}")
        if x.ndim != 4:
            raise InvalidArgument(f"input must be 4-dimensional, not {shape_text(x)}")
        if not x.size:
            raise InvalidArgument(f"input must not be empty, but is of shape {shape_text(x)}")
        numbers = x.astype(_F)
        centred = (most - least) / _F(255) * (numbers - numbers.mean(axis=(1, 2), keepdims=True))
        variance = np.square(centred).mean(axis=(1, 2), keepdims=True)
        made = centred * (_F(1) / np.sqrt(variance + epsilon))
        low, high = (given_low, given_high) if given else (made.min(), made.max())
        if high - low < apart:
            high = low + apart
        scale = _F(255 / (float(high) - float(low)))
        steps = away(made * scale) - away(low * scale)
        return np.clip(steps, 0, 255).astype(x.dtype), np.asarray(low), np.asarray(high)

    return kernel


_SHARE = 7
"""Bits of the whole numbers that pixels' shares are."""


def _shares(how: Corners, size: int, made: int) -> tuple[Array, Array, Array]:
    """The two pixels that each place lies between, and the share of the second."""
    places = how.places(size, made)
    floor = np.floor(places)
    above = np.minimum(np.ceil(places).astype(np.int32), size - 1)
    below = np.minimum(np.maximum(floor.astype(np.int32), 0), above)
    return below, above, ((places - floor) * _F(1 << _SHARE)).astype(np.int32)


def _whole(x: Array) -> Array:
    """Divided by the number of shares, cut off towards 0."""
    found: Array = np.where(x < 0, -((-x) >> _SHARE), x >> _SHARE)
    return found


def _resized(images: Array, height: int, width: int, how: Corners) -> Array:
    """8-bit images of another size, in whole numbers."""
    left, right, across = _shares(how, images.shape[2], width)
    upper, lower, down = _shares(how, images.shape[1], height)
    x = images.astype(np.int32)
    first = x.take(left, 2)
    rows = (first << _SHARE) + (x.take(right, 2) - first) * across[:, None]
    top, bottom = rows.take(upper, 1), rows.take(lower, 1)
    found = top + _whole(bottom - top) * down[:, None, None]
    return _whole(found + (1 << (_SHARE - 1))).astype(np.uint8)


@op("QuantizedResizeBilinear", attrs="align_corners half_pixel_centers")
def quantized_resize(build: Build) -> Kernel:
    """Images of another size, linearly between pixels."""
    how = corners(build)
    if build.type().numpy != np.uint8:
        raise build.unsupported(f"T={build.type().name}")
    checked = Corners(how.aligned, False)

    def kernel(images: Array, size: Array, low: Array, high: Array) -> tuple[Any, Any, Any]:
        limits = limit_of(low, "min"), limit_of(high, "max")
        height, width = check_images(images, size, checked, 4)
        same = images.shape[1:3] == (height, width)
        made = images if same else _resized(images, height, width, how)
        return made, np.asarray(limits[0]), np.asarray(limits[1])

    return kernel
