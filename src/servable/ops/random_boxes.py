"""Random pieces of an image that hold enough of one of its objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.philox import WIDTH, Philox
from servable.ops.random_support import Moving, from_seed
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array

_AHEAD = 64
"""Blocks of random numbers that are made together."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A rectangle of pixels; the right and lower edges are outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> np.float32:
        return np.float32((self.right - self.left) * (self.bottom - self.top))

    def shared(self, other: _Piece) -> np.float32:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return np.float32(width * height if width >= 0 and height >= 0 else 0)


class _Numbers:
    """Random numbers one at a time."""

    def __init__(self, generator: Philox) -> None:
        self._numbers = self._all(generator)

    @staticmethod
    def _all(generator: Philox) -> Iterator[int]:
        while True:
            yield from generator.blocks(_AHEAD).reshape(_AHEAD * WIDTH).tolist()
            generator = generator.skip(_AHEAD)

    def fraction(self) -> np.float32:
        """In [0, 1)."""
        bits = np.uint32((next(self._numbers) & 0x7FFFFF) | 127 << 23)
        return np.float32(bits.view(np.float32) - np.float32(1))

    def below(self, limit: int) -> int:
        """In [0, limit), each as likely as the other."""
        if limit & (limit - 1) == 0:
            return next(self._numbers) & (limit - 1)
        # Numbers under this would favour the lower results.
        unfair = (1 << 32) % limit
        while True:
            number = next(self._numbers)
            if number >= unfair:
                return number % limit


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a piece must be like.

    Attributes:
        ratios: least and largest width over height.
        areas: least and largest area, of the image's.
        attempts: pieces that are tried.
        whole: whether the image counts as an object if there is none.
    """

    ratios: tuple[np.float32, np.float32]
    areas: tuple[np.float32, np.float32]
    attempts: int
    whole: bool


def _wanted(build: Build) -> _Wanted:
    ranges = []
    for name, text in (("aspect_ratio_range", "Aspect ratio"), ("area_range", "Area")):
        values = [np.float32(v) for v in build.list(name)]
        if len(values) != 2 or min(values) <= 0:
            raise build.unsupported(f"{name}={values}; {text} range must be two positive numbers")
        ranges.append((values[0], values[1]))
    if max(ranges[1]) > 1:
        raise build.unsupported(f"area_range={ranges[1]}; areas are at most 1")
    attempts = build.int("max_attempts")
    if attempts <= 0:
        raise build.unsupported(f"max_attempts={attempts}")
    whole = build.bool("use_image_if_no_bounding_boxes")
    return _Wanted(ranges[0], ranges[1], attempts, whole)


def _round(x: Any) -> int:
    return int(np.rint(x))


def _size(
    width: int, height: int, ratio: np.float32, wanted: _Wanted, numbers: _Numbers
) -> tuple[int, int] | None:
    """Width and height of a piece of this ratio; None if the image has no room for it."""
    least, most = (np.float32(a * np.float32(width) * np.float32(height)) for a in wanted.areas)
    rows, top = _round(np.sqrt(least / ratio)), _round(np.sqrt(most / ratio))
    if _round(np.float32(top) * ratio) > width:
        top = int((np.float64(width) + 0.5 - np.float64(np.float32(1e-7))) / np.float64(ratio))
        if _round(np.float32(top) * ratio) > width:
            top -= 1
    top = min(top, height)
    rows = min(rows, top)
    if rows < top:
        rows += numbers.below(top - rows + 1)
    columns = _round(np.float32(rows) * ratio)
    if columns * rows < least:
        rows += 1
        columns = _round(np.float32(rows) * ratio)
    if columns * rows > most:
        rows -= 1
        columns = _round(np.float32(rows) * ratio)
    fits = least <= np.float32(columns * rows) <= most
    if not fits or not 0 < columns <= width or not 0 < rows <= height:
        return None
    return columns, rows


def _find(
    width: int,
    height: int,
    objects: list[_Piece],
    covered: np.float32,
    wanted: _Wanted,
    source: Philox,
) -> _Piece:
    """A piece that covers enough of an object; the whole image if none is found."""
    numbers = _Numbers(source)
    low, high = wanted.ratios
    for _ in range(wanted.attempts):
        ratio = numbers.fraction() * (high - low) + low
        size = None
        if width > 0 and height > 0 and wanted.areas[0] <= wanted.areas[1]:
            size = _size(width, height, ratio, wanted, numbers)
        if size is None:
            continue
        columns, rows = size
        top = numbers.below(height - rows) if rows < height else 0
        left = numbers.below(width - columns) if columns < width else 0
        piece = _Piece(left, top, left + columns, top + rows)
        if any(o.area >= 1 and piece.shared(o) / o.area >= covered for o in objects):
            return piece
    return _Piece(0, 0, width, height)


def _objects(boxes: Array, width: int, height: int, whole: bool) -> list[_Piece]:
    if boxes.ndim != 3:
        raise InvalidArgument(
            f"input boxes must be 3-dimensional [batch, num_boxes, coords]: {dims(boxes.shape)}"
        )
    if boxes.shape[2] != 4:
        raise InvalidArgument(
            f"bounding boxes must have shape [4] or [*, 4], got {dims(boxes.shape)}"
        )
    flat = boxes.reshape(-1, 4)
    outside = flat[~((flat >= 0) & (flat <= 1))]
    if outside.size:
        raise InvalidArgument(
            f"All bounding box coordinates must be in [0.0, 1.0]: {float(outside[0]):.6g}"
        )
    if not len(flat):
        if not whole:
            raise InvalidArgument(
                "No bounding boxes provided as input. One must enable"
                " use_image_if_no_bounding_boxes if you wish to not provide any bounding boxes."
            )
        return [_Piece(0, 0, width, height)]
    scale = np.array([height, width, height, width], np.float32)
    return [_Piece(x, y, x2, y2) for y, x, y2, x2 in (flat * scale).astype(np.int64).tolist()]


def _sample(size: Array, boxes: Array, covered: Any, wanted: _Wanted, source: Philox) -> Any:
    if size.ndim != 1:
        raise InvalidArgument(f"image_size must be 1-dimensional{dims(size.shape)}")
    if len(size) != 3:
        raise InvalidArgument(f"image_size must contain 3 elements{dims(size.shape)}")
    height, width = size.tolist()[:2]
    for name, side in (("height", height), ("width", width)):
        if not 0 <= side < 2**31 - 1:
            raise InvalidArgument(f"image {name} cannot be >= int32 max")
    covered = np.float32(scalar(covered, "min_object_covered must be 0-D, got shape {}"))
    if not covered >= 0:
        raise InvalidArgument(f"Min object covered must be non-negative: {covered:.6g}")
    objects = _objects(boxes, width, height, wanted.whole)
    piece = _find(width, height, objects, covered, wanted, source)
    begin = np.array([piece.top, piece.left, 0], np.int64).astype(size.dtype)
    extent = np.array([piece.bottom - piece.top, piece.right - piece.left, -1], np.int64)
    edges = np.array([[[piece.top, piece.left, piece.bottom, piece.right]]], np.float32)
    sides = np.array([height, width, height, width], np.float32)
    return begin, extent.astype(size.dtype), edges / sides


_ATTRS = "aspect_ratio_range area_range max_attempts use_image_if_no_bounding_boxes"


def _stretch(moving: Moving, wanted: _Wanted) -> Callable[[], Philox]:
    return lambda: moving.reserve(wanted.attempts)


@op("SampleDistortedBoundingBox", attrs=f"{_ATTRS} min_object_covered seed seed2")
def sample_distorted_bounding_box(build: Build) -> Kernel:
    """Begin, size and edges of a piece; an attribute says how much of an object it covers."""
    wanted, moving = _wanted(build), Moving(build)
    covered = np.float32(build.float("min_object_covered"))
    take = _stretch(moving, wanted)
    return lambda size, boxes: _sample(size, boxes, covered, wanted, take())


@op("SampleDistortedBoundingBoxV2", attrs=f"{_ATTRS} seed seed2")
def sample_distorted_bounding_box_v2(build: Build) -> Kernel:
    """Begin, size and edges of a piece; an input says how much of an object it covers."""
    wanted, moving = _wanted(build), Moving(build)
    take = _stretch(moving, wanted)
    return lambda size, boxes, covered: _sample(size, boxes, covered, wanted, take())


@op("StatelessSampleDistortedBoundingBox", attrs=_ATTRS)
def stateless_sample_distorted_bounding_box(build: Build) -> Kernel:
    """Begin, size and edges of a piece, by a seed."""
    wanted = _wanted(build)

    def kernel(size: Array, boxes: Array, covered: Array, seed: Array) -> Any:
        return _sample(size, boxes, covered, wanted, from_seed(seed))

    return kernel
