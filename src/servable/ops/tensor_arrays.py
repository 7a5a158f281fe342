"""TensorArrays: what TF1 loops collect their results in.

Unlike a TensorList an array is a thing that changes. It lives for one run; the order
of reads and writes follows from the `flow` that ops hand on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument, Unimplemented
from servable.ops.limits import check_size
from servable.ops.lists import MOST_ELEMENTS, merged
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array, Shape

FLOW = np.zeros((), np.float32)


class TensorArray:
    """Elements by index, made by one run and used by it alone."""

    def __init__(
        self,
        dtype: np.dtype[Any],
        size: int,
        shape: Shape,
        *,
        dynamic: bool,
        clear: bool,
        identical: bool,
    ) -> None:
        if not 0 <= size <= MOST_ELEMENTS:
            raise InvalidArgument(f"Size should be >= 0, but got {size}")
        self.dtype = dtype
        self.shape = shape
        self.items: list[Array | None] = [None] * size
        self._dynamic = dynamic
        self._clear = clear
        self._identical = identical
        self._cleared: set[int] = set()

    def write(self, index: int, item: Array) -> None:
        """Set an element."""
        if index < 0 or (index >= len(self.items) and not self._dynamic):
            raise InvalidArgument(
                f"Tried to write to index {index} but array is not resizeable and size is:"
                f" {len(self.items)}"
            )
        if index >= MOST_ELEMENTS:
            raise InvalidArgument(f"Tried to write to index {index}, past {MOST_ELEMENTS}")
        if index >= len(self.items):
            self.items += [None] * (index + 1 - len(self.items))
        if item.dtype != self.dtype:
            raise InvalidArgument(
                f"Could not write to index {index}: the array's dtype is {self.dtype} but the"
                f" value's is {item.dtype}"
            )
        if self.items[index] is not None:
            raise InvalidArgument(
                f"Could not write to index {index} because it has already been written to."
            )
        shape = merged(self.shape, item.shape)
        if self._identical:
            self.shape = shape
        self.items[index] = item

    def read(self, index: int) -> Array:
        """An element; zeros if it was not set and its shape is known."""
        if not 0 <= index < len(self.items):
            raise InvalidArgument(
                f"Tried to read from index {index} but array size is: {len(self.items)}"
            )
        if index in self._cleared:
            raise InvalidArgument(
                f"Could not read index {index} twice because it was cleared after a previous read"
            )
        item = self.items[index]
        if item is not None:
            if self._clear:
                self._cleared.add(index)
            return item
        shape = self.shape
        if shape is None or None in shape:
            raise InvalidArgument(
                f"Could not read index {index} because it has not been written to"
            )
        sizes = check_size([s for s in shape if s is not None], self.dtype.itemsize)
        return (
            np.full(sizes, b"", object) if self.dtype.kind == "O" else np.zeros(sizes, self.dtype)
        )

    def empty(self) -> Array:
        """No elements as one tensor."""
        shape = self.shape
        if shape is None or None in shape:
            raise Unimplemented(
                "TensorArray has size zero, but its element shape is not fully defined"
            )
        return np.zeros((0, *(s for s in shape if s is not None)), self.dtype)


@op(
    "TensorArrayV3",
    attrs="element_shape dynamic_size clear_after_read identical_element_shapes",
    no_effect="tensor_array_name",
)
def tensor_array(build: Build) -> Kernel:
    """A new array, and the flow that begins with it."""
    dtype = build.type("dtype").numpy
    shape: Any = build.node.attrs["element_shape"]
    dynamic = build.bool("dynamic_size")
    clear = build.bool("clear_after_read")
    identical = build.bool("identical_element_shapes")

    def kernel(size: Any) -> Any:
        array = TensorArray(
            dtype, int(size), shape, dynamic=dynamic, clear=clear, identical=identical
        )
        return array, FLOW

    return kernel


@op("TensorArrayWriteV3")
def write(build: Build) -> Kernel:
    """Set one element."""
    del build

    def kernel(array: TensorArray, index: Any, item: Any, flow: Array) -> Array:
        array.write(int(index), np.asarray(item))
        return flow

    return kernel


@op("TensorArrayReadV3")
def read(build: Build) -> Kernel:
    """One element."""
    del build
    return lambda array, index, _flow: array.read(int(index))


@op("TensorArraySizeV3")
def size(build: Build) -> Kernel:
    """How many elements it has."""
    del build
    return lambda array, _flow: np.asarray(len(array.items), np.int32)


@op("TensorArrayGatherV3", attrs="element_shape")
def gather(build: Build) -> Kernel:
    """Some elements as one tensor."""
    shape: Any = build.node.attrs["element_shape"]

    def kernel(array: TensorArray, indices: Array, _flow: Array) -> Array:
        array.shape = merged(array.shape, shape)
        if not len(indices):
            return array.empty()
        items = [array.read(int(i)) for i in indices]
        check_size((len(items), *items[0].shape), array.dtype.itemsize)
        return np.stack(items)

    return kernel


@op("TensorArrayScatterV3")
def scatter(build: Build) -> Kernel:
    """Set some elements to the rows of a tensor."""
    del build

    def kernel(array: TensorArray, indices: Array, rows: Array, flow: Array) -> Array:
        if len(indices) != len(rows):
            raise InvalidArgument(
                f"Expected len(indices) == values.shape[0], but saw: {len(indices)} vs. {len(rows)}"
            )
        for index, row in zip(indices, rows, strict=True):
            array.write(int(index), np.asarray(row))
        return flow

    return kernel


@op("TensorArrayConcatV3", attrs="element_shape_except0")
def concat(build: Build) -> Kernel:
    """Elements one after another, and their lengths."""
    rest: Any = build.node.attrs["element_shape_except0"]

    def kernel(array: TensorArray, _flow: Array) -> Any:
        parts = [array.read(i) for i in range(len(array.items))]
        if not parts:
            if rest is None or None in rest:
                raise Unimplemented("TensorArray has size zero, and its element shape is unknown")
            return np.zeros((0, *rest), array.dtype), np.zeros(0, np.int64)
        return np.concatenate(parts), np.asarray([len(p) for p in parts], np.int64)

    return kernel


@op("TensorArraySplitV3")
def split(build: Build) -> Kernel:
    """Set all elements to pieces of given lengths of a tensor."""
    del build

    def kernel(array: TensorArray, tensor: Array, lengths: Array, flow: Array) -> Array:
        if int(np.sum(lengths)) != len(tensor):
            raise InvalidArgument(
                "Expected sum of lengths to be equal to values.shape[0], but sum of lengths is"
                f" {int(np.sum(lengths))} and value's shape is: {list(tensor.shape)}"
            )
        for index, piece in enumerate(np.split(tensor, np.cumsum(lengths)[:-1])):
            array.write(index, piece)
        return flow

    return kernel


@op("TensorArrayCloseV3")
def close(build: Build) -> Kernel:
    """Nothing: an array ends with its run."""
    del build
    return lambda _array: None
