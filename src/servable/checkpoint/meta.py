"""`.meta` files: the graph that TF1 wrote beside its checkpoints, with its collections."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from servable.checkpoint.errors import CheckpointMissing, MetaInvalid
from servable.checkpoint.reading import find_prefix, missing_keys
from servable.edit.draft import Draft
from servable.edit.errors import BuildInvalid
from servable.edit.prune import prune
from servable.edit.restores import find_restored
from servable.edit.tensor_infos import check_tensors
from servable.edit.variable_source import BundleSource
from servable.pb import saved_model_pb2
from servable.savedmodel.bundle_write import Progress
from servable.savedmodel.files import read_bytes, size_of
from servable.savedmodel.model_file import MAX_BINARY_BYTES
from servable.savedmodel.model_write import SCHEMA_VERSION
from servable.savedmodel.variables import Variables

_VARIABLES = frozenset(
    {
        "variables",
        "trainable_variables",
        "local_variables",
        "model_variables",
        "moving_average_variables",
    }
)


def _ignore(_: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class GraphVariable:
    """A variable as a collection describes it.

    Attributes:
        name: its tensor, as in `w:0`.
        initializer, snapshot: the op that fills it, and the tensor that reads it.
        trainable: whether an optimizer may change it.
        is_resource: a resource; False for TF1's references.
    """

    name: str
    initializer: str
    snapshot: str
    trainable: bool
    is_resource: bool


CollectionItem = str | bytes | int | float | GraphVariable


@dataclass(frozen=True, slots=True)
class MetaFile:
    """A MetaGraph from a .meta file.

    Attributes:
        message: the MetaGraph as stored, with graph and saver.
        collections: name -> items: names of nodes, numbers, descriptions of variables,
            and bytes for what only TensorFlow knows.
    """

    message: saved_model_pb2.MetaGraphDef
    collections: Mapping[str, tuple[CollectionItem, ...]]


def read_meta(path: str | os.PathLike[str]) -> MetaFile:
    """Read a .meta file.

    Args:
        path: the file, or the prefix of the checkpoint beside it.

    Raises:
        CheckpointMissing: there is no such file.
        MetaInvalid: it is not a MetaGraph, or a collection of variables has something else.
        FileTooLarge, FileUnreadable.
    """
    file = Path(path)
    if file.suffix != ".meta" or size_of(file) is None:
        file = file.with_name(file.name + ".meta") if file.suffix != ".meta" else file
    if size_of(file) is None:
        raise CheckpointMissing(f"there is no {file}", hint="Name the .meta file.")
    try:
        message = saved_model_pb2.MetaGraphDef.FromString(read_bytes(file, limit=MAX_BINARY_BYTES))
        collections = {
            name: _items(name, message.collection_def[name])
            for name in sorted(message.collection_def)
        }
    except DecodeError as error:
        raise MetaInvalid(f"{file}: {error}") from None
    return MetaFile(message, collections)


def checkpoint_to_saved_model(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    signatures: Mapping[str, saved_model_pb2.SignatureDef],
    *,
    meta: str | os.PathLike[str] | None = None,
    tags: Collection[str] = ("serve",),
    keep_training_ops: bool = False,
    as_text: bool = False,
    progress: Progress = _ignore,
) -> Path:
    """Make a SavedModel of a TF1 checkpoint and its .meta file.

    Args:
        checkpoint: see `find_prefix`.
        out: the SavedModel's folder; must not exist, or be empty.
        signatures: name -> entry point; see `build_signature_def` and `tensor_info_of`.
        meta: the .meta file, if it does not have the checkpoint's name.
        tags: the MetaGraph's tags.
        keep_training_ops: keep what no signature reaches, and optimizer slots.
        as_text: write saved_model.pbtxt.
        progress: told how many bytes of variables were just written.

    Raises:
        CheckpointMissing, MetaInvalid: an input is not there, or damaged.
        KeysMissing: the graph restores tensors that the checkpoint lacks.
        TensorMissing: a signature names a tensor that the graph lacks.
        BuildInvalid: there is no signature or no tag.
        AlreadyThere, WriteFailed: nothing was written.
    """
    if not signatures or not tags:
        raise BuildInvalid("a SavedModel needs a signature and a tag")
    prefix = find_prefix(checkpoint)
    meta_graph = read_meta(meta or prefix.with_name(prefix.name + ".meta")).message
    del meta_graph.meta_info_def.tags[:]
    meta_graph.meta_info_def.tags.extend(sorted({tags} if isinstance(tags, str) else set(tags)))
    for name, signature in signatures.items():
        check_tensors(meta_graph, signature, f"signature {name!r}")
        meta_graph.signature_def[name].CopyFrom(signature)
    with Variables.open(prefix) as variables:
        model = saved_model_pb2.SavedModel(
            saved_model_schema_version=SCHEMA_VERSION, meta_graphs=[meta_graph]
        )
        draft = Draft(model, variables=BundleSource(variables))
        draft.trimmed = True
        if not keep_training_ops:
            prune(draft)
        _check_keys(model.meta_graphs[0], variables)
        return draft.save(out, as_text=as_text, progress=progress)


def _check_keys(meta_graph: saved_model_pb2.MetaGraphDef, variables: Variables) -> None:
    missing = sorted({r.key for r in find_restored(meta_graph)} - set(variables.entries))
    if missing:
        raise missing_keys(missing, variables)


def _items(name: str, collection: saved_model_pb2.CollectionDef) -> tuple[CollectionItem, ...]:
    match collection.WhichOneof("kind"):
        case "node_list":
            return tuple(collection.node_list.value)
        case "int64_list":
            return tuple(collection.int64_list.value)
        case "float_list":
            return tuple(collection.float_list.value)
        case "any_list":
            return tuple(item.value for item in collection.any_list.value)
        case "bytes_list":
            values = collection.bytes_list.value
            return tuple(map(_variable, values) if name in _VARIABLES else values)
        case _:
            return ()


def _variable(stored: bytes) -> GraphVariable:
    found = saved_model_pb2.VariableDef.FromString(stored)
    return GraphVariable(
        found.variable_name,
        found.initializer_name,
        found.snapshot_name,
        found.trainable,
        found.is_resource,
    )
