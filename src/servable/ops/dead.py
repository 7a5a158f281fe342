"""TF1 conditionals at run time: the marker that stands for a dead value."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from servable.ops.control import truth
from servable.ops.registry import Build, Kernel, op


class Dead:
    """The value on the branch that was not taken."""

    def __repr__(self) -> str:
        return "DEAD"


DEAD: Final = Dead()


def alive_only(kernel: Kernel, outputs: int) -> Kernel:
    """A kernel that is not run on dead inputs, and then gives dead outputs."""

    def run(*inputs: Any) -> Any:
        if any(value is DEAD for value in inputs):
            return DEAD if outputs == 1 else (DEAD,) * outputs
        return kernel(*inputs)

    return run


@op("Switch", "RefSwitch")
def switch(build: Build) -> Kernel:
    """The value on output 1 if the condition holds, else on output 0."""
    del build
    return lambda value, condition: (DEAD, value) if truth(condition) else (value, DEAD)


@op("Merge", "RefMerge")
def merge(build: Build) -> Kernel:
    """The input that is alive, and its number."""
    del build

    def kernel(*inputs: Any) -> Any:
        for index, value in enumerate(inputs):
            if value is not DEAD:
                return value, np.asarray(index, np.int32)
        return DEAD, DEAD

    return kernel


@op("_Gate")
def gate(build: Build) -> Kernel:
    """Its first input; the engine sees to it that all of them are alive."""
    del build
    return lambda value, *_others: value
