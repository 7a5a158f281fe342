"""Leave out of a restore what no signature reads.

Keras exports every variable twice, and training leaves the state of its optimisers: half
of a checkpoint may be of no use to a server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from servable.graph.ir import CONST, Function, Node, Value, const
from servable.graph.passes.refs import HANDLE, VARIABLES, variable_name
from servable.tensors import STRING, Array

_ASSIGN = frozenset({"Assign", "AssignVariableOp"})
_RESTORE = "RestoreV2"


def variables_of(function: Function) -> set[str]:
    """The names of the variables that a function holds."""
    nodes = function.nodes.values()
    return {variable_name(n) for n in nodes if n.op == HANDLE or n.op in VARIABLES}


def restore_only(function: Function, needed: Collection[str]) -> Function:
    """Drop the assignments of all other variables, and read one tensor at a time.

    Args:
        function: the restore op's, expanded.
        needed: names of variables.
    """
    nodes = function.nodes
    read = {value.node for node in nodes.values() for value in node.inputs}
    dropped = {
        node.name
        for node in nodes.values()
        if node.op in _ASSIGN
        and node.name not in read
        and (source := nodes[node.inputs[0].node]).op in (HANDLE, *VARIABLES)
        and variable_name(source) not in needed
    }
    if not dropped:
        return function
    kept: dict[str, Node] = {}
    moved: dict[Value, Value] = {}
    for node in nodes.values():
        if node.op == _RESTORE:
            for number, parts in enumerate(_split(node, function)):
                kept.update((part.name, part) for part in parts)
                moved[Value(node.name, number)] = Value(parts[-1].name)
    for node in nodes.values():
        if node.name not in dropped:
            kept[node.name] = replace(
                node,
                inputs=tuple(moved.get(value, value) for value in node.inputs),
                controls=tuple(name for name in node.controls if name not in dropped),
            )
    targets = tuple(name for name in function.targets if name not in dropped)
    return replace(function.with_nodes(kept), targets=targets)


def _split(node: Node, function: Function) -> Iterator[tuple[Node, ...]]:
    """A node for each tensor that one reads, after the constants that it needs."""
    prefix, *lists = node.inputs
    keys, slices = (_texts(function.nodes[value.node]) for value in lists)
    if keys is None or slices is None or not len(keys) == len(slices) == len(node.dtypes):
        return
    for number, dtype in enumerate(node.dtypes):
        key = const(f"{node.name}/key_{number}", keys[number : number + 1], STRING)
        piece = const(f"{node.name}/slice_{number}", slices[number : number + 1], STRING)
        inputs = (prefix, Value(key.name), Value(piece.name))
        attrs = {**node.attrs, "dtypes": (dtype,)}
        name = f"{node.name}/{number}"
        yield key, piece, Node(name, _RESTORE, inputs, node.controls, attrs, (dtype,))


def _texts(node: Node) -> Array | None:
    value = node.attrs.get("value")
    return value if node.op == CONST and isinstance(value, np.ndarray) and value.ndim == 1 else None
