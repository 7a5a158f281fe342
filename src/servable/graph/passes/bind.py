"""Move what a loop or branch captures into its functions.

A variable's handle, or a constant, that a loop hands from step to step unchanged is
not a loop variable. Inside the function it can be frozen and folded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from servable.graph.effects import has_effect
from servable.graph.importer import Library
from servable.graph.ir import CONST, Function, FunctionRef, Node, Value
from servable.graph.passes.freeze import functions_of
from servable.graph.passes.refs import HANDLE
from servable.graph.passes.simplify import PASS_ON

LOOPS = frozenset({"While", "StatelessWhile"})
BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})


def bind_captures(function: Function, library: Library) -> Function:
    """Bind captured constants and handles. New functions are added to the library."""
    nodes: dict[str, Node] = {}
    moved: dict[Value, Value] = {}
    for node in function.nodes.values():
        if any(v in moved for v in node.inputs):
            node = replace(node, inputs=tuple(moved.get(v, v) for v in node.inputs))
        if node.op in LOOPS:
            node = _bind_loop(node, function, library, moved)
        elif node.op in BRANCHES:
            node = _bind_branches(node, function, library)
        nodes[node.name] = node
    return function.with_nodes(nodes, results=tuple(moved.get(v, v) for v in function.results))


def name_pure_calls(function: Function, reduced: Callable[[FunctionRef], Function]) -> Function:
    """Give loops and branches whose functions have no effects their stateless names.

    TensorFlow's `While` counts as an effect whatever it does, and would be kept in order
    with others.
    """
    nodes = dict(function.nodes)
    for node in function.nodes.values():
        if node.op in ("While", "If", "Case") and not any(
            has_effect(inner.op)
            for ref in functions_of(node)
            for inner in reduced(ref).nodes.values()
        ):
            nodes[node.name] = replace(node, op=f"Stateless{node.op}")
    return function.with_nodes(nodes)


def _captured(node: Node, first: int, function: Function) -> dict[int, Node]:
    """Arguments of the node's functions -> the constant or handle that they always are."""
    found = {}
    for index, value in enumerate(node.inputs[first:]):
        source = function.nodes.get(value.node)
        if source is not None and source.op in (CONST, HANDLE):
            found[index] = source
    return found


def _bind_loop(node: Node, function: Function, library: Library, moved: dict[Value, Value]) -> Node:
    body_ref, cond_ref = node.attrs["body"], node.attrs["cond"]
    if not isinstance(body_ref, FunctionRef) or not isinstance(cond_ref, FunctionRef):
        return node
    body = library[body_ref.name]
    bound = {
        index: source
        for index, source in _captured(node, 0, function).items()
        if _passes_on(body, index)
    }
    if not bound:
        return node
    kept = [i for i in range(len(node.inputs)) if i not in bound]
    new = replace(
        node,
        name=node.name,
        inputs=tuple(node.inputs[i] for i in kept),
        attrs={
            **node.attrs,
            "T": tuple(node.dtypes[i] for i in kept),
            "body": FunctionRef(_bound(body, bound, library, results=kept)),
            "cond": FunctionRef(_bound(library[cond_ref.name], bound, library)),
            "output_shapes": (),
        },
        dtypes=tuple(node.dtypes[i] for i in kept),
    )
    # Outputs are counted anew; those that never changed are what went in.
    renumbered = {Value(node.name, i): Value(node.name, n) for n, i in enumerate(kept)}
    renumbered.update({Value(node.name, i): node.inputs[i] for i in bound})
    moved.update(renumbered)
    return new


def _bind_branches(node: Node, function: Function, library: Library) -> Node:
    bound = _captured(node, 1, function)
    if not bound:
        return node

    def rebind(value: Any) -> Any:
        if isinstance(value, FunctionRef):
            return FunctionRef(_bound(library[value.name], bound, library))
        if isinstance(value, tuple):
            return tuple(rebind(v) for v in value)
        return value

    kept = [i for i in range(len(node.inputs) - 1) if i not in bound]
    return replace(
        node,
        inputs=(node.inputs[0], *(node.inputs[i + 1] for i in kept)),
        attrs={
            **{name: rebind(value) for name, value in node.attrs.items()},
            "Tin": tuple(function.dtype(node.inputs[i + 1]) for i in kept),
        },
    )


def _passes_on(body: Function, index: int) -> bool:
    """Whether a loop's body hands an argument to the next step as it is."""
    value = body.results[index]
    while (source := body.nodes[value.node]).op in PASS_ON and not source.controls:
        value = source.inputs[value.index]
    return value == Value(body.args[index])


def _bound(
    function: Function,
    bound: Mapping[int, Node],
    library: Library,
    *,
    results: list[int] | None = None,
) -> str:
    """A copy of a function with some arguments fixed, and with some of its results."""
    fixed = {function.args[i]: source for i, source in bound.items()}
    nodes = {
        name: replace(fixed[name], name=name, inputs=(), controls=()) if name in fixed else node
        for name, node in function.nodes.items()
    }
    copy = Function(
        library.unused(f"{function.name}/bound"),
        tuple(a for a in function.args if a not in fixed),
        nodes,
        function.results if results is None else tuple(function.results[i] for i in results),
        function.targets,
    )
    library.add(copy)
    return copy.name
