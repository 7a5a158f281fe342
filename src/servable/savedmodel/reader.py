"""A SavedModel directory, read into plain objects.

Everything that saved_model.pb says about how to start and call the model is here; the
graph itself stays the GraphDef it is. Variables stay on disk until someone asks.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.assets import check_links, read_assets
from servable.savedmodel.errors import InitOpInvalid, MetaGraphNotFound
from servable.savedmodel.files import size_of
from servable.savedmodel.signatures import read_signature
from servable.savedmodel.variables import Variables, index_path
from servable.tensors import Signature

INIT_OP_SIGNATURE = "__saved_model_init_op"
_INIT_OP_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")


@dataclass(frozen=True, slots=True)
class Restore:
    """How the graph itself loads its variables.

    Attributes:
        op_name: the node to run.
        filename_tensor: the tensor to feed with the prefix of the variable files.
    """

    op_name: str
    filename_tensor: str


@dataclass(frozen=True, slots=True)
class MetaGraph:
    """One graph of a SavedModel and what is needed to run it.

    Attributes:
        tags: what it is for, as in {"serve"}; its name within the SavedModel.
        graph: nodes and functions, as stored. Shared: treat it as read-only.
        op_defs: op name -> definition, for the ops that the graph uses.
        signatures: name -> entry point, without the one that only initialises.
        init_op: the node or tensor to run once after restoring; None if there is none.
        restore: how variables are restored; None if there are no variable files.
        assets: tensor to feed while restoring and initialising -> absolute path.
    """

    tags: frozenset[str]
    graph: framework_pb2.GraphDef
    op_defs: Mapping[str, framework_pb2.OpDef]
    signatures: Mapping[str, Signature]
    init_op: str | None
    restore: Restore | None
    assets: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A directory with one or more MetaGraphs over one set of variables."""

    path: Path
    meta_graphs: tuple[MetaGraph, ...]

    def meta_graph(self, tags: Collection[str] = ("serve",)) -> MetaGraph:
        """Return the MetaGraph with exactly these tags, the first if there are several.

        Raises:
            MetaGraphNotFound: no MetaGraph has this set of tags.
        """
        wanted = frozenset([tags] if isinstance(tags, str) else tags)
        for meta_graph in self.meta_graphs:
            if meta_graph.tags == wanted:
                return meta_graph
        available = ", ".join(_braced(meta_graph.tags) for meta_graph in self.meta_graphs)
        raise MetaGraphNotFound(
            f"Could not find meta graph def matching supplied tags: {_braced(wanted)}. "
            "To inspect available tag-sets in the SavedModel, please use the "
            "SavedModel CLI: `saved_model_cli`",
            hint=f"The SavedModel has these tag sets: {available or 'none'}; a tag set "
            "must be named in full.",
        )

    @property
    def variables_prefix(self) -> Path:
        """What the names of the variable files have in common; fed to `Restore`."""
        return variables_prefix(self.path)

    def variables(self, *, mapped: bool = True) -> Variables | None:
        """Open the variables; None if the model has no variables.index.

        Each call opens them anew; the caller closes them. See `Variables.open`.

        Raises:
            SavedModelError: the index or a data file is damaged or missing.
        """
        prefix = self.variables_prefix
        if size_of(index_path(prefix)) is None:
            return None
        return Variables.open(prefix, mapped=mapped)


def read(path: str | os.PathLike[str]) -> SavedModel:
    """Read a SavedModel directory: saved_model.pb or saved_model.pbtxt.

    Neither variables nor assets are opened.

    Raises:
        NotASavedModel: there is no such file.
        SavedModelError: it breaks a rule of the format; every MetaGraph must be
            sound, not only the one that will be used.
    """
    directory = Path(path)
    stored = model_file.parse(model_file.find(directory))
    has_variables = size_of(index_path(variables_prefix(directory))) is not None
    return SavedModel(
        directory,
        tuple(_meta_graph(item, directory, has_variables) for item in stored.meta_graphs),
    )


def variables_prefix(directory: Path) -> Path:
    """Return what the names of a SavedModel's variable files have in common."""
    return directory / "variables" / "variables"


def _meta_graph(
    stored: saved_model_pb2.MetaGraphDef, directory: Path, has_variables: bool
) -> MetaGraph:
    assets = read_assets(stored, directory)
    check_links(assets, directory)
    saver = stored.saver_def
    return MetaGraph(
        tags=frozenset(stored.meta_info_def.tags),
        graph=stored.graph_def,
        op_defs={op.name: op for op in stored.meta_info_def.stripped_op_list.op},
        signatures={
            name: read_signature(stored.signature_def[name], f"{directory}: signature {name!r}")
            for name in sorted(stored.signature_def)
            if name != INIT_OP_SIGNATURE
        },
        init_op=_init_op(stored, directory),
        restore=(
            Restore(saver.restore_op_name, saver.filename_tensor_name)
            if has_variables and saver.restore_op_name
            else None
        ),
        assets=assets,
    )


def _init_op(stored: saved_model_pb2.MetaGraphDef, directory: Path) -> str | None:
    """Return what initialises the graph: a signature, or else a collection, says it."""
    if INIT_OP_SIGNATURE in stored.signature_def:
        outputs = stored.signature_def[INIT_OP_SIGNATURE].outputs
        if INIT_OP_SIGNATURE not in outputs:
            raise InitOpInvalid(f"Could not find output {INIT_OP_SIGNATURE}")
        return outputs[INIT_OP_SIGNATURE].name
    for collection in _INIT_OP_COLLECTIONS:
        if collection in stored.collection_def:
            names = stored.collection_def[collection].node_list.value
            if len(names) != 1:
                raise InitOpInvalid(f"Expected exactly one main op in : {directory}")
            return names[0]
    return None


def _braced(tags: frozenset[str]) -> str:
    return "{ " + " ".join(sorted(tags)) + " }"
