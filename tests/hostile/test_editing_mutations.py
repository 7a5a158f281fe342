"""Damaged SavedModels, checkpoints, .meta and .npz files: changed or refused, never worse."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from edited_models import MODELS, linear, linear_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servable import checkpoint, edit, tensors
from servable.edit.errors import EditRefused
from servable.edit.restores import Restored
from servable.edit.savers import replace_saver
from servable.edit.variable_source import ArraySource
from servable.errors import ServableError
from servable.pb import framework_pb2, saved_model_pb2
from servable.savedmodel import model_file
from servable.savedmodel.model_write import write_model

unhurried = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

VERBS: dict[str, Callable[[edit.Draft], object]] = {
    "prune": edit.prune,
    "freeze": edit.freeze,
    "cast": lambda draft: edit.cast_weights(draft, tensors.BFLOAT16, least_elements=1),
    "devices": edit.clear_devices,
    "graph": edit.frozen_graph,
}


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Return a function that changes some bytes at places relative to the length."""
    changes = draw(
        st.lists(
            st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=6)),
            min_size=1,
            max_size=3,
        )
    )

    def change(data: bytes) -> bytes:
        for where, what in changes:
            at = int(where * len(data))
            data = data[:at] + what + data[at + len(what) :]
        return data

    return change


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("model", ["tf1_half_plus_two", "tf2_mlp"])
@unhurried
@given(change=mutations())
def test_a_damaged_model_is_edited_or_refused(
    model: str, verb: str, change: Callable[[bytes], bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "model")
        shutil.copytree(MODELS / model, source)
        file = source / "saved_model.pb"
        file.write_bytes(change(file.read_bytes()))
        out = Path(folder, "out")
        try:
            draft = edit.open_draft(source)
            VERBS[verb](draft)
            draft.save(out)
        except ServableError:
            assert not out.exists()
        assert {p.name for p in Path(folder).iterdir()} <= {"model", "out"}


def stored() -> saved_model_pb2.SavedModel:
    return model_file.parse(MODELS / "tf2_mlp" / "saved_model.pb")


def cyclic_functions(model: saved_model_pb2.SavedModel) -> None:
    graph = model.meta_graphs[0].graph_def
    for function in graph.library.function:
        for node in function.node_def:
            if "f" in node.attr:
                node.attr["f"].func.name = function.signature.name


def cyclic_restore(model: saved_model_pb2.SavedModel) -> None:
    graph = model.meta_graphs[0].graph_def
    for function in graph.library.function:
        if "traced_restore" not in function.signature.name:
            continue
        for node in function.node_def:
            if node.op == "Identity" and node.input[0].startswith("RestoreV2"):
                node.input[0] = f"{node.name}:output:0"


def duplicate_nodes(model: saved_model_pb2.SavedModel) -> None:
    graph = model.meta_graphs[0].graph_def
    graph.node.append(graph.node[0])


def too_many_keys(model: saved_model_pb2.SavedModel) -> None:
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.name == "RestoreV2/tensor_names":
                tensor = node.attr["value"].tensor
                tensor.tensor_shape.dim[0].size = 10**9


def restore_op_gone(model: saved_model_pb2.SavedModel) -> None:
    model.meta_graphs[0].saver_def.restore_op_name = "gone"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cyclic_restore, "comes from itself"),
        (duplicate_nodes, "two nodes are called"),
        (too_many_keys, "tensor_names"),
        (restore_op_gone, "'gone' is not in the graph"),
    ],
)
@pytest.mark.parametrize("verb", ["prune", "freeze", "cast"])
def test_each_rule_has_its_error(
    damage: Callable[[saved_model_pb2.SavedModel], None],
    message: str,
    verb: str,
    tmp_path: Path,
) -> None:
    model = stored()
    damage(model)
    shutil.copytree(MODELS / "tf2_mlp", tmp_path / "model")
    write_model(model, tmp_path / "model")
    draft = edit.open_draft(tmp_path / "model")
    with pytest.raises(EditRefused, match=message):
        VERBS[verb](draft)


def test_functions_that_call_themselves_end(tmp_path: Path) -> None:
    model = stored()
    cyclic_functions(model)
    shutil.copytree(MODELS / "tf2_mlp", tmp_path / "model")
    write_model(model, tmp_path / "model")
    for verb in VERBS.values():
        with suppress(ServableError):
            verb(edit.open_draft(tmp_path / "model"))


def test_a_long_chain_of_handles_is_followed_to_its_end() -> None:
    """Each before the one it needs, so that going round and round would take very long."""
    graph = linear()
    chain = []
    last = "w"
    for i in range(20_000):
        node = framework_pb2.NodeDef(name=f"id{i}", op="Identity", input=[last])
        node.attr["T"].type = framework_pb2.DT_RESOURCE
        chain.append(node)
        last = node.name
    for node in graph.node:
        if node.name == "w/read":
            node.input[0] = last
    graph.node.extend(reversed(chain))
    meta_graph = saved_model_pb2.MetaGraphDef(graph_def=graph)
    meta_graph.meta_info_def.tags.append("serve")
    meta_graph.signature_def["serving_default"].CopyFrom(linear_signature())
    replace_saver(meta_graph, [Restored(n, n, "", tensors.FLOAT) for n in ("w", "b")])
    draft = edit.Draft(saved_model_pb2.SavedModel(meta_graphs=[meta_graph]))
    values = {"w": np.zeros((2, 2), np.float32), "b": np.zeros(2, np.float32)}
    draft.variables = ArraySource(values)
    assert edit.freeze(draft) == 2
    frozen = draft.model.meta_graphs[0].graph_def
    assert {n.attr["T"].type for n in frozen.node if n.name.startswith("id")} == {
        framework_pb2.DT_FLOAT
    }


@unhurried
@given(change=mutations())
def test_a_damaged_meta_file_is_read_or_refused(change: Callable[[bytes], bytes]) -> None:
    meta_graph = model_file.parse(MODELS / "tf1_half_plus_two" / "saved_model.pb").meta_graphs[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.meta")
        path.write_bytes(change(meta_graph.SerializeToString()))
        with suppress(ServableError):
            checkpoint.read_meta(path)


@unhurried
@given(change=mutations())
def test_a_damaged_archive_is_read_or_refused(change: Callable[[bytes], bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint.to_npz(MODELS / "tf2_dtypes", Path(folder, "x.npz"))
        path.write_bytes(change(path.read_bytes()))
        with suppress(ServableError):
            checkpoint.from_npz(path, Path(folder, "model"))


def test_an_archive_that_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ServableError):
        checkpoint.from_npz(tmp_path / "x.npz", tmp_path / "model")
    assert not (tmp_path / "model.index").exists()


@unhurried
@given(st.binary(max_size=200))
def test_any_state_file_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "checkpoint").write_bytes(content)
        with suppress(ServableError):
            checkpoint.latest_checkpoint(folder)
