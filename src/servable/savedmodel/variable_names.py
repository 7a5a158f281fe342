"""Which stored tensors are a model's variables, and what they are called.

TF2 models have an object graph, whose variables the checkpoint finds by walking a graph of
its own from the root along the same names. TF1 models list variables in collections.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from google.protobuf.message import DecodeError

from servable.pb import saved_model_pb2
from servable.savedmodel.errors import ObjectGraphInvalid
from servable.savedmodel.functions import node_of
from servable.savedmodel.variables import Variables

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"
_SUFFIX = f"/.ATTRIBUTES/{_VALUE}"
_ALL = "variables"
_TRAINABLE = "trainable_variables"


@dataclass(frozen=True, slots=True)
class Named:
    """One variable.

    Attributes:
        name: unique within the model.
        key: of the stored tensor.
        node: in the object graph; -1 where there is none.
        listed: whether the model counts it as one of its own. What Keras exports lists its
            variables, and holds copies of most of them beside.
    """

    name: str
    key: str
    trainable: bool
    node: int = -1
    listed: bool = True


def named_variables(
    meta_graph: saved_model_pb2.MetaGraphDef, stored: Variables
) -> tuple[Named, ...]:
    """Return the variables that have a stored value, in the order of the graph.

    A variable is called by its own name; where several have the same one, by their path
    in the object graph, and in TF1 by their key. Listed ones go before others.

    Raises:
        SavedModelError: the object graph of the model or the checkpoint is damaged.
    """
    if meta_graph.object_graph_def.nodes and OBJECT_GRAPH_KEY in stored.entries:
        found = list(_of_objects(meta_graph.object_graph_def, stored))
    else:
        found = list(_of_collections(meta_graph, stored.entries.keys()))
    counts = Counter(variable.name for variable in found if variable.listed)
    taken = {variable.name for variable in found if variable.listed and counts[variable.name] == 1}
    return tuple(
        variable
        if variable.listed and counts[variable.name] == 1
        else replace(variable, name=_path(variable.key, taken))
        for variable in found
    )


def _path(key: str, taken: Collection[str]) -> str:
    """A key as people write it, unless a variable has this name."""
    path = key.removesuffix(_SUFFIX)
    return key if path in taken else path


def _of_objects(graph: saved_model_pb2.SavedObjectGraph, stored: Variables) -> Iterator[Named]:
    try:
        content = stored.read(OBJECT_GRAPH_KEY).item()
        checkpoint = saved_model_pb2.TrackableObjectGraph.FromString(content)
    except (DecodeError, TypeError, ValueError) as error:
        raise ObjectGraphInvalid(f"the checkpoint's object graph: {error}") from None
    keys: set[str] = set()
    listed, trainable = _list(graph, _ALL), _list(graph, _TRAINABLE)
    for number, twin in _pairs(graph, checkpoint):
        node = graph.nodes[number]
        if node.WhichOneof("kind") != "variable":
            continue
        for attribute in checkpoint.nodes[twin].attributes:
            key = attribute.checkpoint_key
            if attribute.name == _VALUE and key in stored.entries and key not in keys:
                keys.add(key)
                yield Named(
                    node.variable.name or key.removesuffix(_SUFFIX),
                    key,
                    node.variable.trainable if trainable is None else number in trainable,
                    number,
                    listed is None or number in listed,
                )


def _list(graph: saved_model_pb2.SavedObjectGraph, name: str) -> Collection[int] | None:
    """The nodes of the list that the root has under a name; None if it has no such list."""
    for child in graph.nodes[0].children:
        if child.local_name == name:
            nodes = [item.node_id for item in node_of(graph, child.node_id).children]
            return {n for n in nodes if node_of(graph, n).WhichOneof("kind") == "variable"}
    return None


def _pairs(
    graph: saved_model_pb2.SavedObjectGraph, checkpoint: saved_model_pb2.TrackableObjectGraph
) -> Iterator[tuple[int, int]]:
    """Nodes of the two graphs that the same path leads to, nearest to the root first."""
    if not checkpoint.nodes:
        return
    seen = {0}
    waiting = deque([(0, 0)])
    while waiting:
        number, twin = waiting.popleft()
        yield number, twin
        twins = {child.local_name: child.node_id for child in checkpoint.nodes[twin].children}
        for child in node_of(graph, number).children:
            other = twins.get(child.local_name)
            if other is None or child.node_id in seen:
                continue
            node_of(graph, child.node_id)
            if not 0 <= other < len(checkpoint.nodes):
                raise ObjectGraphInvalid(f"the checkpoint's object graph has no node {other}")
            seen.add(child.node_id)
            waiting.append((child.node_id, other))


def _of_collections(
    meta_graph: saved_model_pb2.MetaGraphDef, keys: Collection[str]
) -> Iterator[Named]:
    listed = _collection(meta_graph.collection_def, _ALL)
    trainable = _collection(meta_graph.collection_def, _TRAINABLE).keys()
    if not listed:
        yield from (Named(key, key, False) for key in keys if key != OBJECT_GRAPH_KEY)
        return
    for name in listed:
        if name in keys:
            yield Named(name, name, name in trainable)


def _collection(
    collections: Mapping[str, saved_model_pb2.CollectionDef], name: str
) -> dict[str, None]:
    """Names of the variables of a collection, each once; a partitioned one is one variable."""
    names: dict[str, None] = {}
    if name not in collections:
        return names
    for content in collections[name].bytes_list.value:
        try:
            variable = saved_model_pb2.VariableDef.FromString(content)
        except DecodeError as error:
            raise ObjectGraphInvalid(
                f"the collection {name!r} holds no variable: {error}"
            ) from None
        whole = variable.save_slice_info_def.full_name
        names[whole or variable.variable_name.partition(":")[0]] = None
    return names
