"""XLA's reductions, whose way to combine two elements is a function of the graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import bare, shape_text
from servable.ops.xla_support import (
    Combine,
    combiner,
    elementwise,
    same_dtype,
    scatter_into,
    sizes,
    spaced,
    window_places,
)
from servable.tensors import Array


def _folded(parts: list[Array], starts: Sequence[Array], combine: Combine) -> list[Array]:
    """Combine everything along the first dimension, and the start with it.

    Halves are combined with each other, so that the function runs a few times only.
    """
    count = len(parts[0])
    while count > 1:
        half = count // 2
        made = combine([p[:half] for p in parts], [p[half : 2 * half] for p in parts])
        if count % 2:
            made = [np.concatenate((m, p[-1:])) for m, p in zip(made, parts, strict=True)]
        parts, count = made, count - half
    shape = parts[0].shape[1:]
    begun = [np.broadcast_to(s, shape) for s in starts]
    return combine(begun, [p[0] for p in parts]) if count else begun


def _reduced(
    arrays: Sequence[Array], starts: Sequence[Array], axes: Sequence[int], combine: Combine
) -> list[Array]:
    first = arrays[0]
    for start in starts:
        if start.ndim:
            raise InvalidArgument(f"init_value must be a scalar, not {shape_text(start)}")
    if any(not 0 <= d < first.ndim for d in axes) or len(set(axes)) < len(axes):
        raise InvalidArgument(f"dimensions {list(axes)} of a tensor of shape {shape_text(first)}")
    if any(a.shape != first.shape for a in arrays):
        raise InvalidArgument("All reduced tensors must have the same dimension")
    kept = [d for d in range(first.ndim) if d not in axes]
    shape = [first.shape[d] for d in kept]
    count = math.prod(first.shape[d] for d in axes)
    rows = [a.transpose(*axes, *kept).reshape(count, *shape) for a in arrays]
    made = _folded(rows, starts, combine)
    return [same_dtype(m, a.dtype) for m, a in zip(made, arrays, strict=True)]


@op("XlaReduce", attrs="dimensions_to_reduce reducer")
@op("XlaVariadicReduce", attrs="dimensions_to_reduce reducer")
@op("XlaVariadicReduceV2", attrs="dimensions_to_reduce reducer")
def xla_reduce(build: Build) -> Kernel:
    """Tensors combined along some dimensions; the order is open."""
    axes = build.list("dimensions_to_reduce")
    combine = combiner(build, "reducer")

    def kernel(*inputs: Array) -> Any:
        half = len(inputs) // 2
        return bare(_reduced(inputs[:half], inputs[half:], axes, combine))

    return kernel


@op("XlaReduceWindow", attrs="computation")
def xla_reduce_window(build: Build) -> Kernel:
    """What lies under each window combined, and the initial value with it.

    That value also stands for all that is outside: it must not change what it is combined
    with, as XLA asks for.
    """
    combine = combiner(build, "computation")

    def kernel(
        x: Array,
        init_value: Array,
        window_dimensions: Array,
        window_strides: Array,
        base_dilations: Array,
        window_dilations: Array,
        padding: Array,
    ) -> Any:
        windows, strides = sizes(window_dimensions), sizes(window_strides)
        spread, dilations = sizes(base_dilations), sizes(window_dilations)
        around = padding.reshape(-1, 2).tolist()
        given = (windows, strides, spread, dilations, around)
        if any(len(numbers) != x.ndim for numbers in given):
            raise InvalidArgument(f"windows of {x.ndim} dimensions are expected")
        if min((*windows, *strides, *spread, *dilations), default=1) < 1:
            raise InvalidArgument("sizes, strides and dilations of windows must be positive")
        places = [
            window_places(size, *numbers)
            for size, *numbers in zip(
                x.shape, windows, strides, dilations, spread, around, strict=True
            )
        ]
        check_size(places, x.itemsize)
        low, high = ([pad[side] for pad in around] for side in (0, 1))
        x = spaced(x, init_value, low, high, [step - 1 for step in spread])
        for d, (window, stride, dilation, count) in enumerate(
            zip(windows, strides, dilations, places, strict=True)
        ):
            x = _along(x, d, [k * dilation for k in range(window)], stride, count, combine)
        made = combine([np.broadcast_to(init_value, x.shape)], [x])[0]
        return same_dtype(made, init_value.dtype)

    return kernel


def _along(
    x: Array, d: int, offsets: Sequence[int], stride: int, count: int, combine: Combine
) -> Array:
    """Combine the elements at these offsets from each place along a dimension."""
    lead = (slice(None),) * d
    under = (
        x[(*lead, slice(k, k + (count - 1) * stride + 1 if count else k, stride))] for k in offsets
    )
    made = next(under)
    for part in under:
        made = combine([made], [part])[0]
    return made


@op("XlaSelectAndScatter", attrs="select scatter")
def xla_select_and_scatter(build: Build) -> Kernel:
    """One element is picked under each window, and what a source has for it lands there.

    The window passes by what lies outside of the tensor.
    """
    select = elementwise(build, "select")
    combine = combiner(build, "scatter")

    def kernel(
        x: Array,
        window_dimensions: Array,
        window_strides: Array,
        padding: Array,
        source: Array,
        init_value: Array,
    ) -> Any:
        windows, strides = sizes(window_dimensions), sizes(window_strides)
        around = padding.reshape(-1, 2).tolist()
        if any(len(numbers) != x.ndim for numbers in (windows, strides, around)):
            raise InvalidArgument(f"windows of {x.ndim} dimensions are expected")
        if min((*windows, *strides), default=1) < 1:
            raise InvalidArgument("sizes and strides of windows must be positive")
        places = tuple(
            window_places(size, window, stride, 1, 1, pad)
            for size, window, stride, pad in zip(x.shape, windows, strides, around, strict=True)
        )
        if source.shape != places:
            raise InvalidArgument(
                f"Source shape does not match the shape of window-reduced operand:"
                f" {shape_text(source)} and {list(places)}"
            )
        picked = np.full(places, -1, np.int64)
        values = np.zeros(places, x.dtype)
        for index, inside in _under(x.shape, windows, strides, around, places):
            found = x.reshape(-1)[index]
            keeps = select(values, found)[0].astype(np.bool_) & (picked >= 0)
            taken = inside & ~keeps
            picked = np.where(taken, index, picked)
            values = np.where(taken, found, values)
        made = np.full(x.shape, init_value, x.dtype).reshape(-1)
        used = picked.reshape(-1) >= 0
        scatter_into(made, picked.reshape(-1)[used], source.reshape(-1)[used], combine)
        return made.reshape(x.shape)

    return kernel


def _under(
    shape: Sequence[int],
    windows: Sequence[int],
    strides: Sequence[int],
    around: Sequence[Sequence[int]],
    places: Sequence[int],
) -> Iterator[tuple[Array, Array]]:
    """For each element of the window: what it meets at every place, and whether it is inside."""
    for offset in np.ndindex(*windows):
        index = np.zeros((1,) * len(shape), np.int64)
        inside = np.ones((1,) * len(shape), np.bool_)
        for d, size in enumerate(shape):
            at = np.arange(places[d]) * strides[d] - around[d][0] + offset[d]
            at = at.reshape([-1 if e == d else 1 for e in range(len(shape))])
            inside = inside & (at >= 0) & (at < size)
            index = index * size + np.clip(at, 0, max(size - 1, 0))
        yield np.broadcast_to(index, places), np.broadcast_to(inside, places)
