"""What a SavedModel consists of, for people; nothing is restored or compiled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from servable.errors import ServableError
from servable.savedmodel import model_file
from servable.savedmodel.files import size_of
from servable.savedmodel.functions import ops_used
from servable.savedmodel.index import read_index
from servable.savedmodel.reader import MetaGraph, SavedModel, read, variables_prefix
from servable.savedmodel.variables import index_path
from servable.servables.extras import install, installed
from servable.servables.scan import Finding, scan
from servable.servables.survey import refusals
from servable.tensors import Signature


@dataclass(frozen=True, slots=True)
class Graph:
    """One MetaGraph.

    Attributes:
        tags: in ascending order.
        nodes: how many the graph has, its functions' included.
        functions: how many its library has.
        ops: by op, how many nodes have it; only ops that `saved_model_cli` lists too.
        engine: `native`, `tensorflow`, or "" if nothing installed would run it.
        reason: why it is not the native one; "" if it is.
    """

    tags: tuple[str, ...]
    signatures: Mapping[str, Signature]
    nodes: int
    functions: int
    ops: Mapping[str, int]
    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Overview:
    """A SavedModel.

    Attributes:
        files: name relative to the folder -> bytes.
        variables: how many tensors are stored.
        parameters: how many numbers these have.
    """

    path: Path
    files: Mapping[str, int]
    variables: int
    parameters: int
    graphs: tuple[Graph, ...]
    warnings: tuple[Finding, ...]


def overview(path: Path) -> Overview:
    """Look at a SavedModel; of its variables only the index is read.

    Raises:
        SavedModelError: a file is missing or breaks a rule of the format.
    """
    model_file.find(path)
    model = read(path)
    entries = []
    if size_of(index_path(variables_prefix(path))) is not None:
        stored = read_index(index_path(variables_prefix(path))).entries
        entries = [e for name, e in stored.items() if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    files = sorted(p for p in path.rglob("*") if p.is_file())
    warnings = [finding for finding in scan(path) if finding.rule != "unsupported-op"]
    return Overview(
        path,
        {p.relative_to(path).as_posix(): p.stat().st_size for p in files},
        len(entries),
        sum(entry.elements for entry in entries),
        tuple(_graph(model, meta_graph) for meta_graph in model.meta_graphs),
        tuple(warnings),
    )


def _graph(model: SavedModel, meta_graph: MetaGraph) -> Graph:
    library = meta_graph.graph.library.function
    nodes = [*meta_graph.graph.node, *(node for f in library for node in f.node_def)]
    listed = ops_used(meta_graph.graph)
    counts = Counter(node.op for node in nodes if node.op in listed)
    engine, reason = _engine(model, meta_graph)
    return Graph(
        tuple(sorted(meta_graph.tags)),
        meta_graph.signatures,
        len(nodes),
        len(library),
        dict(counts.most_common()),
        engine,
        reason,
    )


def _engine(model: SavedModel, meta_graph: MetaGraph) -> tuple[str, str]:
    try:
        found = refusals(model, meta_graph)
    except ServableError as error:
        return "", error.message
    if not found:
        return "native", ""
    ops = ", ".join(sorted({refusal.op for refusal in found}))
    reason = f"not supported by the native engine: {ops}"
    if installed("tensorflow"):
        return "tensorflow", reason
    return "", f"{reason}; {install('tensorflow')} would run it"
