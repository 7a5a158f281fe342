"""Who computes which nodes.

Constants belong to nobody: a unit that reads one carries it. Every other node is
labelled island or host, and gets a depth: the number of changes of label on the way
to it from the arguments, at most. Nodes of one depth and label form a convex set,
because any path that leaves it has changed label and so leads deeper; so the island
nodes of one depth can be computed by one call, and depths in ascending order are an
order that can be run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from servable.graph.effects import has_effect
from servable.graph.ir import ARG, CONST, Function, Node, Value


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that belong together, in running order; an island or host nodes."""

    island: bool
    nodes: tuple[Node, ...]


def partition(
    function: Function,
    eligible: Callable[[Node], bool],
    worth: Callable[[Collection[Node]], bool],
) -> list[Group]:
    """Split a function into groups, in an order that can be run.

    Args:
        function: nodes in running order.
        eligible: whether an island may hold a node.
        worth: whether nodes are worth an island of their own.
    """
    groups = _levels(function, {n.name for n in function.nodes.values() if _fits(n, eligible)})
    weak = [g for g in groups if g.island and not worth(g.nodes)]
    if not weak:
        return groups
    # What is not worth compiling goes to the host, and may then join two host groups.
    host = {node.name for group in weak for node in group.nodes}
    return _levels(
        function,
        {n.name for g in groups if g.island for n in g.nodes if n.name not in host},
    )


def _fits(node: Node, eligible: Callable[[Node], bool]) -> bool:
    return (
        node.op not in (ARG, CONST)
        and not node.controls
        and not has_effect(node.op)
        and eligible(node)
    )


def _levels(function: Function, island: Collection[str]) -> list[Group]:
    depth: dict[str, int] = {}
    groups: dict[int, list[Node]] = {}
    for node in function.nodes.values():
        if node.op in (ARG, CONST):
            continue
        mine = node.name in island
        # Even depths are the host's, odd ones islands', so that labels never share one.
        level = 1 if mine else 0
        for before in node.predecessors():
            if before in depth:
                same = (before in island) == mine
                level = max(level, depth[before] + (0 if same else 1))
        depth[node.name] = level
        groups.setdefault(level, []).append(node)
    return [Group(level % 2 == 1, tuple(nodes)) for level, nodes in sorted(groups.items())]


def border(function: Function, group: Group) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The values that a group reads from outside, constants left out, and those it gives."""
    inside = {node.name for node in group.nodes}
    reads: dict[Value, None] = {}
    for node in group.nodes:
        for value in node.inputs:
            if value.node not in inside and function.nodes[value.node].op != CONST:
                reads[value] = None
    gives: dict[Value, None] = {}
    for node in function.nodes.values():
        if node.name not in inside:
            gives.update({v: None for v in node.inputs if v.node in inside})
    gives.update({v: None for v in function.results if v.node in inside})
    return tuple(reads), tuple(gives)


def extract(
    function: Function, group: Group, reads: tuple[Value, ...], gives: tuple[Value, ...]
) -> Function:
    """A group as a function of its own, constants included."""
    renamed = {value: f"{value.node}/in_{value.index}" for value in reads}
    nodes: dict[str, Node] = {}
    for index, (value, name) in enumerate(renamed.items()):
        dtype = function.dtype(value)
        nodes[name] = Node(name, ARG, attrs={"T": dtype, "index": index}, dtypes=(dtype,))
    for node in group.nodes:
        for value in node.inputs:
            source = function.nodes[value.node]
            if source.op == CONST:
                nodes[source.name] = source
        nodes[node.name] = Node(
            node.name,
            node.op,
            tuple(Value(renamed[v]) if v in renamed else v for v in node.inputs),
            (),
            node.attrs,
            node.dtypes,
        )
    return Function(group.nodes[-1].name, tuple(renamed.values()), nodes, gives)
