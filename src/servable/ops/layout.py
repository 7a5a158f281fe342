"""Elements in another order, and borders around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import Node
from servable.ops.islands import constant, constants
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import blank, in_range, scalar, whole_axis
from servable.ops.text import dims
from servable.tensors import Array


def _transposed(x: Array, perm: Array) -> Any:
    if perm.ndim != 1:
        raise InvalidArgument(f"perm must be rank 1, got shape {dims(perm.shape)}")
    if perm.size != x.ndim:
        raise InvalidArgument(
            f"transpose expects a vector of size {x.ndim}. But input(1) is a vector of size"
            f" {perm.size}"
        )
    order = perm.tolist()
    places = []
    for number in order:
        axis = whole_axis(number, x.ndim)
        if axis is None:
            shown = number + x.ndim if number < 0 else number
            raise InvalidArgument(f"{shown} is out of range [0 .. {x.ndim})")
        places.append(axis)
    for d in range(x.ndim):
        if d not in places:
            text = ",".join(map(str, order))
            raise InvalidArgument(f"{d} is missing from {{{text}}}.")
    return x.transpose(places)


def _moves_something(node: Node, nodes: Mapping[str, Node]) -> bool:
    # OpenVINO dies of some graphs that transpose scalars, and, computing with one thread, of an
    # order that is no constant.
    perm = constant(node.inputs[1], nodes)
    return perm is not None and perm.size > 0


@op("Transpose", island=Island.LIGHT, island_among=_moves_something, int32=True)
def transpose(build: Build) -> Kernel:
    """Dimensions in another order."""
    del build
    return _transposed


@op("ConjugateTranspose", island=Island.LIGHT, island_among=_moves_something, int32=True)
def conjugate_transpose(build: Build) -> Kernel:
    """Dimensions in another order, and complex numbers conjugated."""
    del build

    def kernel(x: Array, perm: Array) -> Any:
        made = _transposed(x, perm)
        return np.conjugate(made) if made.dtype.kind == "c" else made

    return kernel


def _pairs(x: Array, paddings: Array, refusal: str, comma: str) -> list[tuple[int, int]]:
    """Padding before and behind each dimension."""
    if paddings.ndim != 2 or paddings.shape[1] != 2:
        raise InvalidArgument(f"paddings must be a matrix with 2 columns: {dims(paddings.shape)}")
    if len(paddings) != x.ndim:
        raise InvalidArgument(
            "The first dimension of paddings must be the rank of inputs"
            f"{dims(paddings.shape)}{comma} {dims(x.shape)}"
        )
    pairs = [(before, behind) for before, behind in paddings.tolist()]
    for before, behind in pairs:
        if before < 0 or behind < 0:
            raise InvalidArgument(f"{refusal} must be non-negative: {before} {behind}")
    return pairs


def _padded_size(x: Array, pairs: list[tuple[int, int]]) -> tuple[int, ...]:
    sizes = (b + s + e for (b, e), s in zip(pairs, x.shape, strict=True))
    return check_size(sizes, x.dtype.itemsize)


def padded(x: Array, pairs: list[tuple[int, int]], value: Any = None) -> Array:
    """A tensor with a border of one value; zeros, or empty strings, by default.

    Args:
        pairs: sizes of the border before and behind, for each dimension.
    """
    shape = _padded_size(x, pairs)
    made = blank(shape, x.dtype) if value is None else np.full(shape, value, x.dtype)
    made[tuple(slice(b, b + s) for (b, _), s in zip(pairs, x.shape, strict=True))] = x
    return made


def _plain_borders(node: Node, nodes: Mapping[str, Node]) -> bool:
    # OpenVINO crops where a border is negative, and dies of borders of scalars.
    paddings = constant(node.inputs[1], nodes)
    return paddings is not None and paddings.size > 0 and bool((paddings >= 0).all())


@op("Pad", island=Island.LIGHT, island_among=_plain_borders, int32=True)
def pad(build: Build) -> Kernel:
    """A border of zeros."""
    del build
    return lambda x, paddings: padded(x, _pairs(x, paddings, "Paddings", ""))


def _fixed_borders(node: Node, nodes: Mapping[str, Node]) -> bool:
    # Where the value is not constant, OpenVINO pads with zeros in other dtypes than float.
    return _plain_borders(node, nodes) and constants(2)(node, nodes)


@op(
    "PadV2",
    island=Island.LIGHT,
    island_among=_fixed_borders,
)
def pad_v2(build: Build) -> Kernel:
    """A border of one value."""
    del build

    def kernel(x: Array, paddings: Array, value: Array) -> Array:
        if value.ndim:
            raise InvalidArgument(f"constant_values must be a scalar. Found: {dims(value.shape)}")
        return padded(x, _pairs(x, paddings, "Paddings", ""), value)

    return kernel


@op("MirrorPad", attrs="mode", island=Island.LIGHT, island_among=_plain_borders, int32=True)
def mirror_pad(build: Build) -> Kernel:
    """A border that mirrors the tensor, with its outermost elements or without them."""
    # REFLECT leaves the outermost element out, so it reaches one less far.
    inner = int(build.choice("mode", "REFLECT", "SYMMETRIC") == "REFLECT")

    def kernel(x: Array, paddings: Array) -> Any:
        pairs = _pairs(x, paddings, "paddings", ",")
        for (before, behind), size in zip(pairs, x.shape, strict=True):
            if before > size - inner or behind > size - inner:
                raise InvalidArgument(
                    f"paddings must be less than the dimension size: {before}, {behind} not less"
                    f" than {size}"
                    if inner
                    else "paddings must be no greater than the dimension size:"
                    f" {before}, {behind} greater than {size}"
                )
        _padded_size(x, pairs)
        for axis, ((before, behind), size) in enumerate(zip(pairs, x.shape, strict=True)):
            if before or behind:
                front = np.arange(before - 1, -1, -1) + inner
                back = np.arange(size - 1, size - 1 - behind, -1) - inner
                x = x.take(np.concatenate((front, np.arange(size), back)), axis)
        return x

    return kernel


@op("Roll")
def roll(build: Build) -> Kernel:
    """Elements shifted along dimensions; what falls off one end comes in at the other."""
    del build

    def kernel(x: Array, shift: Array, axis: Array) -> Any:
        if not x.ndim:
            raise InvalidArgument("input must be 1-D or higher")
        for name, numbers in (("shift", shift), ("axis", axis)):
            if numbers.ndim > 1:
                raise InvalidArgument(
                    f"{name} must be a scalar or a 1-D vector. Found: {dims(numbers.shape)}"
                )
        if shift.shape != axis.shape:
            raise InvalidArgument("shift and axis must have the same size")
        axes = axis.reshape(-1).tolist()
        for number in axes:
            if whole_axis(number, x.ndim) is None:
                shown = number + x.ndim if number < 0 else number
                raise InvalidArgument(f"axis {shown} is out of range")
        return np.roll(x, shift.reshape(-1).tolist(), axes)

    return kernel


@op("Reverse")
def reverse(build: Build) -> Kernel:
    """Dimensions that are marked, backwards."""
    del build

    def kernel(x: Array, marked: Array) -> Any:
        if marked.ndim != 1:
            raise InvalidArgument(f"'dims' must be 1-dimension, not {marked.ndim}")
        if marked.size != x.ndim:
            raise InvalidArgument(
                "'dims' must have the same number of values as 'input' has dimensions. 'input'"
                f" has {x.ndim}'dims' has {marked.size} values"
            )
        return np.flip(x, tuple(np.flatnonzero(marked)))

    return kernel


@op("ReverseV2", island=Island.LIGHT)
def reverse_v2(build: Build) -> Kernel:
    """Dimensions that are named, backwards."""
    del build

    def kernel(x: Array, axes: Array) -> Any:
        if axes.ndim != 1:
            raise InvalidArgument(f"'dims' must be 1-dimension, not {axes.ndim}")
        marked = set()
        for index, number in enumerate(axes.tolist()):
            axis = whole_axis(number, x.ndim)
            if axis is None:
                raise InvalidArgument(
                    f"'axis'[{index}] = {number} is out of valid range [0, {x.ndim - 1}"
                )
            if axis in marked:
                raise InvalidArgument(f"axis {axis} specified more than once.")
            marked.add(axis)
        return np.flip(x, tuple(marked))

    return kernel


@op("ReverseSequence", attrs="seq_dim batch_dim")
def reverse_sequence(build: Build) -> Kernel:
    """The first elements of each sequence, as many as it is long, backwards."""
    along, batch = build.int("seq_dim"), build.int("batch_dim")

    def kernel(x: Array, lengths: Array) -> Any:
        _check_sequences(x, lengths, along, batch)
        size = x.shape[along]
        places = np.arange(size)
        counts = lengths.astype(np.int64)[:, None]
        places = np.where(places < counts, counts - 1 - places, places)
        turned = np.moveaxis(x, (batch, along), (0, 1))
        turned = turned[np.arange(len(lengths))[:, None], places]
        return np.moveaxis(turned, (0, 1), (batch, along))

    return kernel


def _check_sequences(x: Array, lengths: Array, along: int, batch: int) -> None:
    if along == batch:
        raise InvalidArgument(f"batch_dim == seq_dim == {along}")
    for name, d in (("seq_dim", along), ("batch_dim", batch)):
        if d < 0:
            raise InvalidArgument(f"Invalid {name} {d}")
        if d >= x.ndim:
            raise InvalidArgument(f"{name} must be < input rank ( {d} vs. {x.ndim})")
    if lengths.ndim != 1:
        raise InvalidArgument(f"seq_lengths must be 1-dim, not {lengths.ndim}")
    if lengths.size != x.shape[batch]:
        raise InvalidArgument(
            f"Length of seq_lengths != input.dims({batch}), ({lengths.size} vs. {x.shape[batch]})"
        )
    if not in_range(lengths, x.shape[along] + 1):
        d = int(np.flatnonzero((lengths < 0) | (lengths > x.shape[along]))[0])
        text = "< 0" if lengths[d] < 0 else f"> input.dims({along})"
        raise InvalidArgument(f"seq_lens({d}) {text}")


@op("OneHot", attrs="axis", island=Island.LIGHT, island_among=constants(1), int32=True)
def one_hot(build: Build) -> Kernel:
    """A new dimension with one value at the place that an index says, and another elsewhere."""
    axis = build.int("axis")

    def kernel(indices: Array, depth: Array, on: Array, off: Array) -> Any:
        if not -1 <= axis <= indices.ndim:
            raise InvalidArgument(
                f"Expected axis to be -1 or between [0, {indices.ndim + 1}).  But received: {axis}"
            )
        count = scalar(depth, "depth must be a scalar, but got: {}")
        for name, value in (("on_value", on), ("off_value", off)):
            if value.ndim:
                raise InvalidArgument(f"{name} must be a scalar, but got: {dims(value.shape)}")
        if count < 0:
            raise InvalidArgument(f"depth must be non-negative, got: {count}")
        shape = check_size((indices.size, count), off.dtype.itemsize)
        made = np.full(shape, off, off.dtype)
        flat = indices.reshape(-1)
        rows = np.flatnonzero((flat >= 0) & (flat < count))
        made[rows, flat[rows]] = on
        made = made.reshape((*indices.shape, count))
        return made if axis in (-1, indices.ndim) else np.moveaxis(made, -1, axis)

    return kernel
