"""Windows cut out of images, which may reach beyond them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims
from servable.tensors import Array

_Noise: TypeAlias = Callable[[Array, tuple[int, ...]], Any]
_Origin: TypeAlias = Callable[[Array, int, int], Array]

_FLOAT = np.float32


def _uniform(image: Array, shape: tuple[int, ...]) -> Array:
    low, spread = image.min(), np.ptp(image)
    noise: Array = low + np.random.default_rng().random(shape, _FLOAT) * spread
    return noise


def _gaussian(image: Array, shape: tuple[int, ...]) -> Array:
    mean, deviation = image.mean((0, 1)), image.std((0, 1))
    noise: Array = mean + np.random.default_rng().standard_normal(shape, _FLOAT) * deviation
    return np.clip(noise, image.min((0, 1)), image.max((0, 1)))


def _zero(image: Array, shape: tuple[int, ...]) -> float:
    del image, shape
    return 0.0


_NOISES: dict[str, _Noise] = {"uniform": _uniform, "gaussian": _gaussian, "zero": _zero}


def _noise(build: Build) -> _Noise:
    uniform, name = build.bool("uniform_noise"), build.text("noise")
    if uniform and name not in ("", "uniform"):
        raise build.unsupported("both uniform_noise and noise")
    if name and name not in _NOISES:
        raise build.unsupported(f"noise={name!r}; supported: {', '.join(_NOISES)}")
    return _NOISES[name or ("uniform" if uniform else "gaussian")]


def _cut(image: Array, window: tuple[int, int], origin: tuple[int, int], noise: _Noise) -> Array:
    """The window of an image, [height, width, channels], from a place that may be outside."""
    covered = [
        (max(at, 0), max(min(at + size, whole), 0))
        for at, size, whole in zip(origin, window, image.shape[:2], strict=True)
    ]
    (top, bottom), (left, right) = covered
    shape = (*window, image.shape[2])
    if (bottom - top, right - left) == window:
        return image[top:bottom, left:right]
    made = np.empty(shape, image.dtype)
    made[:] = noise(image, shape)
    if top < bottom and left < right:
        y, x = top - origin[0], left - origin[1]
        made[y : y + bottom - top, x : x + right - left] = image[top:bottom, left:right]
    return made


def _register(name: str, origin: Callable[[Build], _Origin]) -> None:
    @op(name, attrs="centered normalized uniform_noise noise")
    def make(build: Build) -> Kernel:
        noise, where = _noise(build), origin(build)

        def kernel(images: Array, size: Array, offsets: Array) -> Array:
            if images.ndim != 4:
                raise InvalidArgument(
                    "input must be 4-dimensional (batch_size, height, width, depth)"
                    + dims(images.shape)
                )
            if size.shape != (2,):
                raise InvalidArgument(
                    f"input must be a vector of size 2 (height, width){dims(size.shape)}"
                )
            window = (int(size[0]), int(size[1]))
            shape = check_size((len(images), *window, images.shape[3]), 4)
            if offsets.ndim != 2:
                raise InvalidArgument(f"input must be a matrix{dims(offsets.shape)}")
            if len(offsets) != len(images):
                raise InvalidArgument(f"first dimension should be batch{dims(offsets.shape)}")
            if offsets.shape[1] != 2:
                raise InvalidArgument(
                    f"second dimension should be of size 2 (y,x){dims(offsets.shape)}"
                )
            made = np.zeros(shape, images.dtype)
            if not made.size or not images.size:
                return made
            y = _whole(where(offsets[:, 0], images.shape[1], window[0]))
            x = _whole(where(offsets[:, 1], images.shape[2], window[1]))
            for number, image in enumerate(images):
                made[number] = _cut(image, window, (y[number], x[number]), noise)
            return made

        return kernel


def _whole(places: Array) -> list[int]:
    """Towards zero; what is far outside stays outside."""
    found: list[int] = np.nan_to_num(places).clip(-(2**40), 2**40).astype(np.int64).tolist()
    return found


def _first_version(build: Build) -> _Origin:
    normalized, centered = build.bool("normalized"), build.bool("centered")

    def origin(offset: Array, size: int, window: int) -> Array:
        place = offset * _FLOAT(size) if normalized else offset
        if centered:
            place = place / _FLOAT(2) + _FLOAT(size / 2)
        return place - _FLOAT(window / 2)

    return origin


def _second_version(build: Build) -> _Origin:
    normalized, centered = build.bool("normalized"), build.bool("centered")

    def origin(offset: Array, size: int, window: int) -> Array:
        if not normalized:
            return offset + _FLOAT(size / 2) if centered else offset
        place = offset * _FLOAT(size)
        if centered:
            place = place / _FLOAT(2) + _FLOAT(size / 2) - _FLOAT(window / 2)
        return place

    return origin


_register("ExtractGlimpse", _first_version)
_register("ExtractGlimpseV2", _second_version)
