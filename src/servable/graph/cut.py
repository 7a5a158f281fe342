"""Cut the function of a signature out of a flat graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from servable.graph.ir import ARG, Function, GraphError, Node, Value
from servable.tensors import DType


def cut(
    name: str,
    nodes: Mapping[str, Node],
    feeds: Mapping[str, tuple[Value, DType]],
    results: tuple[Value, ...],
    targets: tuple[str, ...] = (),
) -> Function:
    """Cut a function out of a flat graph, at the tensors that are fed.

    Args:
        name: what error messages call it.
        nodes: the graph.
        feeds: argument name -> the tensor that it replaces, and the argument's dtype. Of
            two that replace the same tensor the later counts, as in a session's callable.
        results: the tensors to fetch.
        targets: nodes to run for their effects.

    Raises:
        GraphError: a tensor or node does not exist.
    """
    args: list[Node] = []
    fed: dict[Value, Node] = {}
    for index, (alias, (value, dtype)) in enumerate(feeds.items()):
        _check_value(name, value, nodes)
        label = f"feed/{alias}"
        while label in nodes:
            label += "_"
        fed[value] = Node(label, ARG, attrs={"T": dtype, "index": index}, dtypes=(dtype,))
        args.append(fed[value])
    for value in results:
        _check_value(name, value, nodes)
    for target in targets:
        if target not in nodes:
            raise GraphError(f"{name}: node {target} does not exist in the graph")
    kept = {node.name: node for node in args}
    for node in nodes.values():
        if any(v in fed for v in node.inputs):
            node = replace(node, inputs=tuple(_fed(v, fed) for v in node.inputs))
        kept[node.name] = node
    return Function(
        name,
        tuple(node.name for node in args),
        kept,
        tuple(_fed(v, fed) for v in results),
        targets,
    )


def _fed(value: Value, fed: Mapping[Value, Node]) -> Value:
    return Value(fed[value].name) if value in fed else value


def _check_value(name: str, value: Value, nodes: Mapping[str, Node]) -> None:
    node = nodes.get(value.node)
    if node is None or value.index >= len(node.dtypes):
        raise GraphError(f"{name}: tensor {value} does not exist in the graph")
