"""Writing the part of a graph that saves and restores variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from servable import tensor_proto
from servable.edit.collected import collected_names
from servable.edit.errors import EditRefused
from servable.edit.nodes import by_name, fresh_name, keep_only, prune_functions, reached
from servable.edit.restores import REFERENCES, RESOURCES, Restored
from servable.pb import framework_pb2, saved_model_pb2
from servable.tensors import STRING, Array, DType, from_enum

_KEEP_HOURS = 10_000.0  # TensorFlow's default, which keeps no checkpoint for ever
_KEEP_LAST = 5


def variable_dtype(node: framework_pb2.NodeDef) -> DType:
    """Return the dtype of a variable.

    Raises:
        EditRefused: the node does not say it.
    """
    try:
        return from_enum(node.attr["dtype"].type)
    except KeyError:
        raise EditRefused(f"variable {node.name!r} has no dtype") from None


def remove_saver(meta_graph: saved_model_pb2.MetaGraphDef) -> None:
    """Remove the nodes that only save and restore, and what says which they are."""
    saver, graph = meta_graph.saver_def, meta_graph.graph_def
    nodes = by_name(graph.node, "the graph")
    saving = reached(nodes, [saver.restore_op_name, saver.save_tensor_name])
    needed = reached(nodes, [*(nodes.keys() - saving), *collected_names(meta_graph)])
    keep_only(
        graph.node,
        lambda name: (
            name not in saving or name in needed or nodes[name].op in REFERENCES | RESOURCES
        ),
    )
    prune_functions(graph)
    meta_graph.ClearField("saver_def")


def replace_saver(
    meta_graph: saved_model_pb2.MetaGraphDef,
    variables: Sequence[Restored],
    stored: Mapping[str, DType] | None = None,
) -> None:
    """Make the graph save and restore these variables and no others.

    Args:
        meta_graph: changed in place. Without variables it has no saver afterwards.
        variables: what to restore; each variable must be a node of the graph.
        stored: tensor -> dtype in the files, where that is not the variable's own: it
            is cast when it is read and when it is written.

    Raises:
        EditRefused: a variable is not there or has no dtype.
    """
    remove_saver(meta_graph)
    if variables:
        _Writer(meta_graph, stored or {}).write(variables)


class _Writer:
    def __init__(
        self, meta_graph: saved_model_pb2.MetaGraphDef, stored: Mapping[str, DType]
    ) -> None:
        self._meta_graph = meta_graph
        self._graph = meta_graph.graph_def
        self._nodes = by_name(self._graph.node, "the graph")
        self._stored = stored
        taken = {name.partition("/")[0] for name in self._nodes}
        self._scope = fresh_name("save", taken.__contains__)

    def write(self, variables: Sequence[Restored]) -> None:
        prefix = self._filename()
        keys = self._const("tensor_names", [v.key for v in variables])
        specs = self._const("shape_and_slices", [v.spec for v in variables])
        restore = self._node("RestoreV2", "RestoreV2", prefix, keys, specs)
        save = framework_pb2.NodeDef(name=f"{self._scope}/SaveV2", op="SaveV2")
        save.input.extend([prefix, keys, specs])
        assigned = []
        for i, variable in enumerate(variables):
            node = self._nodes.get(variable.variable)
            if node is None or node.op not in REFERENCES | RESOURCES:
                raise EditRefused(f"the graph has no variable {variable.variable!r}")
            own = variable_dtype(node)
            kept = self._stored.get(variable.key, own)
            value = self._cast(f"restored_{i}", f"{restore.name}:{i}", kept, own)
            assigned.append(self._assign(i, node, value, own))
            save.input.append(self._cast(f"saved_{i}", self._read(i, node, own), own, kept))
            for written in (restore, save):
                written.attr["dtypes"].list.type.append(kept.enum)  # type: ignore[arg-type]  # as below
        self._graph.node.append(save)
        done = self._node("NoOp", "restore_all", *(f"^{name}" for name in assigned))
        saved = self._node("Identity", "saved", prefix, f"^{save.name}", T=STRING)
        saver = self._meta_graph.saver_def
        saver.filename_tensor_name = f"{prefix}:0"
        saver.restore_op_name = done.name
        saver.save_tensor_name = f"{saved.name}:0"
        saver.max_to_keep = _KEEP_LAST
        saver.keep_checkpoint_every_n_hours = _KEEP_HOURS
        saver.version = saved_model_pb2.SaverDef.V2

    def _filename(self) -> str:
        default = self._const("filename/input", "model")
        node = self._node("PlaceholderWithDefault", "filename", default)
        set_dtype(node, "dtype", STRING)
        node.attr["shape"].shape.SetInParent()
        return node.name

    def _assign(self, i: int, variable: framework_pb2.NodeDef, value: str, dtype: DType) -> str:
        if variable.op in RESOURCES:
            node = self._node("AssignVariableOp", f"assign_{i}", variable.name, value)
            set_dtype(node, "dtype", dtype)
        else:
            node = self._node("Assign", f"assign_{i}", variable.name, value, T=dtype)
            node.attr["validate_shape"].b = True
            node.attr["use_locking"].b = True
        return node.name

    def _read(self, i: int, variable: framework_pb2.NodeDef, dtype: DType) -> str:
        if variable.op in REFERENCES:
            return variable.name
        node = self._node("ReadVariableOp", f"read_{i}", variable.name)
        set_dtype(node, "dtype", dtype)
        return node.name

    def _cast(self, name: str, value: str, source: DType, target: DType) -> str:
        if source == target:
            return value
        return self._node("Cast", name, value, SrcT=source, DstT=target).name

    def _const(self, name: str, value: str | list[str]) -> str:
        node = self._node("Const", name)
        array: Array = np.empty(np.shape(value), object)
        array[...] = value
        set_value(node, array, STRING)
        return node.name

    def _node(self, op: str, name: str, *inputs: str, **types: DType) -> framework_pb2.NodeDef:
        node = self._graph.node.add(name=f"{self._scope}/{name}", op=op)
        node.input.extend(inputs)
        for attr, dtype in types.items():
            set_dtype(node, attr, dtype)
        return node


def set_value(node: framework_pb2.NodeDef, array: Array, dtype: DType) -> None:
    """Give a Const node its value."""
    content = dtype is not STRING
    proto = tensor_proto.encode(array, dtype=dtype, as_content=content)
    node.attr["value"].tensor.CopyFrom(proto)
    set_dtype(node, "dtype", dtype)


def set_dtype(node: framework_pb2.NodeDef, attr: str, dtype: DType) -> None:
    """Set an attribute that is a dtype."""
    node.attr[attr].type = dtype.enum  # type: ignore[assignment]  # the stub wants the enum's type
