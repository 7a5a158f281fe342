"""Turn variables that nothing assigns into constants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from servable.graph.effects import has_effect
from servable.graph.importer import Library
from servable.graph.ir import Function, FunctionRef, Node, Value, const
from servable.graph.passes.refs import HANDLE, VARIABLES, variable_name
from servable.tensors import INT32, RESOURCE, Array, DType

Frozen = Callable[[str], Array | None]
"""The value of the variable with this name, or None if it must stay a variable."""

# Flagged as stateful, and yet they leave variables as they are.
_READS = frozenset(
    {
        "ReadVariableOp",
        "ResourceGather",
        "ResourceGatherNd",
        "VariableShape",
        "VarIsInitializedOp",
        "Assert",
        "Print",
        "PrintV2",
    }
)


def assigned_variables(function: Function, library: Library) -> set[str]:
    """Names of the variables that running the function may change."""
    names: set[str] = set()
    for node in function.nodes.values():
        called = tuple(functions_of(node))
        if called:
            writes = False
            for ref in called:
                inside: set[str] = set()
                if _writes(ref, library, set(), inside):
                    writes = True
                    names |= inside
        else:
            writes = has_effect(node.op) and node.op not in _READS
        if writes:
            names.update(_handles(node, function))
    return names


def _handles(node: Node, function: Function) -> set[str]:
    """Names of the variables whose handles reach a node, also through branches."""
    names: set[str] = set()
    seen: set[Value] = set()
    stack = [*node.inputs]
    while stack:
        value = stack.pop()
        if value in seen:
            continue
        seen.add(value)
        source = function.nodes[value.node]
        if source.op == HANDLE:
            names.add(variable_name(source))
        elif function.dtype(value) is RESOURCE:
            stack.extend(source.inputs)
    return names


def functions_of(node: Node) -> Iterator[FunctionRef]:
    """The functions that a node's attributes name."""
    for value in node.attrs.values():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, FunctionRef):
                yield item


def _writes(ref: FunctionRef, library: Library, seen: set[str], inside: set[str]) -> bool:
    """Whether a function, or one that it calls, does anything but compute and read.

    Args:
        seen: the functions that were looked at; they are added to.
        inside: receives the names of the variables whose handles the functions make.
    """
    if ref.name in seen:
        return False
    seen.add(ref.name)
    writes = False
    for node in library[ref.name].nodes.values():
        inner = tuple(functions_of(node))
        if node.op == HANDLE or node.op in VARIABLES:
            inside.add(variable_name(node))
        writes |= has_effect(node.op) and node.op not in _READS and not inner
        for called in inner:
            writes |= _writes(called, library, seen, inside)
    return writes


def freeze(function: Function, frozen: Frozen) -> Function:
    """Replace reads of frozen variables by their values."""
    values: dict[str, Array] = {}
    for node in function.nodes.values():
        if node.op == HANDLE:
            value = frozen(variable_name(node))
            if value is not None:
                values[node.name] = value
    nodes: dict[str, Node] = {}
    for node in function.nodes.values():
        source = node.inputs[0].node if node.inputs else ""
        if node.op == "ReadVariableOp" and source in values:
            # What the read waits for, its readers wait for.
            constant = const(node.name, values[source], node.dtypes[0])
            nodes[node.name] = replace(constant, controls=node.controls)
        elif node.op == "ResourceGather" and source in values:
            nodes.update(_gather(node, values[source]))
        else:
            nodes[node.name] = node
    return function.with_nodes(nodes)


def _gather(node: Node, value: Array) -> dict[str, Node]:
    """A gather from a variable becomes a gather from a constant, which islands know."""
    batch_dims = node.attrs["batch_dims"]
    params = const(f"{node.name}/params", value, _dtype(node.attrs["dtype"]))
    axis = const(f"{node.name}/axis", np.asarray(batch_dims, np.int32), INT32)
    gather = Node(
        node.name,
        "GatherV2",
        (Value(params.name), node.inputs[1], Value(axis.name)),
        node.controls,
        {
            "batch_dims": batch_dims,
            "Tparams": node.attrs["dtype"],
            "Tindices": node.attrs["Tindices"],
            "Taxis": INT32,
        },
        node.dtypes,
    )
    return {n.name: n for n in (params, axis, gather)}


def _dtype(value: object) -> DType:
    if not isinstance(value, DType):
        raise TypeError(f"expected a dtype, got {value!r}")
    return value
