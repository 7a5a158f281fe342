"""Pooling backwards: every window's gradient goes to the elements that it was made from."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.pool import largest, window_of
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.tensors import Array

_POOL = "ksize strides padding data_format"


@op("AvgPoolGrad", "AvgPool3DGrad", attrs=_POOL)
def avg_pool_grad(build: Build) -> Kernel:
    """Every window's gradient, in equal parts for the elements under it."""
    window = window_of(build)
    how = window.how

    def kernel(sizes: Array, gradient: Array) -> Any:
        if sizes.shape != (how.rank + 2,):
            raise InvalidArgument(
                f"out_backprop must be {how.rank + 2}-dimensional, but the input's shape is given"
                f" by a tensor of shape {shape_text(sizes)}"
            )
        given = wide(how.last(gradient, "out_backprop"))
        image = how.last(np.broadcast_to(np.zeros((), given.dtype), check_size(sizes.tolist(), 4)))
        axes = window.axes(image)
        _check(given, (image.shape[0], *(axis.places for axis in axes), image.shape[-1]))
        for at, axis in enumerate(axes, start=1):
            counts = axis.counts().astype(given.dtype)
            given = given / counts.reshape(-1, *(1,) * (given.ndim - at - 1))
        for at, axis in enumerate(axes, start=1):
            made = np.zeros((*given.shape[:at], axis.size, *given.shape[at + 1 :]), given.dtype)
            lead = (slice(None),) * at
            for offset in axis.meeting():
                places, under = axis.inside(offset)
                made[(*lead, under)] += given[(*lead, places)]
            given = made
        return how.back(given.astype(gradient.dtype, copy=False))

    return kernel


@op("MaxPool3DGrad", attrs=_POOL)
@op("MaxPoolGrad", attrs=_POOL, no_effect="explicit_paddings")
def max_pool_grad(build: Build) -> Kernel:
    """Every window's gradient, for the first of the largest elements under it."""
    window = window_of(build)
    how = window.how

    def kernel(x: Array, made: Array, gradient: Array) -> Any:
        images = how.last(x, "tensor_in")
        given = how.last(gradient, "out_backprop")
        axes = window.axes(images)
        shape = (images.shape[0], *(axis.places for axis in axes), images.shape[-1])
        _check(how.last(made, "tensor_out"), shape)
        _check(given, shape)
        _, found = largest(images, np.arange(images.size).reshape(images.shape), axes)
        # Sums in double precision, in an order of their own.
        sums = np.bincount(found.ravel(), wide(given).ravel(), images.size)
        return how.back(sums.reshape(images.shape).astype(gradient.dtype, copy=False))

    return kernel


def _check(given: Array, shape: tuple[int, ...]) -> None:
    if given.shape != shape:
        raise InvalidArgument(
            f"Expected orig_output and grad of shape {list(shape)}, but got {shape_text(given)}"
        )
