"""Control flow over functions: If, Case and While, in both their forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from servable.errors import InvalidArgument, ResourceExhausted
from servable.graph.ir import FunctionRef, GraphError
from servable.ops.registry import Body, Build, Kernel, op

_NO_EFFECT = "output_shapes"


def body(build: Build, name: str) -> Body:
    """Compile the function that an attribute names."""
    ref = build.node.attrs.get(name)
    if not isinstance(ref, FunctionRef):
        raise GraphError(f"node {build.node.name}: attribute {name} is not a function")
    return build.environment.function(ref)


def truth(value: Any) -> bool:
    """A tensor as a condition.

    A scalar counts by its value (a string by its length), anything else by whether it
    has elements; so `If` and `While` are documented.
    """
    array = np.asarray(value)
    return bool(array[()]) if array.ndim == 0 else array.size > 0


def _results(results: list[Any]) -> Any:
    return results[0] if len(results) == 1 else results


@op("If", "StatelessIf", attrs="then_branch else_branch", no_effect=_NO_EFFECT)
def if_(build: Build) -> Kernel:
    """One of two functions of the same arguments."""
    branches = (body(build, "else_branch"), body(build, "then_branch"))
    return lambda condition, *args: _results(branches[truth(condition)](args))


@op("Case", "StatelessCase", attrs="branches", no_effect=_NO_EFFECT)
def case(build: Build) -> Kernel:
    """One of several functions; an index outside their number takes the last."""
    refs = build.list("branches")
    branches = [build.environment.function(ref) for ref in refs]
    if not branches:
        raise build.unsupported("no branches")

    def kernel(index: Any, *args: Any) -> Any:
        number = int(index)
        return _results(branches[number if 0 <= number < len(branches) else -1](args))

    return kernel


@op("While", "StatelessWhile", attrs="cond body", no_effect=f"{_NO_EFFECT} parallel_iterations")
def while_(build: Build) -> Kernel:
    """A function of the loop's variables, again and again while a condition holds."""
    condition, step = body(build, "cond"), body(build, "body")
    most = build.environment.most_steps

    def kernel(*variables: Any) -> Any:
        values = list(variables)
        for _ in range(most):
            (more,) = condition(values)
            if not truth(more):
                return _results(values)
            values = step(values)
        raise ResourceExhausted(
            f"a loop ran for {most} steps, which is the most",
            hint="The model's loop does not end on this input.",
        )

    return kernel


@op("For", attrs="body")
def for_(build: Build) -> Kernel:
    """A function of a counter and the loop's variables, for each value of the counter."""
    step = body(build, "body")
    most = build.environment.most_steps

    def kernel(start: Any, limit: Any, delta: Any, *variables: Any) -> Any:
        first, last, by = (int(np.asarray(v)[()]) for v in (start, limit, delta))
        if not by and first != last:
            raise InvalidArgument("delta must be nonzero")
        if by * (last - first) < 0:
            raise InvalidArgument(
                f"If start {'<' if by < 0 else '>'} limit, delta must be {'>' if by < 0 else '<'} 0"
            )
        counter = range(first, last, by or 1)
        if len(counter) > most:
            raise ResourceExhausted(
                f"a loop would run for {len(counter)} steps, and {most} is the most"
            )
        values = list(variables)
        for number in counter:
            values = step([np.asarray(number, np.int32), *values])
        return _results(values)

    return kernel


@op("ToBool")
def to_bool(build: Build) -> Kernel:
    """A tensor as a condition."""
    del build
    return lambda value: np.asarray(truth(value))


@op("LoopCond")
def loop_cond(build: Build) -> Kernel:
    """Its input, which must be a scalar."""
    del build

    def kernel(value: Any) -> Any:
        if np.ndim(value):
            raise InvalidArgument("The loop condition must be a scalar")
        return value

    return kernel
