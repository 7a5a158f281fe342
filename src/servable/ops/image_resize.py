"""Images, [batch, height, width, channels], of another height and width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import Node
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.text import dims
from servable.tensors import Array

FLOAT = np.float32

_AT_ONCE = 1 << 16
"""Numbers that are computed together."""

_LONG = 1 << 10
"""Numbers that lie at one place of an axis from which it pays to compute with them in place."""


@dataclass(frozen=True, slots=True)
class Corners:
    """Where the pixels of both images lie upon each other.

    Attributes:
        aligned: the centres of the corner pixels coincide.
        halves: pixels are squares, and the squares of the corner pixels share their outer
            corners; else their upper left corners coincide.
    """

    aligned: bool
    halves: bool

    def scale(self, size: int, made: int) -> np.float32:
        """Pixels of the image for each that is made."""
        if self.aligned and made > 1 and size > 1:
            return FLOAT(FLOAT(size - 1) / FLOAT(made - 1))
        return FLOAT(FLOAT(size) / FLOAT(made))

    def places(self, size: int, made: int) -> Array:
        """Where the pixels that are made lie in the image: float32 [made]."""
        numbers = np.arange(made).astype(FLOAT)
        scale = self.scale(size, made)
        if self.halves:
            return (numbers + FLOAT(0.5)) * scale - FLOAT(0.5)
        return numbers * scale


_ATTRS = "align_corners half_pixel_centers"


def _aligned(node: Node) -> bool:
    """Whether OpenVINO finds the same places.

    It rounds them otherwise unless corners are aligned: then the nearest pixel is now and
    then another, and numbers between pixels were seen to differ by 1e-4 of the largest.
    """
    return node.attrs.get("align_corners") is True


def corners(build: Build) -> Corners:
    """What the node's attributes say."""
    return Corners(build.bool("align_corners"), build.bool("half_pixel_centers"))


def check_images(images: Array, size: Array, how: Corners, itemsize: int) -> tuple[int, int]:
    """The height and the width that are asked for.

    Raises:
        InvalidArgument: TensorFlow refuses them, or the images.
        ResourceExhausted: the result would be too large.
    """
    if how.halves and how.aligned:
        raise InvalidArgument("If half_pixel_centers is True, align_corners must be False.")
    if images.ndim != 4:
        raise InvalidArgument(f"input must be 4-dimensional{dims(images.shape)}")
    if images.shape[3] == 0:
        raise InvalidArgument("image must have at least one channel")
    if 0 in images.shape[1:3]:
        raise InvalidArgument("input image must be of non-zero size")
    if size.ndim != 1:
        raise InvalidArgument(f"shape_t must be 1-dimensional{dims(size.shape)}")
    if len(size) != 2:
        raise InvalidArgument(f"shape_t must have two elements{dims(size.shape)}")
    height, width = size.tolist()
    if height <= 0 or width <= 0:
        raise InvalidArgument("output dimensions must be positive")
    check_size((len(images), height, width, images.shape[3]), itemsize)
    return height, width


def _line(how: Corners, size: int, made: int) -> tuple[Array, Array]:
    """The two pixels that each place lies between, [made, 2], and how far behind the first."""
    places = how.places(size, made)
    floor = np.floor(places)
    below = np.maximum(floor.astype(np.int64), 0)
    above = np.minimum(np.ceil(places).astype(np.int64), size - 1)
    return np.stack((below, above), axis=-1), places - floor


