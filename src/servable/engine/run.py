"""The loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.engine.plan import Plan
from servable.errors import InvalidArgument, ResourceExhausted, ServableError
from servable.ops.dead import DEAD
from servable.tensors import Array


def run(plan: Plan, args: Sequence[Array]) -> list[Array]:
    """Run a plan. Re-entrant: everything that changes is local.

    Args:
        plan: the plan.
        args: one array for each argument of its function; read, never written.

    Raises:
        ServableError: INVALID_ARGUMENT, naming the node, where a kernel refuses values.
    """
    # TensorFlow's arithmetic is silent: x / 0 is inf, log(-1) is nan.
    with np.errstate(all="ignore"):
        results: list[Any] = run_inside(plan, args)
    if any(result is DEAD for result in results):
        raise InvalidArgument(f"{plan.name}: a result lies on a branch that was not taken")
    return results


def run_inside(plan: Plan, args: Sequence[Array]) -> list[Array]:
    """Run a plan from within a kernel of another, as the body of a loop is run.

    The loop is written out: a call for each step would cost as much as a small kernel.
    """
    slots: list[Any] = list(plan.slots)
    for number, array in zip(plan.args, args, strict=True):
        if number >= 0:
            slots[number] = array
    label = ""
    try:
        for label, kernel, inputs, outputs, single, frees in plan.code:  # noqa: B007  # read below
            made = kernel(*[slots[number] for number in inputs])
            if single >= 0:
                slots[single] = made
            elif outputs:
                for number, value in zip(outputs, made, strict=True):
                    if number >= 0:
                        slots[number] = value
            for number in frees:
                slots[number] = None
    except Exception as error:
        raise refused(label, error) from error
    return [slots[number] for number in plan.results]


def refused(label: str, error: Exception) -> ServableError:
    """The error of a kernel as the caller sees it, with the node's name as TensorFlow adds it."""
    suffix = f"\n\t [[{{{{node {label}}}}}]]"
    if isinstance(error, ServableError):
        text = error.message if "[[{{node" in error.message else error.message + suffix
        return type(error)(text, hint=error.hint)
    if isinstance(error, MemoryError):
        return ResourceExhausted(f"OOM when allocating a tensor{suffix}")
    return InvalidArgument(f"{error or type(error).__name__}{suffix}")
