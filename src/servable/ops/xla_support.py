"""What the ops of XLA share: their dimension numbers, and functions of scalars run on arrays.

jax2tf writes these ops where TensorFlow has none of its own for what JAX computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.control import body
from servable.ops.example_wire import Malformed, varint, varints
from servable.ops.limits import check_size
from servable.ops.messages import fields
from servable.ops.registry import Build
from servable.tensors import Array

Numbers: TypeAlias = Mapping[int, tuple[int, ...]]
"""The integers of a message, by the number of their field."""

Combine: TypeAlias = Callable[[Sequence[Array], Sequence[Array]], list[Array]]
"""Combines tensors of one shape, element by element, with as many others of that shape."""

_MOST_ALONE = 100_000
"""Bound on the calls of a function that must be given its scalars one by one."""


def numbers(build: Build, name: str = "dimension_numbers") -> Numbers:
    """Read a message of integers that an attribute holds serialized.

    Raises:
        UnsupportedOps: it is no message.
    """
    data = build.data(name)
    found: dict[int, tuple[int, ...]] = {}
    try:
        for number, kind, start, end in fields(data, 0, len(data)):
            if kind not in (0, 2):
                raise Malformed
            more = [varint(data, start, end)[0]] if kind == 0 else varints(data, start, end)
            found[number] = (*found.get(number, ()), *(int(n) for n in more))
    except Malformed:
        raise build.unsupported(f"{name} that is no message") from None
    return found


def sizes(values: Array) -> list[int]:
    """A vector of sizes, places or counts as plain numbers.

    Raises:
        InvalidArgument: it is no vector.
    """
    if values.ndim != 1:
        raise InvalidArgument(f"a vector is expected, but its shape is {values.shape}")
    named: list[int] = values.tolist()
    return named


def elementwise(build: Build, name: str) -> Callable[..., list[Array]]:
    """A function of scalars that an attribute names, as a function of tensors of one shape.

    Its ops are nearly always such that work element by element; then it runs once on the
    whole tensors. What does not give results of their shape is run on one element after
    another.
    """
    run = body(build, name)

    def apply(*arguments: Array) -> list[Array]:
        shape = arguments[0].shape
        try:
            made = [np.asarray(result) for result in run(arguments)]
        except (InvalidArgument, ValueError, IndexError):
            if not shape:
                raise
            return alone(arguments)
        if all(result.shape == shape for result in made):
            return made
        if arguments[0].size and all(result.shape == () for result in made):
            # The function does not look at its arguments.
            return [np.broadcast_to(result, shape) for result in made]
        return alone(arguments)

    def alone(arguments: Sequence[Array]) -> list[Array]:
        shape = arguments[0].shape
        if arguments[0].size > _MOST_ALONE:
            raise InvalidArgument(
                f"{name} of node {build.node.name} does not work element by element, and"
                f" {arguments[0].size} elements are more than {_MOST_ALONE}"
            )
        rows = zip(*(a.reshape(-1) for a in arguments), strict=True)
        columns = list(zip(*(run([np.asarray(v) for v in row]) for row in rows), strict=True))
        return [np.asarray(column).reshape(shape) for column in columns]

    return apply


def combiner(build: Build, name: str) -> Combine:
    """A function that combines n scalars with n others, on tensors."""
    apply = elementwise(build, name)
    return lambda first, second: apply(*first, *second)


def window_places(
    size: int, window: int, stride: int, dilation: int, base_dilation: int, around: Sequence[int]
) -> int:
    """At how many places a window may stand along a dimension."""
    padded = max((size - 1) * base_dilation + 1, 0) + around[0] + around[1]
    reach = (window - 1) * dilation + 1
    return 0 if padded < reach or not window else (padded - reach) // stride + 1


def spaced(
    x: Array, filler: Array, low: Sequence[int], high: Sequence[int], between: Sequence[int]
) -> Array:
    """A tensor with fillers before, behind and between the elements of each dimension.

    Args:
        low, high: fillers before and behind; elements to leave out if negative.
        between: fillers between neighbours.

    Raises:
        InvalidArgument: there is not one number for each dimension, or one makes no sense.
        ResourceExhausted: the result would be too large.
    """
    if not len(low) == len(high) == len(between) == x.ndim:
        raise InvalidArgument(
            f"padding of {len(low)}, {len(high)} and {len(between)} dimensions does not fit a"
            f" tensor of rank {x.ndim}"
        )
    if min(between, default=0) < 0:
        raise InvalidArgument("Interior padding cannot be negative")
    spans = [max((n - 1) * (gap + 1) + 1, 0) for n, gap in zip(x.shape, between, strict=True)]
    shape = [a + n + b for a, n, b in zip(low, spans, high, strict=True)]
    if min(shape, default=0) < 0:
        raise InvalidArgument(f"Padding result in negative size: {shape}")
    made = np.full(check_size(shape, x.itemsize), filler, x.dtype)
    target, source = [], []
    for before, size, gap, whole in zip(low, x.shape, between, shape, strict=True):
        step = gap + 1
        first = max(0, -(before // step)) if before < 0 else 0
        start = before + first * step
        last = min(size, (whole - 1 - before) // step + 1)
        count = max(last - first, 0)
        source.append(slice(first, first + count))
        target.append(slice(start, start + count * step, step))
    made[tuple(target)] = x[tuple(source)]
    return made


def in_rounds(targets: Array) -> list[Array]:
    """Split places in such a way that no part names a target twice, and their order is kept.

    Args:
        targets: int64 [n].

    Returns:
        Places in `targets`, part by part: the first of each target, the second, and so on.
    """
    order = np.argsort(targets, kind="stable")
    ordered = targets[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    number = np.arange(len(order)) - np.maximum.accumulate(
        np.where(first, np.arange(len(order)), 0)
    )
    most = int(number.max(initial=-1)) + 1
    by_round = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number, minlength=most))[:-1]
    return [order[part] for part in np.split(by_round, ends)] if most else []


def scatter_into(made: Array, targets: Array, updates: Array, combine: Combine) -> None:
    """Combine elements of a flat array with updates, in their order, in place."""
    for part in in_rounds(targets):
        places = targets[part]
        made[places] = combine([made[places]], [updates[part]])[0]


def same_dtype(x: Any, dtype: np.dtype[Any]) -> Array:
    """An array of this dtype."""
    return np.asarray(x).astype(dtype, copy=False)
