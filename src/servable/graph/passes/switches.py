"""TF1 conditionals: Switch and Merge.

A Switch gives its value on one output and nothing, a *dead* value, on the other; a node
with a dead input, or that waits for a dead node, is dead itself; a Merge takes whichever
input is alive. The engine runs such graphs by passing a marker along (`engine.dead`);
these passes prepare them for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from servable.graph.effects import has_effect
from servable.graph.ir import CONST, Function, Node, Value, const
from servable.tensors import INT32, DType

SWITCHES = frozenset({"Switch", "RefSwitch"})
MERGES = frozenset({"Merge", "RefMerge"})
GATE = "_Gate"
"""Its first input, alive only if all others are."""


def gate_waits(function: Function) -> Function:
    """Turn waits for nodes that may be dead into data. Expects nodes in running order.

    A constant in a branch only waits for the branch; without this it would always be
    alive, because waits for pure nodes are dropped later.
    """
    if not any(node.op in SWITCHES for node in function.nodes.values()):
        return function
    mortal: set[str] = set()
    nodes: dict[str, Node] = {}
    moved: dict[Value, Value] = {}
    alive: dict[str, tuple[Value, ...]] = {}  # the values that say whether a node is alive
    for node in function.nodes.values():
        node = replace(node, inputs=tuple(moved.get(v, v) for v in node.inputs))
        gates = tuple(dict.fromkeys(v for c in node.controls for v in alive.get(c, ())))
        if node.op in SWITCHES or not node.dtypes:
            # A Switch gives a dead value, and yet it ran; a group has no value to show.
            alive[node.name] = (*gates, *(v for v in node.inputs if v.node in mortal))
        elif node.op not in MERGES and (gates or any(v.node in mortal for v in node.inputs)):
            alive[node.name] = (moved.get(Value(node.name), Value(node.name)),)
        if node.op in SWITCHES or (
            node.op not in MERGES and (gates or any(v.node in mortal for v in node.inputs))
        ):
            mortal.add(node.name)
        if not gates:
            nodes[node.name] = node
        elif node.inputs:
            first = (
                function.dtype(node.inputs[0])
                if node.inputs[0].node in function.nodes
                else (nodes[node.inputs[0].node].dtypes[node.inputs[0].index])
            )
            gate = _gate(f"{node.name}/gate", node.inputs[0], gates, first)
            nodes[gate.name] = gate
            mortal.add(gate.name)
            nodes[node.name] = replace(node, inputs=(Value(gate.name), *node.inputs[1:]))
        else:
            nodes[node.name] = node
            for value, dtype in zip(node.outputs(), node.dtypes, strict=True):
                gate = _gate(f"{node.name}/gate_{value.index}", value, gates, dtype)
                nodes[gate.name] = gate
                mortal.add(gate.name)
                moved[value] = Value(gate.name)
            if node.dtypes:
                alive[node.name] = (moved[Value(node.name)],)
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))


def _gate(name: str, value: Value, others: Iterable[Value], dtype: DType) -> Node:
    return Node(name, GATE, (value, *others), (), {"T": dtype}, (dtype,))


def may_be_dead(function: Function) -> set[str]:
    """Names of the nodes that have an output which may be dead. Expects running order."""
    mortal: set[str] = set()
    for node in function.nodes.values():
        if node.op in SWITCHES or any(v.node in mortal for v in node.inputs):
            mortal.add(node.name)
    return mortal


def decide_switches(function: Function) -> Function:
    """Drop branches whose condition is a constant. Expects nodes in running order."""
    if not any(node.op in SWITCHES for node in function.nodes.values()):
        return function
    dead: set[Value] = set()
    moved: dict[Value, Value] = {}
    nodes: dict[str, Node] = {}
    for node in function.nodes.values():
        node = replace(node, inputs=tuple(moved.get(v, v) for v in node.inputs))
        nodes[node.name] = node
        if node.op in MERGES:
            _decide_merge(node, dead, moved, nodes)
        elif any(v in dead for v in node.inputs):
            dead.update(node.outputs())
            if has_effect(node.op) or not node.dtypes:
                nodes[node.name] = Node(node.name, "NoOp")
        elif node.op in SWITCHES:
            value = nodes[node.inputs[1].node].attrs.get("value")
            if nodes[node.inputs[1].node].op == CONST and isinstance(value, np.ndarray):
                taken = int(bool(value[()]))
                moved[Value(node.name, taken)] = node.inputs[0]
                dead.add(Value(node.name, 1 - taken))
        elif node.op == GATE and not any(_mortal(v, nodes) for v in node.inputs[1:]):
            moved[Value(node.name)] = node.inputs[0]
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))


def _decide_merge(
    node: Node, dead: set[Value], moved: dict[Value, Value], nodes: dict[str, Node]
) -> None:
    alive = [i for i, v in enumerate(node.inputs) if v not in dead]
    if not alive:
        dead.update(node.outputs())
    elif len(alive) == 1 and not _mortal(node.inputs[alive[0]], nodes):
        index = const(f"{node.name}/index", np.asarray(alive[0], np.int32), INT32)
        nodes[index.name] = index
        moved[Value(node.name, 0)] = node.inputs[alive[0]]
        moved[Value(node.name, 1)] = Value(index.name)


def _mortal(value: Value, nodes: dict[str, Node]) -> bool:
    """Whether a value may be dead: whether an undecided Switch lies before it."""
    stack, seen = [value.node], set()
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        node = nodes[name]
        if node.op in SWITCHES:
            return True
        if node.op not in MERGES:
            stack.extend(v.node for v in node.inputs)
    return False
