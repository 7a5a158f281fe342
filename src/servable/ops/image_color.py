"""Colours: hue and saturation, contrast."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import FailedPrecondition, InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array

_FLOAT = np.float32


def _check_colors(x: Array) -> None:
    if x.ndim < 1:
        raise InvalidArgument("input must be at least 1D[]")
    if x.shape[-1] != 3:
        raise FailedPrecondition(
            f"input must have 3 channels but input only has {x.shape[-1]} channels."
        )


def _hue(r: Array, g: Array, b: Array, top: Array, spread: Array, norm: Array) -> Array:
    kind = top.dtype.type
    third = kind(2) / kind(6)
    hue = np.where(
        r == top,
        norm * (g - b),
        np.where(g == top, norm * (b - r) + third, norm * (r - g) + kind(4) / kind(6)),
    )
    hue = np.where(spread > 0, hue, kind(0))
    turned: Array = np.where(hue < 0, hue + kind(1), hue)
    return turned


@op("RGBToHSV")
def rgb_to_hsv(build: Build) -> Kernel:
    """Hue, saturation and value of red, green and blue, all in [0, 1]."""
    del build

    def kernel(x: Array) -> Array:
        _check_colors(x)
        kind = x.dtype.type
        r, g, b = x[..., 0], x[..., 1], x[..., 2]
        top = np.maximum(np.maximum(r, g), b)
        spread = top - np.minimum(np.minimum(r, g), b)
        saturation = np.where(top > 0, spread / top, kind(0))
        norm = kind(1) / spread * (kind(1) / kind(6))
        return np.stack((_hue(r, g, b, top, spread, norm), saturation, top), axis=-1)

    return kernel


@op("HSVToRGB")
def hsv_to_rgb(build: Build) -> Kernel:
    """Red, green and blue of hue, saturation and value."""
    del build

    def kernel(x: Array) -> Array:
        _check_colors(x)
        kind = x.dtype.type
        h, s, v = x[..., 0], x[..., 1], x[..., 2]
        six, zero, one, two = h * kind(6), kind(0), kind(1), kind(2)
        parts = (
            np.abs(six - kind(3)) - one,
            -np.abs(six - two) + two,
            -np.abs(six - kind(4)) + two,
        )
        rest = -s + one
        made = [(rest + s * np.minimum(np.maximum(p, zero), one)) * v for p in parts]
        return np.stack(made, axis=-1)

    return kernel


def _check_image(x: Array, factor: Array, name: str) -> Any:
    if x.ndim < 3:
        raise InvalidArgument(f"input must be at least 3-D, got shape{dims(x.shape)}")
    value = scalar(factor, f"{name} must be scalar: {{}}")
    if name != "contrast_factor" and x.shape[-1] != 3:
        raise InvalidArgument(f"input must have 3 channels but instead has {x.shape[-1]} channels.")
    return _FLOAT(value)


@op("AdjustHue")
def adjust_hue(build: Build) -> Kernel:
    """Colours with another hue: delta is in turns of the colour wheel."""
    del build

    def kernel(x: Array, delta: Array) -> Array:
        turn = _check_image(x, delta, "delta")
        r, g, b = x[..., 0], x[..., 1], x[..., 2]
        top = np.maximum(np.maximum(r, g), b)
        low = np.minimum(np.minimum(r, g), b)
        # Which of the six sectors between two pure colours it lies in.
        sector = np.where(
            r < g,
            np.where(b < r, 1, np.where(b > g, 3, 2)),
            np.where(b < g, 0, np.where(b > r, 4, 5)),
        ).astype(_FLOAT)
        middle = np.select([sector % 3 == 1, sector % 3 == 0], [r, g], b)
        part = (middle - low) / (top - low)
        odd = sector % 2 == 1
        hue = np.where(top == low, _FLOAT(0), sector + np.where(odd, _FLOAT(1) - part, part))
        six = _FLOAT(6)
        hue = hue + turn * six
        hue = hue - six * np.floor(hue / six)
        hue = np.where(hue >= six, hue - six, hue)
        sector = np.trunc(hue)
        part = hue - sector
        part = np.where(sector % 2 == 1, _FLOAT(1) - part, part)
        middle = low + part * (top - low)
        six_ways = np.nan_to_num(sector).astype(np.int64).clip(0, 5)
        choices = np.stack((low, middle, top), axis=-1)
        return np.take_along_axis(choices, _ORDERS[six_ways], axis=-1)

    return kernel


_ORDERS = np.array([[2, 1, 0], [1, 2, 0], [0, 2, 1], [0, 1, 2], [1, 0, 2], [2, 0, 1]], np.int64)
"""For each sector, whether red, green and blue are the least, the middle or the most."""


@op("AdjustSaturation")
def adjust_saturation(build: Build) -> Kernel:
    """Colours with their saturation multiplied."""
    del build

    def kernel(x: Array, factor: Array) -> Array:
        scale = _check_image(x, factor, "scale")
        r, g, b = x[..., 0], x[..., 1], x[..., 2]
        top = np.maximum(np.maximum(r, g), b)
        spread = top - np.minimum(np.minimum(r, g), b)
        saturation = np.where(top > 0, spread / top, _FLOAT(0))
        hue = _hue(r, g, b, top, spread, _FLOAT(1) / (_FLOAT(6) * spread))
        saturation = np.minimum(_FLOAT(1), np.maximum(_FLOAT(0), saturation * scale))
        return _colors(hue, saturation, top)

    return kernel


def _colors(hue: Array, saturation: Array, value: Array) -> Array:
    chroma = saturation * value
    least = value - chroma
    six = hue * _FLOAT(6)
    pair = six - _FLOAT(2) * np.floor(six / _FLOAT(2))
    middle = chroma * (_FLOAT(1) - np.abs(pair - _FLOAT(1)))
    sector = np.nan_to_num(six).astype(np.int64)
    choices = np.stack((np.zeros_like(chroma), middle, chroma), axis=-1)
    made = np.take_along_axis(choices, _ORDERS[sector.clip(0, 5)], axis=-1)
    inside = (sector >= 0) & (sector <= 5)
    colors: Array = np.where(inside[..., None], made, _FLOAT(0)) + least[..., None]
    return colors


@op("AdjustContrastv2")
def adjust_contrast(build: Build) -> Kernel:
    """Differences from the mean of each image's channel, multiplied."""
    dtype = build.type("T").numpy

    def kernel(x: Array, factor: Array) -> Array:
        scale = _check_image(x, factor, "contrast_factor")
        if not x.size:
            return x
        images = x.astype(_FLOAT, copy=False)
        mean = images.mean(axis=(-3, -2), keepdims=True, dtype=_FLOAT)
        made: Array = mean + (images - mean) * scale
        return made.astype(dtype, copy=False)

    return kernel
