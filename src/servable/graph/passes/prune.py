"""Keep what the results and targets need, in an order that can be run."""

from __future__ import annotations

from servable.graph.ir import Function, GraphError, Node


def drop_unreachable(function: Function) -> Function:
    """Drop unreachable nodes and leave the rest in their order. TF1 loops may be circles.

    Arguments stay even if nothing reads them.
    """
    reached = {*function.args}
    stack = [*function.targets, *(v.node for v in function.results)]
    while stack:
        name = stack.pop()
        if name not in reached:
            reached.add(name)
            stack.extend(function.nodes[name].predecessors())
    if len(reached) == len(function.nodes):
        return function
    return function.with_nodes({n: v for n, v in function.nodes.items() if n in reached})


def prune(function: Function) -> Function:
    """Drop unreachable nodes and sort the rest, each node after all it needs.

    Arguments stay even if nothing reads them.

    Raises:
        GraphError: nodes wait for each other in a circle.
    """
    kept: dict[str, Node] = {name: function.nodes[name] for name in function.args}
    open_nodes: set[str] = set()
    roots = [*function.targets, *(v.node for v in function.results)]
    # An explicit stack: graphs of thousands of layers are deeper than Python's own.
    stack = [(name, False) for name in reversed(roots)]
    while stack:
        name, done = stack.pop()
        if done:
            open_nodes.discard(name)
            kept[name] = function.nodes[name]
            continue
        if name in kept:
            continue
        if name in open_nodes:
            raise GraphError(f"{function.name}: node {name} waits for itself through others")
        open_nodes.add(name)
        stack.append((name, True))
        for before in function.nodes[name].predecessors():
            if before not in kept:
                if before in open_nodes:
                    raise GraphError(
                        f"{function.name}: nodes {name} and {before} wait for each other"
                    )
                stack.append((before, False))
    return function.with_nodes(kept)
