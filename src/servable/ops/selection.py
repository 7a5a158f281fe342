"""The largest, the nearest, and what comes closest to a falling order."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import scalar, shape_text
from servable.tensors import Array


@op(
    "ApproxTopK",
    attrs="k",
    no_effect="reduction_dimension is_max_k recall_target reduction_input_size_override"
    " aggregate_to_topk",
)
def approx_top_k(build: Build) -> Kernel:
    """The k largest values of each row, and where they are: exactly, as TensorFlow finds them on
    a CPU, where it has no other form of this op.
    """
    k = build.int("k")
    if not build.bool("is_max_k") or build.int("reduction_dimension") != -1:
        raise build.unsupported("is_max_k=False or a reduction_dimension other than -1")

    def kernel(x: Array) -> tuple[Any, Any]:
        if not x.ndim or k < 0 or x.shape[-1] < k:
            raise InvalidArgument(f"input must have last dimension >= k = {k}: {shape_text(x)}")
        order = np.argsort(-wide(x), axis=-1, kind="stable")[..., :k]
        return np.take_along_axis(x, order, -1), order.astype(np.int32)

    return kernel


@op("NearestNeighbors")
def nearest_neighbors(build: Build) -> Kernel:
    """For each point the k nearest centers, and their squared distances."""
    del build

    def kernel(points: Array, centers: Array, k: Array) -> tuple[Any, Any]:
        for name, x in (("points", points), ("centers", centers)):
            if x.ndim != 2:
                raise InvalidArgument(f"Input {name} should be a matrix.")
        if centers.shape[1] != points.shape[1]:
            raise InvalidArgument("Points and centers must be of the same dimension.")
        count = scalar(k, "Input k should be a scalar.")
        if count < 0:
            raise InvalidArgument(f"Expected shape dimensions to be non-negative, got {count}")
        check_size((len(points), len(centers)), 8)
        squares = np.sum(points**2, 1)[:, None] + np.sum(centers**2, 1) - 2 * points @ centers.T
        order = np.argsort(squares, axis=1, kind="stable")[
            :, :count
        ]  # all of them, if there are fewer
        return order, np.take_along_axis(squares, order, 1)

    return kernel


@op("IsotonicRegression", attrs="output_dtype")
def isotonic_regression(build: Build) -> Kernel:
    """For each row the numbers in falling order that come closest to it, and which of them are
    one: neighbours that are out of order are pooled.
    """
    dtype = build.type("output_dtype").numpy

    def kernel(x: Array) -> tuple[Any, Any]:
        if x.ndim != 2:
            raise InvalidArgument(f"a matrix is expected: {shape_text(x)}")
        made = np.zeros(check_size(x.shape, max(8, dtype.itemsize)))
        segments = np.zeros(x.shape, np.int32)
        for row, values in enumerate(x.astype(np.float64).tolist()):
            counts = _pooled(values)
            ends = np.cumsum([0, *counts])
            segments[row] = np.repeat(np.arange(len(counts)), counts)
            sums = np.add.reduceat(values, ends[:-1]) if values else np.zeros(0)
            made[row] = np.repeat(sums / counts, counts) if values else 0
        return made.astype(dtype), segments

    return kernel


def _pooled(values: list[float]) -> list[int]:
    """How many neighbours make each pool, after which the means of the pools fall."""
    pools: list[tuple[float, int]] = []
    for value in values:
        total, count = value, 1
        while pools and pools[-1][0] * count < total * pools[-1][1]:
            before = pools.pop()
            total, count = total + before[0], count + before[1]
        pools.append((total, count))
    return [count for _, count in pools]
