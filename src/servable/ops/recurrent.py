"""Recurrent layers as one node; `graph.passes.recurrent` makes them out of loops.

x is [steps, batch, inputs], a mask [steps, batch, 1]. What comes out is h of every step
(attribute `every`) or of the last alone, as one row or, without steps, none; then the
states after the last step. Where the mask is false the states stay, and h comes out as
it did a step before, zeros at first, or as zeros (attribute `zero_output`). No steps are
refused where TensorFlow could not tell the shape of what comes out (`needs_steps`).

The products with x are one matrix product for all steps; what is left for each step
works in buffers that are made once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.limits import check_size
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array

_COMMON = "every masked zero_output needs_steps"

_States: TypeAlias = tuple[Array, ...]
_Step: TypeAlias = Callable[[Array, _States, _States], None]
"""Takes the products with x, the states, and where the new ones belong."""


def _count(x: Array, steps: Any, inputs: int) -> int:
    """How many steps there are to go."""
    count = int(steps)
    if count > len(x):
        raise InvalidArgument(
            f"Trying to access element {len(x)} in a list with {len(x)} elements."
        )
    if x.ndim != 3 or x.shape[2] != inputs:
        raise InvalidArgument(f"a recurrent layer of {inputs} inputs got {list(x.shape)}")
    return max(count, 0)


def _projected(x: Array, k: Array, b: Array) -> Array:
    """x K + b for every step."""
    check_size((*x.shape[:2], k.shape[1]), x.itemsize)
    z = x.reshape(-1, k.shape[0]) @ k
    z += b
    return z.reshape(*x.shape[:2], k.shape[1])


@dataclass(frozen=True, slots=True)
class _Layer:
    """What a node's attributes say of the steps."""

    every: bool
    masked: bool
    zero_output: bool
    needs_steps: bool

    @classmethod
    def of(cls, build: Build) -> _Layer:
        return cls(*map(build.bool, _COMMON.split()))

    def run(self, z: Array, mask: Array, states: _States, step: _Step) -> tuple[Array, ...]:
        """Go through all steps."""
        count, batch, units = len(z), z.shape[1], states[0].shape[1]
        if self.needs_steps and not count:
            what = "elements of an empty list with"
            if not self.every:
                what = "list which only contains uninitialized tensors and has a"
            raise InvalidArgument(
                f"Tried to stack {what} non-fully-defined element_shape: [?,{units}]"
            )
        states = tuple(np.broadcast_to(s, (batch, units)) for s in states)
        made = np.empty((count if self.every else min(count, 1), batch, units), z.dtype)
        off = ~_checked_mask(mask, z) if self.masked else None
        direct = self.every and off is None
        spare = [tuple(np.empty((batch, units), z.dtype) for _ in states) for _ in range(2)]
        before = np.zeros((batch, units), z.dtype)
        for number, gates in enumerate(z):
            fresh = spare[number % 2]
            new = (made[number], *fresh[1:]) if direct else fresh
            step(gates, states, new)
            if off is not None:
                for old, held in zip(states, new, strict=True):
                    np.copyto(held, old, where=off[number])
                out = made[number if self.every else 0]
                out[...] = 0 if self.zero_output else before
                np.copyto(out, new[0], where=~off[number])
                before = out
            states = new
        if count and not self.every and off is None:
            made[0] = states[0]
        return made, *states


def _checked_mask(mask: Array, z: Array) -> Array:
    if mask.ndim != 3 or mask.shape[1:] != (z.shape[1], 1):
        raise InvalidArgument(f"a mask of {list(mask.shape)} for inputs of {list(z.shape[:2])}")
    if len(mask) < len(z):
        raise InvalidArgument(
            f"Trying to access element {len(mask)} in a list with {len(mask)} elements."
        )
    return mask[: len(z)]


def _sigmoid(x: Array) -> None:
    """In place. Through tanh, which neither overflows nor needs a temporary."""
    x *= 0.5
    np.tanh(x, out=x)
    x += 1
    x *= 0.5


