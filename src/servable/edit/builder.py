"""SavedModelBuilder: MetaGraphs over one set of variables, put together and written."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from servable.edit.defaults import strip_default_attributes
from servable.edit.draft import Draft
from servable.edit.errors import BuildInvalid
from servable.edit.nodes import by_name, fresh_name, node_of
from servable.edit.restores import REFERENCES, RESOURCES, Restored, find_restored
from servable.edit.savers import replace_saver, variable_dtype
from servable.edit.tensor_infos import build_tensor_info, check_tensors
from servable.edit.variable_source import ArraySource, BundleSource, VariableSource
from servable.edit.verbs import clear_meta_graph_devices
from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel.assets import DIRECTORY
from servable.savedmodel.atomic import check_free
from servable.savedmodel.bundle_write import Progress
from servable.savedmodel.model_write import SCHEMA_VERSION
from servable.savedmodel.reader import INIT_OP_SIGNATURE, MetaGraph
from servable.savedmodel.variables import Variables
from servable.tensors import STRING, Array

GraphLike = framework_pb2.GraphDef | saved_model_pb2.MetaGraphDef | MetaGraph
"""A bare graph, a MetaGraph as stored, or one as `savedmodel.reader` returns it."""

Values = Mapping[str, Array] | Variables
"""What variables hold: arrays by name, or the opened variables of another model."""


def _ignore(_: int) -> None:
    """Tell nobody."""


class SavedModelBuilder:
    """Builds a SavedModel that TensorFlow and this package load. Not thread-safe.

    The first MetaGraph brings the variables' values, all others share them:

        builder = SavedModelBuilder("export/1")
        builder.add_meta_graph_and_variables(
            graph, {"w": w, "b": b}, ["serve"], signature_def_map={"serving_default": signature}
        )
        builder.add_meta_graph(mobile_graph, ["serve", "mobile"])
        builder.save()

    Args:
        export_dir: a folder that does not exist, or is empty; it appears with `save`.

    Raises:
        AlreadyThere: something is there.
    """

    def __init__(self, export_dir: str | os.PathLike[str]) -> None:
        self._out = Path(export_dir)
        check_free(self._out)
        self._model = saved_model_pb2.SavedModel(saved_model_schema_version=SCHEMA_VERSION)
        self._variables: VariableSource | None = None
        self._assets: dict[str, Path] = {}

    def add_meta_graph_and_variables(
        self,
        graph: GraphLike,
        variables: Values,
        tags: Collection[str],
        *,
        signature_def_map: Mapping[str, saved_model_pb2.SignatureDef] | None = None,
        assets: Mapping[str, str | os.PathLike[str]] | None = None,
        init_op: str | None = None,
        clear_devices: bool = False,
        strip_default_attrs: bool = False,
    ) -> None:
        """Add the first MetaGraph, and the values that variables of all of them have.

        Args:
            graph: see `GraphLike`; it is copied. A graph without a saver gets one that
                restores every variable from the tensor of its own name.
            variables: name -> value; every tensor that the graph restores must be there.
            tags: what the MetaGraph is for, as in ["serve"].
            signature_def_map: signatures, beside those that `graph` brings; see
                `build_signature_def`. They must name tensors of the graph.
            assets: tensor that is fed with a file's path -> the file, which is copied.
            init_op: the node to run once after restoring.
            clear_devices: let nodes run anywhere.
            strip_default_attrs: leave out attributes that say what is the default.

        Raises:
            BuildInvalid: there is a first MetaGraph already, tags are missing or taken,
                or a variable has no value.
            TensorMissing: the graph lacks a tensor or node that is named.
        """
        if self._variables is not None:
            raise BuildInvalid(
                "the variables are there already",
                hint="Add the other MetaGraphs with add_meta_graph.",
            )
        source: VariableSource = (
            BundleSource(variables) if isinstance(variables, Variables) else ArraySource(variables)
        )
        self._add(
            source, graph, tags, signature_def_map, assets, init_op, clear_devices,
            strip_default_attrs,
        )  # fmt: skip
        self._variables = source

    def add_meta_graph(
        self,
        graph: GraphLike,
        tags: Collection[str],
        *,
        signature_def_map: Mapping[str, saved_model_pb2.SignatureDef] | None = None,
        assets: Mapping[str, str | os.PathLike[str]] | None = None,
        init_op: str | None = None,
        clear_devices: bool = False,
        strip_default_attrs: bool = False,
    ) -> None:
        """Add another MetaGraph over the same variables.

        Raises:
            BuildInvalid: there is no first MetaGraph yet; otherwise as above.
        """
        if self._variables is None:
            raise BuildInvalid(
                "the first MetaGraph brings the variables",
                hint="Call add_meta_graph_and_variables first; with no variables, give {}.",
            )
        self._add(
            self._variables, graph, tags, signature_def_map, assets, init_op, clear_devices,
            strip_default_attrs,
        )  # fmt: skip

    def save(self, as_text: bool = False, *, progress: Progress = _ignore) -> Path:
        """Write everything into the folder, which appears complete or not at all.

        Args:
            as_text: saved_model.pbtxt in place of saved_model.pb.
            progress: told how many bytes of variables were just written.

        Raises:
            BuildInvalid: there is no MetaGraph.
            AlreadyThere, WriteFailed: see `atomic.new_folder`.
        """
        if not self._model.meta_graphs:
            raise BuildInvalid("a SavedModel must have a MetaGraph")
        draft = Draft(self._model, variables=self._variables)
        draft.files = dict(self._assets)
        draft.trimmed = True
        return draft.save(self._out, as_text=as_text, progress=progress)

    def _add(
        self,
        variables: VariableSource,
        graph: GraphLike,
        tags: Collection[str],
        signatures: Mapping[str, saved_model_pb2.SignatureDef] | None,
        assets: Mapping[str, str | os.PathLike[str]] | None,
        init_op: str | None,
        clear_devices: bool,
        strip_default_attrs: bool,
    ) -> None:
        meta_graph = _message(graph)
        self._set_tags(meta_graph, tags)
        for name, signature in (signatures or {}).items():
            check_tensors(meta_graph, signature, f"signature {name!r}")
            meta_graph.signature_def[name].CopyFrom(signature)
        found = self._added_assets(meta_graph, graph, assets or {})
        if init_op is not None:
            _set_init_op(meta_graph, init_op)
        if clear_devices:
            clear_meta_graph_devices(meta_graph)
        if strip_default_attrs:
            strip_default_attributes(meta_graph)
        _give_saver(meta_graph)
        missing = {r.key for r in find_restored(meta_graph)} - set(variables.names())
        if missing:
            there = ", ".join(sorted(variables.names())[:20]) or "none"
            raise BuildInvalid(
                f"there is no value for the variable {min(missing)!r}",
                hint=f"There are values for: {there}.",
            )
        self._assets.update(found)
        self._model.meta_graphs.append(meta_graph)

    def _set_tags(self, meta_graph: saved_model_pb2.MetaGraphDef, tags: Collection[str]) -> None:
        wanted = sorted({tags} if isinstance(tags, str) else set(tags))
        if not wanted:
            raise BuildInvalid("a MetaGraph must have a tag", hint='Use ["serve"] for serving.')
        if any(sorted(m.meta_info_def.tags) == wanted for m in self._model.meta_graphs):
            raise BuildInvalid(f"there is a MetaGraph with the tags {', '.join(wanted)} already")
        del meta_graph.meta_info_def.tags[:]
        meta_graph.meta_info_def.tags.extend(wanted)

    def _added_assets(
        self,
        meta_graph: saved_model_pb2.MetaGraphDef,
        graph: GraphLike,
        assets: Mapping[str, str | os.PathLike[str]],
    ) -> dict[str, Path]:
        """Describe assets in the MetaGraph; return which file goes where."""
        wanted = {tensor: Path(path) for tensor, path in assets.items()}
        if isinstance(graph, MetaGraph):
            wanted = dict(graph.assets) | wanted
        nodes = by_name(meta_graph.graph_def.node, "the graph")
        files: dict[str, Path] = {}
        del meta_graph.asset_file_def[:]
        meta_graph.collection_def.pop("saved_model_assets", None)
        for tensor, path in wanted.items():
            if node_of(tensor) not in nodes:
                raise BuildInvalid(f"asset {path.name!r} is for {tensor!r}, which is not there")
            if not path.is_file():
                raise BuildInvalid(f"asset {path} is not a file")
            name = self._asset_name(path, files)
            files[f"{DIRECTORY}/{name}"] = path
            info = build_tensor_info(tensor, STRING, ())
            meta_graph.asset_file_def.add(filename=name).tensor_info.CopyFrom(info)
        return files

    def _asset_name(self, path: Path, files: Mapping[str, Path]) -> str:
        """Return the file's own name, or it with a number if another file has that."""
        there = {**self._assets, **files}

        def taken(name: str) -> bool:
            other = there.get(f"{DIRECTORY}/{name}")
            return other is not None and other.resolve() != path.resolve()

        return fresh_name(path.name, taken)


