"""The loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servable.engine.plan import Plan, Step
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
    slots: list[Any] = [None] * plan.slots
    for number, array in plan.constants:
        slots[number] = array
    for number, array in zip(plan.args, args, strict=True):
        if number >= 0:
            slots[number] = array
    # TensorFlow's arithmetic is silent: x / 0 is inf, log(-1) is nan.
    with np.errstate(all="ignore"):
        for step in plan.steps:
            _step(step, slots)
    results = [slots[number] for number in plan.results]
    if any(result is DEAD for result in results):
        raise InvalidArgument(f"{plan.name}: a result lies on a branch that was not taken")
    return results


def _step(step: Step, slots: list[Any]) -> None:
    unit = step.unit
    try:
        made = unit.kernel(*[slots[number] for number in step.inputs])
    except Exception as error:
        raise refused(unit.label, error) from error
    if unit.single:
        if step.outputs[0] >= 0:
            slots[step.outputs[0]] = made
    elif step.outputs:
        for number, value in zip(step.outputs, made, strict=True):
            if number >= 0:
                slots[number] = value
    for number in step.frees:
        slots[number] = None


def refused(label: str, error: Exception) -> ServableError:
    """The error of a kernel as the caller sees it, with the node's name as TensorFlow adds it."""
    suffix = f"\n\t [[{{{{node {label}}}}}]]"
    if isinstance(error, ServableError):
        text = error.message if "[[{{node" in error.message else error.message + suffix
        return type(error)(text, hint=error.hint)
    if isinstance(error, MemoryError):
        return ResourceExhausted(f"OOM when allocating a tensor{suffix}")
    return InvalidArgument(f"{error or type(error).__name__}{suffix}")
