"""Slices of tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import Node
from servable.ops.islands import constant
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.resources import Variable
from servable.ops.support import whole_axis
from servable.ops.text import dims
from servable.tensors import Array

_MASKS = "begin_mask end_mask ellipsis_mask new_axis_mask shrink_axis_mask"


def _indexing(build: Build) -> Callable[[Array, Array, Array], tuple[Any, ...]]:
    """Reads five bit masks; returns what turns three vectors into a Python index.

    Bit i of a mask speaks of entry i: begin and end absent, an ellipsis, a new
    dimension, a single index. The index ends in an ellipsis if it has none, so that
    numpy makes an array of any result.
    """
    no_begin, no_end, ellipsis, new_axis, shrink = map(build.int, _MASKS.split())

    def index(begin: Array, end: Array, strides: Array) -> tuple[Any, ...]:
        if not begin.ndim == end.ndim == strides.ndim == 1 or not (
            begin.size == end.size == strides.size
        ):
            raise InvalidArgument(
                "Expected begin, end, and strides to be 1D equal size tensors, but got shapes"
                f" {dims(begin.shape)}, {dims(end.shape)}, and {dims(strides.shape)} instead."
            )
        made: list[Any] = []
        entries = zip(begin.tolist(), end.tolist(), strides.tolist(), strict=True)
        for i, (first, stop, step) in enumerate(entries):
            bit = 1 << i
            if ellipsis & bit:
                made.append(...)
            elif new_axis & bit:
                made.append(None)
            elif step == 0:
                raise InvalidArgument(f"strides[{i}] must be non-zero")
            elif shrink & bit:
                if step < 0:
                    raise InvalidArgument("only stride 1 allowed on non-range indexing.")
                made.append(first)
            else:
                made.append(
                    slice(None if no_begin & bit else first, None if no_end & bit else stop, step)
                )
        # Comparing with == would look into slices; there is only one Ellipsis.
        if not any(entry is ... for entry in made):
            made.append(...)
        return tuple(made)

    return index


def _refuse(x: Array, index: tuple[Any, ...]) -> NoReturn:
    """Say in TensorFlow's words why numpy refuses an index."""
    entries = [entry for entry in index if entry is not None and entry is not ...]
    if sum(entry is ... for entry in index) > 1:
        raise InvalidArgument("Multiple ellipses in slice spec not allowed")
    if not x.ndim:
        raise InvalidArgument("Attempting to slice scalar input.")
    if len(entries) > x.ndim:
        raise InvalidArgument(
            f"Index out of range using input dim {x.ndim}; input has only {x.ndim} dims"
        )
    behind = [entry is ... for entry in index if entry is not None].index(True)
    for i, entry in enumerate(entries):
        d = i if i < behind else i + x.ndim - len(entries)
        if isinstance(entry, int) and whole_axis(entry, x.shape[d]) is None:
            number = entry + x.shape[d] if entry < 0 else entry
            raise InvalidArgument(f"slice index {number} of dimension {d} out of bounds.")
    raise InvalidArgument(f"slice index out of bounds of a tensor of shape {dims(x.shape)}")


def _same_in_islands(node: Node, nodes: Mapping[str, Node]) -> bool:
    """Whether OpenVINO slices alike.

    It writes past its own memory where an ellipsis stands for no dimension at all, and
    mixes up indices with begins that are masked and with new axes, and clamps begins
    otherwise where it goes backwards. An index must be constant, so that the backend
    can hold it against the sizes it meets.
    """
    begin_mask, _, ellipsis, new_axis, shrink = (_bits(node, mask) for mask in _MASKS.split())
    if ellipsis or (shrink and new_axis) or (shrink & begin_mask):
        return False
    begin, _, steps = (constant(value, nodes) for value in node.inputs[1:4])
    if steps is None or not (steps > 0).all():
        return False
    return not shrink or begin is not None


def _bits(node: Node, mask: str) -> int:
    value = node.attrs.get(mask)
    return value if isinstance(value, int) else 0


@op(
    "StridedSlice",
    attrs=_MASKS,
    island=Island.LIGHT,
    island_among=_same_in_islands,
    int32=True,
)
def strided_slice(build: Build) -> Kernel:
    """Python's x[a:b:c, ..., None, i]."""
    indexing = _indexing(build)

    def kernel(x: Array, begin: Array, end: Array, strides: Array) -> Any:
        index = indexing(begin, end, strides)
        try:
            return x[index]
        except IndexError:
            _refuse(x, index)

    return kernel


@op("TensorStridedSliceUpdate", attrs=_MASKS)
def strided_slice_update(build: Build) -> Kernel:
    """A copy in which a slice is replaced; the new value is broadcast to its shape."""
    indexing = _indexing(build)
    return lambda x, begin, end, strides, value: _replaced(x, indexing(begin, end, strides), value)


@op("ResourceStridedSliceAssign", attrs=_MASKS)
def strided_slice_assign(build: Build) -> Kernel:
    """Replace a slice of a variable; the new value is broadcast to its shape."""
    indexing = _indexing(build)

    def kernel(variable: Variable, begin: Array, end: Array, strides: Array, value: Array) -> None:
        index = indexing(begin, end, strides)
        variable.update(lambda old: _replaced(old, index, value))

    return kernel


def _replaced(x: Array, index: tuple[Any, ...], value: Array) -> Array:
    made = np.array(x)
    try:
        place = made[index]
    except IndexError:
        _refuse(x, index)
    try:
        place[...] = np.broadcast_to(value, place.shape)
    except ValueError:
        raise InvalidArgument(
            f"Cannot broadcast input shape {dims(value.shape)} into final shape {dims(place.shape)}"
        ) from None
    return made


@op("StridedSliceGrad", attrs=_MASKS)
def strided_slice_grad(build: Build) -> Kernel:
    """Zeros, and the gradient of a slice in its place."""
    indexing = _indexing(build)

    def kernel(shape: Array, begin: Array, end: Array, strides: Array, gradient: Array) -> Any:
        if shape.ndim != 1:
            raise InvalidArgument(f"shape must be 1-D, got shape.shape = {dims(shape.shape)}")
        index = indexing(begin, end, strides)
        made = np.zeros(check_size(shape.tolist(), gradient.itemsize), gradient.dtype)
        try:
            place = made[index]
        except IndexError:
            _refuse(made, index)
        if place.shape != gradient.shape:
            raise InvalidArgument(
                f"shape of dy was {dims(gradient.shape)} instead of {dims(place.shape)}"
            )
        place[...] = gradient
        return made

    return kernel


@op("Slice")
def slice_(build: Build) -> Kernel:
    """A block at a place; a size of -1 reaches to the end."""
    del build

    def kernel(x: Array, begin: Array, sizes: Array) -> Any:
        if begin.ndim != 1 or sizes.ndim != 1 or not begin.size == sizes.size == x.ndim:
            raise InvalidArgument(
                f"Expected begin and size arguments to be 1-D tensors of size {x.ndim}, but got"
                f" shapes {dims(begin.shape)} and {dims(sizes.shape)} instead."
            )
        index: list[Any] = []
        for d, (first, size) in enumerate(zip(begin.tolist(), sizes.tolist(), strict=True)):
            whole = x.shape[d]
            if not 0 <= first <= whole:
                raise InvalidArgument(f"Expected begin[{d}] in [0, {whole}], but got {first}")
            if size == -1:
                size = whole - first
            if not 0 <= size <= whole - first:
                raise InvalidArgument(f"Expected size[{d}] in [0, {whole - first}], but got {size}")
            index.append(slice(first, first + size))
        return x[(*index, ...)]

    return kernel
