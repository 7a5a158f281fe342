"""Collections: what TF1 notes about a graph beside its nodes, as far as it names these."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from servable.edit.nodes import node_of
from servable.pb import saved_model_pb2

INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_ASSET_COLLECTIONS = ("saved_model_assets", "asset_filepaths")
VARIABLE_COLLECTIONS = (
    "variables",
    "trainable_variables",
    "local_variables",
    "model_variables",
    "moving_average_variables",
)


def collected_names(meta_graph: saved_model_pb2.MetaGraphDef) -> Iterator[str]:
    """Yield the nodes and tensors that collections name."""
    for collection in meta_graph.collection_def.values():
        yield from collection.node_list.value
    for _, _, described in _variables(meta_graph):
        yield from _named(described)


def initializers(meta_graph: saved_model_pb2.MetaGraphDef, used: set[str]) -> Iterator[str]:
    """Yield what collections tell about the variables in `used`: TF1 wants all of it there."""
    for _, _, described in _variables(meta_graph):
        if node_of(described.variable_name) in used:
            yield from _named(described)


def filter_collections(meta_graph: saved_model_pb2.MetaGraphDef, used: set[str]) -> None:
    """Keep the collections that servers read, as far as what they name is in `used`."""
    kept: dict[str, list[bytes]] = {}
    for collection, stored, described in _variables(meta_graph):
        if all(node_of(name) in used for name in _named(described)):
            kept.setdefault(collection, []).append(stored)
    for collection in list(meta_graph.collection_def):
        if collection in INIT_COLLECTIONS or collection in _ASSET_COLLECTIONS:
            continue
        if collection in kept:
            values = meta_graph.collection_def[collection].bytes_list.value
            del values[:]
            values.extend(kept[collection])
        else:
            del meta_graph.collection_def[collection]


def drop_variable_collections(meta_graph: saved_model_pb2.MetaGraphDef) -> None:
    """Remove the collections of variables."""
    for collection in VARIABLE_COLLECTIONS:
        meta_graph.collection_def.pop(collection, None)


def _variables(
    meta_graph: saved_model_pb2.MetaGraphDef,
) -> Iterator[tuple[str, bytes, saved_model_pb2.VariableDef]]:
    for collection in VARIABLE_COLLECTIONS:
        if collection not in meta_graph.collection_def:
            continue
        for stored in meta_graph.collection_def[collection].bytes_list.value:
            try:
                yield collection, stored, saved_model_pb2.VariableDef.FromString(stored)
            except DecodeError:
                continue  # what nobody can read is not kept


def _named(described: saved_model_pb2.VariableDef) -> list[str]:
    names = (
        described.variable_name,
        described.initializer_name,
        described.snapshot_name,
        described.initial_value_name,
    )
    return [name for name in names if name]
