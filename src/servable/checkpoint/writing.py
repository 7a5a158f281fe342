"""Writing checkpoints, by name and by object."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from servable.checkpoint.errors import ArchiveInvalid
from servable.checkpoint.reading import OBJECT_SUFFIX, find_prefix
from servable.edit.restores import OBJECT_GRAPH_KEY
from servable.edit.variable_source import BundleSource
from servable.pb import saved_model_pb2
from servable.savedmodel.atomic import writing
from servable.savedmodel.bundle_write import BundleWriter, Progress
from servable.savedmodel.variables import Variables
from servable.savedmodel.write_errors import AlreadyThere
from servable.tensors import Array

Tree = Mapping[str, Any]
"""Arrays by name, in as many levels as the objects have: {"layer": {"kernel": array}}."""

_VALUE = "VARIABLE_VALUE"
_SAVE_COUNTER = "save_counter"
_MOST_DEPTH = 100


def _ignore(_: int) -> None:
    """Tell nobody."""


def write_checkpoint(
    prefix: str | os.PathLike[str],
    tensors: Mapping[str, Array],
    *,
    shards: int = 1,
    progress: Progress = _ignore,
) -> str:
    """Write a checkpoint by name: `PREFIX.index` and its data files.

    Args:
        prefix: path of the files without their endings; folders are made.
        tensors: name -> array; strings as object arrays of bytes.
        shards: number of data files.
        progress: told how many bytes were just written.

    Returns:
        The prefix.

    Raises:
        NotWritable: a name or an array does not fit the format.
        WriteFailed: the operating system refused; nothing is left.
    """
    path = Path(prefix)
    with writing():
        path.parent.mkdir(parents=True, exist_ok=True)
    with BundleWriter(path, shards=shards, progress=progress) as writer:
        for name in sorted(tensors):
            writer.add(name, np.asarray(tensors[name]))
    return str(path)


def copy_checkpoint(
    source: str | os.PathLike[str],
    prefix: str | os.PathLike[str],
    *,
    shards: int = 1,
    progress: Progress = _ignore,
) -> str:
    """Write a checkpoint anew, into as many data files as asked for; slices stay slices.

    Raises:
        CheckpointError, SavedModelError: the source is not there, or damaged.
        AlreadyThere: it would replace itself.
        WriteFailed: the operating system refused; nothing is left.
    """
    path, old = Path(prefix), find_prefix(source)
    if os.path.abspath(path) == os.path.abspath(old):
        raise AlreadyThere(f"{path} is the checkpoint to copy", hint="Give another name.")
    with writing():
        path.parent.mkdir(parents=True, exist_ok=True)
    with Variables.open(old) as variables:
        tensors = BundleSource(variables)
        with BundleWriter(path, shards=shards, progress=progress) as writer:
            for key in tensors.names():
                tensors.write(key, writer, None)
    return str(path)


def write_object_checkpoint(
    prefix: str | os.PathLike[str],
    tree: Tree,
    *,
    shards: int = 1,
    progress: Progress = _ignore,
) -> str:
    """Write a checkpoint by object, as `tf.train.Checkpoint` does.

    `tf.train.Checkpoint(layer=...)` restores `{"layer": {"kernel": array}}` into the
    attribute `kernel` of what it was given as `layer`. Lists are trees with the names
    "0", "1" and so on. A save counter is added, as TensorFlow expects one.

    Raises:
        ArchiveInvalid: the tree is nested too deeply, or names are not text.
        NotWritable, WriteFailed: see `write_checkpoint`.
    """
    if _SAVE_COUNTER not in tree:
        tree = {**tree, _SAVE_COUNTER: np.array(1, np.int64)}
    graph = saved_model_pb2.TrackableObjectGraph()
    tensors = dict(_objects(tree, graph, "", 0))
    described: Array = np.empty((), object)
    described[()] = graph.SerializeToString(deterministic=True)
    tensors[OBJECT_GRAPH_KEY] = described
    return write_checkpoint(prefix, tensors, shards=shards, progress=progress)


def object_tree(graph: saved_model_pb2.TrackableObjectGraph) -> dict[str, str]:
    """Return for each stored tensor the path of attributes that leads to it.

    The shortest path is taken; `layer.kernel` for the tensor
    `layer/kernel/.ATTRIBUTES/VARIABLE_VALUE`. References may form cycles.
    """
    paths: dict[str, str] = {}
    waiting = [(0, "")] if graph.nodes else []
    seen = {0}
    for number, path in waiting:
        node = graph.nodes[number]
        for attribute in node.attributes:
            suffix = "" if attribute.name == _VALUE else f".{attribute.name}"
            paths.setdefault(attribute.checkpoint_key, path + suffix)
        for child in node.children:
            if child.node_id not in seen and 0 <= child.node_id < len(graph.nodes):
                seen.add(child.node_id)
                name = child.local_name
                waiting.append((child.node_id, f"{path}.{name}" if path else name))
    return paths


def _objects(
    tree: Tree, graph: saved_model_pb2.TrackableObjectGraph, path: str, depth: int
) -> Iterator[tuple[str, Array]]:
    """Add an object and those below it to the graph; yield the tensors."""
    if depth > _MOST_DEPTH:
        raise ArchiveInvalid("the tree of objects is nested too deeply")
    number = len(graph.nodes)
    graph.nodes.add()
    for name, value in tree.items():
        if not isinstance(name, str) or not name:
            raise ArchiveInvalid(f"{name!r} is not the name of an attribute")
        child = len(graph.nodes)
        graph.nodes[number].children.add(node_id=child, local_name=name)
        below = f"{path}/{_escaped(name)}" if path else _escaped(name)
        if isinstance(value, Mapping):
            yield from _objects(value, graph, below, depth + 1)
            continue
        key = below + OBJECT_SUFFIX
        node = graph.nodes.add()
        node.attributes.add(name=_VALUE, full_name=name, checkpoint_key=key)
        yield key, np.asarray(value)


def _escaped(name: str) -> str:
    """Return an attribute's name as keys have it, in which / and . mean something else."""
    return name.replace(".", "..").replace("/", ".S")
