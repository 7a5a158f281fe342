"""A function as a flat list of steps over numbered slots. Built once, never changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, TypeAlias

from servable.graph.effects import has_effect
from servable.graph.ir import Function, Value
from servable.metrics.requests import CURRENT
from servable.ops.registry import Kernel
from servable.tensors import Array

HOST = "host"
"""The backend of units that are not timed apart."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Something that a backend made runnable: one node, or an island of many.

    Attributes:
        label: what error messages and the printed plan call it.
        backend: the backend's name.
        inputs: values that the kernel takes, in order.
        outputs: values that it makes, in order.
        single: whether the kernel returns its only output bare.
        ops: the op of each node that it computes, for people to count.
    """

    label: str
    backend: str
    kernel: Kernel
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    single: bool
    ops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One unit over slots.

    Attributes:
        inputs, outputs: slot numbers; -1 for an output that nobody reads.
        frees: slots that no later step reads.
    """

    unit: Unit
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    frees: tuple[int, ...]


Code: TypeAlias = tuple[
    tuple[str, Kernel, tuple[int, ...], tuple[int, ...], int, tuple[int, ...]], ...
]
"""Steps as the loop reads them: label, kernel, inputs, outputs, the slot of an only output
that comes bare (-1 if there are several, or none is read), frees."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the loop runs.

    Attributes:
        code: the steps as the loop reads them.
        slots: what each slot holds before the first step: a constant, or None.
        args: the slot of each argument, -1 for one that nothing reads.
        results: the slot of each result.
    """

    name: str
    steps: tuple[Step, ...]
    code: Code
    slots: tuple[Array | None, ...]
    args: tuple[int, ...]
    results: tuple[int, ...]

    def __str__(self) -> str:
        lines = [f"{self.name}: {len(self.steps)} steps over {len(self.slots)} slots"]
        for number, step in enumerate(self.steps):
            reads = " ".join(map(str, step.inputs)) or "-"
            writes = " ".join(map(str, step.outputs)) or "-"
            lines.append(
                f"{number:>5} {step.unit.backend:<9} {step.unit.label}  {reads} -> {writes}"
            )
        return "\n".join(lines)


def make_plan(function: Function, units: Sequence[Unit], constants: Mapping[Value, Array]) -> Plan:
    """Give every value a slot and find its last use.

    Args:
        function: whose arguments and results the plan has.
        units: what to run, in an order in which each comes after all it needs.
        constants: values that are known at load.
    """
    read = {v for unit in units for v in unit.inputs} | set(function.results)
    numbers: dict[Value, int] = {}

    def slot(value: Value) -> int:
        return numbers.setdefault(value, len(numbers)) if value in read else -1

    args = tuple(slot(Value(name)) for name in function.args)
    fixed = {slot(value): array for value, array in constants.items() if value in read}
    placed = [
        (unit, tuple(slot(v) for v in unit.inputs), tuple(slot(v) for v in unit.outputs))
        for unit in units
    ]
    results = tuple(slot(v) for v in function.results)
    steps = _freeing(placed, {*results, *fixed})
    slots = tuple(fixed.get(number) for number in range(len(numbers)))
    return Plan(function.name, steps, _code(steps), slots, args, results)


def narrowed(plan: Plan, wanted: Sequence[int]) -> Plan:
    """The plan for some of the results alone, named by their places.

    Steps with effects stay: TensorFlow runs those of a function whatever is fetched.
    """
    results = tuple(plan.results[place] for place in wanted)
    needed = {*results}
    placed = []
    for step in reversed(plan.steps):
        if needed.intersection(step.outputs) or any(map(has_effect, step.unit.ops)):
            needed.update(step.inputs)
            placed.append((step.unit, step.inputs, step.outputs))
    constants = {number for number, value in enumerate(plan.slots) if value is not None}
    steps = _freeing(placed[::-1], {*results, *constants})
    return replace(plan, steps=steps, code=_code(steps), results=results)


_Placed: TypeAlias = tuple[Unit, tuple[int, ...], tuple[int, ...]]


def _freeing(placed: Sequence[_Placed], kept: Collection[int]) -> tuple[Step, ...]:
    """Steps that free each slot at its last use, except those that are kept."""
    last = {number: index for index, (_, inputs, _) in enumerate(placed) for number in inputs}
    frees: dict[int, list[int]] = {}
    for number, index in last.items():
        if number not in kept:
            frees.setdefault(index, []).append(number)
    return tuple(
        Step(unit, inputs, outputs, tuple(sorted(frees.get(index, ()))))
        for index, (unit, inputs, outputs) in enumerate(placed)
    )


def _code(steps: Sequence[Step]) -> Code:
    return tuple(
        (
            step.unit.label,
            step.unit.kernel if step.unit.backend == HOST else _timed(step.unit.kernel),
            step.inputs,
            # What nobody reads is not stored.
            () if step.unit.single else step.outputs,
            step.outputs[0] if step.unit.single else -1,
            step.frees,
        )
        for step in steps
    )


def _timed(kernel: Kernel) -> Kernel:
    """An island's kernel that tells the request at hand how long it took.

    Loops and fallbacks may run islands within one; their time is part of its own.
    """

    def island(*arrays: Array) -> Any:
        seen = CURRENT.observation
        if seen is None:
            return kernel(*arrays)
        before, began = seen.island_seconds, perf_counter()
        try:
            return kernel(*arrays)
        finally:
            seen.island_seconds = before + perf_counter() - began

    return island