def _message(graph: GraphLike) -> saved_model_pb2.MetaGraphDef:
    """Return a MetaGraphDef of one's own."""
    meta_graph = saved_model_pb2.MetaGraphDef()
    if isinstance(graph, saved_model_pb2.MetaGraphDef):
        meta_graph.CopyFrom(graph)
    elif isinstance(graph, MetaGraph):
        meta_graph.graph_def.CopyFrom(graph.graph)
        meta_graph.meta_info_def.stripped_op_list.op.extend(graph.op_defs.values())
        for name, signature in graph.signatures.items():
            meta_graph.signature_def[name].MergeFromString(signature.stored)
        if graph.restore is not None:
            meta_graph.saver_def.restore_op_name = graph.restore.op_name
            meta_graph.saver_def.filename_tensor_name = graph.restore.filename_tensor
        if graph.init_op is not None:
            _set_init_op(meta_graph, graph.init_op)
    else:
        meta_graph.graph_def.CopyFrom(graph)
    return meta_graph


def _set_init_op(meta_graph: saved_model_pb2.MetaGraphDef, init_op: str) -> None:
    nodes = by_name(meta_graph.graph_def.node, "the graph")
    name = node_of(init_op)
    if name not in nodes:
        raise BuildInvalid(f"the init op {init_op!r} is not in the graph")
    entry = meta_graph.collection_def["saved_model_main_op"].node_list
    del entry.value[:]
    entry.value.append(name)
    if meta_graph.HasField("object_graph_def"):  # then TensorFlow 2 looks for a signature
        signature = meta_graph.signature_def[INIT_OP_SIGNATURE]
        signature.Clear()
        signature.outputs[INIT_OP_SIGNATURE].name = name
        signature.outputs[INIT_OP_SIGNATURE].tensor_shape.unknown_rank = True


def _give_saver(meta_graph: saved_model_pb2.MetaGraphDef) -> None:
    """Make a saver of every variable by its own name, unless the graph has one."""
    saver = meta_graph.saver_def
    if saver.restore_op_name and saver.save_tensor_name and saver.filename_tensor_name:
        return
    restored = find_restored(meta_graph)
    if not restored:
        restored = tuple(
            Restored(node.name, _key(node), "", variable_dtype(node))
            for node in meta_graph.graph_def.node
            if node.op in REFERENCES | RESOURCES
        )
    replace_saver(meta_graph, restored)


def _key(node: framework_pb2.NodeDef) -> str:
    # Looking at an attribute that is not there would make an empty one.
    shared = node.attr["shared_name"].s if "shared_name" in node.attr else b""
    return shared.decode(errors="replace") or node.name