def _between(x: Array, axis: int, pixels: Array, parts: Array) -> Array:
    """Numbers between pairs of pixels along an axis."""
    count = len(pixels)
    made = np.empty((*x.shape[:axis], count, *x.shape[axis + 1 :]), FLOAT)
    parts = parts.reshape(-1, *(1,) * (x.ndim - 1 - axis))
    lead = (slice(None),) * axis
    # Few enough at a time to stay in a processor's cache.
    step = max(1, _AT_ONCE * count // max(made.size, 1))
    ends = np.flatnonzero((pixels[1:] != pixels[:-1]).any(axis=1)) + 1
    if 2 * len(ends) < count and math.prod(x.shape[axis + 1 :]) >= _LONG:
        _fill_between_same(made, x, lead, pixels, parts, [*ends.tolist(), count], step)
        return made
    for start in range(0, count, step):
        part = slice(start, start + step)
        low = x.take(pixels[part, 0], axis)
        high = x.take(pixels[part, 1], axis)
        high -= low
        high *= parts[part]
        np.add(high, low, out=made[(*lead, part)])
    return made


def _fill_between_same(
    made: Array,
    x: Array,
    lead: tuple[slice, ...],
    pixels: Array,
    parts: Array,
    ends: Sequence[int],
    step: int,
) -> None:
    """`_between` where many places in a row lie between the same two pixels: no pixel is copied."""
    start = 0
    for end in ends:
        below, above = pixels[start].tolist()
        low = x[(*lead, slice(below, below + 1))]
        rise = x[(*lead, slice(above, above + 1))] - low
        for first in range(start, end, step):
            part = slice(first, min(end, first + step))
            out = made[(*lead, part)]
            np.multiply(rise, parts[part], out=out)
            out += low
        start = end


def _used(x: Array, axis: int, pixels: Array) -> tuple[Array, Array]:
    """Only those pixels along an axis that are used, as float32, and their new numbers."""
    if pixels.size >= x.shape[axis]:
        return x.astype(FLOAT, copy=False), pixels
    used, numbers = np.unique(pixels, return_inverse=True)
    return x.take(used, axis).astype(FLOAT, copy=False), numbers.reshape(pixels.shape)


@op("ResizeBilinear", attrs=_ATTRS, island=Island.LIGHT, island_if=_aligned)
def resize_bilinear(build: Build) -> Kernel:
    """Linearly between the four nearest pixels; always float32."""
    how = corners(build)

    def kernel(images: Array, size: Array) -> Array:
        height, width = check_images(images, size, how, 4)
        return resized_linearly(images, height, width, how)

    return kernel


def resized_linearly(images: Array, height: int, width: int, how: Corners) -> Array:
    """Images [batch, height, width, channels] of another size, as float32."""
    if images.shape[1:3] == (height, width):
        return images.astype(FLOAT, copy=False)
    rows, down = _line(how, images.shape[1], height)
    columns, right = _line(how, images.shape[2], width)
    x, rows = _used(images, 1, rows)
    return _between(_between(x, 2, columns, right), 1, rows, down)


def _nearest(how: Corners, size: int, made: int) -> Array:
    places = np.arange(made).astype(FLOAT)
    if how.halves:
        places = places + FLOAT(0.5)
    places = places * how.scale(size, made)
    whole = np.floor(places)
    if how.aligned:
        # Halves go up: C++ rounds them away from zero.
        whole = np.where(places - whole < FLOAT(0.5), whole, np.ceil(places))
    return np.minimum(whole.astype(np.int64), size - 1)


@op("ResizeNearestNeighbor", attrs=_ATTRS, island=Island.LIGHT, island_if=_aligned)
def resize_nearest(build: Build) -> Kernel:
    """The nearest pixel."""
    how = corners(build)

    def kernel(images: Array, size: Array) -> Array:
        height, width = check_images(images, size, how, images.itemsize)
        if max(images.shape[1:3]) >= 1 << 24:
            raise InvalidArgument("nearest neighbor requires max height & width of 2^24")
        rows = _nearest(how, images.shape[1], height)
        columns = _nearest(how, images.shape[2], width)
        return images.take(rows, 1).take(columns, 2)

    return kernel


_STEPS = 1 << 10
"""Places between two pixels for which weights are tabulated, as TensorFlow does."""


def _cubic_table(a: float) -> Array:
    """Weights of the nearer and the further pixel at every place: float32 [steps + 1, 2]."""
    x = (np.arange(_STEPS + 1) / _STEPS).astype(FLOAT).astype(np.float64)
    near = (((a + 2) * x - (a + 3)) * x * x + 1).astype(FLOAT)
    x = (x + 1).astype(FLOAT).astype(np.float64)
    far = (((a * x - 5 * a) * x + 8 * a) * x - 4 * a).astype(FLOAT)
    return np.stack((near, far), axis=-1)


_KEYS = _cubic_table(-0.5)
_OTHERS = _cubic_table(-0.75)


def _cubic(how: Corners, size: int, made: int) -> tuple[Array, Array]:
    """The four pixels that each place is made of, and their weights: both [made, 4]."""
    places = how.places(size, made)
    whole = np.floor(places)
    step = np.rint((places - whole) * FLOAT(_STEPS)).astype(np.int64)
    table = _KEYS if how.halves else _OTHERS
    near, far = table[step].T
    near_after, far_after = table[_STEPS - step].T
    weights = np.stack((far, near, near_after, far_after), axis=-1)
    wanted = whole.astype(np.int64)[:, None] + np.arange(-1, 3)
    found = np.clip(wanted, 0, size - 1)
    if how.halves:
        weights = np.where(found == wanted, weights, FLOAT(0))
        total = weights[:, 0] + weights[:, 1] + weights[:, 2] + weights[:, 3]
        usable = np.abs(total) >= FLOAT(1000) * np.finfo(FLOAT).tiny
        weights = weights * np.where(usable, FLOAT(1) / total, FLOAT(1))[:, None]
    return found, weights


@op("ResizeBicubic", attrs=_ATTRS)
def resize_bicubic(build: Build) -> Kernel:
    """By cubic curves through the sixteen nearest pixels; always float32."""
    how = corners(build)

    def kernel(images: Array, size: Array) -> Array:
        height, width = check_images(images, size, how, 4)
        columns, right = _cubic(how, images.shape[2], width)
        x, columns = _used(images, 2, columns)
        x = weighted(x, 1, *_cubic(how, images.shape[1], height))
        return weighted(x, 2, columns, right)

    return kernel


def weighted(x: Array, axis: int, pixels: Array, weights: Array) -> Array:
    """Sums of pixels along an axis by weights; both are [made, n]."""
    count, each = pixels.shape
    if count < each:
        parts = [
            np.tensordot(weights[i], x.take(pixels[i], axis), axes=(0, axis)) for i in range(count)
        ]
        return np.stack(parts, axis)
    shape = (-1, *(1,) * (x.ndim - 1 - axis))
    made = x.take(pixels[:, 0], axis) * weights[:, 0].reshape(shape)
    for number in range(1, each):
        made += x.take(pixels[:, number], axis) * weights[:, number].reshape(shape)
    return made


def weighted_both(images: Array, rows: tuple[Array, Array], columns: tuple[Array, Array]) -> Array:
    """Sums of pixels along height and width, as float32.

    The axis that grows less comes first, so that nothing is larger than both image and result.
    """
    x = images.astype(FLOAT, copy=False)
    axes = [(len(rows[0]) / x.shape[1], 1, rows), (len(columns[0]) / x.shape[2], 2, columns)]
    for _, axis, spans in sorted(axes, key=lambda a: a[0]):
        x = weighted(x, axis, *spans)
    return x


def check_spans(made: int, each: int) -> None:
    """Refuse so many weights that they would not fit.

    Raises:
        ResourceExhausted: there are too many.
    """
    check_size((made, each), 64)


def _shares(how: Corners, size: int, made: int) -> tuple[Array, Array]:
    """What each pixel that is made covers, and how much of that: both [made, n]."""
    scale = how.scale(size, made)
    low = (np.arange(made).astype(FLOAT) * scale)[:, None]
    high = (np.arange(1, made + 1).astype(FLOAT) * scale)[:, None]
    first, last = np.floor(low).astype(np.int64), np.ceil(high).astype(np.int64)
    each = int((last - first).max())
    check_spans(made, each)
    pixels = first + np.arange(each)
    start, stop = pixels.astype(FLOAT), (pixels + 1).astype(FLOAT)
    shares = np.where(
        start < low,
        np.where(stop > high, scale, stop - low),
        np.where(stop > high, high - start, FLOAT(1)),
    )
    return np.minimum(pixels, size - 1), np.where(pixels < last, shares, FLOAT(0))


@op("ResizeArea", attrs="align_corners")
def resize_area(build: Build) -> Kernel:
    """Means over what each pixel covers of the image; always float32."""
    how = Corners(build.bool("align_corners"), halves=False)

    def kernel(images: Array, size: Array) -> Array:
        height, width = check_images(images, size, how, 4)
        sizes = images.shape[1:3]
        area = how.scale(sizes[0], height) * how.scale(sizes[1], width)
        rows, columns = _shares(how, sizes[0], height), _shares(how, sizes[1], width)
        return weighted_both(images, rows, columns) * (FLOAT(1) / area)

    return kernel
