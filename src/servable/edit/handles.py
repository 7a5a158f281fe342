"""Where handles of variables travel, and how values travel there in their place."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, MutableSequence

import numpy as np

from servable.edit.errors import EditRefused
from servable.edit.nodes import by_name, fresh_name, index_of, node_of
from servable.edit.savers import set_dtype, set_value
from servable.pb import framework_pb2
from servable.tensors import INT32, RESOURCE, DType

_PASSES_ON = frozenset({"Identity", "Enter", "Exit", "Switch", "Merge", "NextIteration"})
_LOOPS = frozenset({"While", "StatelessWhile"})

# Ops that call functions: how many inputs come before the functions' arguments, the
# attribute with the arguments' dtypes, and those with the functions.
_CALLS = {
    "PartitionedCall": (0, "Tin", ("f",)),
    "StatefulPartitionedCall": (0, "Tin", ("f",)),
    "If": (1, "Tin", ("then_branch", "else_branch")),
    "StatelessIf": (1, "Tin", ("then_branch", "else_branch")),
    "Case": (1, "Tin", ("branches",)),
    "StatelessCase": (1, "Tin", ("branches",)),
    "While": (0, "T", ("cond", "body")),
    "StatelessWhile": (0, "T", ("cond", "body")),
}

_Tensors = dict[tuple[str, int], DType]
_MOST_COPIES = 100_000
_MOST_DEPTH = 100


class Handles:
    """Rewrites a graph after some of its variables have become constants."""

    def __init__(self, graph: framework_pb2.GraphDef) -> None:
        self._graph = graph
        self._library = {f.signature.name: f for f in graph.library.function}
        self._copies: dict[tuple[str, tuple[tuple[int, DType], ...]], str] = {}
        self._depth = 0

    def rewrite(self, frozen: Mapping[str, DType]) -> None:
        """Change every node that uses the handle of one of these nodes.

        Raises:
            EditRefused: a node does something else with a variable than to read it.
        """
        self._rewrite(self._graph.node, frozen, "the graph", in_function=False)

    def _rewrite(
        self,
        nodes: MutableSequence[framework_pb2.NodeDef],
        frozen: Mapping[str, DType],
        where: str,
        *,
        in_function: bool,
    ) -> tuple[_Tensors, set[str]]:
        """Rewrite one body.

        Returns:
            The tensors that were handles, and the nodes whose output has another name.
        """
        names = by_name(nodes, where)
        handles = _spread(nodes, frozen)
        reads, added = set(), []
        for node in nodes:
            found = {
                i: handles[key]
                for i, reference in enumerate(node.input)
                if not reference.startswith("^") and (key := _key(reference)) in handles
            }
            if not found:
                continue
            if node.op == "ReadVariableOp":
                reads.add(node.name)
            elif node.op in ("ResourceGather", "ResourceGatherNd"):
                added += _gather_axis(node, names, in_function)
            if node.op in _CALLS:
                self._call(node, found, where)
            else:
                _use_value(node, found, where)
        nodes.extend(added)
        return handles, reads

    def _call(self, node: framework_pb2.NodeDef, found: Mapping[int, DType], where: str) -> None:
        skip, types, functions = _CALLS[node.op]
        arguments = {i - skip: dtype for i, dtype in found.items()}
        stored = node.attr[types].list.type
        for i, dtype in arguments.items():
            if not 0 <= i < len(stored):
                raise _refused(where, node, "declares no dtype for")
            stored[i] = dtype.enum  # type: ignore[call-overload]  # the stub wants the enum's type
        for attr in functions:
            value = node.attr[attr]
            for function in [value.func] if value.HasField("func") else value.list.func:
                function.name = self._copy(function.name, arguments, node.op in _LOOPS, where)
        if node.op in _LOOPS:
            for attr in ("output_shapes", "_output_shapes"):
                for i in arguments:
                    _forget_shape(node.attr, attr, i)

    def _copy(self, name: str, arguments: Mapping[int, DType], is_loop: bool, where: str) -> str:
        """Return the name of a function that takes values for some arguments."""
        key = name, tuple(sorted(arguments.items(), key=lambda item: item[0]))
        if key in self._copies:
            return self._copies[key]
        original = self._library.get(name)
        if original is None:
            raise EditRefused(f"{where}: there is no function {name!r}")
        if len(self._copies) >= _MOST_COPIES or self._depth >= _MOST_DEPTH:
            raise EditRefused(f"{where}: functions call each other too deeply, or in too many ways")
        copy = self._graph.library.function.add()
        copy.CopyFrom(original)
        copy.signature.name = fresh_name(f"{name}_frozen", self._library.__contains__)
        self._library[copy.signature.name] = copy
        self._copies[key] = copy.signature.name
        frozen: dict[str, DType] = {}
        for i, dtype in arguments.items():
            if i >= len(copy.signature.input_arg):
                raise EditRefused(f"{where}: function {name!r} has no argument {i}")
            arg = copy.signature.input_arg[i]
            arg.type = dtype.enum  # type: ignore[assignment]  # the stub wants the enum's type
            frozen[arg.name] = dtype
            copy.arg_attr.pop(i, None)
            copy.resource_arg_unique_id.pop(i, None)
            _forget_shape(copy.attr, "_input_shapes", i)
        self._depth += 1
        handles, reads = self._rewrite(copy.node_def, frozen, f"function {name}", in_function=True)
        self._depth -= 1
        _rename_reads(copy, reads)
        for out in copy.signature.output_arg:
            dtype_or_none = handles.get(_key(copy.ret[out.name]))
            if dtype_or_none is None:
                continue
            if not is_loop:
                raise EditRefused(f"function {name!r} returns a variable's handle")
            out.type = dtype_or_none.enum  # type: ignore[assignment]  # the stub's enum type
        return copy.signature.name


def _spread(nodes: MutableSequence[framework_pb2.NodeDef], frozen: Mapping[str, DType]) -> _Tensors:
    """Return every tensor of a body that is the handle of one of these variables."""
    consumers: dict[tuple[str, int], list[tuple[framework_pb2.NodeDef, int]]] = {}
    for node in nodes:
        for i, reference in enumerate(node.input):
            if not reference.startswith("^"):
                consumers.setdefault(_key(reference), []).append((node, i))
    handles: _Tensors = {}
    waiting = [((name, 0), dtype) for name, dtype in frozen.items()]
    while waiting:
        key, dtype = waiting.pop()
        if key in handles:
            continue
        handles[key] = dtype
        for node, i in consumers.get(key, ()):
            if node.op in _PASSES_ON and node.attr["T"].type == RESOURCE.enum:
                outputs = range(2) if node.op == "Switch" else range(1)
                waiting += [((node.name, out), dtype) for out in outputs]
            elif node.op in _LOOPS:
                waiting.append(((node.name, i), dtype))
    return handles


def _key(reference: str) -> tuple[str, int]:
    """Return node and output number of `name`, `name:1` or `name:out:1`.

    Two outputs of one op under different names get the same number here; of the ops that
    hand handles on only Switch has two, and both are handles.
    """
    return node_of(reference), index_of(reference)


def _use_value(node: framework_pb2.NodeDef, found: Mapping[int, DType], where: str) -> None:
    dtype = next(iter(found.values()))
    if node.op in _PASSES_ON:
        set_dtype(node, "T", dtype)
    elif node.op == "ReadVariableOp":
        _become(node, "Identity", T=dtype)
    elif node.op == "VariableShape":
        out = node.attr["out_type"].type or INT32.enum
        _become(node, "Shape", T=dtype)
        node.attr["out_type"].type = out  # type: ignore[assignment]  # the stub's enum type
    elif node.op == "DisableCopyOnRead":
        controls = [reference for reference in node.input if reference.startswith("^")]
        _become(node, "NoOp")
        del node.input[:]
        node.input.extend(controls)
    elif node.op == "ResourceGather":
        batch_dims = node.attr["batch_dims"].i
        indices = node.attr["Tindices"].type
        _become(node, "GatherV2", Tparams=dtype, Taxis=INT32)
        node.attr["Tindices"].type = indices
        node.attr["batch_dims"].i = batch_dims
    elif node.op == "ResourceGatherNd":
        indices = node.attr["Tindices"].type
        _become(node, "GatherNd", Tparams=dtype)
        node.attr["Tindices"].type = indices
    else:
        raise _refused(where, node, "does more than read")


def _forget_shape(
    attributes: MutableMapping[str, framework_pb2.AttrValue], name: str, index: int
) -> None:
    """Let a recorded shape, that of the handle, be any: the value's is another."""
    if name in attributes and index < len(attributes[name].list.shape):
        attributes[name].list.shape[index].Clear()
        attributes[name].list.shape[index].unknown_rank = True


