"""Takes islands like a compiler and runs them on the host; for tests without OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from servable.engine.compile import Island, IslandRefused
from servable.graph.ir import Node
from servable.ops.registry import Kernel


class NullBackend:
    """A backend that compiles nothing.

    Args:
        takes: which nodes it claims.
        refuses: ops that it claims and then refuses, as a frontend may.
    """

    name = "null"

    def __init__(self, takes: Callable[[Node], bool], *, refuses: Collection[str] = ()) -> None:
        self._takes = takes
        self._refuses = frozenset(refuses)
        self.islands: list[Island] = []

    def eligible(self, node: Node, nodes: Mapping[str, Node]) -> bool:
        """Whatever it was told to claim."""
        del nodes
        return self._takes(node)

    def worth(self, nodes: Collection[Node], constants: Mapping[str, Node]) -> bool:
        """Always."""
        del constants
        return bool(nodes)

    def compile(self, island: Island) -> Kernel:
        """Hand back the host's way of running it.

        Raises:
            IslandRefused: it holds an op that is to be refused.
        """
        if named := self._refuses & {n.op for n in island.function.nodes.values()}:
            raise IslandRefused("refused", named)
        self.islands.append(island)
        return island.fallback

    def for_loops(self) -> NullBackend:
        """Itself."""
        return self

    def alone(self, node: Node, nodes: Mapping[str, Node], host: Kernel) -> Kernel | None:
        """Nothing."""
        del node, nodes, host
        return None
