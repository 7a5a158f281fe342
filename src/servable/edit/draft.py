"""A SavedModel that is being changed: opened, edited in memory, written as a new folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from servable.edit.errors import BuildInvalid, StateBesideVariables
from servable.edit.files import copy_file, copy_files
from servable.edit.nodes import node_of
from servable.edit.restores import OBJECT_GRAPH_KEY, find_restored
from servable.edit.variable_source import BundleSource, VariableSource
from servable.pb import saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.assets import DIRECTORY, check_links, read_assets
from servable.savedmodel.atomic import new_folder, writing
from servable.savedmodel.bundle_write import BundleWriter, Progress
from servable.savedmodel.errors import MetaGraphNotFound
from servable.savedmodel.files import size_of
from servable.savedmodel.model_write import write_model
from servable.savedmodel.reader import INIT_OP_SIGNATURE, variables_prefix
from servable.savedmodel.variables import index_path
from servable.tensors import DType

EXTRA = "assets.extra"
"""The folder for files that the graph knows nothing of."""


def _ignore(_: int) -> None:
    """Tell nobody."""


class Draft:
    """A SavedModel in memory, with its variables still on disk. Not thread-safe.

    The verbs of this package change it in place; nothing is written before `save`.

    Attributes:
        path: the folder that it was read from; None if it was built.
        model: the message, free to be changed.
        variables: where tensors come from; None if there are none.
        stored: tensor -> dtype to store it in, where that is not its own.
        files: path inside the folder -> a file to copy there.
        trimmed: write only tensors that a MetaGraph restores, not all there are.
    """

    def __init__(
        self,
        model: saved_model_pb2.SavedModel,
        *,
        path: Path | None = None,
        variables: VariableSource | None = None,
    ) -> None:
        self.path = path
        self.model = model
        self.variables = variables
        self.stored: dict[str, DType] = {}
        self.files: dict[str, Path] = {}
        self.trimmed = False

    def meta_graphs(
        self, tags: Collection[str] | None = None
    ) -> Iterator[saved_model_pb2.MetaGraphDef]:
        """Yield the MetaGraphs with exactly these tags; all of them for None.

        Raises:
            MetaGraphNotFound: there is none.
        """
        wanted = None if tags is None else frozenset([tags] if isinstance(tags, str) else tags)
        found = [m for m in self.model.meta_graphs if wanted in (None, tags_of(m))]
        if not found:
            there = "; ".join(", ".join(sorted(tags_of(m))) for m in self.model.meta_graphs)
            raise MetaGraphNotFound(
                f"there is no MetaGraph with the tags {', '.join(sorted(wanted or ()))}",
                hint=f"The SavedModel has these tag sets: {there or 'none'}.",
            )
        yield from found

    def save(
        self,
        out: str | os.PathLike[str],
        *,
        as_text: bool | None = None,
        replace: bool = False,
        progress: Progress = _ignore,
    ) -> Path:
        """Write the SavedModel into a new folder that appears complete or not at all.

        Args:
            out: the folder; see `new_folder` for what `replace` does.
            as_text: saved_model.pbtxt in place of saved_model.pb; None to keep the form.
            replace: whether something may be there already, this model's own folder too.
            progress: told how many bytes of variables were just written.

        Returns:
            The folder.

        Raises:
            AlreadyThere, WriteFailed: see `new_folder`.
            SavedModelError, EditError: variables are damaged or do not fit; nothing is
                left of the new folder, and the old one is as it was.
        """
        out = Path(out)
        if as_text is None:
            as_text = self.path is not None and model_file.find(self.path).name.endswith("txt")
        with new_folder(out, replace=replace) as folder:
            write_model(self.model, folder, as_text=as_text)
            if self.path is not None:
                copy_files(self.path, folder, self._assets())
            for name, source in self.files.items():
                copy_file(source, folder / name)
            self._write_variables(folder, progress)
        return out

    def variable_bytes(self) -> int:
        """Return about how many bytes of variables `save` will write."""
        return self.variables.byte_count(self._keys()) if self.variables else 0

    def _assets(self) -> frozenset[str] | None:
        """The assets still named by a MetaGraph; None to copy all, where TF2 names them."""
        if self.path is None or any(m.HasField("object_graph_def") for m in self.meta_graphs()):
            return None
        return frozenset(
            path.relative_to(self.path.absolute() / DIRECTORY).as_posix()
            for meta_graph in self.meta_graphs()
            for path in read_assets(meta_graph, self.path).values()
        )

    def _write_variables(self, folder: Path, progress: Progress) -> None:
        keys = self._keys()
        if self.variables is None or (self.trimmed and not keys):
            return
        prefix = variables_prefix(folder)
        with writing():
            prefix.parent.mkdir()
        with BundleWriter(prefix, progress=progress) as writer:
            for key in keys:
                self.variables.write(key, writer, self.stored.get(key))

    def _keys(self) -> list[str]:
        if self.variables is None:
            return []
        there = list(self.variables.names())
        if not self.trimmed:
            return there
        try:
            wanted = {r.key for m in self.model.meta_graphs for r in find_restored(m)}
        except StateBesideVariables:
            return there
        if missing := sorted(wanted - set(there)):
            raise BuildInvalid(f"there is no value for the variable {missing[0]!r}")
        if any(m.HasField("object_graph_def") for m in self.model.meta_graphs):
            wanted.add(OBJECT_GRAPH_KEY)
        return [key for key in there if key in wanted]


def open_draft(path: str | os.PathLike[str]) -> Draft:
    """Open a SavedModel to change it; saved_model.pb is read, variables are only mapped.

    Raises:
        SavedModelError: a rule of the format is broken, or there is no SavedModel.
    """
    directory = Path(path)
    model = model_file.parse(model_file.find(directory))
    for meta_graph in model.meta_graphs:
        check_links(read_assets(meta_graph, directory), directory)
    prefix = variables_prefix(directory)
    source = BundleSource.open(prefix) if size_of(index_path(prefix)) is not None else None
    return Draft(model, path=directory, variables=source)


def tags_of(meta_graph: saved_model_pb2.MetaGraphDef) -> frozenset[str]:
    """Return the tags of a MetaGraph."""
    return frozenset(meta_graph.meta_info_def.tags)


def drop_object_graph(meta_graph: saved_model_pb2.MetaGraphDef) -> None:
    """Remove TF2's description of objects and functions, after the graph has changed.

    It names variables, functions and tensors that may be gone. Without it TensorFlow 2
    loads a SavedModel from its graph and signatures, as it does those of TensorFlow 1,
    and then wants the init op in a collection: as a signature it could not be fed assets.
    """
    meta_graph.ClearField("object_graph_def")
    if INIT_OP_SIGNATURE in meta_graph.signature_def:
        outputs = meta_graph.signature_def[INIT_OP_SIGNATURE].outputs
        name = outputs[INIT_OP_SIGNATURE].name if INIT_OP_SIGNATURE in outputs else ""
        del meta_graph.signature_def[INIT_OP_SIGNATURE]
        if name:
            main_op = meta_graph.collection_def["saved_model_main_op"].node_list
            del main_op.value[:]
            main_op.value.append(node_of(name))
