"""TensorLists: what loops collect their results in.

A list is a value: every op that changes one makes a new one. Elements are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array, Shape

MOST_ELEMENTS = 10_000_000
"""Bound on the length of one list that a value names."""


@dataclass(frozen=True, slots=True)
class TensorList:
    """Tensors of one dtype whose shapes agree as far as `shape` says; None is not yet set."""

    dtype: np.dtype[Any]
    shape: Shape
    items: tuple[Array | None, ...]

    def with_item(self, index: int, item: Array) -> TensorList:
        """The list with one element replaced."""
        # A loop does this at every step; a list of items is copied sooner than spliced.
        items = list(self.items)
        items[index] = item
        return TensorList(self.dtype, self.shape, tuple(items))


def as_shape(value: Any) -> Shape:
    """A shape tensor: -1 for unknown sizes; a scalar -1 for an unknown rank."""
    array = np.asarray(value)
    if array.ndim == 0:
        if int(array) != -1:
            raise InvalidArgument(
                f"The only valid scalar shape tensor is the fully unknown shape specified as -1,"
                f" not {int(array)}."
            )
        return None
    return tuple(None if s < 0 else int(s) for s in array)


def merged(a: Shape, b: Shape) -> Shape:
    """What two partly known shapes say together.

    Raises:
        InvalidArgument: they contradict each other.
    """
    if a is None or b is None:
        return b if a is None else a
    if len(a) != len(b) or any(None not in (x, y) and x != y for x, y in zip(a, b, strict=True)):
        raise InvalidArgument(
            f"Tried to combine incompatible shapes {text(a)} and {text(b)} of a list's elements"
        )
    return tuple(x if y is None else y for x, y in zip(a, b, strict=True))


def text(shape: Shape) -> str:
    """A partly known shape as TensorFlow writes it."""
    return (
        "<unknown>"
        if shape is None
        else "[" + ",".join("?" if s is None else str(s) for s in shape) + "]"
    )


def _known(shape: Shape, what: str) -> tuple[int, ...]:
    if shape is None or None in shape:
        raise InvalidArgument(
            f"Trying to {what} but element_shape {text(shape)} is not fully defined"
        )
    return tuple(s for s in shape if s is not None)


def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    check_size(shape, dtype.itemsize)
    if dtype.kind == "O":
        return np.full(shape, b"", object)
    return np.zeros(shape, dtype)


def _element_shape(items: TensorList, wanted: Any) -> Shape:
    shape = merged(items.shape, as_shape(wanted))
    for item in items.items:
        if item is not None:
            shape = merged(shape, item.shape)
    return shape


def _index(items: TensorList, index: Any) -> int:
    number = int(index)
    if not 0 <= number < len(items.items):
        raise InvalidArgument(
            f"Trying to access element {number} in a list with {len(items.items)} elements."
        )
    return number


def _checked(items: TensorList, item: Array) -> Array:
    if items.shape is not None and items.shape != item.shape:
        merged(items.shape, item.shape)
    if item.dtype != items.dtype:
        raise InvalidArgument(f"Invalid data type of an element: {item.dtype} in {items.dtype}")
    return item


def _length(value: Any) -> int:
    number = int(value)
    if not 0 <= number <= MOST_ELEMENTS:
        raise InvalidArgument(
            f"The num_elements to reserve must be a non negative number: {number}"
        )
    return number


@op("EmptyTensorList", attrs="element_dtype", no_effect="shape_type")
def empty(build: Build) -> Kernel:
    """A list of nothing."""
    dtype = build.type("element_dtype").numpy
    return lambda shape, _most: TensorList(dtype, as_shape(shape), ())


@op("TensorListReserve", attrs="element_dtype", no_effect="shape_type")
def reserve(build: Build) -> Kernel:
    """A list of so many elements, none of them set."""
    dtype = build.type("element_dtype").numpy
    return lambda shape, count: TensorList(dtype, as_shape(shape), (None,) * _length(count))


@op("TensorListFromTensor", no_effect="element_dtype shape_type")
def from_tensor(build: Build) -> Kernel:
    """The rows of a tensor."""
    del build

    def kernel(tensor: Array, shape: Any) -> TensorList:
        if tensor.ndim == 0:
            raise InvalidArgument("Tensor must be at least a vector, but saw shape: []")
        wanted = as_shape(shape)
        merged(wanted, tensor.shape[1:])
        return TensorList(tensor.dtype, wanted, tuple(_rows(tensor)))

    return kernel


def _rows(tensor: Array) -> list[Array]:
    return [tensor[i, ...] for i in range(len(tensor))]


@op("TensorListStack", attrs="num_elements", no_effect="element_dtype")
def stack(build: Build) -> Kernel:
    """All elements as one tensor; those not set are zeros."""
    count = build.int("num_elements")

    def kernel(items: TensorList, shape: Any) -> Array:
        if count not in (-1, len(items.items)):
            raise InvalidArgument(
                f"Operation expected a list with {count} elements but got a list with"
                f" {len(items.items)} elements."
            )
        return _stacked(items, items.items, _element_shape(items, shape))

    return kernel


def _stacked(items: TensorList, chosen: Sequence[Array | None], shape: Shape) -> Array:
    if not chosen:
        return _zeros((0, *_known(shape, "stack an empty list")), items.dtype)
    if all(item is not None for item in chosen):
        found = [item for item in chosen if item is not None]
        check_size((len(found), *found[0].shape), items.dtype.itemsize)
        return np.stack(found)
    sizes = _known(shape, "stack a list with elements that are not set")
    result = _zeros((len(chosen), *sizes), items.dtype)
    for index, item in enumerate(chosen):
        if item is not None:
            result[index] = item
    return result


@op("TensorListGetItem", no_effect="element_dtype")
def get_item(build: Build) -> Kernel:
    """One element; zeros if it is not set."""
    del build

    def kernel(items: TensorList, index: Any, shape: Any) -> Array:
        item = items.items[_index(items, index)]
        if item is not None:
            return item
        return _zeros(
            _known(_element_shape(items, shape), "read an element that is not set"), items.dtype
        )

    return kernel


@op("TensorListSetItem", attrs="resize_if_index_out_of_bounds", no_effect="element_dtype")
def set_item(build: Build) -> Kernel:
    """The list with one element replaced."""
    resize = build.bool("resize_if_index_out_of_bounds")

    def kernel(items: TensorList, index: Any, item: Array) -> TensorList:
        if resize and int(index) >= len(items.items):
            items = _resized(items, _length(int(index) + 1))
        return items.with_item(_index(items, index), _checked(items, np.asarray(item)))

    return kernel


def _resized(items: TensorList, length: int) -> TensorList:
    kept = items.items[:length]
    return replace(items, items=kept + (None,) * (length - len(kept)))


@op("TensorListResize")
def resize(build: Build) -> Kernel:
    """The list cut, or with elements more that are not set."""
    del build
    return lambda items, length: _resized(items, _length(length))


@op("TensorListLength")
def length(build: Build) -> Kernel:
    """How many elements it has."""
    del build
    return lambda items: np.asarray(len(items.items), np.int32)


@op("TensorListElementShape", attrs="shape_type")
def element_shape(build: Build) -> Kernel:
    """What is known of its elements' shape."""
    dtype = build.type("shape_type").numpy

    def kernel(items: TensorList) -> Array:
        if items.shape is None:
            return np.asarray(-1, dtype)
        return np.asarray([-1 if s is None else s for s in items.shape], dtype)

    return kernel


