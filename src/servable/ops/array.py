"""Shapes, slices and constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.math import shape_text
from servable.ops.registry import Build, Island, Kernel, op
from servable.tensors import Array


@op("Const", attrs="value dtype", island=Island.LIGHT, int64=True)
def const(build: Build) -> Kernel:
    """A value that is part of the graph."""
    value = build.array("value")
    return lambda: value


@op("Identity", "StopGradient", "Snapshot", island=Island.LIGHT, int64=True)
def identity(build: Build) -> Kernel:
    """Its input."""
    del build
    return lambda x: x


@op("IdentityN")
def identity_n(build: Build) -> Kernel:
    """Its inputs."""
    del build
    return lambda *x: x


@op("NoOp")
def no_op(build: Build) -> Kernel:
    """Nothing; other nodes wait for it."""
    del build
    return lambda: None


@op("Placeholder", attrs="shape")
def placeholder(build: Build) -> Kernel:
    """A tensor that should have been fed."""
    name = build.node.name
    dtype = build.type("dtype").name

    def kernel() -> Array:
        raise InvalidArgument(
            f"You must feed a value for placeholder tensor '{name}' with dtype {dtype}"
        )

    return kernel


@op("PlaceholderWithDefault", attrs="shape", island=Island.LIGHT)
def placeholder_with_default(build: Build) -> Kernel:
    """Its input, when it is not fed."""
    return identity(build)


@op("Shape", attrs="out_type", island=Island.LIGHT, int64=True)
def shape(build: Build) -> Kernel:
    """The sizes of a tensor's dimensions."""
    dtype = build.type("out_type").numpy
    return lambda x: np.array(x.shape, dtype)


@op("Reshape", island=Island.LIGHT, int64=True)
def reshape(build: Build) -> Kernel:
    """The same elements in another shape; one size may be -1."""
    del build

    def kernel(x: Array, sizes: Array) -> Any:
        wanted = tuple(int(s) for s in sizes)
        if wanted.count(-1) > 1:
            raise InvalidArgument("Only one input size may be -1, not both")
        try:
            return x.reshape(wanted)
        except ValueError:
            raise InvalidArgument(
                f"Input to reshape is a tensor with {x.size} values, but the requested shape"
                f" has {int(np.prod(wanted))}"
            ) from None

    return kernel


@op("ExpandDims", island=Island.LIGHT, int64=True)
def expand_dims(build: Build) -> Kernel:
    """A dimension of size 1 more."""
    del build
    return lambda x, axis: np.expand_dims(x, int(axis))


@op("Squeeze", attrs="squeeze_dims", island=Island.LIGHT, int64=True)
def squeeze(build: Build) -> Kernel:
    """Without the named dimensions of size 1, or without all of them."""
    axes = tuple(build.list("squeeze_dims")) or None
    return lambda x: np.squeeze(x, axes)


@op("Transpose", island=Island.LIGHT, int64=True)
def transpose(build: Build) -> Kernel:
    """Dimensions in another order."""
    del build
    return lambda x, order: np.transpose(x, [int(i) for i in order])


@op("Pack", attrs="axis", island=Island.LIGHT, int64=True)
def pack(build: Build) -> Kernel:
    """Tensors of equal shape along a new dimension."""
    axis = build.int("axis")
    return lambda *parts: np.stack(parts, axis)


@op("ConcatV2", island=Island.LIGHT, int64=True)
def concat(build: Build) -> Kernel:
    """Tensors one after another along a dimension."""
    del build
    return lambda *parts: np.concatenate(parts[:-1], int(parts[-1]))


_MASKS = "begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask"


@op("StridedSlice", attrs=_MASKS, island=Island.LIGHT, int64=True)
def strided_slice(build: Build) -> Kernel:
    """Python's x[a:b:c, ..., None, i], as five bit masks over three vectors.

    Bit i of a mask speaks of entry i: begin and end absent, an ellipsis, a new
    dimension, a single index.
    """
    begin_mask, end_mask, ellipsis, new_axis, shrink = map(build.int, _MASKS.split())

    def kernel(x: Array, begin: Array, end: Array, strides: Array) -> Any:
        index: list[Any] = []
        for i in range(len(begin)):
            bit = 1 << i
            if ellipsis & bit:
                index.append(...)
            elif new_axis & bit:
                index.append(None)
            elif shrink & bit:
                index.append(int(begin[i]))
            else:
                index.append(_slice(begin, end, strides, i, begin_mask & bit, end_mask & bit))
        try:
            return np.asarray(x[tuple(index)])
        except IndexError:
            raise InvalidArgument(
                f"slice index {_numbers(begin)} out of bounds of a tensor of shape {shape_text(x)}"
            ) from None

    return kernel


def _slice(begin: Array, end: Array, strides: Array, i: int, no_begin: int, no_end: int) -> slice:
    step = int(strides[i])
    if step == 0:
        raise InvalidArgument(f"strides[{i}] must be non-zero")
    return slice(None if no_begin else int(begin[i]), None if no_end else int(end[i]), step)


def _numbers(values: Sequence[Any] | Array) -> str:
    return "[" + ",".join(str(int(v)) for v in values) + "]"
