"""A function of the graph to a plan."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from servable.engine.backends import host
from servable.engine.partition import Group, border, extract, partition
from servable.engine.plan import Plan, Unit, make_plan
from servable.graph.ir import ARG, CONST, Function, Node, Value
from servable.graph.passes.switches import MERGES, may_be_dead
from servable.ops.dead import alive_only
from servable.ops.registry import Environment, Kernel
from servable.tensors import Shape

log = logging.getLogger(__name__)


class IslandRefused(Exception):
    """A backend can not compile an island.

    Attributes:
        ops: the ops that it names as the reason; empty if it names none.
    """

    def __init__(self, text: str, ops: Collection[str] = ()) -> None:
        super().__init__(text)
        self.ops = frozenset(ops)


@dataclass(frozen=True, slots=True)
class Island:
    """An island on its way to a backend.

    Attributes:
        function: its nodes and constants.
        shapes: what is known of each argument's shape.
        fallback: runs the same nodes on the host, for inputs that the backend
            refuses, so that the caller gets TensorFlow's own error or answer.
    """

    function: Function
    shapes: tuple[Shape, ...]
    fallback: Kernel


class Backend(Protocol):
    """Something that computes islands."""

    @property
    def name(self) -> str:
        """Its name in plans."""

    def eligible(self, node: Node, nodes: Mapping[str, Node]) -> bool:
        """Whether it computes this node, one of these, as TensorFlow does."""

    def worth(self, nodes: Collection[Node], constants: Mapping[str, Node]) -> bool:
        """Whether it gains anything over the host on these nodes."""

    def compile(self, island: Island) -> Kernel:
        """Make an island runnable: a kernel that returns one array for each result.

        The backend does not keep the function.

        Raises:
            IslandRefused: it can not.
        """


MOST_TRIES = 8
"""How often a function is partitioned again after a refusal, before all goes to the host."""


def compile_function(
    function: Function,
    environment: Environment,
    *,
    backend: Backend | None = None,
    shapes: Sequence[Shape] | None = None,
) -> Plan:
    """Compile a function whose nodes are in running order.

    Args:
        function: an optimised function.
        environment: what its kernels share.
        backend: computes islands; None to run everything on the host.
        shapes: what is known of the arguments' shapes.

    Raises:
        UnsupportedOps: a node is outside the list.
    """
    host.check_supported(function.nodes.values())
    known = dict(zip(function.args, shapes or (), strict=False))
    banned: set[str] = set()
    for _ in range(MOST_TRIES if backend else 0):
        try:
            return _compile(function, environment, backend, known, banned)
        except IslandRefused as refusal:
            log.debug("%s: island refused: %s", function.name, refusal)
            if not refusal.ops - banned:
                break
            banned |= refusal.ops
    return _compile(function, environment, None, known, banned)


def _compile(
    function: Function,
    environment: Environment,
    backend: Backend | None,
    shapes: Mapping[str, Shape],
    banned: Collection[str],
) -> Plan:
    constants = {
        Value(node.name): value
        for node in function.nodes.values()
        if node.op == CONST and isinstance(value := node.attrs.get("value"), np.ndarray)
    }
    mortal = may_be_dead(function)
    if backend is None:
        groups = [Group(False, tuple(_runnable(function)))]
    else:
        groups = partition(
            function,
            lambda n: (
                n.op not in banned and n.name not in mortal and backend.eligible(n, function.nodes)
            ),
            lambda nodes: backend.worth(nodes, function.nodes),
        )
    units: list[Unit] = []
    for group in groups:
        if group.island and backend is not None:
            units.append(_island(function, group, environment, backend, shapes))
        else:
            units.extend(_host(node, environment, mortal) for node in group.nodes)
    return make_plan(function, units, constants)


def _host(node: Node, environment: Environment, mortal: Collection[str]) -> Unit:
    unit = host.unit(node, environment)
    if node.name not in mortal or node.op in MERGES:
        return unit
    return replace(unit, kernel=alive_only(unit.kernel, len(node.dtypes)))


def _runnable(function: Function) -> list[Node]:
    return [n for n in function.nodes.values() if n.op not in (ARG, CONST)]


def _island(
    function: Function,
    group: Group,
    environment: Environment,
    backend: Backend,
    shapes: Mapping[str, Shape],
) -> Unit:
    reads, gives = border(function, group)
    inner = extract(function, group, reads, gives)
    plan = _compile(inner, environment, None, {}, ())
    from servable.engine.run import run

    island = Island(
        inner,
        tuple(shapes.get(v.node) for v in reads),
        lambda *arrays: run(plan, arrays),
    )
    label = f"{group.nodes[0].name}..{group.nodes[-1].name} ({len(group.nodes)} nodes)"
    return Unit(label, backend.name, backend.compile(island), reads, gives, single=False)
