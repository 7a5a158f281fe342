"""Blocks of space moved to batch or depth and back, and patches of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument, Unimplemented
from servable.graph.ir import Node
from servable.ops.islands import constant, from_shapes
from servable.ops.layout import padded
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.text import dims
from servable.tensors import Array

_MOST_BLOCKED = 4
"""Dimensions in blocks of more than 1 that TensorFlow's kernels take at most."""


def _check_blocks(x: Array, block: Sequence[int], borders: Array, name: str) -> None:
    if any(size < 1 for size in block):
        raise InvalidArgument("block_shape must be positive")
    if x.ndim < 1 + len(block):
        raise InvalidArgument(f"input rank should be >= {1 + len(block)} instead of {x.ndim}")
    if borders.shape != (len(block), 2):
        raise InvalidArgument(
            f"{name} should have shape [{len(block)}, 2] instead of {dims(borders.shape)}"
        )
    if np.any(borders < 0):
        raise InvalidArgument(f"{name.capitalize()} must be non-negative")
    many = sum(size > 1 for size in block)
    if many > _MOST_BLOCKED:
        raise InvalidArgument(
            f"Maximum number of non-combined block dimensions is {many} but must not exceed"
            f" {_MOST_BLOCKED}"
        )


def _space_to_batch(x: Array, block: Sequence[int], paddings: Array) -> Any:
    _check_blocks(x, block, paddings, "paddings")
    count = len(block)
    rest = x.ndim - 1 - count
    pairs = [(before, behind) for before, behind in paddings.tolist()]
    x = padded(x, [(0, 0), *pairs, *[(0, 0)] * rest])
    split: list[int] = []
    for d, (size, step) in enumerate(zip(x.shape[1:], block, strict=False)):
        if size % step:
            raise InvalidArgument(
                f"padded_shape[{d}]={size} is not divisible by block_shape[{d}]={step}"
            )
        split += (size // step, step)
    batch, inner = x.shape[0], x.shape[1 + count :]
    places = range(1, 2 * count, 2)
    order = [*(p + 1 for p in places), 0, *places, *range(1 + 2 * count, 1 + 2 * count + rest)]
    moved = x.reshape((batch, *split, *inner)).transpose(order)
    return moved.reshape((batch * math.prod(block), *split[::2], *inner))


def _batch_to_space(x: Array, block: Sequence[int], crops: Array) -> Any:
    _check_blocks(x, block, crops, "crops")
    count = len(block)
    whole = math.prod(block)
    if x.shape[0] % whole:
        raise InvalidArgument(
            f"Input batch dimension ({x.shape[0]}) is not divisible by product of block sizes"
            f" ({whole})"
        )
    batch, spatial, inner = x.shape[0] // whole, x.shape[1 : 1 + count], x.shape[1 + count :]
    sizes = [size * step for size, step in zip(spatial, block, strict=True)]
    index = [slice(None)]
    for d, (size, (before, behind)) in enumerate(zip(sizes, crops.tolist(), strict=True)):
        if before + behind > size:
            raise InvalidArgument(
                f"cropped_shape[{d}]={size - before - behind} must be non-negative"
            )
        index.append(slice(before, size - behind))
    order = [count]
    for d in range(count):
        order += (count + 1 + d, d)
    order += range(1 + 2 * count, x.ndim + count)
    moved = x.reshape((*block, batch, *spatial, *inner)).transpose(order)
    return moved.reshape((batch, *sizes, *inner))[tuple(index)]


def _block(shape: Array) -> list[int]:
    if shape.ndim != 1:
        raise InvalidArgument(f"block_shape must be one-dimensional, not {dims(shape.shape)}")
    sizes: list[int] = shape.tolist()
    return sizes


_BORDERS_FROM_SHAPES = from_shapes(2)


def _plain_blocks(node: Node, nodes: Mapping[str, Node]) -> bool:
    # OpenVINO crops where a border is negative, and takes more blocks. It moves a
    # transposition from one side to the other as if the order of blocks did not matter.
    block, borders = (constant(node.inputs[p], nodes) for p in (1, 2))
    return (
        block is not None
        and block.size > 0
        and bool((block > 0).all())
        and int((block > 1).sum()) <= _MOST_BLOCKED
        and (borders is None or bool((borders >= 0).all()))
        and not any(n.op in ("Transpose", "ConjugateTranspose") for n in nodes.values())
        and _BORDERS_FROM_SHAPES(node, nodes)
    )


@op("SpaceToBatchND", island=Island.LIGHT, island_among=_plain_blocks, int32=True)
def space_to_batch_nd(build: Build) -> Kernel:
    """Each place of a block becomes a batch entry of its own; zeros fill up the blocks."""
    del build
    return lambda x, block, paddings: _space_to_batch(x, _block(block), paddings)


@op("BatchToSpaceND", island=Island.LIGHT, island_among=_plain_blocks, int32=True)
def batch_to_space_nd(build: Build) -> Kernel:
    """The opposite of SpaceToBatchND; crops take off what was filled up."""
    del build
    return lambda x, block, crops: _batch_to_space(x, _block(block), crops)


def _of_images(x: Array) -> Array:
    if x.ndim != 4:
        raise InvalidArgument(f"Input rank should be: 4instead of: {x.ndim}")
    return x


@op("SpaceToBatch", attrs="block_size")
def space_to_batch(build: Build) -> Kernel:
    """SpaceToBatchND for images and square blocks."""
    block = (build.int("block_size"),) * 2
    return lambda x, paddings: _space_to_batch(_of_images(x), block, paddings)


@op("BatchToSpace", attrs="block_size")
def batch_to_space(build: Build) -> Kernel:
    """BatchToSpaceND for images and square blocks."""
    block = (build.int("block_size"),) * 2
    return lambda x, crops: _batch_to_space(_of_images(x), block, crops)


@op("SpaceToDepth", attrs="block_size data_format", island=Island.LIGHT)
def space_to_depth(build: Build) -> Kernel:
    """Square blocks of an image become depth."""
    step = build.int("block_size")
    first = build.choice("data_format", "NHWC", "NCHW") == "NCHW"

    def kernel(x: Array) -> Any:
        if x.ndim != 4:
            raise InvalidArgument(f"Input rank should be 4 instead of {x.ndim}")
        batch, rows, columns, depth = np.moveaxis(x, 1, -1).shape if first else x.shape
        if rows % step or columns % step:
            raise InvalidArgument(
                f"Image width {columns} and height {rows} should be divisible by block_size: {step}"
            )
        rows, columns = rows // step, columns // step
        if first:
            blocks = x.reshape((batch, depth, rows, step, columns, step))
            moved = blocks.transpose(0, 3, 5, 1, 2, 4)
            return moved.reshape((batch, step * step * depth, rows, columns))
        moved = x.reshape((batch, rows, step, columns, step, depth)).transpose(0, 1, 3, 2, 4, 5)
        return moved.reshape((batch, rows, columns, step * step * depth))

    return kernel


@op("DepthToSpace", attrs="block_size data_format", island=Island.LIGHT)
def depth_to_space(build: Build) -> Kernel:
    """Depth becomes square blocks of an image."""
    step = build.int("block_size")
    first = build.choice("data_format", "NHWC", "NCHW") == "NCHW"

    def kernel(x: Array) -> Any:
        if x.ndim != 4:
            raise InvalidArgument(f"Input rank should be: 4 instead of: {x.ndim}")
        batch, rows, columns, depth = np.moveaxis(x, 1, -1).shape if first else x.shape
        if depth % (step * step):
            raise InvalidArgument(
                f"Input depth dimension {depth} should be divisible by: {step * step}"
            )
        depth //= step * step
        if first:
            blocks = x.reshape((batch, step, step, depth, rows, columns))
            moved = blocks.transpose(0, 3, 4, 1, 5, 2)
            return moved.reshape((batch, depth, rows * step, columns * step))
        moved = x.reshape((batch, rows, columns, step, step, depth)).transpose(0, 1, 3, 2, 4, 5)
        return moved.reshape((batch, rows * step, columns * step, depth))

    return kernel


def _patches(build: Build, rates: Sequence[int], rank: int) -> Kernel:
    """Every window over the spatial dimensions, laid out along the depth."""
    windows, strides = build.list("ksizes"), build.list("strides")
    same = build.choice("padding", "SAME", "VALID") == "SAME"
    for name, numbers in (("ksizes", windows), ("strides", strides), ("rates", rates)):
        if len(numbers) != rank + 2 or min(numbers) < 1:
            raise build.unsupported(f"{name}={list(numbers)}")
        if numbers[0] != 1 or numbers[-1] != 1:
            raise Unimplemented(f"Only support {name} across space.")
    spatial = range(1, rank + 1)

    def kernel(x: Array) -> Any:
        if x.ndim != rank + 2:
            raise InvalidArgument(f"input must be {rank + 2}-dimensional{dims(x.shape)}")
        pairs = [(0, 0)] * (rank + 2)
        places = [0] * (rank + 2)
        reach = [(w - 1) * r + 1 for w, r in zip(windows, rates, strict=True)]
        for d in spatial:
            size, stride = x.shape[d], strides[d]
            if same:
                places[d] = -(-size // stride)
                needed = max((places[d] - 1) * stride + reach[d] - size, 0)
                # The odd one goes behind.
                pairs[d] = (needed // 2, needed - needed // 2)
            else:
                # Towards zero, as C++ divides.
                places[d] = int((size - reach[d] + stride) / stride)
                if places[d] < 0:
                    raise InvalidArgument(
                        f"Computed output size would be negative: {places[d]} [input_size: {size},"
                        f" effective_filter_size: {reach[d]}, stride: {stride}]"
                    )
        depth = x.shape[-1] * math.prod(windows)
        shape = check_size((x.shape[0], *places[1:-1], depth), x.dtype.itemsize)
        if 0 in shape:
            return np.zeros(shape, x.dtype)
        view = np.lib.stride_tricks.sliding_window_view(
            padded(x, pairs), reach[1:-1], tuple(spatial)
        )
        steps = [slice(None, None, s) for s in strides[1:-1]]
        inside = [slice(None, None, r) for r in rates[1:-1]]
        view = view[(slice(None), *steps, slice(None), *inside)]
        return np.moveaxis(view, rank + 1, -1).reshape(shape)

    return kernel


@op("ExtractImagePatches", attrs="ksizes strides rates padding")
def extract_image_patches(build: Build) -> Kernel:
    """Windows over rows and columns."""
    return _patches(build, build.list("rates"), 2)


@op("ExtractVolumePatches", attrs="ksizes strides padding")
def extract_volume_patches(build: Build) -> Kernel:
    """Windows over three dimensions."""
    return _patches(build, (1,) * 5, 3)
