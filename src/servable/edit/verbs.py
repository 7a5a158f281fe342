"""Small changes: devices, signatures, MetaGraphs, files beside the graph."""

from __future__ import annotations

from collections.abc import Collection, Iterator, MutableSequence
from pathlib import Path, PurePosixPath

from servable.edit.draft import EXTRA, Draft, drop_object_graph, tags_of
from servable.edit.errors import BuildInvalid, EditRefused, SignatureMissing, SignatureTaken
from servable.edit.nodes import bodies
from servable.edit.tensor_infos import check_tensors
from servable.pb import saved_model_pb2
from servable.savedmodel.reader import INIT_OP_SIGNATURE

References = MutableSequence[saved_model_pb2.TrackableObjectGraph.TrackableObject.ObjectReference]

WARMUP = "tf_serving_warmup_requests"
"""The file in assets.extra that servers replay before a version takes requests."""


def clear_devices(draft: Draft, tags: Collection[str] | None = None) -> int:
    """Let every node run where the loader likes; return how many were placed."""
    cleared = 0
    for meta_graph in draft.meta_graphs(tags):
        cleared += clear_meta_graph_devices(meta_graph)
    return cleared


def clear_meta_graph_devices(meta_graph: saved_model_pb2.MetaGraphDef) -> int:
    """Clear the devices of one MetaGraph; return how many nodes were placed."""
    cleared = 0
    for nodes in bodies(meta_graph.graph_def):
        for node in nodes:
            if node.device:
                node.device = ""
                cleared += 1
    for item in meta_graph.object_graph_def.nodes:
        if item.WhichOneof("kind") == "variable":
            item.variable.device = ""
    return cleared


def add_signature(
    draft: Draft,
    name: str,
    signature: saved_model_pb2.SignatureDef,
    tags: Collection[str] | None = None,
    *,
    replace: bool = False,
) -> None:
    """Add an entry point over tensors that the graph has.

    TensorFlow 2 finds signatures in its object graph, where this one can not be; that is
    dropped, so that TensorFlow 2 loads the signatures from the graph.

    Raises:
        SignatureTaken: there is one of that name, and `replace` is not set.
        TensorMissing: the graph has no such tensor.
    """
    for meta_graph in list(draft.meta_graphs(tags)):
        if name in meta_graph.signature_def and not replace:
            raise SignatureTaken(
                f"there is a signature {name!r} already",
                hint="Rename or drop it first, or say that it should be replaced.",
            )
        check_tensors(meta_graph, signature, f"signature {name!r}")
        meta_graph.signature_def[name].CopyFrom(signature)
        drop_object_graph(meta_graph)


def rename_signature(draft: Draft, old: str, new: str, tags: Collection[str] | None = None) -> None:
    """Give a signature another name; the object graph of TF2 learns it too.

    Raises:
        SignatureMissing, SignatureTaken.
    """
    for meta_graph in list(draft.meta_graphs(tags)):
        _check_signature(meta_graph, old)
        if new in meta_graph.signature_def:
            raise SignatureTaken(f"there is a signature {new!r} already")
        meta_graph.signature_def[new].CopyFrom(meta_graph.signature_def[old])
        del meta_graph.signature_def[old]
        for children in _signature_lists(meta_graph):
            for child in children:
                if child.local_name == old:
                    child.local_name = new


def drop_signature(draft: Draft, name: str, tags: Collection[str] | None = None) -> None:
    """Remove a signature; `prune` then removes what only it needed.

    Raises:
        SignatureMissing.
    """
    for meta_graph in list(draft.meta_graphs(tags)):
        _check_signature(meta_graph, name)
        del meta_graph.signature_def[name]
        for children in _signature_lists(meta_graph):
            kept = [child for child in children if child.local_name != name]
            del children[:]
            children.extend(kept)


def drop_meta_graph(draft: Draft, tags: Collection[str]) -> None:
    """Remove the MetaGraphs with exactly these tags, and variables that no other restores.

    Raises:
        MetaGraphNotFound: there is none.
        EditRefused: nothing would be left.
    """
    gone = list(draft.meta_graphs(tags))
    kept = [m for m in draft.model.meta_graphs if tags_of(m) != tags_of(gone[0])]
    if not kept:
        raise EditRefused("this is the only MetaGraph, and a SavedModel must have one")
    del draft.model.meta_graphs[:]
    draft.model.meta_graphs.extend(kept)
    draft.trimmed = True


def add_extra_file(draft: Draft, source: Path, name: str = WARMUP) -> None:
    """Put a file into assets.extra when the model is saved, in place of one of that name.

    Raises:
        BuildInvalid: the name leads out of the folder, or there is no such file.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise BuildInvalid(f"{name!r} is not a name inside {EXTRA}/")
    if not source.is_file():
        raise BuildInvalid(f"there is no file {source}")
    draft.files[f"{EXTRA}/{path}"] = source


def _check_signature(meta_graph: saved_model_pb2.MetaGraphDef, name: str) -> None:
    names = sorted(set(meta_graph.signature_def) - {INIT_OP_SIGNATURE})
    if name not in names:
        raise SignatureMissing(
            f"there is no signature {name!r}",
            hint=f"It has: {', '.join(names) or 'none'}.",
        )


def _signature_lists(
    meta_graph: saved_model_pb2.MetaGraphDef,
) -> Iterator[References]:
    """Yield the lists in which TF2's object graph names signatures."""
    for item in meta_graph.object_graph_def.nodes:
        if item.user_object.identifier == "signature_map":
            yield from (item.children, item.dependencies)
