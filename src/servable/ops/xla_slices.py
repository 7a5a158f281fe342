"""XLA's slices and indices: where out of range, slices move inside and updates are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text
from servable.ops.xla_support import combiner, numbers, scatter_into, sizes, spaced
from servable.tensors import Array


def _clamped(starts: Array, shape: Sequence[int], window: Sequence[int]) -> list[int]:
    """Where a window of this size starts, moved so that it lies inside the shape.

    Raises:
        InvalidArgument: there is not one start for each dimension, or the window is larger.
    """
    if starts.shape != (len(shape),) or len(window) != len(shape):
        raise InvalidArgument(
            f"{starts.size} starts and {len(window)} sizes do not fit a tensor of rank {len(shape)}"
        )
    for size, whole in zip(window, shape, strict=True):
        if not 0 <= size <= whole:
            raise InvalidArgument(f"a slice of size {size} of a dimension of size {whole}")
    return [
        min(max(start, 0), whole - size)
        for start, whole, size in zip(starts.tolist(), shape, window, strict=True)
    ]


@op("XlaDynamicSlice")
def xla_dynamic_slice(build: Build) -> Kernel:
    """A slice of given starts and sizes."""
    del build

    def kernel(x: Array, start_indices: Array, size_indices: Array) -> Array:
        window = sizes(size_indices)
        starts = _clamped(start_indices, x.shape, window)
        return x[tuple(slice(a, a + n) for a, n in zip(starts, window, strict=True))]

    return kernel


@op("XlaDynamicUpdateSlice")
def xla_dynamic_update_slice(build: Build) -> Kernel:
    """A tensor with a slice of it replaced."""
    del build

    def kernel(x: Array, update: Array, indices: Array) -> Array:
        starts = _clamped(indices, x.shape, update.shape)
        made = np.array(x)
        made[tuple(slice(a, a + n) for a, n in zip(starts, update.shape, strict=True))] = update
        return made

    return kernel


@op("XlaPad")
def xla_pad(build: Build) -> Kernel:
    """Fillers before, behind and between elements; negative ones before and behind cut off."""
    del build

    def kernel(
        x: Array, value: Array, padding_low: Array, padding_high: Array, padding_interior: Array
    ) -> Array:
        if value.ndim:
            raise InvalidArgument("padding_value must be a scalar")
        return spaced(x, value, sizes(padding_low), sizes(padding_high), sizes(padding_interior))

    return kernel


@op("XlaBroadcastHelper")
def xla_broadcast_helper(build: Build) -> Kernel:
    """Two tensors as tensors of one rank, whose dimensions of size 1 may be broadcast."""
    del build

    def kernel(lhs: Array, rhs: Array, broadcast_dims: Array) -> tuple[Array, Array]:
        dims = sizes(broadcast_dims)
        if not dims:
            if lhs.ndim != rhs.ndim and lhs.ndim and rhs.ndim:
                raise InvalidArgument(
                    "If broadcast_dims is empty, both arguments must have equal rank; argument"
                    f" shapes, or at least one argument must be a scalar: {shape_text(lhs)} and"
                    f" {shape_text(rhs)}"
                )
            return lhs, rhs
        less, more = (lhs, rhs) if lhs.ndim < rhs.ndim else (rhs, lhs)
        if len(dims) != less.ndim:
            raise InvalidArgument(
                "broadcast_dims must have size equal to the smaller argument rank"
            )
        shape = [1] * more.ndim
        for size, d in zip(less.shape, dims, strict=True):
            if not 0 <= d < more.ndim:
                raise InvalidArgument(f"Invalid broadcast dimension ({d})")
            shape[d] = size
        if len(set(dims)) < len(dims):
            raise InvalidArgument(f"broadcast_dims has duplicates: {dims}")
        lifted = less.reshape(shape)
        return (lifted, more) if less is lhs else (more, lifted)

    return kernel


def _starts(
    shape: Sequence[int], indices: Array, vector: int, moved: Sequence[int]
) -> tuple[list[Array], tuple[int, ...]]:
    """The start along each dimension of the operand, and the shape of the batch of them.

    Args:
        shape: the operand's.
        vector: the dimension of `indices` along which the coordinates are; its rank if none.
        moved: the operand's dimension of each coordinate.
    """
    if vector == indices.ndim:
        indices = indices[..., None]
    if not 0 <= vector < indices.ndim or indices.shape[vector] != len(moved):
        raise InvalidArgument(
            f"{len(moved)} coordinates are expected along dimension {vector} of indices of shape"
            f" {shape_text(indices)}"
        )
    each = np.moveaxis(indices, vector, 0).astype(np.int64, copy=False)
    batch = each.shape[1:]
    starts = [np.zeros(batch, np.int64)] * len(shape)
    for coordinate, d in zip(each, moved, strict=True):
        if not 0 <= d < len(shape):
            raise InvalidArgument(f"dimension {d} of a tensor of rank {len(shape)}")
        starts[d] = coordinate
    return starts, batch


def _along(batch: Sequence[int], dims: Sequence[int]) -> list[Array]:
    """Counters of some dimensions of a batch."""
    return [
        np.broadcast_to(
            np.arange(batch[d]).reshape([-1 if e == d else 1 for e in range(len(batch))]), batch
        )
        for d in dims
    ]


def _batch_dims(dims: Sequence[int], vector: int) -> list[int]:
    """Dimensions of indices, counted without the one of the coordinates."""
    return [d - (d > vector) for d in dims]


@op("XlaGather", attrs="dimension_numbers", no_effect="indices_are_sorted")
def xla_gather(build: Build) -> Kernel:
    """Slices of one size at many places of a tensor."""
    found = numbers(build)
    offsets, collapsed, moved = (found.get(n, ()) for n in (1, 2, 3))
    vector = found.get(4, (0,))[-1]
    paired, counted = found.get(5, ()), found.get(6, ())

    def kernel(x: Array, start_indices: Array, slice_sizes: Array) -> Any:
        window = sizes(slice_sizes)
        starts, batch = _starts(x.shape, start_indices, vector, moved)
        for d, counter in zip(paired, _along(batch, _batch_dims(counted, vector)), strict=True):
            starts[d] = counter
        if len(window) != x.ndim or any(
            not 0 <= size <= whole for size, whole in zip(window, x.shape, strict=True)
        ):
            raise InvalidArgument(f"slice_sizes {window} of a tensor of shape {shape_text(x)}")
        kept = [d for d in range(x.ndim) if d not in collapsed + paired]
        if len(kept) != len(offsets):
            raise InvalidArgument(f"{len(offsets)} offset dimensions for {len(kept)} of a slice")
        check_size((*batch, *(window[d] for d in kept)), max(x.itemsize, 8))
        index = []
        for d in range(x.ndim):
            start = np.clip(starts[d], 0, x.shape[d] - window[d])
            start = start.reshape(*batch, *(1,) * len(kept))
            if d in kept:
                step = [-1 if e == d else 1 for e in kept]
                start = start + np.arange(window[d]).reshape(step)
            index.append(start)
        shape = (*batch, *(window[d] for d in kept))
        made = np.broadcast_to(x[tuple(index)], shape) if x.ndim else np.broadcast_to(x, shape)
        return np.moveaxis(made, range(len(batch), made.ndim), offsets)

    return kernel


@op(
    "XlaScatter",
    attrs="update_computation dimension_numbers",
    no_effect="indices_are_sorted",
)
def xla_scatter(build: Build) -> Kernel:
    """A tensor with slices of it combined with updates; slices that do not fit are left out."""
    found = numbers(build)
    windows, inserted, moved = (found.get(n, ()) for n in (1, 2, 3))
    vector = found.get(4, (0,))[-1]
    paired, counted = found.get(5, ()), found.get(6, ())
    combine = combiner(build, "update_computation")

    def kernel(x: Array, scatter_indices: Array, updates: Array) -> Any:
        starts, batch = _starts(x.shape, scatter_indices, vector, moved)
        for d, counter in zip(paired, _along(batch, _batch_dims(counted, vector)), strict=True):
            starts[d] = counter
        kept = [d for d in range(x.ndim) if d not in inserted + paired]
        if len(kept) != len(windows) or updates.ndim != len(batch) + len(windows):
            raise InvalidArgument(
                f"updates of shape {shape_text(updates)} do not fit {len(kept)} dimensions of"
                f" windows at places {batch}"
            )
        check_size(updates.shape, 8)
        ordered = np.moveaxis(updates, windows, range(len(batch), updates.ndim))
        if ordered.shape[: len(batch)] != batch:
            raise InvalidArgument(
                f"updates of shape {shape_text(updates)} do not fit places {batch}"
            )
        window = [1] * x.ndim
        for d, size in zip(kept, ordered.shape[len(batch) :], strict=True):
            window[d] = size
        inside = np.ones(batch, np.bool_)
        place = np.zeros(ordered.shape, np.int64)
        for d in range(x.ndim):
            inside &= (starts[d] >= 0) & (starts[d] <= x.shape[d] - window[d])
            start = starts[d].reshape(*batch, *(1,) * len(kept))
            if d in kept:
                start = start + np.arange(window[d]).reshape([-1 if e == d else 1 for e in kept])
            place = place * x.shape[d] + start
        # The order of the updates is that of their own elements, not of the turned ones.
        back = np.moveaxis(place, range(len(batch), place.ndim), windows)
        used = np.broadcast_to(inside.reshape(*batch, *(1,) * len(kept)), ordered.shape)
        used = np.moveaxis(used, range(len(batch), place.ndim), windows)
        made = np.array(x).reshape(-1)
        scatter_into(made, back[used], updates[used], combine)
        return made.reshape(x.shape)

    return kernel
