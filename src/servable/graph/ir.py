"""Frozen nodes, values and functions: what passes and engines work on.

A signature, a function of the library and the body of a loop are the same thing
here: a `Function` whose arguments are `_Arg` nodes. Nodes never change; a pass
builds a new function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from servable.errors import InvalidArgument, Unimplemented
from servable.tensors import Array, DType

ARG = "_Arg"
"""Op of the nodes that stand for a function's arguments; its dtype is attribute `T`."""

CONST = "Const"


class GraphError(InvalidArgument):
    """A graph that can not be what its writer meant: a broken reference, a cycle, a bad value."""


class UnsupportedOps(Unimplemented):
    """A graph that needs ops, or values of attributes, outside the supported list."""


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """An attribute that names a function of the library, with the attributes bound to it."""

    name: str
    attrs: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)


AttrValue: TypeAlias = (
    bytes | int | float | bool | DType | Array | FunctionRef | tuple[Any, ...] | None
)
"""An attribute. Shapes are tuples with None for an unknown size, or None for an unknown rank."""


@dataclass(frozen=True, slots=True)
class Value:
    """Output number `index` of the node called `node`."""

    node: str
    index: int = 0

    def __str__(self) -> str:
        return f"{self.node}:{self.index}"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation.

    Attributes:
        inputs: the values it reads, in the op's order.
        controls: names of nodes that must have run before it.
        attrs: every attribute of the op, defaults filled in; names that start with
            an underscore are hints for TensorFlow's own runtime and are left out.
        dtypes: the dtype of each output; references count as their base.
    """

    name: str
    op: str
    inputs: tuple[Value, ...] = ()
    controls: tuple[str, ...] = ()
    attrs: Mapping[str, AttrValue] = field(default_factory=dict)
    dtypes: tuple[DType, ...] = ()

    def predecessors(self) -> Iterator[str]:
        """Names of the nodes that must run before this one, repeats included."""
        for value in self.inputs:
            yield value.node
        yield from self.controls

    def outputs(self) -> tuple[Value, ...]:
        """Every value it makes."""
        return tuple(Value(self.name, i) for i in range(len(self.dtypes)))


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A graph with arguments and results.

    Attributes:
        args: names of its `_Arg` nodes, in order.
        nodes: name -> node. After `prune`, in an order in which each node comes
            after all that it needs.
        results: the values it returns.
        targets: nodes that run for their effects, whoever asks for which result.
    """

    name: str
    args: tuple[str, ...]
    nodes: Mapping[str, Node]
    results: tuple[Value, ...]
    targets: tuple[str, ...] = ()

    def dtype(self, value: Value) -> DType:
        """The dtype of a value.

        Raises:
            GraphError: there is no such node or output.
        """
        node = self.nodes.get(value.node)
        if node is None or not 0 <= value.index < len(node.dtypes):
            raise GraphError(f"{self.name}: {value} does not exist in the graph")
        return node.dtypes[value.index]

    def with_nodes(self, nodes: Mapping[str, Node], **changes: Any) -> Function:
        """The same function over other nodes."""
        return replace(self, nodes=nodes, **changes)


def const(name: str, value: Array, dtype: DType) -> Node:
    """A node that is a constant."""
    return Node(name, CONST, attrs={"value": value, "dtype": dtype}, dtypes=(dtype,))


__all__ = [
    "ARG",
    "CONST",
    "AttrValue",
    "Function",
    "FunctionRef",
    "GraphError",
    "Node",
    "UnsupportedOps",
    "Value",
    "const",
]
