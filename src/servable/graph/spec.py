"""What must hold between stages."""

from __future__ import annotations

from servable.graph.ir import Function, GraphError


def check_ordered(function: Function) -> None:
    """Every node comes after all it needs, and every result exists.

    Raises:
        GraphError: one does not; the fault is in a pass, or in a graph that no pass refused.
    """
    seen: set[str] = set()
    for name, node in function.nodes.items():
        if node.name != name:
            raise GraphError(f"{function.name}: node {node.name} is filed as {name}")
        for before in node.predecessors():
            if before not in seen:
                raise GraphError(f"{function.name}: node {name} runs before {before}")
        seen.add(name)
    for value in function.results:
        function.dtype(value)
