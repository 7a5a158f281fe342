"""GraphDef and FunctionDef to the IR. The only place that parses `node:out:0` and `^node`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from servable.graph import attributes, schema
from servable.graph.ir import (
    ARG,
    AttrValue,
    Function,
    GraphError,
    Node,
    UnsupportedOps,
    Value,
)
from servable.graph.schema import Missing, OpSchema
from servable.pb import framework_pb2

Resolver: TypeAlias = Callable[[str], Value]
"""Turns an input reference, written as the graph or function writes it, into a value."""


class Library:
    """The functions of a graph, imported when they are first asked for. Thread-safe."""

    def __init__(
        self,
        functions: Iterable[framework_pb2.FunctionDef],
        op_defs: Mapping[str, framework_pb2.OpDef],
    ) -> None:
        self._protos: dict[str, framework_pb2.FunctionDef] = {}
        for proto in functions:
            if proto.signature.name in self._protos:
                raise GraphError(f"function {proto.signature.name} is defined twice")
            self._protos[proto.signature.name] = proto
        self._op_defs = op_defs
        self._imported: dict[str, Function] = {}
        self._lock = threading.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._protos

    def __getitem__(self, name: str) -> Function:
        """Import a function.

        Raises:
            GraphError: there is none of this name, or it is broken.
        """
        with self._lock:
            function = self._imported.get(name)
            if function is None:
                proto = self._protos.get(name)
                if proto is None:
                    raise GraphError(f"the graph calls function {name}, which it does not have")
                function = self._imported[name] = _import_function(proto, self)
        return function

    def add(self, function: Function) -> None:
        """Add a function that a pass made."""
        with self._lock:
            self._imported[function.name] = function

    def unused(self, name: str) -> str:
        """The name, or one like it that no function has."""
        with self._lock:
            while name in self._protos or name in self._imported:
                name += "_"
            return name

    def schema(self, op: str) -> OpSchema | None:
        """What is known of an op or a function called like one; None if nothing is."""
        found = schema.known(op)
        if found is None and op in self._protos:
            found = schema.from_proto(self._protos[op].signature)
        if found is None and op in self._op_defs:
            found = schema.from_proto(self._op_defs[op])
        return found


def import_graph(
    proto: framework_pb2.GraphDef, op_defs: Mapping[str, framework_pb2.OpDef]
) -> tuple[Mapping[str, Node], Library]:
    """Read the nodes of a graph and its function library.

    Args:
        proto: the graph.
        op_defs: definitions that the model carries, for ops outside our table.

    Raises:
        GraphError: a reference, attribute or name is broken.
        UnsupportedOps: an op is used of which nothing at all is known.
    """
    library = Library(proto.library.function, op_defs)
    nodes: dict[str, Node] = {}
    for node_def in proto.node:
        _add(nodes, _import_node(node_def, library, _graph_input))
    for node in nodes.values():
        _check_inputs(node, nodes, "the graph")
    return nodes, library


def parse_tensor_name(name: str) -> Value:
    """Parse `node` or `node:1`, as signatures and feeds write it.

    Raises:
        GraphError: the part behind the colon is not a number.
    """
    return _graph_input(name)


def _graph_input(text: str) -> Value:
    node, colon, index = text.rpartition(":")
    if not colon:
        return Value(text)
    if not index.isdigit() or len(index) > 9:
        raise GraphError(f"{text!r} is not the name of a tensor: expected `node:index`")
    return Value(node, int(index))


class _FunctionNames:
    """Resolves input references inside one function body."""

    def __init__(self, proto: framework_pb2.FunctionDef, library: Library) -> None:
        self.name = proto.signature.name
        self.args = {a.name for a in proto.signature.input_arg}
        self.protos = _unique(self.name, ((n.name, n) for n in proto.node_def))
        self._library = library
        self._attrs: dict[str, dict[str, AttrValue]] = {}

    def resolve(self, text: str) -> Value:
        """Turn `arg`, or `node:output:index`, into a value."""
        if text in self.args:
            return Value(text)
        parts = text.split(":")
        if len(parts) == 1:
            return Value(text)
        if len(parts) != 3 or not parts[2].isdigit() or len(parts[2]) > 9:
            raise GraphError(f"{self.name}: {text!r} is not `node:output:index`")
        node, output, index = parts
        proto = self.protos.get(node)
        if proto is None:
            raise GraphError(f"{self.name}: {text!r} names a node that does not exist")
        op = self._library.schema(proto.op)
        if op is None:
            raise _unknown_op(proto)
        if node not in self._attrs:
            self._attrs[node] = _attrs(proto, op)
        start = op.offset(output, self._attrs[node])
        if start is None:
            raise GraphError(f"{self.name}: {proto.op} has no output called {output!r} ({text})")
        return Value(node, start + int(index))


def _import_function(proto: framework_pb2.FunctionDef, library: Library) -> Function:
    name = proto.signature.name
    names = _FunctionNames(proto, library)
    nodes: dict[str, Node] = {}
    args = []
    for index, arg in enumerate(proto.signature.input_arg):
        if not arg.type or arg.number_attr or arg.type_list_attr:
            raise UnsupportedOps(f"function {name}: argument {arg.name} is polymorphic")
        dtype = attributes.dtype(arg.type)
        _add(nodes, Node(arg.name, ARG, attrs={"T": dtype, "index": index}, dtypes=(dtype,)))
        args.append(arg.name)
    for node_def in proto.node_def:
        _add(nodes, _import_node(node_def, library, names.resolve))
    for node in nodes.values():
        _check_inputs(node, nodes, name)
    results = []
    for output in proto.signature.output_arg:
        if output.name not in proto.ret:
            raise GraphError(f"function {name} does not say what its result {output.name} is")
        results.append(names.resolve(proto.ret[output.name]))
    function = Function(
        name, tuple(args), nodes, tuple(results), tuple(sorted(set(proto.control_ret.values())))
    )
    for value in results:
        function.dtype(value)
    for target in function.targets:
        if target not in nodes:
            raise GraphError(f"function {name}: {target} does not exist")
    return function


def _import_node(proto: framework_pb2.NodeDef, library: Library, resolve: Resolver) -> Node:
    op = library.schema(proto.op)
    if op is None:
        raise _unknown_op(proto)
    inputs = []
    controls = []
    for text in proto.input:
        if text.startswith("^"):
            controls.append(text[1:])
        else:
            inputs.append(resolve(text))
    attrs = _attrs(proto, op)
    return Node(
        proto.name, proto.op, tuple(inputs), tuple(controls), attrs, op.output_dtypes(attrs)
    )


def _attrs(proto: framework_pb2.NodeDef, op: OpSchema) -> dict[str, AttrValue]:
    attrs = {
        name: attributes.decode(value)
        for name, value in proto.attr.items()
        if not name.startswith("_")
    }
    for name, attr in op.attrs.items():
        if name not in attrs:
            if attr.default is Missing:
                raise GraphError(f"node {proto.name}: {proto.op} needs attribute {name}")
            attrs[name] = attr.default  # type: ignore[assignment]  # Missing is excluded above
    return attrs


def _add(nodes: dict[str, Node], node: Node) -> None:
    if not node.name:
        raise GraphError(f"a node of op {node.op} has no name")
    if node.name in nodes:
        raise GraphError(f"node {node.name} is defined twice")
    nodes[node.name] = node


def _unique(
    where: str, pairs: Iterator[tuple[str, framework_pb2.NodeDef]]
) -> dict[str, framework_pb2.NodeDef]:
    found: dict[str, framework_pb2.NodeDef] = {}
    for name, proto in pairs:
        if name in found:
            raise GraphError(f"{where}: node {name} is defined twice")
        found[name] = proto
    return found


def _check_inputs(node: Node, nodes: Mapping[str, Node], where: str) -> None:
    for value in node.inputs:
        source = nodes.get(value.node)
        if source is None or value.index >= len(source.dtypes):
            raise GraphError(f"{where}: node {node.name} reads {value}, which does not exist")
    for control in node.controls:
        if control not in nodes:
            raise GraphError(f"{where}: node {node.name} waits for {control}, which does not exist")


def _unknown_op(proto: framework_pb2.NodeDef) -> UnsupportedOps:
    return UnsupportedOps(
        f"Op type not registered '{proto.op}' (node {proto.name})",
        hint="The op is in neither the table of TensorFlow's ops nor the model's own list.",
    )
