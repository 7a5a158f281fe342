"""Shapes as tensors, and tensors in other shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import GraphError, Node
from servable.ops.islands import constant, from_shapes
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import bare, in_range, whole_axis
from servable.ops.text import dims
from servable.tensors import Array, Shape


def shape_attribute(build: Build, name: str = "shape") -> Shape:
    """An attribute that is a shape.

    Raises:
        GraphError: it is something else.
    """
    value = build.node.attrs.get(name)
    if value is None:
        return None
    if not isinstance(value, tuple):
        raise GraphError(f"node {build.node.name}: attribute {name} is not a shape")
    return value


def shape_text(shape: Shape) -> str:
    """A shape as TensorFlow writes it, as in `[2,?]`."""
    if shape is None:
        return "<unknown>"
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"


@op("Shape", attrs="out_type", island=Island.LIGHT, int64=True)
def shape(build: Build) -> Kernel:
    """The sizes of a tensor's dimensions."""
    dtype = build.type("out_type").numpy
    return lambda x: np.array(x.shape, dtype)


@op("ShapeN", attrs="out_type")
def shape_n(build: Build) -> Kernel:
    """The sizes of several tensors' dimensions."""
    dtype = build.type("out_type").numpy
    return lambda *xs: bare([np.array(x.shape, dtype) for x in xs])


@op("Size", attrs="out_type", island=Island.LIGHT, int64=True)
def size(build: Build) -> Kernel:
    """The number of elements."""
    dtype = build.type("out_type").numpy
    return lambda x: np.asarray(x.size, dtype)


@op("Rank", island=Island.LIGHT, int64=True)
def rank(build: Build) -> Kernel:
    """The number of dimensions."""
    del build
    return lambda x: np.asarray(x.ndim, np.int32)


@op("EnsureShape", attrs="shape")
def ensure_shape(build: Build) -> Kernel:
    """Its input, if it has the shape; an unknown size fits any."""
    wanted = shape_attribute(build)
    source = build.node.inputs[0].node

    def kernel(x: Array) -> Array:
        if wanted is not None and not (
            len(wanted) == x.ndim
            and all(w in (None, s) for w, s in zip(wanted, x.shape, strict=True))
        ):
            raise InvalidArgument(
                f"Shape of tensor {source} {dims(x.shape)} is not compatible with expected shape"
                f" {shape_text(wanted)}."
            )
        return x

    return kernel


def _not_to_a_scalar(node: Node, nodes: Mapping[str, Node]) -> bool:
    """OpenVINO dies of a product that is reshaped to a scalar."""
    sizes = constant(node.inputs[1], nodes)
    return sizes is None or sizes.size > 0


@op("Reshape", island=Island.LIGHT, island_among=_not_to_a_scalar, int32=True)
def reshape(build: Build) -> Kernel:
    """The same elements in another shape; one size may be -1."""
    del build

    def kernel(x: Array, sizes: Array) -> Any:
        if sizes.ndim > 1:
            raise InvalidArgument(f"sizes input must be 1-D, not {dims(sizes.shape)}")
        wanted = sizes.reshape(-1).tolist()
        if -1 in wanted or x.size != math.prod(wanted) or min(wanted, default=0) < 0:
            wanted = _resolved(x, wanted)
        return x.reshape(wanted)

    return kernel