@op("TensorListPushBack", no_effect="element_dtype")
def push_back(build: Build) -> Kernel:
    """The list with one element more."""
    del build

    def kernel(items: TensorList, item: Array) -> TensorList:
        return replace(items, items=(*items.items, _checked(items, np.asarray(item))))

    return kernel


@op("TensorListPopBack", no_effect="element_dtype")
def pop_back(build: Build) -> Kernel:
    """The list without its last element, and that element."""
    del build

    def kernel(items: TensorList, shape: Any) -> tuple[TensorList, Array]:
        if not items.items:
            raise InvalidArgument("Trying to pop from an empty list.")
        item = items.items[-1]
        if item is None:
            item = _zeros(
                _known(_element_shape(items, shape), "pop an element that is not set"), items.dtype
            )
        return replace(items, items=items.items[:-1]), item

    return kernel


@op("TensorListGather", no_effect="element_dtype")
def gather(build: Build) -> Kernel:
    """Some elements as one tensor."""
    del build

    def kernel(items: TensorList, indices: Array, shape: Any) -> Array:
        chosen = [items.items[_index(items, i)] for i in indices]
        return _stacked(items, chosen, _element_shape(items, shape))

    return kernel


def _scattered(items: TensorList, rows: Array, indices: Array) -> TensorList:
    if len(rows) != len(indices):
        raise InvalidArgument(
            f"Specified a list with shape {text(items.shape)} from a tensor of {len(rows)} rows"
            f" and {len(indices)} indices"
        )
    if len(indices) and int(np.min(indices)) < 0:
        raise InvalidArgument("Indices in TensorListScatter must all be non-negative.")
    found = list(items.items)
    if len(indices) and int(np.max(indices)) >= len(found):
        found += [None] * (_length(int(np.max(indices)) + 1) - len(found))
    for index, row in zip(indices, _rows(rows), strict=True):
        found[int(index)] = _checked(items, row)
    return replace(items, items=tuple(found))


