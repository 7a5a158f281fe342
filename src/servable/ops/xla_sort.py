"""XLA's sorts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.halves import wide
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.support import shape_text, whole_axis
from servable.ops.xla_support import elementwise
from servable.tensors import Array


def _order(keys: Array) -> Array:
    order: Array = np.argsort(wide(keys), axis=-1, kind="stable")
    return order


@op("XlaSort")
def xla_sort(build: Build) -> Kernel:
    """Each row in ascending order."""
    del build

    def kernel(x: Array) -> Any:
        if not x.ndim:
            raise InvalidArgument("a scalar has no rows to sort")
        return np.take_along_axis(x, _order(x), -1)

    return kernel


@op("XlaKeyValueSort")
def xla_key_value_sort(build: Build) -> Kernel:
    """Each row of keys in ascending order, and the values in the order of their keys."""
    del build

    def kernel(keys: Array, values: Array) -> Any:
        if keys.shape != values.shape or not keys.ndim:
            raise InvalidArgument(
                f"keys and values of one shape are expected: {shape_text(keys)} and"
                f" {shape_text(values)}"
            )
        order = _order(keys)
        return np.take_along_axis(keys, order, -1), np.take_along_axis(values, order, -1)

    return kernel


@op("XlaVariadicSort", attrs="comparator", no_effect="is_stable")
def xla_variadic_sort(build: Build) -> Kernel:
    """Tensors sorted together along a dimension, by a function of the graph; always stable."""
    before = elementwise(build, "comparator")

    def kernel(*inputs: Array) -> Any:
        *arrays, dimension = inputs
        first = arrays[0]
        axis = whole_axis(int(np.asarray(dimension).item()), first.ndim)
        if axis is None:
            raise InvalidArgument(f"dimension {dimension} of a tensor of rank {first.ndim}")
        if any(a.shape != first.shape for a in arrays):
            raise InvalidArgument("tensors that are sorted together must have one shape")
        check_size(first.shape, 8 * (len(arrays) + 1))
        rows = [np.moveaxis(a, axis, 0) for a in arrays]
        made = _sorted(rows, before)
        return [np.moveaxis(m, 0, axis) for m in made]

    return kernel


def _sorted(rows: list[Array], before: Callable[..., list[Array]]) -> list[Array]:
    """Sort along the first dimension by Batcher's network: every step compares many pairs.

    Args:
        before: takes a pair of elements of each tensor; whether the first comes first.
    """
    size, *rest = rows[0].shape
    number = np.arange(size).reshape(-1, *(1,) * len(rest))
    columns = [*(np.array(r) for r in rows), np.array(np.broadcast_to(number, (size, *rest)))]
    for low, high in _network(size):
        left, right = [c[low] for c in columns], [c[high] for c in columns]
        there = [v for pair in zip(right[:-1], left[:-1], strict=True) for v in pair]
        here = [v for pair in zip(left[:-1], right[:-1], strict=True) for v in pair]
        behind = before(*there)[0]
        tied = ~before(*here)[0] & (right[-1] < left[-1])
        swap = behind | tied
        for column, a, b in zip(columns, left, right, strict=True):
            column[low] = np.where(swap, b, a)
            column[high] = np.where(swap, a, b)
    return columns[:-1]


def _network(size: int) -> Iterator[tuple[Array, Array]]:
    """Pairs of places, step by step, that sort any sequence of this length."""
    block = 1
    while block < size:
        step = block
        while step:
            places = np.arange(max(size - step, 0))
            first = step % block
            low = places[(places >= first) & ((places - first) % (2 * step) < step)]
            low = low[low // (2 * block) == (low + step) // (2 * block)]
            if low.size:
                yield low, low + step
            step //= 2
        block *= 2
