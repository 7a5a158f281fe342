"""Compute at load what does not depend on a request, and compute equal things once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from servable.graph.effects import is_pure
from servable.graph.ir import ARG, CONST, Function, Node, Value, const
from servable.tensors import Array

Evaluate = Callable[[Node, Sequence[Array]], Sequence[Array] | None]
"""Runs one node on given inputs; None if it can not, or refuses these values."""

MOST_BYTES = 64 << 20
"""Bound on what folding may add to one function, beyond values as small as their inputs."""

_KEEP = frozenset({ARG, CONST})


def fold(function: Function, evaluate: Evaluate) -> Function:
    """Replace pure nodes whose inputs are all constants. Expects nodes in running order."""
    known: dict[Value, Array] = {}
    nodes: dict[str, Node] = {}
    moved: dict[Value, Value] = {}
    budget = MOST_BYTES
    for node in function.nodes.values():
        if any(v in moved for v in node.inputs):
            node = replace(node, inputs=tuple(moved.get(v, v) for v in node.inputs))
        nodes[node.name] = node
        value = node.attrs.get("value")
        if node.op == CONST and isinstance(value, np.ndarray):
            known[Value(node.name)] = value
        if node.op in _KEEP or not node.inputs or node.controls or not is_pure(node):
            continue
        if any(v not in known for v in node.inputs):
            continue
        inputs = [known[v] for v in node.inputs]
        results = evaluate(node, inputs)
        if results is None:
            continue
        growth = sum(r.nbytes for r in results) - sum(a.nbytes for a in inputs)
        if growth > 0:
            if growth > budget:
                continue
            budget -= growth
        for index, (result, dtype) in enumerate(zip(results, node.dtypes, strict=True)):
            name = node.name if len(results) == 1 else f"{node.name}/folded_{index}"
            nodes[name] = const(name, result, dtype)
            known[Value(name)] = result
            moved[Value(node.name, index)] = Value(name)
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))


_SMALL = 4096
"""Constants up to this many bytes are compared by value."""


def merge_equal(function: Function) -> Function:
    """Let one node stand for all that compute the same. Expects nodes in running order."""
    first: dict[object, str] = {}
    moved: dict[Value, Value] = {}
    nodes: dict[str, Node] = {}
    for node in function.nodes.values():
        if any(v in moved for v in node.inputs):
            node = replace(node, inputs=tuple(moved.get(v, v) for v in node.inputs))
        nodes[node.name] = node
        key = _key(node)
        if key is None:
            continue
        twin = first.setdefault(key, node.name)
        if twin != node.name:
            moved.update({Value(node.name, i): Value(twin, i) for i in range(len(node.dtypes))})
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))


def _key(node: Node) -> object:
    if node.controls or not is_pure(node):
        return None
    attrs: list[object] = []
    for name, attr in sorted(node.attrs.items()):
        value: object = attr
        if isinstance(value, np.ndarray):
            if value.nbytes > _SMALL or value.dtype == object:
                value = id(value)  # variables that are read twice share one array
            else:
                value = (value.dtype.str, value.shape, value.tobytes())
        elif isinstance(value, float):
            value = value.hex()  # -0.0 == 0.0, and yet they are not the same attribute
        attrs.append((name, type(value), value))
    return (node.op, node.inputs, tuple(attrs))
