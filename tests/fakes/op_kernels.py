"""Kernels of single ops, as the engine would build them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from servable.graph import schema
from servable.graph.ir import FunctionRef, Node
from servable.ops.registry import Body, Environment, Kernel, registered
from servable.ops.resources import Resources


def no_functions(ref: FunctionRef) -> Body:
    """Refuse to compile: these graphs have no functions."""
    raise AssertionError(f"nothing calls {ref}")


def kernel(
    op: str,
    *,
    name: str = "node",
    resources: Resources | None = None,
    assets: Path | None = None,
    **attrs: Any,
) -> Kernel:
    """The kernel of a node with these attributes, and the op's defaults for all others."""
    known = schema.known(op)
    assert known is not None
    defaults: dict[str, Any] = {
        attr: row.default for attr, row in known.attrs.items() if row.default is not schema.Missing
    }
    environment = Environment(resources or Resources(), None, no_functions, assets=assets)
    return registered()[op].build(Node(name, op, attrs=defaults | attrs), environment)
