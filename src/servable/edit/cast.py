"""Store weights in half the bytes; the arithmetic stays what it was."""

from __future__ import annotations

from collections.abc import MutableSequence

from servable import tensor_proto, tensors
from servable.edit.draft import Draft, drop_object_graph
from servable.edit.errors import BuildInvalid, EditRefused
from servable.edit.nodes import Nodes, bodies, by_name, fresh_name
from servable.edit.restores import Restored, find_restored
from servable.edit.savers import replace_saver, set_dtype, set_value, variable_dtype
from servable.edit.variable_source import cast
from servable.errors import InvalidArgument
from servable.pb import framework_pb2
from servable.tensors import DType

STORAGE = {"float16": tensors.HALF, "bfloat16": tensors.BFLOAT16}
"""What weights may be stored as."""

LEAST_ELEMENTS = 1024
"""Biases and statistics below this are kept as they are: they save little and cost accuracy."""


def cast_weights(
    draft: Draft, storage: DType, *, least_elements: int = LEAST_ELEMENTS
) -> tuple[int, int]:
    """Store float variables and constants as float16 or bfloat16.

    Variables are cast back to float while they are restored, constants by a Cast node
    behind each, so kernels, memory and dtypes of the running model do not change; values
    are rounded once. Whoever saves variables from the graph writes the small dtype
    again. TF2's object graph goes: TensorFlow restores through it without such a cast.

    Args:
        draft: changed in place; all its MetaGraphs, since they share the variables.
        storage: `tensors.HALF` or `tensors.BFLOAT16`.
        least_elements: tensors with fewer elements stay as they are.

    Returns:
        How many variables and how many constants are stored in the new dtype.

    Raises:
        EditRefused: a finite value would become infinite, or the model restores
            something else than variables.
        BuildInvalid: weights can not be stored in that dtype.
    """
    if storage not in STORAGE.values():
        raise BuildInvalid(f"weights are stored as {' or '.join(STORAGE)}, not {storage}")
    constants = 0
    per_graph = [(m, find_restored(m)) for m in draft.meta_graphs()]
    for meta_graph, restored in per_graph:
        nodes = by_name(meta_graph.graph_def.node, "the graph")
        for entry in restored:
            if _is_weight(draft, nodes[entry.variable], entry, least_elements):
                draft.stored[entry.key] = storage
    for meta_graph, restored in per_graph:
        for body in bodies(meta_graph.graph_def):
            constants += _cast_constants(body, storage, least_elements)
        for function in meta_graph.graph_def.library.function:
            _rename_outputs(function)
        drop_object_graph(meta_graph)
        replace_saver(meta_graph, restored, draft.stored)
    draft.trimmed = True
    return len(draft.stored), constants


def _is_weight(draft: Draft, variable: framework_pb2.NodeDef, entry: Restored, least: int) -> bool:
    if draft.variables is None or entry.dtype is not tensors.FLOAT:
        return False
    if variable_dtype(variable) is not tensors.FLOAT:
        return False
    return draft.variables.elements(entry.key) >= least


_STORED = "/stored"


def _cast_constants(
    nodes: MutableSequence[framework_pb2.NodeDef], storage: DType, least_elements: int
) -> int:
    """Put a Cast of the constant's name behind each large float constant."""
    names: Nodes = by_name(nodes, "the graph")
    added = []
    for node in nodes:
        if node.op != "Const" or node.attr["dtype"].type != tensors.FLOAT.enum:
            continue
        try:
            value = tensor_proto.decode(node.attr["value"].tensor)
        except InvalidArgument as error:
            raise EditRefused(f"constant {node.name!r}: {error.message}") from None
        if value.size < least_elements or not any(value.strides):
            continue  # one value repeated takes no room
        const = framework_pb2.NodeDef(
            name=fresh_name(node.name + _STORED, names.__contains__), op="Const"
        )
        set_value(const, cast(node.name, value, storage), storage)
        added.append(const)
        controls = [i for i in node.input if i.startswith("^")]
        const.input.extend(controls)
        const.device = node.device
        del node.input[:]
        node.input.append(const.name)
        node.op = "Cast"
        for attr in ("value", "dtype", "_output_shapes"):
            if attr in node.attr:
                del node.attr[attr]
        set_dtype(node, "SrcT", storage)
        set_dtype(node, "DstT", tensors.FLOAT)
    nodes.extend(added)
    return len(added)


def _rename_outputs(function: framework_pb2.FunctionDef) -> None:
    """In functions, say `y` where a Cast now stands: outputs have the names of the op's."""
    casts = {node.name for node in function.node_def if node.op == "Cast"}

    def renamed(reference: str) -> str:
        name, colon, rest = reference.partition(":")
        return f"{name}:y:0" if colon and name in casts and rest == "output:0" else reference

    for node in function.node_def:
        if node.op == "Cast" and len(node.input) == 1 and node.input[0].partition(":")[1] == "":
            const = node.input[0]
            if const.startswith(node.name + _STORED):
                node.input[0] = f"{const}:output:0"
        for i, reference in enumerate(node.input):
            node.input[i] = renamed(reference)
    for name, reference in list(function.ret.items()):
        function.ret[name] = renamed(reference)
