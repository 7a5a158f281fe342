"""Every op on the list, in numpy, with TensorFlow's semantics. Complete, and asked last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from servable.engine.plan import HOST, Unit
from servable.errors import ServableError
from servable.graph.ir import ARG, CONST, Node, UnsupportedOps
from servable.ops.refused import hint
from servable.ops.registry import Environment, registered
from servable.tensors import Array

MOST_NAMED = 10
"""Nodes that one error message names at most."""


def unit(node: Node, environment: Environment) -> Unit:
    """Make one node runnable.

    Raises:
        UnsupportedOps: its op, or the value of an attribute, is not supported.
    """
    op = registered().get(node.op)
    if op is None:
        raise UnsupportedOps(f"Op type not registered '{node.op}' (node {node.name})")
    kernel = op.build(node, environment)
    single = len(node.dtypes) == 1
    return Unit(node.name, HOST, kernel, node.inputs, node.outputs(), single, (node.op,))


def check_supported(nodes: Iterable[Node]) -> None:
    """Refuse a graph that needs ops outside the list, naming all of them at once.

    Raises:
        UnsupportedOps: there are such ops.
    """
    ops = registered()
    missing: dict[str, str] = {}
    for node in nodes:
        if node.op not in ops and node.op not in (ARG, CONST):
            missing.setdefault(node.op, node.name)
    if missing:
        named = sorted(missing.items())
        text = ", ".join(f"'{op}' (node {name})" for op, name in named[:MOST_NAMED])
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        raise UnsupportedOps(
            f"Op type not registered {text}{more}",
            hint=hint(missing),
        )


def evaluate(
    node: Node, inputs: Sequence[Array], environment: Environment
) -> Sequence[Array] | None:
    """Run one pure node at load; None if it is not supported or refuses these values."""
    op = registered().get(node.op)
    if op is None:
        return None
    try:
        with np.errstate(all="ignore"):
            made = op.build(node, environment)(*inputs)
    except (ServableError, ValueError, IndexError, TypeError, MemoryError):
        # The same refusal comes again, with the node's name, when a request needs it.
        return None
    results = [made] if len(node.dtypes) == 1 else list(made)
    if not all(isinstance(r, (np.ndarray, np.generic)) for r in results):
        return None
    return [np.asarray(r) for r in results]
