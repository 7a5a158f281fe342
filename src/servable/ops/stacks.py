"""Stacks: what gradients of TF1 loops keep the steps of the loop in.

A stack is a thing that changes. It lives for one run; waits put pushes and pops in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.tensors import Array


class Stack:
    """Tensors of one dtype, the last of which comes off first; used by one run alone."""

    def __init__(self, dtype: np.dtype[Any], most: int) -> None:
        self.dtype = dtype
        self.items: list[Array] = []
        self._most = most

    def push(self, item: Array) -> None:
        """Put a tensor on top."""
        if np.asarray(item).dtype != self.dtype:
            raise InvalidArgument(
                f"Must have type {self.dtype.name} but got {np.asarray(item).dtype.name}"
            )
        if 0 <= self._most <= len(self.items):
            raise InvalidArgument(f"Stack overflowed its max_size ({self._most})")
        self.items.append(item)

    def pop(self) -> Array:
        """Take the tensor from the top."""
        if not self.items:
            raise InvalidArgument("Stack is empty when calling Pop().")
        return self.items.pop()


@op("StackV2", attrs="elem_type", no_effect="stack_name")
def stack(build: Build) -> Kernel:
    """A new stack; a negative size sets no bound."""
    dtype = build.type("elem_type").numpy
    return lambda most: Stack(dtype, int(most))


@op("StackPushV2", no_effect="swap_memory")
def push(build: Build) -> Kernel:
    """The tensor, which is on top of the stack then."""
    del build

    def kernel(target: Stack, item: Array) -> Array:
        target.push(item)
        return item

    return kernel


@op("StackPopV2")
def pop(build: Build) -> Kernel:
    """The tensor from the top of the stack."""
    del build
    return lambda source: source.pop()


@op("StackCloseV2")
def close(build: Build) -> Kernel:
    """Nothing: a stack ends with its run."""
    del build
    return lambda _stack: None