def _gather_axis(
    node: framework_pb2.NodeDef, names: Mapping[str, object], in_function: bool
) -> list[framework_pb2.NodeDef]:
    """Make the constant that GatherV2 wants as its third input."""
    if node.op != "ResourceGather":
        return []
    const = framework_pb2.NodeDef(name=fresh_name(f"{node.name}/axis", names.__contains__))
    const.op = "Const"
    set_value(const, np.array(node.attr["batch_dims"].i, np.int32), INT32)
    values = [reference for reference in node.input if not reference.startswith("^")]
    controls = [reference for reference in node.input if reference.startswith("^")]
    del node.input[:]
    node.input.extend([*values, f"{const.name}:output:0" if in_function else const.name])
    node.input.extend(controls)
    return [const]


def _become(node: framework_pb2.NodeDef, op: str, **types: DType) -> None:
    """Make a node another op with only these attributes, and where it should be placed."""
    node.op = op
    for name in list(node.attr):
        if not name.startswith("_class"):
            del node.attr[name]
    for name, dtype in types.items():
        set_dtype(node, name, dtype)


def _rename_reads(function: framework_pb2.FunctionDef, reads: set[str]) -> None:
    """Say `output` where ReadVariableOp had `value`: functions name the outputs of ops."""

    def renamed(reference: str) -> str:
        return f"{node_of(reference)}:output:0" if node_of(reference) in reads else reference

    for node in function.node_def:
        for i, reference in enumerate(node.input):
            if not reference.startswith("^"):
                node.input[i] = renamed(reference)
    for name, reference in list(function.ret.items()):
        function.ret[name] = renamed(reference)


def _refused(where: str, node: framework_pb2.NodeDef, does: str) -> EditRefused:
    return EditRefused(
        f"{where}: node {node.name!r} ({node.op}) {does} a variable, "
        "which can not be frozen therefore",
        hint="A model that changes its variables while it serves must keep them.",
    )
