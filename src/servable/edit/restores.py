"""Which variable a MetaGraph restores from which tensor of its variable files.

The graph says it: its restore op leads to assignments of what RestoreV2 reads. TF1 has
them in the graph itself, TF2 in a function that the restore op calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from servable import tensor_proto, tensors
from servable.edit.errors import EditRefused, StateBesideVariables
from servable.edit.nodes import Nodes, by_name, index_of, node_of, reached
from servable.errors import InvalidArgument
from servable.pb import framework_pb2, saved_model_pb2
from servable.tensors import DType

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The tensor in which TF2 describes the objects that its tensors belong to."""

REFERENCES = frozenset({"Variable", "VariableV2"})
RESOURCES = frozenset({"VarHandleOp"})
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_ASSIGNS = frozenset({"Assign", "AssignVariableOp"})
_PASSES_ON = frozenset({"Identity", "Cast"})
_MOST_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Restored:
    """One assignment that the restore op makes.

    Attributes:
        variable: a node of the graph: VarHandleOp, VariableV2 or Variable.
        key: the tensor in the variable files.
        spec: which slice of it, as RestoreV2 has it; "" for all of it.
        dtype: in which it is stored, as far as the graph says.
    """

    variable: str
    key: str
    spec: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class _Scope:
    """Nodes of the graph or of a function that was called, with what its arguments are."""

    where: str
    nodes: Nodes
    arguments: Mapping[str, tuple[_Scope, str]] = field(default_factory=dict)
    depth: int = 0


def find_restored(meta_graph: saved_model_pb2.MetaGraphDef) -> tuple[Restored, ...]:
    """Return what the restore op assigns, in the order of the graph; () if there is none.

    Raises:
        StateBesideVariables: it restores something else than variables.
        EditRefused: it restores in another way than TensorFlow's own savers do.
    """
    restore_op = node_of(meta_graph.saver_def.restore_op_name)
    if not restore_op:
        return ()
    graph = _Scope("the graph", by_name(meta_graph.graph_def.node, "the graph"))
    if restore_op not in graph.nodes:
        raise EditRefused(f"the restore op {restore_op!r} is not in the graph")
    library = {f.signature.name: f for f in meta_graph.graph_def.library.function}
    found = []
    used: set[tuple[str, str, int]] = set()
    read: set[tuple[str, str, int]] = set()
    for scope in _scopes(graph, reached(graph.nodes, [restore_op]), library):
        inside = reached(graph.nodes, [restore_op]) if scope is graph else set(scope.nodes)
        for name, node in scope.nodes.items():
            if name not in inside:
                continue
            if node.op in _ASSIGNS:
                entry, source = _assignment(scope, node)
                found.append(entry)
                used.add(source)
            elif node.op == "RestoreV2":
                keys = _strings(scope, node, 1)
                read |= {
                    (scope.where, name, i) for i, k in enumerate(keys) if k != OBJECT_GRAPH_KEY
                }
    if read - used:
        where, name, index = min(read - used)
        raise StateBesideVariables(
            f"{where}: output {index} of node {name!r} is not restored into a variable",
            hint="The variable files of this model keep tables or other objects too. Pruning "
            "leaves these as they are; freezing and casting would lose them.",
        )
    return tuple(found)


def _scopes(
    graph: _Scope, inside: set[str], library: Mapping[str, framework_pb2.FunctionDef]
) -> Iterator[_Scope]:
    waiting = [(graph, inside)]
    while waiting:
        scope, names = waiting.pop()
        yield scope
        for name, node in scope.nodes.items():
            function = library.get(node.attr["f"].func.name) if node.op in CALLS else None
            if name not in names or function is None:
                continue
            if scope.depth >= _MOST_DEPTH:
                raise EditRefused(f"functions of the restore op call each other: {name!r}")
            inner = _called(scope, node, function)
            waiting.append((inner, set(inner.nodes)))


def _called(
    scope: _Scope, node: framework_pb2.NodeDef, function: framework_pb2.FunctionDef
) -> _Scope:
    where = f"function {function.signature.name}"
    inputs = [i for i in node.input if not i.startswith("^")]
    args = [arg.name for arg in function.signature.input_arg]
    if len(inputs) != len(args):
        raise EditRefused(f"node {node.name!r} gives {where} {len(inputs)} of {len(args)} inputs")
    return _Scope(
        f"{where}, called by {node.name}",
        by_name(function.node_def, where),
        {arg: (scope, value) for arg, value in zip(args, inputs, strict=True)},
        scope.depth + 1,
    )


def _assignment(
    scope: _Scope, node: framework_pb2.NodeDef
) -> tuple[Restored, tuple[str, str, int]]:
    if len(node.input) < 2:
        raise EditRefused(f"{scope.where}: node {node.name!r} assigns nothing")
    place, variable, _ = _source(scope, node.input[0])
    if place.depth or variable.op not in REFERENCES | RESOURCES:
        raise EditRefused(f"{scope.where}: node {node.name!r} assigns to {variable.op}")
    origin, restore, index = _source(scope, node.input[1])
    if restore.op != "RestoreV2":
        raise EditRefused(
            f"{scope.where}: node {node.name!r} restores a variable from a {restore.op}"
        )
    keys, specs = _strings(origin, restore, 1), _strings(origin, restore, 2)
    types = restore.attr["dtypes"].list.type
    if not index < min(len(keys), len(specs), len(types)):
        raise EditRefused(f"{origin.where}: node {restore.name!r} has no output {index}")
    dtype = _dtype(types[index], restore.name)
    entry = Restored(variable.name, keys[index], specs[index], dtype)
    return entry, (origin.where, restore.name, index)


def _source(scope: _Scope, reference: str) -> tuple[_Scope, framework_pb2.NodeDef, int]:
    """Follow a tensor through arguments, copies and casts to the node that makes it."""
    for _ in range(10 * _MOST_DEPTH):
        name = node_of(reference)
        if name in scope.arguments and name not in scope.nodes:
            scope, reference = scope.arguments[name]
            continue
        node = scope.nodes.get(name)
        if node is None:
            raise EditRefused(f"{scope.where}: there is no node {name!r}")
        if node.op not in _PASSES_ON or not node.input:
            return scope, node, index_of(reference)
        reference = node.input[0]
    raise EditRefused(f"{scope.where}: tensor {reference!r} comes from itself")


def _strings(scope: _Scope, node: framework_pb2.NodeDef, position: int) -> list[str]:
    """Return a constant vector of strings that is an input of a node."""
    if len(node.input) <= position:
        raise EditRefused(f"{scope.where}: node {node.name!r} lacks an input")
    _, const, _ = _source(scope, node.input[position])
    try:
        if const.op == "Const":
            values = tensor_proto.decode(const.attr["value"].tensor, limit_bytes=2**27)
            return [item.decode() for item in values.reshape(-1).tolist()]
    except (InvalidArgument, UnicodeDecodeError, AttributeError) as error:
        raise EditRefused(f"{scope.where}: node {const.name!r}: {error}") from None
    raise EditRefused(f"{scope.where}: node {node.name!r} computes which tensors to restore")


def _dtype(number: int, node: str) -> DType:
    try:
        return tensors.from_enum(number)
    except KeyError:
        raise EditRefused(f"node {node!r}: dtype number {number} is not known") from None