@op("_LSTM", attrs=_COMMON)
def lstm(build: Build) -> Kernel:
    """The h that are wanted, the last h and the last c."""
    layer = _Layer.of(build)

    def kernel(
        x: Array, mask: Array, steps: Any, h: Array, c: Array, k: Array, r: Array, b: Array
    ) -> Any:
        z = _projected(x[: _count(x, steps, len(k))], k, b)
        units = len(r)
        scale, shift = np.full((2, 4 * units), 0.5, z.dtype)
        # In the order i, f, g, o: a sigmoid is half the tanh of the half, plus a half.
        scale[2 * units : 3 * units], shift[2 * units : 3 * units] = 1, 0
        gates = np.empty(z.shape[1:], z.dtype)
        i, f, g, o = (gates[:, n * units : (n + 1) * units] for n in range(4))

        def step(projected: Array, old: _States, new: _States) -> None:
            (h, c), (next_h, next_c) = old, new
            np.matmul(h, r, out=gates)
            np.add(gates, projected, out=gates)
            np.multiply(gates, scale, out=gates)
            np.tanh(gates, out=gates)
            np.multiply(gates, scale, out=gates)
            np.add(gates, shift, out=gates)
            np.multiply(c, f, out=next_c)
            np.multiply(g, i, out=g)
            np.add(next_c, g, out=next_c)
            np.tanh(next_c, out=next_h)
            np.multiply(next_h, o, out=next_h)

        return layer.run(z, mask, (h, c), step)

    return kernel


@op("_GRU", attrs=f"{_COMMON} reset_after")
def gru(build: Build) -> Kernel:
    """The h that are wanted, and the last; the reset gate acts before or after the product."""
    layer = _Layer.of(build)
    reset_after = build.bool("reset_after")

    def kernel(
        x: Array, mask: Array, steps: Any, h: Array, k: Array, r: Array, b: Array, d: Array
    ) -> Any:
        z = _projected(x[: _count(x, steps, len(k))], k, b)
        units = len(r)
        product = np.empty(z.shape[1:], z.dtype)
        reset = np.empty((z.shape[1], units), z.dtype)
        third = product[:, 2 * units :]
        # In the order z, r, h.
        both, first = (slice(None), slice(2 * units)), (slice(None), slice(units))
        r_both, r_new = np.ascontiguousarray(r[both]), np.ascontiguousarray(r[:, 2 * units :])

        def step(gates: Array, old: _States, new: _States) -> None:
            (h,), (out,) = old, new
            if reset_after:
                np.matmul(h, r, out=product)
                np.add(product, d, out=product)
            else:
                np.matmul(h, r_both, out=product[both])
                np.add(product[both], d[: 2 * units], out=product[both])
            gates[both] += product[both]
            _sigmoid(gates[both])
            if reset_after:
                np.multiply(third, gates[:, units : 2 * units], out=third)
            else:
                np.multiply(h, gates[:, units : 2 * units], out=reset)
                np.matmul(reset, r_new, out=third)
                np.add(third, d[2 * units :], out=third)
            np.add(third, gates[:, 2 * units :], out=third)
            np.tanh(third, out=third)
            # h' = n + z (h - n)
            np.subtract(h, third, out=out)
            np.multiply(out, gates[first], out=out)
            np.add(out, third, out=out)

        return layer.run(z, mask, (h,), step)

    return kernel


@op("_RNN", attrs=f"{_COMMON} activation")
def rnn(build: Build) -> Kernel:
    """The h that are wanted, and the last."""
    layer = _Layer.of(build)
    activation = build.choice("activation", "Tanh", "Relu", "Sigmoid")

    def kernel(x: Array, mask: Array, steps: Any, h: Array, k: Array, r: Array, b: Array) -> Any:
        def step(projected: Array, old: _States, new: _States) -> None:
            (h,), (out,) = old, new
            np.matmul(h, r, out=out)
            np.add(out, projected, out=out)
            if activation == "Tanh":
                np.tanh(out, out=out)
            elif activation == "Relu":
                np.maximum(out, 0, out=out)
            else:
                _sigmoid(out)

        z = _projected(x[: _count(x, steps, len(k))], k, b)
        return layer.run(z, mask, (h,), step)

    return kernel
