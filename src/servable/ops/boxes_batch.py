"""Boxes of many images and classes: which are kept of those that overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.boxes import by_overlap, suppress
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar
from servable.ops.text import dims
from servable.tensors import Array

_FLOAT = np.float32


def _check(boxes: Array, scores: Array) -> None:
    if boxes.ndim != 4:
        raise InvalidArgument(
            f"boxes must be 4-D [batch, num_boxes, q, 4], got shape {dims(boxes.shape)}"
        )
    if scores.ndim != 3:
        raise InvalidArgument(
            f"scores must be 3-D [batch, num_boxes, num_classes], got shape {dims(scores.shape)}"
        )
    if boxes.shape[2] not in (1, scores.shape[2]):
        raise InvalidArgument("third dimension of boxes must be either 1 or num classes")
    if boxes.shape[3] != 4:
        raise InvalidArgument("boxes must have 4 columns")
    if scores.shape[1] != boxes.shape[1]:
        raise InvalidArgument("scores has incompatible shape")
    if boxes.shape[0] != scores.shape[0]:
        raise InvalidArgument("boxes and scores must have same batch size")


def _limits(each: Array, total: Array, overlap: Array, score: Array) -> tuple[int, int, Any, Any]:
    """Boxes for each class and altogether, and the thresholds of overlap and score."""
    most = scalar(each, "max_size_per_class must be 0-D, got shape {}")
    if most <= 0:
        raise InvalidArgument("max_size_per_class must be positive")
    whole = scalar(total, "max_total_size must be 0-D, got shape {}")
    if whole <= 0:
        raise InvalidArgument("max_total_size must be > 0")
    threshold = _FLOAT(scalar(overlap, "iou_threshold must be 0-D, got shape {}"))
    least = _FLOAT(scalar(score, "score_threshold must be 0-D, got shape {}"))
    if not 0 <= threshold <= 1:
        raise InvalidArgument("iou_threshold must be in [0, 1]")
    return most, whole, threshold, least


def _found(
    boxes: Array, scores: Array, most: int, threshold: Any, least: Any
) -> tuple[Array, Array, Array]:
    """Of one image: boxes, scores and classes of all that is kept, best first."""
    kept_boxes, kept_scores, kept_classes = [], [], []
    for number in range(scores.shape[1]):
        own = boxes[:, number if boxes.shape[1] > 1 else 0]
        values = scores[:, number]
        kept = suppress(by_overlap(own), values, most, threshold, least)
        kept_boxes.append(own[kept])
        kept_scores.append(values[kept])
        kept_classes.append(np.full(len(kept), number, _FLOAT))
    values = np.concatenate(kept_scores)
    order = np.argsort(-values, kind="stable")
    return np.concatenate(kept_boxes)[order], values[order], np.concatenate(kept_classes)[order]


@op("CombinedNonMaxSuppression", attrs="pad_per_class clip_boxes")
def combined_non_max_suppression(build: Build) -> Kernel:
    """The boxes that are kept of every image, over all classes: boxes, scores, classes, counts."""
    by_class, clip = build.bool("pad_per_class"), build.bool("clip_boxes")

    def kernel(boxes: Array, scores: Array, *limits: Array) -> Any:
        _check(boxes, scores)
        each, total, threshold, least = _limits(*limits)
        size = min(total, each * scores.shape[2]) if by_class else total
        batch = len(boxes)
        made = np.zeros(check_size((batch, size, 4), 4), _FLOAT)
        values, classes = np.zeros((batch, size), _FLOAT), np.zeros((batch, size), _FLOAT)
        counts = np.zeros(batch, np.int32)
        for number in range(batch if scores.shape[2] else 0):
            most = min(each, boxes.shape[1])
            found = _found(boxes[number], scores[number], most, threshold, least)
            count = min(size, len(found[1]))
            made[number, :count] = found[0][:count].clip(0, 1) if clip else found[0][:count]
            values[number, :count], classes[number, :count] = found[1][:count], found[2][:count]
            counts[number] = count
        return made, values, classes, counts

    return kernel
