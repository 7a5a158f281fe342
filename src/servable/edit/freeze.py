"""Variables into constants: a SavedModel without variable files, or one GraphDef.

A variable's node becomes a constant of the same name. Where its handle travels into
functions and loops, these get the value in its place: functions are copied with other
argument dtypes, once for each combination that occurs, and reads become copies.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from servable import tensors
from servable.edit.collected import drop_variable_collections
from servable.edit.draft import Draft
from servable.edit.errors import EditRefused, SignatureMissing
from servable.edit.handles import Handles
from servable.edit.nodes import by_name, keep_only, node_of, prune_functions, reached
from servable.edit.prune import prune_meta_graph, roots
from servable.edit.references import replace_references
from servable.edit.restores import REFERENCES, RESOURCES, Restored, find_restored
from servable.edit.savers import remove_saver, set_value, variable_dtype
from servable.edit.tensor_infos import tensors_of
from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel.model_file import MAX_BINARY_BYTES
from servable.savedmodel.write_errors import NotWritable
from servable.tensors import DType


@dataclass(frozen=True, slots=True)
class Frozen:
    """One graph that needs no files.

    Attributes:
        graph: nodes and functions, with weights as constants.
        inputs, outputs: alias -> tensor of the graph.
    """

    graph: framework_pb2.GraphDef
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def freeze(draft: Draft, tags: Collection[str] | None = None) -> int:
    """Replace the variables of MetaGraphs by constants; unreached parts go first.

    Returns:
        How many variables became constants.

    Raises:
        EditRefused: a signature changes a variable, or uses its handle in a way that
            has no counterpart for values; the node is named.
        NotWritable: the graph would not fit a message, which may have 2 GiB.
    """
    count = 0
    for meta_graph in list(draft.meta_graphs(tags)):
        count += _freeze_meta_graph(meta_graph, draft)
    draft.trimmed = True
    return count


def frozen_graph(
    draft: Draft, signature: str = "serving_default", tags: Collection[str] | None = None
) -> Frozen:
    """Return one signature as a GraphDef that needs no files. The draft is frozen by it.

    Raises:
        SignatureMissing: there is no such signature.
        EditRefused: see `freeze`; or assets or an init op would be needed to run it.
    """
    freeze(draft, tags)
    meta_graph = next(iter(draft.meta_graphs(tags)))
    if signature not in meta_graph.signature_def:
        names = ", ".join(sorted(meta_graph.signature_def))
        raise SignatureMissing(f"there is no signature {signature!r}", hint=f"It has: {names}.")
    stored = meta_graph.signature_def[signature]
    graph = framework_pb2.GraphDef()
    graph.CopyFrom(meta_graph.graph_def)
    nodes = by_name(graph.node, "the graph")
    used = reached(nodes, tensors_of(stored))
    for asset in meta_graph.asset_file_def:
        if node_of(asset.tensor_info.name) in used:
            raise EditRefused(
                f"signature {signature!r} reads the asset {asset.filename!r}, a file",
                hint="Freeze to a SavedModel instead, which keeps its assets.",
            )
    tables = sorted(name for name in used if "HashTable" in nodes[name].op)
    if tables:
        raise EditRefused(
            f"signature {signature!r} uses the table {tables[0]!r}, which an init op fills",
            hint="Freeze to a SavedModel instead, which keeps its init op.",
        )
    keep_only(graph.node, used.__contains__)
    prune_functions(graph)
    return Frozen(
        graph,
        {alias: stored.inputs[alias].name for alias in sorted(stored.inputs)},
        {alias: stored.outputs[alias].name for alias in sorted(stored.outputs)},
    )


def _freeze_meta_graph(meta_graph: saved_model_pb2.MetaGraphDef, draft: Draft) -> int:
    places = {r.variable: r for r in find_restored(meta_graph)}
    prune_meta_graph(meta_graph)
    remove_saver(meta_graph)
    graph = meta_graph.graph_def
    # The collections keep initialisers, which constants have no use for.
    drop_variable_collections(meta_graph)
    keep_only(graph.node, reached(by_name(graph.node, "the graph"), roots(meta_graph)).__contains__)
    handles: dict[str, DType] = {}
    references: list[str] = []
    size = 0
    for node in graph.node:
        if node.op not in REFERENCES | RESOURCES or node.name not in places:
            continue  # one that the init op fills, or else nobody does, stays a variable
        if node.op in RESOURCES:
            handles[node.name] = variable_dtype(node)
        else:
            references.append(node.name)
        size += _to_constant(node, places[node.name], draft, size)
    replace_references(graph, references)
    Handles(graph).rewrite(handles)
    prune_functions(graph)
    return len(handles) + len(references)


def _to_constant(node: framework_pb2.NodeDef, place: Restored, draft: Draft, so_far: int) -> int:
    if draft.variables is None:
        raise EditRefused(f"variable {node.name!r} is restored, and there are no variable files")
    dtype = variable_dtype(node)
    value = draft.variables.read(place.key, place.spec)
    if dtype is not tensors.STRING and value.dtype != dtype.numpy:
        value = value.astype(dtype.numpy)  # stored smaller; see `cast_weights`
    if so_far + value.nbytes > MAX_BINARY_BYTES:
        raise NotWritable(
            "the frozen graph does not fit one message, which may have 2 GiB",
            hint="Cast the weights first, or keep them in variables.",
        )
    controls = [reference for reference in node.input if reference.startswith("^")]
    name, device = node.name, node.device
    node.Clear()
    node.name, node.device, node.op = name, device, "Const"
    node.input.extend(controls)
    set_value(node, value, dtype)
    return value.nbytes
