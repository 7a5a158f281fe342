"""Images sampled at other places: scaled and moved, cropped, projected, glimpsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import InvalidArgument, OutOfRange
from servable.ops.image_resize import FLOAT, check_spans, weighted_both
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array

_AT_ONCE = 1 << 22
"""Numbers of a result that are computed together."""


@dataclass(frozen=True, slots=True)
class _Projection:
    """How pixels are found at places of an image.

    Attributes:
        near: the nearest pixel, not a number between four.
        mode: what lies outside the image.
        fill: the value outside, of the image's dtype, where there is nothing else.
    """

    near: bool
    mode: str
    fill: Array


def _lanczos(radius: int) -> Callable[[Array], Array]:
    def weight(x: Array) -> Array:
        pi, r = FLOAT(np.pi), FLOAT(radius)
        inner = r * np.sin(pi * x) * np.sin(pi * x / r) / (pi * pi * x * x)
        return np.where(x > r, FLOAT(0), np.where(x <= FLOAT(1e-3), FLOAT(1), inner))

    return weight


def _gaussian(x: Array) -> Array:
    deviation = 0.5
    inner = np.exp((-x * x).astype(np.float64) / (2 * deviation * deviation)).astype(FLOAT)
    return np.where(x >= FLOAT(1.5), FLOAT(0), inner)


def _box(x: Array) -> Array:
    half = FLOAT(0.5)
    return np.where(x < half, FLOAT(1), np.where(x == half, half, FLOAT(0)))


def _triangle(x: Array) -> Array:
    return np.maximum(FLOAT(1) - x, FLOAT(0))


def _keys_cubic(x: Array) -> Array:
    far = ((FLOAT(-0.5) * x + FLOAT(2.5)) * x - FLOAT(4)) * x + FLOAT(2)
    near = ((FLOAT(1.5) * x - FLOAT(2.5)) * x) * x + FLOAT(1)
    return np.where(x >= 2, FLOAT(0), np.where(x >= 1, far, near))


def _mitchell_cubic(x: Array) -> Array:
    far = ((FLOAT(-7 / 18) * x + FLOAT(2)) * x - FLOAT(10 / 3)) * x + FLOAT(16 / 9)
    near = ((FLOAT(7 / 6) * x - FLOAT(2)) * x) * x + FLOAT(8 / 9)
    return np.where(x >= 2, FLOAT(0), np.where(x >= 1, far, near))


_KERNELS: Mapping[str, tuple[float, Callable[[Array], Array]]] = {
    "lanczos1": (1, _lanczos(1)),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
    "gaussian": (1.5, _gaussian),
    "box": (1, _box),
    "triangle": (1, _triangle),
    "keyscubic": (2, _keys_cubic),
    "mitchellcubic": (2, _mitchell_cubic),
}


def _spans(
    made: int, size: int, scale: Any, translation: Any, kernel: str, antialias: bool
) -> tuple[Array, Array]:
    """The pixels that each one is made of, and their weights: both [made, n]."""
    radius, weight = _KERNELS[kernel]
    inverse = FLOAT(1.0 / np.float64(scale))
    shift = -inverse * translation
    stretch = np.maximum(inverse, FLOAT(1)) if antialias else FLOAT(1)
    reach = FLOAT(radius) * stretch
    each = int(min(2 * np.ceil(reach) + 1, size))
    check_spans(made, each)
    centres = (np.arange(made).astype(FLOAT) + FLOAT(0.5)) * inverse + shift
    inside = ~((centres < 0) | (centres > FLOAT(size)))
    centres = np.where(inside, centres, FLOAT(0))
    first = np.ceil(centres - reach - FLOAT(0.5)).astype(np.int64).clip(0, size - 1)
    last = np.floor(centres + reach - FLOAT(0.5)).astype(np.int64).clip(0, size - 1)
    pixels = first[:, None] + np.arange(each)
    places = (pixels.astype(FLOAT) + FLOAT(0.5)) - centres[:, None]
    weights = weight(np.abs(places * (FLOAT(1) / stretch))).astype(FLOAT)
    weights = np.where((pixels <= last[:, None]) & inside[:, None], weights, FLOAT(0))
    total = weights.sum(axis=1, keepdims=True)
    usable = np.abs(total) >= FLOAT(1000) * np.finfo(FLOAT).tiny
    weights = np.where(usable, weights * (FLOAT(1) / total), FLOAT(0))
    return np.minimum(pixels, size - 1), weights


def _pair(x: Array) -> tuple[Any, Any]:
    if x.ndim != 1:
        raise InvalidArgument(f"t must be 1-dimensional{dims(x.shape)}")
    if len(x) != 2:
        raise InvalidArgument(f"t must have two elements{dims(x.shape)}")
    return x[0], x[1]


@op("ScaleAndTranslate", attrs="kernel_type antialias")
def scale_and_translate(build: Build) -> Kernel:
    """The images scaled, then moved, then cut to a size; float32."""
    name, antialias = build.choice("kernel_type", *_KERNELS), build.bool("antialias")

    def kernel(images: Array, size: Array, scale: Array, translation: Array) -> Array:
        if images.ndim != 4:
            raise InvalidArgument(f"input must be 4-dimensional{dims(images.shape)}")
        if size.ndim != 1:
            raise InvalidArgument(f"output_shape_t must be 1-dimensional{dims(size.shape)}")
        if len(size) != 2:
            raise InvalidArgument(f"output_shape_t must have two elements{dims(size.shape)}")
        height, width = size.tolist()
        if height <= 0 or width <= 0:
            raise InvalidArgument("output dimensions must be positive")
        if images.shape[3] == 0:
            raise InvalidArgument("image must have at least one channel")
        if 0 in images.shape[1:3]:
            raise InvalidArgument("input image must be of non-zero size")
        down, right = _pair(scale)
        if not (down > 0 and right > 0):
            raise InvalidArgument("Scale must be greater than zero.")
        low, left = _pair(translation)
        shape = check_size((len(images), height, width, images.shape[3]), 4)
        if 0 in shape:
            return np.zeros(shape, FLOAT)
        rows = _spans(height, images.shape[1], down, low, name, antialias)
        columns = _spans(width, images.shape[2], right, left, name, antialias)
        return weighted_both(images, rows, columns)

    return kernel


def _crop_places(low: Array, high: Array, size: int, made: int) -> Array:
    """Where the pixels of each crop lie along one side: float32 [boxes, made]."""
    last = FLOAT(size - 1)
    if made == 1:
        middle = 0.5 * (low + high).astype(np.float64) * float(last)
        return middle.astype(FLOAT)[:, None]
    step = (high - low) * last / FLOAT(made - 1)
    return (low * last)[:, None] + np.arange(made).astype(FLOAT) * step[:, None]


def _check_crops(images: Array, boxes: Array, numbers: Array, size: Array) -> tuple[int, ...]:
    if images.ndim != 4:
        raise InvalidArgument(f"input image must be 4-D{dims(images.shape)}")
    if 0 in images.shape[1:3]:
        raise InvalidArgument("image dimensions must be positive")
    if boxes.ndim != 2:
        raise InvalidArgument(f"boxes must be 2-D, got: {dims(boxes.shape)}")
    if numbers.ndim != 1:
        raise InvalidArgument(f"box_indices must be rank 1 but is shape {dims(numbers.shape)}")
    if boxes.size or numbers.size:
        if boxes.shape[1] != 4:
            raise InvalidArgument("boxes must have 4 columns")
        if len(numbers) != len(boxes):
            raise InvalidArgument("box_index has incompatible shape")
    if size.ndim != 1:
        raise InvalidArgument(f"crop_size must be 1-D{dims(size.shape)}")
    if len(size) != 2:
        raise InvalidArgument(f"crop_size must have two elements{dims(size.shape)}")
    height, width = size.tolist()
    if height <= 0 or width <= 0:
        raise InvalidArgument("crop dimensions must be positive")
    if ((numbers < 0) | (numbers >= len(images))).any():
        raise OutOfRange("box_index has values outside [0, batch_size)")
    if not np.isfinite(boxes).all():
        raise InvalidArgument("Boxes contains at least one element that is not finite")
    return check_size((len(numbers), height, width, images.shape[3]), 4)


def _crop(images: Array, boxes: Array, numbers: Array, shape: tuple[int, ...], near: bool) -> Any:
    """The crops, and which of their pixels lie outside the image."""
    y = _crop_places(boxes[:, 0], boxes[:, 2], images.shape[1], shape[1])
    x = _crop_places(boxes[:, 1], boxes[:, 3], images.shape[2], shape[2])
    outside = _outside(y, images.shape[1])[:, :, None] | _outside(x, images.shape[2])[:, None]
    y = y.clip(0, images.shape[1] - 1)
    x = x.clip(0, images.shape[2] - 1)

    def pixels(rows: Array, columns: Array) -> Array:
        rows, columns = rows.astype(np.int64), columns.astype(np.int64)
        found = images[numbers[:, None, None], rows[:, :, None], columns[:, None]]
        return found.astype(FLOAT, copy=False)

    if near:
        return pixels(_away(y), _away(x)), outside
    right, down = (x - np.floor(x))[:, None, :, None], (y - np.floor(y))[:, :, None, None]
    top = pixels(np.floor(y), np.floor(x))
    top = top + (pixels(np.floor(y), np.ceil(x)) - top) * right
    bottom = pixels(np.ceil(y), np.floor(x))
    bottom = bottom + (pixels(np.ceil(y), np.ceil(x)) - bottom) * right
    return top + (bottom - top) * down, outside


def _outside(places: Array, size: int) -> Array:
    outside: Array = (places < 0) | (places > FLOAT(size - 1))
    return outside


def _away(x: Array) -> Array:
    """To the nearest whole number; halves away from zero."""
    whole = np.trunc(x)
    return np.where(np.abs(x - whole) >= FLOAT(0.5), whole + np.sign(x), whole)


@op("CropAndResize", attrs="method extrapolation_value")
def crop_and_resize(build: Build) -> Kernel:
    """Boxes of images, each resized to one size; always float32."""
    near = build.choice("method", "bilinear", "nearest") == "nearest"
    beyond = FLOAT(build.float("extrapolation_value"))

    def kernel(images: Array, boxes: Array, numbers: Array, size: Array) -> Array:
        shape = _check_crops(images, boxes, numbers, size)
        made = np.empty(shape, FLOAT)
        if not made.size:
            return made
        # What is in between takes several times the memory of the result.
        step = max(1, _AT_ONCE // made[0].size)
        for start in range(0, len(numbers), step):
            part = slice(start, start + step)
            crops, outside = _crop(images, boxes[part], numbers[part], shape, near)
            made[part] = np.where(outside[..., None], beyond, crops)
        return made

    return kernel


def _reflected(x: Array, size: int) -> Array:
    """Places outside, where the image goes on mirrored: dcba|abcd|dcba."""
    twice = FLOAT(2 * size)
    low = np.where(x < 0, twice * np.trunc(-x / twice) + x, x)
    low = np.where(low < FLOAT(-size), low + twice, -low - 1)
    high = x - twice * np.trunc(x / twice)
    high = np.where(high >= FLOAT(size), twice - high - 1, high)
    return np.where(x < 0, low, np.where(x > FLOAT(size - 1), high, x))


def _wrapped(x: Array, size: int) -> Array:
    """Places outside, where the image begins anew: abcd|abcd|abcd."""
    whole, steps = FLOAT(size), FLOAT(size - 1)
    low = x + whole * (np.trunc(-x / steps) + 1)
    high = x - whole * np.trunc(x / steps)
    return np.where(x < 0, low, np.where(x > steps, high, x))


def _mapped(x: Array, size: int, mode: str) -> Array:
    if mode == "CONSTANT":
        # Two pixels outside or further, all is alike.
        return x.clip(FLOAT(-2), FLOAT(size + 1))
    if mode == "REFLECT":
        x = _reflected(x, size) if size > 1 else np.zeros_like(x)
    elif mode == "WRAP":
        x = _wrapped(x, size) if size > 1 else np.zeros_like(x)
    return x.clip(FLOAT(0), FLOAT(size - 1))


def _projected(image: Array, transform: Array, rows: Array, width: int, how: _Projection) -> Array:
    """Some rows of an image, [height, width, channels], by a transform of eight numbers."""
    y, x = rows.astype(FLOAT)[:, None], np.arange(width).astype(FLOAT)
    a = transform.astype(FLOAT)
    scale = a[6] * x + a[7] * y + FLOAT(1)
    across = _mapped((a[0] * x + a[1] * y + a[2]) / scale, image.shape[1], how.mode)
    down = _mapped((a[3] * x + a[4] * y + a[5]) / scale, image.shape[0], how.mode)
    usable = (scale != 0) & ~np.isnan(across) & ~np.isnan(down)
    across, down = np.where(usable, across, FLOAT(0)), np.where(usable, down, FLOAT(0))
    if how.near:
        made = _pixels(image, _away(down), _away(across), how.fill)
    else:
        made = _bilinear(image, down, across, how.fill)
    return np.where(usable[..., None], made, how.fill)


def _pixels(image: Array, rows: Array, columns: Array, fill: Array) -> Array:
    height, width = image.shape[:2]
    exist = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    found = image[rows.astype(np.int64), columns.astype(np.int64)]
    return np.where(exist[..., None], found, fill)


def _bilinear(image: Array, y: Array, x: Array, fill: Array) -> Array:
    """Between the four nearest pixels; those outside have the fill value."""
    top, left = np.floor(y), np.floor(x)
    down, right = (y - top)[..., None], (x - left)[..., None]
    up, back = (top + 1 - y)[..., None], (left + 1 - x)[..., None]
    corners = [
        _pixels(image, top + i, left + j, fill).astype(FLOAT) for i in (0, 1) for j in (0, 1)
    ]
    above, below = back * corners[0] + right * corners[1], back * corners[2] + right * corners[3]
    made: Array = up * above + down * below
    return made.astype(image.dtype)


def _transform(images: Array, transforms: Array, size: Array, how: _Projection) -> Array:
    if images.ndim != 4:
        raise InvalidArgument(f"input images must have rank 4{dims(images.shape)}")
    if transforms.ndim != 2 or transforms.shape[0] not in (1, len(images)):
        raise InvalidArgument(
            "Input transform should be num_images x 8 or 1 x 8" + dims(transforms.shape)
        )
    if transforms.shape[1] != 8:
        raise InvalidArgument("Input transform should be num_images x 8 or 1 x 8")
    if size.ndim != 1:
        raise InvalidArgument(f"output shape must be 1-dimensional{dims(size.shape)}")
    if len(size) != 2:
        raise InvalidArgument(f"output shape must have two elements{dims(size.shape)}")
    height, width = size.tolist()
    if height <= 0 or width <= 0:
        raise InvalidArgument("output dimensions must be positive")
    shape = check_size((len(images), height, width, images.shape[3]), images.itemsize)
    made = np.full(shape, how.fill, images.dtype)
    if not images.size:
        return made
    step = max(1, _AT_ONCE // made[0, 0].size)
    for number, image in enumerate(images):
        own = transforms[number % len(transforms)]
        for start in range(0, height, step):
            rows = np.arange(start, min(start + step, height))
            made[number, rows] = _projected(image, own, rows, width, how)
    return made


def _projection(build: Build, fill: Any) -> _Projection:
    near = build.choice("interpolation", "NEAREST", "BILINEAR") == "NEAREST"
    mode = build.choice("fill_mode", "REFLECT", "WRAP", "CONSTANT", "NEAREST")
    return _Projection(near, mode, np.asarray(fill).astype(build.type("dtype").numpy))


@op("ImageProjectiveTransformV2", attrs="interpolation fill_mode")
def image_projective_transform_v2(build: Build) -> Kernel:
    """Images seen through projective transforms; 0 where there is none."""
    how = _projection(build, 0)
    return lambda images, transforms, size: _transform(images, transforms, size, how)


@op("ImageProjectiveTransformV3", attrs="interpolation fill_mode")
def image_projective_transform_v3(build: Build) -> Kernel:
    """Images seen through projective transforms; a value that is given where there is none."""

    def kernel(images: Array, transforms: Array, size: Array, fill: Array) -> Array:
        value = scalar(fill, "fill_value must be a scalar{}")
        return _transform(images, transforms, size, _projection(build, value))

    _projection(build, 0)
    return kernel
