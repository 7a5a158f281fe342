"""Keep only what signatures and the init op reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from servable.edit.collected import INIT_COLLECTIONS, filter_collections, initializers
from servable.edit.draft import Draft, drop_object_graph
from servable.edit.errors import StateBesideVariables
from servable.edit.nodes import by_name, keep_only, prune_functions, reached
from servable.edit.restores import find_restored
from servable.edit.savers import remove_saver, replace_saver
from servable.edit.tensor_infos import tensors_of
from servable.pb import saved_model_pb2
from servable.tensors import DType


def prune(draft: Draft, tags: Collection[str] | None = None) -> tuple[int, int]:
    """Remove nodes, functions and variables that no signature and no init op needs.

    Training ops, gradients, optimizer slots and unused savers go; the saver is made anew
    for the variables that stay. TF2's object graph goes, since it names what is gone. A
    model whose variable files keep tables too stays with its saver and all its variables.

    Returns:
        How many nodes, those of functions included, there were and are.

    Raises:
        EditRefused: the model restores in another way than TensorFlow's savers do.
    """
    before = after = 0
    for meta_graph in list(draft.meta_graphs(tags)):
        before += _count(meta_graph)
        prune_meta_graph(meta_graph, draft.stored)
        after += _count(meta_graph)
    draft.trimmed = True
    return before, after


def prune_meta_graph(
    meta_graph: saved_model_pb2.MetaGraphDef, stored: dict[str, DType] | None = None
) -> None:
    """Prune one MetaGraph; see `prune`."""
    try:
        restored = find_restored(meta_graph)
    except StateBesideVariables:
        _keep_reached(meta_graph, [*roots(meta_graph), *_saver_roots(meta_graph)])
        return
    remove_saver(meta_graph)
    used = _keep_reached(meta_graph, roots(meta_graph))
    replace_saver(meta_graph, [r for r in restored if r.variable in used], stored)


def _keep_reached(meta_graph: saved_model_pb2.MetaGraphDef, wanted: Iterable[str]) -> set[str]:
    """Remove what these do not need; return the names of the nodes that are left."""
    graph = meta_graph.graph_def
    nodes = by_name(graph.node, "the graph")
    used = reached(nodes, wanted)
    used = reached(nodes, [*used, *initializers(meta_graph, used)])
    keep_only(graph.node, used.__contains__)
    prune_functions(graph)
    filter_collections(meta_graph, used)
    drop_object_graph(meta_graph)
    return used


def _saver_roots(meta_graph: saved_model_pb2.MetaGraphDef) -> list[str]:
    saver = meta_graph.saver_def
    return [saver.restore_op_name, saver.save_tensor_name, saver.filename_tensor_name]


def roots(meta_graph: saved_model_pb2.MetaGraphDef) -> Iterator[str]:
    """Yield what a server asks of a graph, apart from saving and restoring."""
    for signature in meta_graph.signature_def.values():
        yield from tensors_of(signature)
    for name in INIT_COLLECTIONS:
        if name in meta_graph.collection_def:
            yield from meta_graph.collection_def[name].node_list.value
    for asset in meta_graph.asset_file_def:
        yield asset.tensor_info.name
    if "asset_filepaths" in meta_graph.collection_def:
        yield from meta_graph.collection_def["asset_filepaths"].node_list.value


def _count(meta_graph: saved_model_pb2.MetaGraphDef) -> int:
    graph = meta_graph.graph_def
    return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