@op("TensorListScatter", no_effect="element_dtype shape_type")
def scatter(build: Build) -> Kernel:
    """A list with the rows of a tensor at given places."""
    del build
    return lambda rows, indices, shape: _scattered(
        TensorList(rows.dtype, as_shape(shape), ()), rows, indices
    )


@op("TensorListScatterV2", no_effect="element_dtype shape_type")
def scatter_v2(build: Build) -> Kernel:
    """Likewise, of a given length at least."""
    del build

    def kernel(rows: Array, indices: Array, shape: Any, count: Any) -> TensorList:
        known = (None,) * (0 if int(count) == -1 else _length(count))
        return _scattered(TensorList(rows.dtype, as_shape(shape), known), rows, indices)

    return kernel


@op("TensorListScatterIntoExistingList", no_effect="element_dtype")
def scatter_into(build: Build) -> Kernel:
    """A list with some elements replaced by the rows of a tensor."""
    del build
    return _scattered


def _concatenated(items: TensorList, leading: Shape) -> tuple[Array, Array]:
    if not items.items:
        sizes = _known(leading[1:] if leading else None, "concatenate an empty list")
        return _zeros((0, *sizes), items.dtype), np.zeros(0, np.int64)
    parts = [
        item
        if item is not None
        else _zeros(_known(merged(items.shape, leading), "concatenate"), items.dtype)
        for item in items.items
    ]
    if any(part.ndim == 0 for part in parts):
        raise InvalidArgument("Concat saw a scalar shape but requires all tensors to be vectors")
    return np.concatenate(parts), np.asarray([len(p) for p in parts], np.int64)


@op("TensorListConcat", attrs="element_shape", no_effect="element_dtype")
def concat(build: Build) -> Kernel:
    """Elements one after another, and their lengths."""
    shape: Any = build.node.attrs["element_shape"]
    return lambda items: _concatenated(items, shape)


@op("TensorListConcatV2", no_effect="element_dtype shape_type")
def concat_v2(build: Build) -> Kernel:
    """Elements one after another, and their lengths."""
    del build
    return lambda items, shape, _leading: _concatenated(items, as_shape(shape))


@op("TensorListSplit", no_effect="element_dtype shape_type")
def split(build: Build) -> Kernel:
    """Pieces of given lengths of a tensor."""
    del build

    def kernel(tensor: Array, shape: Any, lengths: Array) -> TensorList:
        if int(np.sum(lengths)) != len(tensor):
            raise InvalidArgument(
                "Invalid value of lengths: their sum is not the tensor's first dimension"
            )
        ends = np.cumsum(lengths)[:-1]
        return TensorList(tensor.dtype, as_shape(shape), tuple(np.split(tensor, ends)))

    return kernel


@op("TensorListConcatLists", no_effect="element_dtype")
def concat_lists(build: Build) -> Kernel:
    """One list after another."""
    del build
    return lambda a, b: replace(a, items=a.items + b.items)
