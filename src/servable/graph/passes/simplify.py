"""Drop nodes that only hand a value on, and waits that nothing depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from servable.graph.effects import has_effect
from servable.graph.ir import CONST, Function, Node, Value

# Ops whose output number i is their input number i when nothing is trained.
PASS_ON = frozenset(
    {
        "Identity",
        "IdentityN",
        "StopGradient",
        "PreventGradient",
        "Snapshot",
        "PlaceholderWithDefault",  # what is fed has become an argument
    }
)


def simplify_controls(function: Function) -> Function:
    """Let nodes wait only for nodes with effects.

    Waiting for a pure node means waiting for the effects before it, and those are
    named instead. A constant does not wait: its readers do, so that they still wait
    when they have been folded together. Expects nodes in running order.
    """
    effects: dict[str, tuple[str, ...]] = {}
    nodes: dict[str, Node] = {}
    late: set[str] = set()
    for node in function.nodes.values():
        before = node.controls
        if late:
            before = (*before, *(v.node for v in node.inputs if v.node in late))
        waits = _effects(before, effects)
        effects[node.name] = (
            (node.name,) if has_effect(node.op) else _effects(node.predecessors(), effects)
        )
        if node.op == CONST and waits:
            late.add(node.name)
            waits = ()
        nodes[node.name] = node if waits == node.controls else replace(node, controls=waits)
    targets = (*function.targets, *(v.node for v in function.results if v.node in late))
    return function.with_nodes(nodes, targets=_effects(targets, effects))


def _effects(names: Iterable[str], effects: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(effects[name]))
    return tuple(found)


def drop_identities(function: Function) -> Function:
    """Drop nodes that only pass values on. Expects nodes in running order.

    One that still waits for an effect stays: whoever reads it must wait too.
    """
    moved: dict[Value, Value] = {}
    nodes: dict[str, Node] = {}
    for node in function.nodes.values():
        inputs = tuple(moved.get(v, v) for v in node.inputs)
        if inputs != node.inputs:
            node = replace(node, inputs=inputs)
        if node.op in PASS_ON and not node.controls:
            moved.update(zip(node.outputs(), inputs, strict=True))
        nodes[node.name] = node
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))
