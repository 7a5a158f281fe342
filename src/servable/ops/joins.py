"""Tensors put together and taken apart along a dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import Node
from servable.ops.islands import constant, from_shapes, known_length, known_rank
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import bare, scalar, whole_axis
from servable.ops.text import dims
from servable.tensors import Array


@op("Pack", attrs="axis", island=Island.LIGHT, int32=True)
def pack(build: Build) -> Kernel:
    """Tensors of equal shape along a new dimension."""
    axis = build.int("axis")

    def kernel(*parts: Array) -> Any:
        shape = parts[0].shape
        for number, part in enumerate(parts):
            if part.shape != shape:
                raise InvalidArgument(
                    f"Shapes of all inputs must match: values[0].shape = {dims(shape)} !="
                    f" values[{number}].shape = {dims(part.shape)}"
                )
        place = _axis_of(axis, len(shape) + 1)
        piece = (*shape[:place], 1, *shape[place:])
        return np.concatenate([part.reshape(piece) for part in parts], place)

    return kernel


def _axis_of(axis: int, rank: int) -> int:
    place = whole_axis(axis, rank)
    if place is None:
        raise InvalidArgument(f"axis = {axis} not in [{-rank}, {rank})")
    return place


@op("Unpack", attrs="axis num", island=Island.LIGHT, int32=True)
def unpack(build: Build) -> Kernel:
    """The slices of a tensor along a dimension."""
    axis, count = build.int("axis"), build.int("num")

    def kernel(x: Array) -> Any:
        place = _axis_of(axis, x.ndim)
        if x.shape[place] != count:
            raise InvalidArgument(
                f"Input shape axis {place} must equal {count}, got shape {dims(x.shape)}"
            )
        along = np.moveaxis(x, place, 0)
        return bare([along[i, ...] for i in range(count)])

    return kernel


def _joined(parts: Sequence[Array], axis: Array, name: str) -> Any:
    if axis.size != 1:
        raise InvalidArgument(
            f"{name} tensor should be a scalar integer, but got shape {dims(axis.shape)}"
        )
    number = int(axis.item())
    try:
        return np.concatenate(parts, number)
    except ValueError:
        raise _mismatch(parts, number) from None


def _mismatch(parts: Sequence[Array], number: int) -> InvalidArgument:
    rank = parts[0].ndim
    if not rank:
        return InvalidArgument("ConcatOp : Can't concatenate scalars (use tf.stack instead)")
    axis = whole_axis(number, rank)
    if axis is None:
        return InvalidArgument(
            "ConcatOp : Expected concatenating dimensions in the range"
            f" [{-rank}, {rank}), but got {number}"
        )
    for index, part in enumerate(parts):
        text = f"shape[0] = {dims(parts[0].shape)} vs. shape[{index}] = {dims(part.shape)}"
        if part.ndim != rank:
            return InvalidArgument(f"ConcatOp : Ranks of all input tensors should match: {text}")
        for d in range(rank):
            if d != axis and part.shape[d] != parts[0].shape[d]:
                return InvalidArgument(
                    f"ConcatOp : Dimension {d} in both shapes must be equal: {text}"
                )
    return InvalidArgument("ConcatOp : the inputs can not be concatenated")


@op("ConcatV2", island=Island.LIGHT, int32=True)
def concat_v2(build: Build) -> Kernel:
    """Tensors one after another along a dimension."""
    del build
    return lambda *inputs: _joined(inputs[:-1], inputs[-1], "axis")


@op("Concat", island=Island.LIGHT, int32=True)
def concat(build: Build) -> Kernel:
    """As ConcatV2, with the dimension as the first input."""
    del build
    return lambda axis, *parts: _joined(parts, axis, "concat_dim")


@op("ConcatOffset")
def concat_offset(build: Build) -> Kernel:
    """Where each of the concatenated tensors begins, from their shapes."""
    del build

    def kernel(axis: Array, *shapes: Array) -> Any:
        number = scalar(axis, "Concat dim tensor should be a scalar, but got shape {}")
        for index, shape in enumerate(shapes):
            if shape.ndim != 1:
                raise InvalidArgument(
                    f"input {index + 1} should be a vector, but got shape {dims(shape.shape)}"
                )
            if shape.size != shapes[0].size:
                raise InvalidArgument(
                    f"input {index} should contain {shapes[0].size} elements, but got {shape.size}"
                )
        place = whole_axis(number, shapes[0].size)
        if place is None:
            raise InvalidArgument(f"Concat dim is out of range: {number} vs. {shapes[0].size}")
        made = []
        start = 0
        for index, shape in enumerate(shapes):
            if np.any(np.delete(shape != shapes[0], place)):
                raise InvalidArgument(
                    f"All dimensions except {place} must match. Input {index} has shape"
                    f" {_blanks(shape)} and doesn't match input 0 with shape {_blanks(shapes[0])}."
                )
            offset = np.zeros_like(shape)
            offset[place] = start
            start += int(shape[place])
            made.append(offset)
        return bare(made)

    return kernel


def _blanks(shape: Array) -> str:
    return "[" + " ".join(map(str, shape.tolist())) + "]"


def _split_axis(axis: Array, x: Array) -> int:
    if axis.ndim:
        raise InvalidArgument(f"split_dim must be a scalar but has rank {axis.ndim}")
    number = int(axis.item())
    place = whole_axis(number, x.ndim)
    if place is None:
        raise InvalidArgument(
            f"-input rank(-{x.ndim}) <= split_dim < input rank ({x.ndim}), but got {number}"
        )
    return place


def _cut(x: Array, axis: int, sizes: Sequence[int]) -> Any:
    before = (slice(None),) * axis
    made = []
    start = 0
    for size in sizes:
        made.append(x[(*before, slice(start, start + size))])
        start += size
    return bare(made)


@op("Split", attrs="num_split", island=Island.LIGHT, int32=True)
def split(build: Build) -> Kernel:
    """Equal parts along a dimension."""
    count = build.int("num_split")

    def kernel(axis: Array, x: Array) -> Any:
        place = _split_axis(axis, x)
        size = x.shape[place]
        if size % count:
            raise InvalidArgument(
                "Number of ways to split should evenly divide the split dimension, but got"
                f" split_dim {int(axis)} (size = {size}) and num_split {count}"
            )
        return _cut(x, place, (size // count,) * count)

    return kernel


@op("SplitV", attrs="num_split", island=Island.LIGHT, int32=True)
def split_v(build: Build) -> Kernel:
    """Parts of given sizes along a dimension; one size may be -1, for the rest."""
    count = build.int("num_split")

    def kernel(x: Array, sizes: Array, axis: Array) -> Any:
        if sizes.ndim != 1 or sizes.size != count:
            raise InvalidArgument(
                "size of the split_tensor must be 1-D and have the same elements as outputs"
                f" got {sizes.ndim} -D and {sizes.size} elements"
            )
        place = _split_axis(axis, x)
        return _cut(x, place, _part_sizes(sizes.tolist(), x.shape[place]))

    return kernel


def _part_sizes(sizes: list[int], whole: int) -> list[int]:
    if len(sizes) == 1:
        # With a single part TensorFlow takes no -1.
        if sizes[0] != whole:
            raise InvalidArgument(
                "If there is only one output, it must have the same size as the input. Input"
                f" size: {whole} output size: {sizes[0]}"
            )
        return sizes
    if sizes.count(-1) > 1:
        raise InvalidArgument("There can only be one -1 in the input.")
    for index, size in enumerate(sizes):
        if size < -1:
            raise InvalidArgument(f"Split size at index {index} must be >= 0. Got: {size}")
    total = sum(size for size in sizes if size != -1)
    if total > whole or (total != whole and -1 not in sizes):
        raise InvalidArgument(
            "Determined shape must either match input shape along split_dim exactly if fully"
            " specified, or be less than the size of the input along split_dim if not fully"
            f" specified.  Got: {total}"
        )
    return [whole - total if size == -1 else size for size in sizes]


def _tiles_all(node: Node, nodes: Mapping[str, Node]) -> bool:
    # OpenVINO takes more or fewer multiples than there are dimensions, and dies of zeros.
    rank = known_rank(node.inputs[0], nodes)
    times = constant(node.inputs[1], nodes)
    return (
        rank is not None
        and rank == known_length(node.inputs[1], nodes)
        and rank > 0
        and (times is None or bool((times > 0).all()))
        and _SIZED(node, nodes)
    )


_SIZED = from_shapes(1)


@op("Tile", island=Island.LIGHT, island_among=_tiles_all, int32=True)
def tile(build: Build) -> Kernel:
    """A tensor repeated along each dimension."""
    del build

    def kernel(x: Array, multiples: Array) -> Any:
        if multiples.ndim != 1 or multiples.size != x.ndim:
            raise InvalidArgument(
                f"Expected multiples argument to be a vector of length {x.ndim} but got length"
                f" {multiples.size}"
            )
        times = multiples.tolist()
        for index, number in enumerate(times):
            if number < 0:
                raise InvalidArgument(f"Expected multiples[{index}] >= 0, but got {number}")
        check_size([s * m for s, m in zip(x.shape, times, strict=True)], x.dtype.itemsize)
        return np.tile(x, times)

    return kernel
