"""Boxes, [y, x, y, x]: which of many that overlap are kept, and drawing them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array

Similar: TypeAlias = Callable[[Array, Array], Array]
"""How much boxes of these n numbers overlap with those of these m: float32 [n, m]."""

_FLOAT = np.float32
_INT = np.dtype(np.int32)
_BLOCK = 128
"""Candidates that are compared together."""
_PAIRS = 1 << 21
"""Pairs of boxes that are compared together."""


def _check_boxes(boxes: Array) -> int:
    if boxes.ndim != 2:
        raise InvalidArgument(
            f"boxes must be 2-D{dims(boxes.shape)} (Shape must be rank 2 but is rank {boxes.ndim})"
        )
    if boxes.shape[1] != 4:
        raise InvalidArgument(
            f"boxes must have 4 columns (Dimension must be 4 but is {boxes.shape[1]})"
        )
    return len(boxes)


def _check_scores(scores: Array, count: int) -> None:
    if scores.ndim != 1:
        raise InvalidArgument(
            f"scores must be 1-D{dims(scores.shape)}"
            f" (Shape must be rank 1 but is rank {scores.ndim})"
        )
    if len(scores) != count:
        raise InvalidArgument(
            "scores has incompatible shape (Dimensions must be equal, but are"
            f" {count} and {len(scores)})"
        )


def _number(x: Array, name: str) -> Any:
    return scalar(x, f"{name} must be 0-D, got shape {{}}")


def _threshold(x: Array, dtype: np.dtype[Any]) -> Any:
    value = dtype.type(_number(x, "iou_threshold"))
    if not 0 <= value <= 1:
        raise InvalidArgument("iou_threshold must be in [0, 1]")
    return value


def _sides(boxes: Array) -> tuple[Array, Array, Array]:
    """Least and greatest corner of each box, [n, 2], and its area."""
    wide = boxes.astype(_FLOAT)
    low, high = np.minimum(wide[:, :2], wide[:, 2:]), np.maximum(wide[:, :2], wide[:, 2:])
    return low, high, np.prod(high - low, axis=1)


def by_overlap(boxes: Array) -> Similar:
    """The area that two boxes share, of what they cover together."""
    low, high, area = _sides(boxes)

    def similar(some: Array, others: Array) -> Array:
        bottom = np.minimum(high[some][:, None], high[others])
        shared = np.maximum(bottom - np.maximum(low[some][:, None], low[others]), _FLOAT(0))
        both = shared[..., 0] * shared[..., 1]
        mine, theirs = area[some][:, None], area[others]
        usable = (mine > 0) & (theirs > 0)
        return np.where(usable, both / (mine + theirs - both), _FLOAT(0))

    return similar


def suppress(similar: Similar, scores: Array, most: int, threshold: Any, least: Any) -> list[int]:
    """The boxes that are kept, best first; of equal ones the first.

    Args:
        similar: how much boxes overlap.
        most: how many are kept at most.
        threshold: overlap with a better box beyond which a box is dropped.
        least: boxes with no better score are dropped.
    """
    candidates = np.flatnonzero(scores > least)
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    kept: list[int] = []
    start = 0
    while start < len(order) and len(kept) < most:
        size = max(1, min(_BLOCK, _PAIRS // max(len(kept), 1)))
        block = order[start : start + size]
        start += size
        near = similar(block, np.array(kept, np.int64)).astype(scores.dtype) > threshold
        block = block[~near.any(axis=1)]
        near = similar(block, block).astype(scores.dtype) > threshold
        free = np.ones(len(block), np.bool_)
        for number, box in enumerate(block.tolist()):
            if free[number] and len(kept) < most:
                kept.append(box)
                free &= ~near[:, number]
    return kept


def _soften(
    similar: Similar, scores: Array, most: int, least: Any, sigma: Any
) -> tuple[list[int], list[Any]]:
    """The boxes that are kept, best first, and their scores, which fall with overlap.

    Bodla and others, "Soft-NMS: improving object detection with one line of code" (ICCV 2017).
    """
    kind = scores.dtype.type
    scale = kind(-0.5) / sigma
    waiting = [(-float(scores[i]), i, 0) for i in np.flatnonzero(scores > least).tolist()]
    heapq.heapify(waiting)
    kept: list[int] = []
    kept_scores: list[Any] = []
    while len(kept) < most and waiting:
        negative, box, compared = heapq.heappop(waiting)
        score = before = kind(-negative)
        if compared < len(kept):
            others = np.array(kept[compared:][::-1])
            overlaps = similar(np.array([box]), others)[0].astype(scores.dtype)
            # numpy's own float32 is a last digit off now and then, which shows in ties.
            exponents = scale * overlaps * overlaps
            weights = np.exp(exponents.astype(np.float64)).astype(exponents.dtype)
            score = np.multiply.accumulate(np.concatenate(([before], weights)))[-1]
        if score == before:
            kept.append(box)
            kept_scores.append(score)
        elif score > least:
            heapq.heappush(waiting, (-float(score), box, len(kept)))
    return kept, kept_scores


def _padded(values: Array, size: int) -> Array:
    made = np.zeros(size, values.dtype)
    made[: len(values)] = values
    return made


def _most(size: Array) -> int:
    return int(_number(size, "max_output_size"))


def _suppressed(similar: Similar, scores: Array, most: int, threshold: Any, least: Any) -> Array:
    if most < 0:
        raise InvalidArgument("output size must be non-negative")
    return np.array(suppress(similar, scores, most, threshold, least), _INT)


@op("NonMaxSuppression", attrs="iou_threshold")
def non_max_suppression(build: Build) -> Kernel:
    """The boxes that are kept of those that overlap; an attribute says how much is too much."""
    threshold = _FLOAT(build.float("iou_threshold"))

    def kernel(boxes: Array, scores: Array, size: Array) -> Array:
        most = _most(size)
        if not 0 <= threshold <= 1:
            raise InvalidArgument("iou_threshold must be in [0, 1]")
        _check_scores(scores, _check_boxes(boxes))
        least = np.finfo(_FLOAT).min
        return _suppressed(by_overlap(boxes), scores, most, threshold, least)

    return kernel


@op("NonMaxSuppressionV2")
def non_max_suppression_v2(build: Build) -> Kernel:
    """The boxes that are kept of those that overlap; an input says how much is too much."""
    dtype = build.type("T").numpy

    def kernel(boxes: Array, scores: Array, size: Array, overlap: Array) -> Array:
        most, threshold = _most(size), _threshold(overlap, dtype)
        _check_scores(scores, _check_boxes(boxes))
        least = np.finfo(dtype).min
        return _suppressed(by_overlap(boxes), scores, most, threshold, least)

    return kernel


def _kept(
    dtype: np.dtype[Any], boxes: Array, scores: Array, *limits: Array
) -> tuple[Array, Array, int]:
    """What is kept, its scores, and how many were asked for."""
    size, overlap, score, *sigmas = limits
    most, threshold = _most(size), _threshold(overlap, dtype)
    least = dtype.type(_number(score, "score_threshold"))
    sigma = dtype.type(_number(sigmas[0], "soft_nms_sigma") if sigmas else 0)
    if not sigma >= 0:
        raise InvalidArgument("soft_nms_sigma_val must be >= 0")
    _check_scores(scores, _check_boxes(boxes))
    similar = by_overlap(boxes)
    if sigma > 0 and most >= 0:
        kept, values = _soften(similar, scores, most, least, sigma)
        return np.array(kept, _INT), np.array(values, dtype), most
    found = _suppressed(similar, scores, most, threshold, least)
    return found, scores[found], most


@op("NonMaxSuppressionV3")
def non_max_suppression_v3(build: Build) -> Kernel:
    """As V2; boxes must also have better scores than an input says."""
    dtype = build.type("T").numpy
    return lambda boxes, scores, *limits: _kept(dtype, boxes, scores, *limits)[0]


@op("NonMaxSuppressionV4", attrs="pad_to_max_output_size")
def non_max_suppression_v4(build: Build) -> Kernel:
    """As V3, padded if asked for, and how many boxes are kept."""
    dtype, pad = build.type("T").numpy, build.bool("pad_to_max_output_size")

    def kernel(boxes: Array, scores: Array, *limits: Array) -> Any:
        kept, _, most = _kept(dtype, boxes, scores, *limits)
        size = check_size((most if pad else len(kept),), 4)[0]
        return _padded(kept, size), np.array(len(kept), _INT)

    return kernel


@op("NonMaxSuppressionV5", attrs="pad_to_max_output_size")
def non_max_suppression_v5(build: Build) -> Kernel:
    """As V4, with the scores, which may fall with overlap."""
    dtype, pad = build.type("T").numpy, build.bool("pad_to_max_output_size")

    def kernel(boxes: Array, scores: Array, *limits: Array) -> Any:
        kept, values, most = _kept(dtype, boxes, scores, *limits)
        size = check_size((most if pad else len(kept),), 8)[0]
        return _padded(kept, size), _padded(values, size), np.array(len(kept), _INT)

    return kernel


@op("NonMaxSuppressionWithOverlaps")
def non_max_suppression_with_overlaps(build: Build) -> Kernel:
    """The boxes that are kept of those whose overlaps are given."""
    del build

    def kernel(overlaps: Array, scores: Array, size: Array, overlap: Array, score: Array) -> Array:
        most = _most(size)
        threshold = _FLOAT(_number(overlap, "overlap_threshold"))
        least = _FLOAT(_number(score, "score_threshold"))
        if overlaps.ndim != 2:
            raise InvalidArgument(f"overlaps must be 2-D{dims(overlaps.shape)}")
        if overlaps.shape[0] != overlaps.shape[1]:
            raise InvalidArgument(f"overlaps must be square{dims(overlaps.shape)}")
        _check_scores(scores, len(overlaps))

        def similar(some: Array, others: Array) -> Array:
            found: Array = overlaps[some[:, None], others]
            return found

        return _suppressed(similar, scores, most, threshold, least)

    return kernel
