"""Losses and other measures of predictions against labels."""

from __future__ import annotations

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.activation import log_softmax
from servable.ops.halves import wide
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array


@op("L2Loss", island=Island.LIGHT)
def l2_loss(build: Build) -> Kernel:
    """Half the sum of squares."""
    del build

    def kernel(x: Array) -> Array:
        flat = wide(x).ravel()
        return np.asarray(np.dot(flat, flat) / 2).astype(x.dtype)

    return kernel


@op("SoftmaxCrossEntropyWithLogits")
def softmax_cross_entropy(build: Build) -> Kernel:
    """Cross entropy of every row with a distribution, and its gradient."""
    del build

    def kernel(logits: Array, labels: Array) -> tuple[Array, Array]:
        try:
            shape = np.broadcast_shapes(logits.shape, labels.shape)
        except ValueError:
            raise InvalidArgument(
                "logits and labels must be broadcastable:"
                f" logits_size={shape_text(logits)} labels_size={shape_text(labels)}"
            ) from None
        if len(shape) != 2:
            raise InvalidArgument(
                "logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional"
            )
        scores = log_softmax(np.broadcast_to(wide(logits), shape))
        wanted = wide(labels)
        loss = -np.sum(wanted * scores, axis=-1)
        gradient = np.exp(scores) - wanted
        return loss.astype(logits.dtype), gradient.astype(logits.dtype)

    return kernel


@op("SparseSoftmaxCrossEntropyWithLogits")
def sparse_softmax_cross_entropy(build: Build) -> Kernel:
    """Cross entropy of every row with one class, and its gradient."""
    del build

    def kernel(logits: Array, labels: Array) -> tuple[Array, Array]:
        if logits.ndim != 2:
            raise InvalidArgument(f"logits must be 2-D, but got shape {shape_text(logits)}")
        if labels.ndim != 1:
            raise InvalidArgument(f"labels must be 1-D, but got shape {shape_text(labels)}")
        if labels.shape[0] != logits.shape[0]:
            raise InvalidArgument(
                "logits and labels must have the same first dimension,"
                f" got logits shape {shape_text(logits)} and labels shape {shape_text(labels)}"
            )
        if labels.size and not logits.shape[1]:
            raise InvalidArgument(
                f"Must have at least one class, but got logits shape {shape_text(logits)}"
            )
        strange = labels[(labels < 0) | (labels >= logits.shape[1])]
        if strange.size:
            raise InvalidArgument(
                f"Received a label value of {strange[0]} which is outside the valid range of"
                f" [0, {logits.shape[1]}).  Label values: {' '.join(map(str, labels))}"
            )
        scores = log_softmax(wide(logits))
        rows = np.arange(len(labels))
        gradient = np.exp(scores)
        gradient[rows, labels] -= 1
        return (-scores[rows, labels]).astype(logits.dtype), gradient.astype(logits.dtype)

    return kernel


@op("InTopK", attrs="k")
def in_top_k(build: Build) -> Kernel:
    """Whether every row's target is among its k best."""
    k = build.int("k")
    return lambda predictions, targets: _in_top_k(predictions, targets, k)


@op("InTopKV2")
def in_top_k_v2(build: Build) -> Kernel:
    """InTopK whose k is an input."""
    del build

    def kernel(predictions: Array, targets: Array, k: Array) -> Array:
        if np.ndim(k):
            raise InvalidArgument(f"k must be 0-D, got shape {shape_text(k)}")
        return _in_top_k(predictions, targets, int(k))

    return kernel


def _in_top_k(predictions: Array, targets: Array, k: int) -> Array:
    """Ties count for the target; a row with anything infinite or strange is never right."""
    if predictions.ndim != 2:
        raise InvalidArgument("predictions must be 2-dimensional")
    if targets.ndim != 1:
        raise InvalidArgument("targets must be 1-dimensional")
    if targets.shape[0] != predictions.shape[0]:
        raise InvalidArgument(
            f"First dimension of predictions {predictions.shape[0]} must match length of targets"
            f" {targets.shape[0]}"
        )
    sound = (targets >= 0) & (targets < predictions.shape[1])
    if not sound.any():
        return np.zeros(targets.shape, bool)
    wanted = predictions[np.arange(len(targets)), np.where(sound, targets, 0)]
    better = np.sum(predictions > wanted[:, np.newaxis], axis=1)
    made: Array = sound & np.isfinite(predictions).all(axis=1) & (better < k)
    return made
