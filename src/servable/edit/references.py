"""TF1's reference variables: what takes a reference, once there is only a value."""

from __future__ import annotations

from collections.abc import Collection

from servable.edit.errors import EditRefused
from servable.edit.nodes import node_of
from servable.graph import schema
from servable.pb import framework_pb2

_PLAIN = {
    "RefIdentity": "Identity",
    "RefEnter": "Enter",
    "RefExit": "Exit",
    "RefSwitch": "Switch",
    "RefMerge": "Merge",
    "RefNextIteration": "NextIteration",
}


def replace_references(graph: framework_pb2.GraphDef, frozen: Collection[str]) -> None:
    """Let nodes that hand on a reference to one of these hand on its value.

    Raises:
        EditRefused: a node does something else with a reference, such as to assign.
    """
    consumers: dict[str, list[framework_pb2.NodeDef]] = {}
    for node in graph.node:
        for reference in node.input:
            if not reference.startswith("^"):
                consumers.setdefault(node_of(reference), []).append(node)
    waiting = list(frozen)
    seen: set[str] = set(waiting)
    while waiting:
        source = waiting.pop()
        for node in consumers.get(source, ()):
            if node.op in _PLAIN:
                node.op = _PLAIN[node.op]
            elif any(node_of(node.input[i]) == source for i in _reference_inputs(node)):
                raise EditRefused(
                    f"node {node.name!r} ({node.op}) changes the variable {source!r}, "
                    "which can not be frozen therefore"
                )
            else:
                continue
            if node.name not in seen:
                seen.add(node.name)
                waiting.append(node.name)


def _reference_inputs(node: framework_pb2.NodeDef) -> list[int]:
    op = schema.known(node.op)
    if op is None or not schema.takes_reference(node.op):
        return []
    # Arguments that are references stand for one tensor each, in every op that there is,
    # and no argument before them stands for several.
    return [i for i, arg in enumerate(op.inputs) if arg.is_ref and i < len(node.input)]
