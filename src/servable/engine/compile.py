"""A function of the graph to a plan."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from servable.engine.backends import host
from servable.engine.partition import Group, border, extract, partition
from servable.engine.plan import Plan, Unit, make_plan
from servable.engine.run import run
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

    def for_loops(self) -> Backend:
        """The backend for functions that are called by the step, each time with little to do."""

    def alone(self, node: Node, nodes: Mapping[str, Node], host: Kernel) -> Kernel | None:
        """A kernel for one node that is not for an island, or None to leave it to the host.

        Args:
            nodes: the function's, with the constants that the node reads.
            host: the host's kernel, for inputs that the backend refuses.
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
    compiler = _Compiler(function, environment, backend, shapes)
    constants = {
        Value(node.name): value
        for node in function.nodes.values()
        if node.op == CONST and isinstance(value := node.attrs.get("value"), np.ndarray)
    }
    return make_plan(function, list(compiler.units(banned)), constants)


class _Compiler:
    """One function on its way to units."""

    def __init__(
        self,
        function: Function,
        environment: Environment,
        backend: Backend | None,
        shapes: Mapping[str, Shape],
    ) -> None:
        self._function = function
        self._environment = environment
        self._backend = backend
        self._shapes = shapes
        self._mortal = may_be_dead(function)

    def units(self, banned: Collection[str]) -> Iterator[Unit]:
        """Every node, in units that can be run in this order."""
        nodes = self._function.nodes
        backend = self._backend
        if backend is None:
            yield from self._on_host(n for n in nodes.values() if n.op not in (ARG, CONST))
            return
        for group in partition(
            self._function,
            lambda n: (
                n.op not in banned and n.name not in self._mortal and backend.eligible(n, nodes)
            ),
            lambda chosen: backend.worth(chosen, nodes),
        ):
            if group.island:
                yield from self._in_islands(group, backend)
            else:
                yield from self._on_host(group.nodes)

    def _on_host(self, nodes: Iterable[Node]) -> Iterator[Unit]:
        for node in nodes:
            unit = host.unit(node, self._environment)
            if self._backend and (
                kernel := self._backend.alone(node, self._function.nodes, unit.kernel)
            ):
                unit = replace(unit, backend=self._backend.name, kernel=kernel)
            if node.name in self._mortal and node.op not in MERGES:
                unit = replace(unit, kernel=alive_only(unit.kernel, len(node.dtypes)))
            yield unit

    def _in_islands(self, group: Group, backend: Backend) -> list[Unit]:
        """A group as one island, or as several if the backend refuses it without saying why.

        Either half of a group in running order is convex too.

        Raises:
            IslandRefused: the backend names ops that it can not take.
        """
        if not backend.worth(group.nodes, self._function.nodes):
            return list(self._on_host(group.nodes))
        try:
            return [self._island(group, backend)]
        except IslandRefused as refusal:
            if refusal.ops or len(group.nodes) == 1:
                raise
            log.debug("%s: %d nodes refused: %s", self._function.name, len(group.nodes), refusal)
        middle = len(group.nodes) // 2
        units: list[Unit] = []
        for half in (group.nodes[:middle], group.nodes[middle:]):
            try:
                units += self._in_islands(Group(True, half), backend)
            except IslandRefused as refusal:
                if refusal.ops:
                    raise
                units += self._on_host(half)
        return units

    def _island(self, group: Group, backend: Backend) -> Unit:
        reads, gives = border(self._function, group)
        inner = extract(self._function, group, reads, gives)
        plan = _compile(inner, self._environment, None, {}, ())
        island = Island(
            inner,
            tuple(self._shapes.get(v.node) for v in reads),
            lambda *arrays: run(plan, arrays),
        )
        label = f"{group.nodes[0].name}..{group.nodes[-1].name} ({len(group.nodes)} nodes)"
        return Unit(
            label,
            backend.name,
            backend.compile(island),
            reads,
            gives,
            single=False,
            ops=tuple(node.op for node in group.nodes),
        )
