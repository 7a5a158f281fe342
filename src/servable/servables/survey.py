"""All that keeps the native engine from a model, not only what loading stumbles over first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from servable.engine.backends import host
from servable.engine.backends.null import NullBackend
from servable.graph import schema
from servable.graph.ir import ARG, CONST, Function, UnsupportedOps
from servable.ops.registry import registered
from servable.savedmodel.reader import MetaGraph, SavedModel
from servable.servables.program import Program, called


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """A node that can not be run.

    Attributes:
        reason: "" where the op itself is outside the list; else what about this use of
            it is not supported.
    """

    op: str
    node: str
    reason: str = ""


def refusals(model: SavedModel, meta_graph: MetaGraph) -> list[Refusal]:
    """Find every node that the native engine would refuse, in ascending order.

    Nothing is restored and nothing is run, so a node that turns out to be of no effect
    only once the variables are known is listed too.

    Raises:
        GraphError: the graph is broken.
    """
    try:
        program = Program(model, meta_graph, NullBackend(lambda _: False))
    except UnsupportedOps:
        # Without any definition of an op the graph can not even be followed.
        return sorted(_undefined(meta_graph))
    found: set[Refusal] = set()
    for function in program.functions():
        found.update(_refused(function, program))
    return sorted(found)


def _refused(function: Function, program: Program) -> Iterator[Refusal]:
    for node in function.nodes.values():
        if node.op in (ARG, CONST):
            continue
        if node.op not in registered():
            yield Refusal(node.op, node.name)
            continue
        if called([node]):
            continue  # building it would compile its functions, which are looked at themselves
        try:
            host.unit(node, program.environment)
        except UnsupportedOps as error:
            yield Refusal(node.op, node.name, error.message)


def _undefined(meta_graph: MetaGraph) -> Iterator[Refusal]:
    library = meta_graph.graph.library.function
    known = {function.signature.name for function in library} | meta_graph.op_defs.keys()
    for nodes in (meta_graph.graph.node, *(function.node_def for function in library)):
        for node in nodes:
            if node.op not in known and schema.known(node.op) is None:
                yield Refusal(node.op, node.name)
