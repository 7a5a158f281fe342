"""Where values are: true ones, largest ones, places in sorted rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.graph.ir import Node
from servable.ops.halves import wide
from servable.ops.islands import constants
from servable.ops.limits import check_size
from servable.ops.registry import Build, Island, Kernel, op
from servable.ops.support import scalar, whole_axis
from servable.ops.text import dims
from servable.tensors import FLOAT, Array


@op("Where")
def where(build: Build) -> Kernel:
    """The places of all that is true or not zero, in row-major order."""
    del build

    def kernel(x: Array) -> Any:
        if not x.ndim:
            raise InvalidArgument("WhereOp : Unhandled input dimensions: 0")
        return np.argwhere(x)

    return kernel


def _of_floats(node: Node) -> bool:
    return node.attrs.get("T") is FLOAT


@op(
    "ArgMax",
    "ArgMin",
    attrs="output_type",
    island=Island.LIGHT,
    island_if=_of_floats,
    island_among=constants(1),
    int64=True,
)
def arg_extreme(build: Build) -> Kernel:
    """The place of the largest or smallest value along a dimension, the first one if several are.

    NaN is passed over.
    """
    dtype = build.type("output_type").numpy
    largest = build.node.op == "ArgMax"
    find, least = (np.argmax, -np.inf) if largest else (np.argmin, np.inf)

    def kernel(x: Array, dimension: Array) -> Any:
        number = scalar(dimension, "dim must be a scalar, but received tensor of shape: {}")
        axis = whole_axis(number, x.ndim)
        if axis is None:
            raise InvalidArgument(
                f"Expected dimension in the range [{-x.ndim}, {x.ndim}), but got {number}"
            )
        if not x.shape[axis]:
            raise InvalidArgument(f"Reduction axis {axis} is empty in shape {dims(x.shape)}")
        x = wide(x)
        if x.dtype.kind == "f":
            unknown = np.isnan(x)
            if unknown.any():
                x = np.where(unknown, np.asarray(least, x.dtype), x)
        return find(x, axis=axis).astype(dtype)

    return kernel


def _largest(x: Array, k: int) -> Array:
    """Places of the k largest values of each row, in descending order of value.

    Of equal values the one further in front comes first.
    """
    size = x.shape[-1]
    x = wide(x)
    if 0 < 8 * k < size and not (x.dtype.kind == "f" and np.isnan(x).any()):
        places = _candidates(x, k)
        values = np.take_along_axis(x, places, -1)
        return np.take_along_axis(places, _descending(values), -1)
    return _descending(x)[..., :k]


def _descending(x: Array) -> Array:
    # A stable sort of the reversed row, read backwards.
    order = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    places: Array = x.shape[-1] - 1 - order
    return places


def _candidates(x: Array, k: int) -> Array:
    """Places of the k largest values of each row, in ascending order of place."""
    threshold = np.partition(x, x.shape[-1] - k, axis=-1)[..., -k, None]
    chosen = x > threshold
    equal = x == threshold
    wanted = k - chosen.sum(axis=-1, keepdims=True)
    chosen |= equal & (np.cumsum(equal, axis=-1) <= wanted)
    return np.nonzero(chosen)[-1].reshape((*x.shape[:-1], k))


def _top(x: Array, k: int, dtype: np.dtype[Any]) -> Any:
    if k < 0:
        raise InvalidArgument(f"Need k >= 0, got {k}")
    if not x.ndim:
        raise InvalidArgument("input must be >= 1-D, got shape []")
    if x.shape[-1] < k:
        raise InvalidArgument(f"input must have at least k columns. Had {x.shape[-1]}, needed {k}")
    places = _largest(x, k)
    return np.take_along_axis(x, places, -1), places.astype(dtype)


@op("TopKV2", attrs="index_type", no_effect="sorted")
def top_k(build: Build) -> Kernel:
    """The k largest values of each row, and where they are.

    They come in descending order also where the graph does not ask for an order.
    """
    dtype = build.type("index_type").numpy
    return lambda x, k: _top(x, scalar(k, "k must be scalar, got shape {}"), dtype)


@op("NthElement", attrs="reverse")
def nth_element(build: Build) -> Kernel:
    """The value of each row that would stand at a place if the row were sorted."""
    reverse = build.bool("reverse")

    def kernel(x: Array, n: Array) -> Any:
        if n.ndim:
            raise InvalidArgument(f"N must be scalar but has rank {n.ndim}")
        number = int(n.item())
        if number < 0:
            raise InvalidArgument(f"n must be non-negative but is {number}")
        if not x.ndim:
            raise InvalidArgument("Input must be at least rank 1 but is rank 0")
        size = x.shape[-1]
        if number >= size:
            raise InvalidArgument(f"Input must have last dimension > n = {number}")
        place = size - 1 - number if reverse else number
        return np.partition(wide(x), place, axis=-1)[..., place].astype(x.dtype, copy=False)

    return kernel


@op("LowerBound", "UpperBound", attrs="out_type")
def bound(build: Build) -> Kernel:
    """For each value, how many of its row's sorted inputs are less (LowerBound), or not more.

    All rows are searched at once, halving as C++'s lower_bound does, so that rows
    that are not sorted give the same answer too.
    """
    dtype = build.type("out_type").numpy
    lower = build.node.op == "LowerBound"

    def kernel(inputs: Array, values: Array) -> Any:
        for name, x in (("sorted_inputs", inputs), ("values", values)):
            if x.ndim != 2:
                raise InvalidArgument(
                    f"Shape must be rank 2 but is rank {x.ndim} for `{name}` argument"
                )
        if len(inputs) != len(values):
            raise InvalidArgument("Leading dim_size of both tensors must match.")
        size = inputs.shape[1]
        first = np.zeros(values.shape, np.int64)
        if not size or not values.size:
            return first.astype(dtype)
        check_size(values.shape, 8)
        count = np.full(values.shape, size, np.int64)
        for _ in range(size.bit_length()):
            half = count // 2
            middle = np.minimum(first + half, size - 1)
            found = np.take_along_axis(inputs, middle, 1)
            right = (found < values if lower else ~(values < found)) & (count > 0)
            first = np.where(right, middle + 1, first)
            count = np.where(right, count - half - 1, half)
        return first.astype(dtype)

    return kernel