def _resolved(x: Array, wanted: list[int]) -> list[int]:
    """Fill in the -1.

    A size of 0 is left out on both sides if the wanted shape has one, so that the
    rest still says what the -1 is: [0, 3] as [0, -1] is [0, 3].
    """
    for d, number in enumerate(wanted):
        if number == -1 and d != wanted.index(-1):
            raise InvalidArgument(
                f"Only one input size may be -1, not both {wanted.index(-1)} and {d}"
            )
        if number < -1:
            raise InvalidArgument(f"Size {d} must be non-negative, not {number}")
    if -1 in wanted:
        known = math.prod(number for number in wanted if number > 0)
        have = math.prod(s for s in x.shape if s or 0 not in wanted)
        if have % known:
            raise InvalidArgument(
                f"Input to reshape is a tensor with {have} values, but the requested shape"
                f" requires a multiple of {known}"
            )
        wanted = [have // known if number == -1 else number for number in wanted]
    if math.prod(wanted) != x.size:
        raise InvalidArgument(
            f"Input to reshape is a tensor with {x.size} values, but the requested shape has"
            f" {math.prod(wanted)}"
        )
    return wanted


@op("ExpandDims", island=Island.LIGHT, int32=True)
def expand_dims(build: Build) -> Kernel:
    """A dimension of size 1 more."""
    del build

    def kernel(x: Array, axis: Array) -> Any:
        if axis.size != 1:
            raise InvalidArgument("'dim' must be a tensor with a single value")
        number = int(axis.item())
        place = whole_axis(number, x.ndim + 1)
        if place is None:
            raise InvalidArgument(
                f"Tried to expand dim index {number} for tensor with {x.ndim} dimensions."
            )
        return x.reshape((*x.shape[:place], 1, *x.shape[place:]))

    return kernel


def _names_dimensions(node: Node) -> bool:
    # Where sizes are unknown at load, OpenVINO drops none by itself.
    return bool(node.attrs.get("squeeze_dims"))


@op(
    "Squeeze",
    attrs="squeeze_dims",
    island=Island.LIGHT,
    island_if=_names_dimensions,
    int32=True,
)
def squeeze(build: Build) -> Kernel:
    """Without the named dimensions of size 1, or without all of them."""
    named = build.list("squeeze_dims")

    def kernel(x: Array) -> Any:
        gone = set()
        for number in named:
            axis = whole_axis(number, x.ndim)
            if axis is None:
                raise InvalidArgument(
                    f"Tried to squeeze dim index {number} for tensor with {x.ndim} dimensions."
                )
            if x.shape[axis] != 1:
                raise InvalidArgument(
                    f"Can not squeeze dim[{axis}], expected a dimension of 1, got {x.shape[axis]}"
                )
            gone.add(axis)
        if not named:
            return x.reshape([s for s in x.shape if s != 1])
        return x.reshape([s for axis, s in enumerate(x.shape) if axis not in gone])

    return kernel


@op("BroadcastTo", island=Island.LIGHT, island_among=from_shapes(1), int32=True)
def broadcast_to(build: Build) -> Kernel:
    """A tensor repeated to a larger shape."""
    del build

    def kernel(x: Array, sizes: Array) -> Any:
        if sizes.ndim != 1:
            raise InvalidArgument(
                f"shape must be a vector of {{int32,int64}}, got shape {dims(sizes.shape)}"
            )
        wanted = check_size(sizes.tolist(), x.dtype.itemsize)
        if x.ndim > len(wanted):
            raise InvalidArgument(
                f"Rank of input ({x.ndim}) must be no greater than rank of output shape"
                f" ({len(wanted)})."
            )
        try:
            return np.broadcast_to(x, wanted)
        except ValueError:
            raise InvalidArgument(
                f"Incompatible shapes: {dims(x.shape)} vs. {dims(wanted)}"
            ) from None

    return kernel


def _aligned(x: Array, y: Array) -> tuple[Array, Array]:
    """Two shapes with 1s in front of the shorter."""
    for number, s in enumerate((x, y)):
        if s.ndim != 1:
            raise InvalidArgument(f"In[{number}] must be a vector.{dims(s.shape)}")
    length = max(x.size, y.size)
    a, b = (np.concatenate((np.ones(length - s.size, s.dtype), s)) for s in (x, y))
    if np.any((a != b) & (a != 1) & (b != 1)):
        text = f"{dims(x.tolist())} vs. {dims(y.tolist())}"
        raise InvalidArgument(f"Incompatible shapes: {text}")
    return a, b


@op("BroadcastArgs")
def broadcast_args(build: Build) -> Kernel:
    """The shape of a result of two shapes."""
    del build

    def kernel(x: Array, y: Array) -> Any:
        a, b = _aligned(x, y)
        return np.where(a == 1, b, a)

    return kernel


@op("BroadcastGradientArgs")
def broadcast_gradient_args(build: Build) -> Kernel:
    """For each of two shapes, the dimensions over which it was repeated.

    Dimensions of size 1 on both sides count for both, unless the shapes are equal.
    """
    del build

    def kernel(x: Array, y: Array) -> Any:
        a, b = _aligned(x, y)
        if np.array_equal(x, y):
            nothing = np.zeros(0, x.dtype)
            return nothing, nothing
        return tuple(np.flatnonzero(s == 1).astype(x.dtype) for s in (a, b))

    return kernel


@op("InvertPermutation")
def invert_permutation(build: Build) -> Kernel:
    """For each number, where it stands in a permutation."""
    del build

    def kernel(x: Array) -> Any:
        if x.ndim != 1:
            raise InvalidArgument("invert_permutation expects a 1D vector.")
        if not in_range(x, x.size):
            strange = x[(x < 0) | (x >= x.size)][0]
            raise InvalidArgument(f"{strange} is not between 0 and {x.size}")
        made = np.full(x.size, -1, x.dtype)
        made[x] = np.arange(x.size, dtype=x.dtype)
        if np.any(made < 0):
            twice = x[made[x] != np.arange(x.size)][0]
            raise InvalidArgument(f"{twice} is duplicated in the input.")
        return made

    return kernel
