"""What in a SavedModel should make one hesitate to serve it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from servable import tensors
from servable.errors import ServableError
from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.assets import check_links, read_assets
from servable.savedmodel.errors import FunctionsUnordered, SavedModelError
from servable.savedmodel.functions import loading_order
from servable.savedmodel.reader import read
from servable.savedmodel.select import meta_graph_of
from servable.servables.survey import refusals

DENIED = frozenset({"WriteFile", "ReadFile", "PrintV2"})
"""The ops that `saved_model_cli scan` reports by default."""

MOST_CONSTANT_BYTES = 1 << 26
"""Bytes of one constant. Weights belong into variables, and larger sizes may be an attack."""

_LONGEST_PATH = 4096
_ABSOLUTE = re.compile(
    rb"(/[^/\s\0]([^/\r\n\0]*[^/\s\0])?){2,}/?|[A-Za-z]:[\\/][^\0]+|\\\\[^\0]+|file:/[^\0]+"
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a rule is against.

    Attributes:
        rule: `denied-op`, `unsupported-op`, `absolute-path`, `oversized-constant`,
            `function-cycle`, `asset-outside` or `damaged`.
        tags: of the MetaGraph, with commas between.
        where: function and node, or file.
        detail: what it is.
    """

    rule: str
    tags: str
    where: str
    detail: str


def scan(
    directory: Path,
    *,
    tags: Collection[str] | None = None,
    denied: Collection[str] = DENIED,
    most_constant_bytes: int = MOST_CONSTANT_BYTES,
) -> list[Finding]:
    """Look at every node of a SavedModel; nothing is restored or run.

    Args:
        directory: the SavedModel.
        tags: of the MetaGraph to look at; None for all.
        denied: ops that should not be there.
        most_constant_bytes: what one constant may take in memory.

    Returns:
        The findings in ascending order; [] if there is nothing to report.

    Raises:
        SavedModelError: the model can not be read at all, or has no such MetaGraph.
    """
    model = model_file.parse(model_file.find(directory))
    chosen = model.meta_graphs if tags is None else [meta_graph_of(model, tags)]
    found: set[Finding] = set()
    for meta_graph in chosen:
        found.update(_in_graph(meta_graph, frozenset(denied), most_constant_bytes))
        found.update(_in_files(meta_graph, directory))
    found.update(_unsupported(directory, {_tags(meta_graph) for meta_graph in chosen}))
    return sorted(found)


def _in_graph(
    meta_graph: saved_model_pb2.MetaGraphDef, denied: Collection[str], most_bytes: int
) -> Iterator[Finding]:
    tags = _tags(meta_graph)
    for where, node in _nodes(meta_graph.graph_def):
        if node.op in denied:
            yield Finding("denied-op", tags, where, node.op)
        for name, attr in node.attr.items():
            if attr.HasField("tensor"):
                yield from _in_tensor(attr.tensor, tags, where, most_bytes)
            elif not name.startswith("_"):
                yield from _in_strings([attr.s, *attr.list.s], tags, where)
    try:
        loading_order(meta_graph.graph_def.library)
    except FunctionsUnordered as error:
        yield Finding("function-cycle", tags, "function library", error.message)


def _nodes(graph: framework_pb2.GraphDef) -> Iterator[tuple[str, framework_pb2.NodeDef]]:
    for node in graph.node:
        yield node.name, node
    for function in graph.library.function:
        for node in function.node_def:
            yield f"{function.signature.name}/{node.name}", node


def _in_tensor(
    tensor: framework_pb2.TensorProto, tags: str, where: str, most_bytes: int
) -> Iterator[Finding]:
    sizes = [dim.size for dim in tensor.tensor_shape.dim]
    try:
        dtype = tensors.from_enum(tensor.dtype)
    except KeyError:
        return  # the engine says so
    count = math.prod(max(size, 0) for size in sizes)
    if count * dtype.numpy.itemsize > most_bytes:
        stored = tensor.ByteSize()
        yield Finding(
            "oversized-constant",
            tags,
            where,
            f"{dtype.name} {sizes} takes {count * dtype.numpy.itemsize} bytes ({stored} stored)",
        )
    yield from _in_strings(tensor.string_val, tags, where)


def _in_strings(values: Collection[bytes], tags: str, where: str) -> Iterator[Finding]:
    for value in values:
        if len(value) <= _LONGEST_PATH and _ABSOLUTE.fullmatch(value):
            yield Finding("absolute-path", tags, where, value.decode("utf-8", "backslashreplace"))


def _in_files(meta_graph: saved_model_pb2.MetaGraphDef, directory: Path) -> Iterator[Finding]:
    try:
        check_links(read_assets(meta_graph, directory), directory)
    except SavedModelError as error:
        yield Finding("asset-outside", _tags(meta_graph), "assets", error.message)


def _unsupported(directory: Path, chosen: Collection[str]) -> Iterator[Finding]:
    """What the native engine would not run of the signatures and the start."""
    try:
        model = read(directory)
    except SavedModelError as error:
        yield Finding("damaged", "", "", error.message)
        return
    for meta_graph in model.meta_graphs:
        tags = ",".join(sorted(meta_graph.tags))
        if tags not in chosen:
            continue
        try:
            for refusal in refusals(model, meta_graph):
                detail = refusal.op + (f": {refusal.reason}" if refusal.reason else "")
                yield Finding("unsupported-op", tags, refusal.node, detail)
        except ServableError as error:
            yield Finding("damaged", tags, "graph", error.message)


def _tags(meta_graph: saved_model_pb2.MetaGraphDef) -> str:
    return ",".join(sorted(meta_graph.meta_info_def.tags))
