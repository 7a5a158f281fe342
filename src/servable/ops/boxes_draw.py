"""Boxes drawn into images."""

from __future__ import annotations

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims
from servable.tensors import Array

_COLORS = np.array(
    [
        [1, 1, 0, 1],
        [0, 0, 1, 1],
        [1, 0, 0, 1],
        [0, 1, 0, 1],
        [0.5, 0, 0.5, 1],
        [0.5, 0.5, 0, 1],
        [0.5, 0, 0, 1],
        [0, 0, 0.5, 1],
        [0, 1, 1, 1],
        [1, 0, 1, 1],
    ],
    np.float32,
)
"""Colours taken in turn where none are given."""


def _check(images: Array, boxes: Array) -> None:
    if images.ndim != 4:
        raise InvalidArgument("The rank of the images should be 4")
    if boxes.ndim != 3:
        raise InvalidArgument("The rank of the boxes tensor should be 3")
    if len(images) != len(boxes):
        raise InvalidArgument("The batch sizes should be the same")
    if images.shape[3] not in (1, 3, 4):
        raise InvalidArgument("Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA)")
    if boxes.shape[2] != 4:
        raise InvalidArgument(
            f"The size of the third dimension of the box must be 4. Received: {boxes.shape[2]}"
        )


def _colors(colors: Array | None, depth: int) -> Array:
    if colors is not None:
        if colors.ndim != 2:
            raise InvalidArgument(f"colors must be a 2-D matrix{dims(colors.shape)}")
        if colors.shape[1] < depth:
            raise InvalidArgument(
                f"colors must have equal or more channels than the image provided:"
                f" {dims(colors.shape)}"
            )
        if colors.size:
            return colors[:, :depth]
    return np.ones((1, 1), np.float32) if depth == 1 else _COLORS[:, :depth]


def _draw(image: Array, box: tuple[int, int, int, int], color: Array) -> None:
    """The outline of a box of pixels, with both corners, as far as it lies in the image."""
    top, left, bottom, right = box
    height, width = image.shape[:2]
    if top > bottom or left > right or top >= height or left >= width or bottom < 0 or right < 0:
        return
    columns = slice(max(left, 0), min(right, width - 1) + 1)
    rows = slice(max(top, 0), min(bottom, height - 1) + 1)
    for row in (top, bottom):
        if 0 <= row < height:
            image[row, columns] = color
    for column in (left, right):
        if 0 <= column < width:
            image[rows, column] = color


def _drawn(images: Array, boxes: Array, colors: Array | None = None) -> Array:
    _check(images, boxes)
    palette = _colors(colors, images.shape[3]).astype(images.dtype)
    made = images.copy()
    height, width = images.shape[1:3]
    scale = np.array([height - 1, width - 1, height - 1, width - 1], np.float32)
    places = np.nan_to_num(boxes * scale).clip(-(2**31), 2**31 - 1).astype(np.int64)
    for image, own in zip(made, places.tolist(), strict=True):
        for number, (top, left, bottom, right) in enumerate(own):
            _draw(image, (top, left, bottom, right), palette[number % len(palette)])
    return made


@op("DrawBoundingBoxes", "DrawBoundingBoxesV2")
def draw_bounding_boxes(build: Build) -> Kernel:
    """Outlines of boxes, in colours taken in turn: ten of TensorFlow's, or those given to V2."""
    del build
    return _drawn
