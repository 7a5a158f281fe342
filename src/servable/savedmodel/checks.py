"""Is a SavedModel all there? Asked before a version is loaded, while files may still arrive."""

from __future__ import annotations

from pathlib import Path

from servable.errors import Code
from servable.pb import saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.assets import read_assets
from servable.savedmodel.errors import Incomplete, NotASavedModel, SavedModelError
from servable.savedmodel.files import size_of
from servable.savedmodel.index import read_index
from servable.savedmodel.reader import variables_prefix
from servable.savedmodel.variables import index_path, shard_path

_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})


def check_complete(path: Path) -> None:
    """Return if every file of a SavedModel is there at full length.

    Reads saved_model.pb and variables.index, and asks for the length of every data
    file and the presence of every asset; no tensor's bytes are read. Damage counts as
    incomplete, because a file that is half written looks like that.

    Raises:
        Incomplete: something is missing; the text begins with `INCOMPLETE: ` and says
            what. A later call may succeed.
        SavedModelError: with another code than DATA_LOSS: waiting will not help.
    """
    try:
        model = _model_file(path)
        _check_assets(model, path)
        _check_variables(model, variables_prefix(path))
    except SavedModelError as error:
        if error.code is not Code.DATA_LOSS:
            raise
        raise _incomplete(error.message) from error


def _incomplete(what: str) -> Incomplete:
    return Incomplete(
        f"INCOMPLETE: {what}",
        hint="If the files are still being copied, nothing needs to be done. Copying under "
        "a name that is not a number and renaming at the end avoids the wait.",
    )


def _model_file(path: Path) -> saved_model_pb2.SavedModel:
    try:
        file = model_file.find(path)
    except NotASavedModel:
        raise _incomplete(f"{model_file.BINARY_NAME} missing") from None
    model = model_file.parse(file)
    if not model.meta_graphs:
        raise _incomplete(f"{file.name} holds no MetaGraph")
    return model


def _check_assets(model: saved_model_pb2.SavedModel, path: Path) -> None:
    for meta_graph in model.meta_graphs:
        for asset in read_assets(meta_graph, path).values():
            if size_of(asset) is None:
                raise _incomplete(f"{asset.relative_to(path.absolute()).as_posix()} missing")


def _check_variables(model: saved_model_pb2.SavedModel, prefix: Path) -> None:
    if size_of(index_path(prefix)) is None:
        if any(map(_restores, model.meta_graphs)):
            raise _incomplete(f"{index_path(prefix).name} missing")
        return
    index = read_index(index_path(prefix))
    for shard, needed in sorted(index.shard_bytes().items()):
        file = shard_path(prefix, shard, index.shards)
        size = size_of(file)
        if size is None:
            raise _incomplete(f"{file.name} missing")
        if size < needed:
            raise _incomplete(f"{file.name} has {size} of {needed} bytes")


def _restores(meta_graph: saved_model_pb2.MetaGraphDef) -> bool:
    """Tell whether a graph has variables and a way to restore them.

    Either alone does not need variable files: frozen graphs keep their saver, and
    some variables are filled by the init op.
    """
    return bool(meta_graph.saver_def.restore_op_name) and any(
        node.op in _VARIABLE_OPS for node in meta_graph.graph_def.node
    )
