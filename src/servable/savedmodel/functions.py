"""The functions that a SavedModel's object graph offers to callers, and how to call them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel.errors import FunctionsUnordered, ObjectGraphInvalid, StructureInvalid
from servable.savedmodel.structure import Structure, decode

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_GRADIENT = "_gradient_op_type"
_RENAMED = re.compile(r"__inference_(.*)_\d+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Trace:
    """One traced form of a function: a concrete function.

    Attributes:
        name: of the function in the graph's library.
        args: what the positional arguments are, each a structure.
        kwargs: what the keyword-only arguments are.
        keywords: names of the flat arguments, where nothing better is stored.
        bound: object-graph nodes of what the function captured; they follow the
            caller's tensors.
        output: what it returns.
    """

    name: str
    args: tuple[Structure, ...]
    kwargs: dict[str, Structure]
    keywords: tuple[str, ...] = ()
    bound: tuple[int, ...] = ()
    output: Structure = None


@dataclass(frozen=True, slots=True)
class Offered:
    """A function that the root object has under a name.

    Attributes:
        spec: what is stored of its parameters.
    """

    name: str
    traces: tuple[Trace, ...]
    spec: saved_model_pb2.FunctionSpec


def offered(meta_graph: saved_model_pb2.MetaGraphDef) -> list[Offered]:
    """Return the root's functions in ascending order of name.

    Raises:
        ObjectGraphInvalid: a function refers to what is not there.
        StructureInvalid: the arguments of one can not be understood.
    """
    graph = meta_graph.object_graph_def
    if not graph.nodes:
        return []
    found = []
    for child in sorted(graph.nodes[0].children, key=lambda child: child.local_name):
        node = node_of(graph, child.node_id)
        kind = node.WhichOneof("kind")
        if kind == "function":
            spec = node.function.function_spec
            traces = tuple(_trace(graph, name) for name in node.function.concrete_functions)
        elif kind == "bare_concrete_function":
            bare = node.bare_concrete_function
            spec = bare.function_spec
            traces = (_trace(graph, bare.concrete_function_name, tuple(bare.argument_keywords)),)
        else:
            continue
        found.append(Offered(child.local_name, traces, spec))
    return found


def node_of(graph: saved_model_pb2.SavedObjectGraph, number: int) -> saved_model_pb2.SavedObject:
    """Return a node of the object graph.

    Raises:
        ObjectGraphInvalid: there is none of this number.
    """
    if not 0 <= number < len(graph.nodes):
        raise ObjectGraphInvalid(f"the object graph has no node {number}")
    return graph.nodes[number]


def loading_order(library: framework_pb2.FunctionDefLibrary) -> dict[str, int]:
    """Return for each function of a library its place in the order that TensorFlow loads it in.

    A function comes after all that it needs; of those that are ready the one that
    became so last is next.

    Raises:
        FunctionsUnordered: functions call each other in a cycle, or one is missing.
    """
    known = {function.signature.name for function in library.function}
    gradients = {g.registered_op_type.encode(): g.gradient_func
                 for g in library.registered_gradients}  # fmt: skip
    users: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, int] = {}
    for function in library.function:
        needs = set(_needs(function, known, gradients))
        waiting[function.signature.name] = len(needs)
        for need in needs:
            users[need].append(function.signature.name)
    ready = [name for name, count in waiting.items() if not count]
    order: dict[str, int] = {}
    while ready:
        name = ready.pop()
        order[name] = len(order)
        for user in users[name]:
            waiting[user] -= 1
            if not waiting[user]:
                ready.append(user)
    if len(order) < len(waiting):
        stuck = sorted(waiting.keys() - order.keys())
        raise FunctionsUnordered(
            f"the functions of the graph need each other in a cycle, or one that is missing: "
            f"{', '.join(stuck[:5])}"
        )
    return order


def plain_name(name: str) -> str:
    """A library function's name without what TensorFlow puts around it when it traces."""
    match = _RENAMED.fullmatch(name)
    return match[1] if match else name


def ops_used(graph: framework_pb2.GraphDef) -> set[str]:
    """The ops of a graph and of the functions that its nodes call, directly or not.

    Functions that only attributes of other ops name, such as the bodies of loops, are
    not followed; this is what `saved_model_cli` lists, and the set is built in its
    order so that it prints alike under one PYTHONHASHSEED.
    """
    library = {function.signature.name: function for function in graph.library.function}
    used: set[str] = set()
    stack: list[framework_pb2.FunctionDef] = []

    def note(op: str) -> None:
        if op not in used and op in library:
            stack.append(library[op])
        used.add(op)

    def look(nodes: Collection[framework_pb2.NodeDef]) -> None:
        for node in nodes:
            note(node.op)
            if node.op in _CALLS and "f" in node.attr:
                note(node.attr["f"].func.name)

    look(graph.node)
    while stack:
        look(stack.pop().node_def)
    return {op for op in used if op not in library}


def _trace(
    graph: saved_model_pb2.SavedObjectGraph, name: str, keywords: tuple[str, ...] = ()
) -> Trace:
    if name not in graph.concrete_functions:
        if keywords:
            return Trace(name, (), {}, keywords)
        raise ObjectGraphInvalid(f"the object graph does not describe its function {name}")
    stored = graph.concrete_functions[name]
    signature = decode(stored.canonicalized_input_signature)
    if (
        not isinstance(signature, tuple)
        or len(signature) != 2
        or not isinstance(signature[0], tuple)
        or not isinstance(signature[1], dict)
    ):
        raise StructureInvalid(f"function {name}: its arguments are no pair of tuple and dict")
    bound, output = tuple(stored.bound_inputs), decode(stored.output_signature)
    return Trace(name, signature[0], signature[1], keywords, bound, output)


def _needs(
    function: framework_pb2.FunctionDef, known: Collection[str], gradients: dict[bytes, str]
) -> Iterator[str]:
    for node in function.node_def:
        gradient = b""
        if _GRADIENT in node.attr and node.op not in _CALLS:
            gradient = node.attr[_GRADIENT].s
        if node.op in known:
            yield node.op
        elif gradient in gradients:
            yield gradients[gradient]
        else:
            for value in node.attr.values():
                kind = value.WhichOneof("value")
                if kind == "func":
                    yield value.func.name
                elif kind == "list":
                    yield from (item.name for item in value.list.func)
