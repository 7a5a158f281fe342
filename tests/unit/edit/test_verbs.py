"""Editing: what each verb changes, what it keeps, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from edited_models import MODELS, B, W, answer, linear_signature, save_linear
from google.protobuf import text_format

from servable import edit, tensors
from servable.edit.errors import BuildInvalid, EditRefused, SignatureMissing, SignatureTaken
from servable.pb import framework_pb2, saved_model_pb2
from servable.pb._pool import POOL
from servable.savedmodel import model_file
from servable.savedmodel.errors import DataChecksumWrong, MetaGraphNotFound
from servable.savedmodel.reader import read
from servable.savedmodel.variables import Variables, index_path
from servable.tensors import Array

X = np.array([[1.0, 1.0]], np.float32)
Y = X @ W + B
ROWS = np.linspace(-2, 2, 12, dtype=np.float32).reshape(3, 4)


def mlp(change: Callable[[edit.Draft], object], out: Path) -> Path:
    draft = edit.open_draft(MODELS / "tf2_mlp")
    change(draft)
    return draft.save(out)


def stored(folder: Path) -> saved_model_pb2.SavedModel:
    return model_file.parse(model_file.find(folder))


def keys(folder: Path) -> set[str]:
    with Variables.open(folder / "variables" / "variables") as variables:
        return set(variables.entries)


def ops(folder: Path) -> list[str]:
    (meta_graph,) = stored(folder).meta_graphs
    graph = meta_graph.graph_def
    return [n.op for n in graph.node] + [n.op for f in graph.library.function for n in f.node_def]


@pytest.mark.parametrize(
    "model", ["tf1_half_plus_two", "tf1_partitioned", "tf1_stateless", "tf2_dtypes", "tf2_mlp"]
)
def test_a_model_nobody_changed_is_the_same_message_and_the_same_tensors(
    model: str, tmp_path: Path
) -> None:
    out = edit.open_draft(MODELS / model).save(tmp_path / "copy")
    assert stored(out) == stored(MODELS / model)
    assert model_file.find(out).name == model_file.find(MODELS / model).name
    source = read(MODELS / model).variables()
    if source is None:
        assert not (out / "variables").exists()
        return
    with source, Variables.open(out / "variables" / "variables") as copy:
        assert copy.entries.keys() == source.entries.keys()
        for key in source.entries:
            assert copy.entries[key].slices == source.entries[key].slices
            np.testing.assert_array_equal(copy.read(key, verify=True), source.read(key))


def test_pruning_removes_training_and_unused_variables(tmp_path: Path) -> None:
    draft = edit.open_draft(save_linear(tmp_path / "1"))
    edit.prune(draft)
    out = draft.save(tmp_path / "2")
    assert keys(out) == {"w", "b"}
    assert "AssignAddVariableOp" not in ops(out)
    np.testing.assert_array_equal(answer(out, {"x": X})["y"], Y)


def test_a_pruned_model_still_saves_and_restores_what_it_has(tmp_path: Path) -> None:
    out = mlp(edit.prune, tmp_path / "1")
    (meta_graph,) = stored(out).meta_graphs
    names = {n.name for n in meta_graph.graph_def.node}
    assert meta_graph.saver_def.restore_op_name in names
    assert meta_graph.saver_def.save_tensor_name.partition(":")[0] in names
    assert ops(out).count("AssignVariableOp") == 4
    before = answer(MODELS / "tf2_mlp", {"x": ROWS})
    for alias, array in answer(out, {"x": ROWS}).items():
        np.testing.assert_array_equal(array, before[alias])


def test_freezing_leaves_no_variables(tmp_path: Path) -> None:
    out = mlp(edit.freeze, tmp_path / "1")
    assert not (out / "variables").exists()
    assert not {"VarHandleOp", "ReadVariableOp", "RestoreV2"} & set(ops(out))
    before = answer(MODELS / "tf2_mlp", {"x": ROWS})
    np.testing.assert_array_equal(answer(out, {"x": ROWS})["logits"], before["logits"])


def test_freezing_takes_resources_and_references(tmp_path: Path) -> None:
    draft = edit.open_draft(save_linear(tmp_path / "1"))
    assert edit.freeze(draft) == 2
    np.testing.assert_array_equal(answer(draft.save(tmp_path / "2"), {"x": X})["y"], Y)


def test_a_frozen_graph_says_what_to_feed_and_fetch(tmp_path: Path) -> None:
    frozen = edit.frozen_graph(edit.open_draft(save_linear(tmp_path / "1")))
    assert (frozen.inputs, frozen.outputs) == ({"x": "x:0"}, {"y": "y:0"})
    assert sorted(n.name for n in frozen.graph.node) == ["b", "product", "w", "w/read", "x", "y"]


def test_a_graph_that_needs_a_file_is_not_one_graph() -> None:
    with pytest.raises(EditRefused, match=r"(reads the asset|uses the table) "):
        edit.frozen_graph(edit.open_draft(MODELS / "tf2_dtypes"), "lookup")


def test_a_variable_that_a_signature_changes_is_not_frozen() -> None:
    draft = edit.open_draft(MODELS / "tf1_half_plus_two")
    with pytest.raises(EditRefused, match=r"'AssignAdd' \(AssignAdd\) changes the variable"):
        edit.freeze(draft)
    draft = edit.open_draft(MODELS / "tf1_half_plus_two")
    edit.drop_signature(draft, "count")
    assert edit.freeze(draft) == 2


@pytest.mark.parametrize("storage", [tensors.HALF, tensors.BFLOAT16], ids=str)
def test_cast_weights_are_half_as_large_and_computed_with_in_float(
    storage: tensors.DType, tmp_path: Path
) -> None:
    out = mlp(lambda draft: edit.cast_weights(draft, storage, least_elements=8), tmp_path / "1")
    with Variables.open(out / "variables" / "variables") as variables:
        dtypes = {k.partition("/")[0]: e.dtype for k, e in variables.entries.items()}
    assert dtypes == {"w1": storage, "b1": storage, "w2": storage, "b2": tensors.FLOAT}
    before = answer(MODELS / "tf2_mlp", {"x": ROWS})["logits"]
    after = answer(out, {"x": ROWS})["logits"]
    assert after.dtype == np.float32
    assert not np.array_equal(after, before)
    np.testing.assert_allclose(after, before, atol=0.1)


def test_constants_are_cast_in_the_graph_and_in_functions(tmp_path: Path) -> None:
    draft = edit.open_draft(MODELS / "tf2_mlp")
    edit.freeze(draft)
    assert edit.cast_weights(draft, tensors.BFLOAT16, least_elements=8) == (0, 3)
    out = draft.save(tmp_path / "1")
    before = answer(MODELS / "tf2_mlp", {"x": ROWS})["logits"]
    np.testing.assert_allclose(answer(out, {"x": ROWS})["logits"], before, atol=0.1)
    assert (out / "saved_model.pb").stat().st_size < 50_000


def test_a_value_too_large_for_float16_is_refused_and_nothing_written(tmp_path: Path) -> None:
    large = {"w": W * 1e5, "b": B, "unused": np.array(1, np.float32)}
    draft = edit.open_draft(save_linear(tmp_path / "1", large))
    edit.cast_weights(draft, tensors.HALF, least_elements=1)
    with pytest.raises(EditRefused, match="w: a value is too large for half"):
        draft.save(tmp_path / "2")
    assert [p.name for p in tmp_path.iterdir()] == ["1"]
    draft = edit.open_draft(tmp_path / "1")
    edit.cast_weights(draft, tensors.BFLOAT16, least_elements=1)
    draft.save(tmp_path / "2")


def test_weights_are_not_stored_as_anything_else() -> None:
    with pytest.raises(BuildInvalid, match="float16 or bfloat16"):
        edit.cast_weights(edit.open_draft(MODELS / "tf2_mlp"), tensors.INT8)


def test_devices_are_cleared(tmp_path: Path) -> None:
    draft = edit.open_draft(save_linear(tmp_path / "1"))
    assert edit.clear_devices(draft) == 2
    assert edit.clear_devices(draft) == 0


def test_a_signature_is_added_renamed_and_dropped(tmp_path: Path) -> None:
    draft = edit.open_draft(save_linear(tmp_path / "1"))
    edit.add_signature(draft, "again", linear_signature())
    edit.rename_signature(draft, "serving_default", "first")
    assert set(read(draft.save(tmp_path / "2")).meta_graph().signatures) == {"first", "again"}
    edit.drop_signature(draft, "again")
    assert set(read(draft.save(tmp_path / "3")).meta_graph().signatures) == {"first"}


def test_the_object_graph_learns_a_new_name(tmp_path: Path) -> None:
    out = mlp(lambda draft: edit.rename_signature(draft, "serving_default", "new"), tmp_path / "1")
    (meta_graph,) = stored(out).meta_graphs
    names = [
        child.local_name
        for item in meta_graph.object_graph_def.nodes
        if item.user_object.identifier == "signature_map"
        for child in item.children
    ]
    assert names == ["new"]


def test_signatures_that_are_there_or_not_are_told(tmp_path: Path) -> None:
    draft = edit.open_draft(save_linear(tmp_path / "1"))
    with pytest.raises(SignatureTaken):
        edit.add_signature(draft, "serving_default", linear_signature())
    edit.add_signature(draft, "serving_default", linear_signature(), replace=True)
    with pytest.raises(SignatureMissing) as caught:
        edit.drop_signature(draft, "predict")
    assert caught.value.hint == "It has: serving_default."


def test_a_meta_graph_goes_with_the_variables_that_only_it_had(tmp_path: Path) -> None:
    draft = edit.open_draft(MODELS / "tf1_partitioned")
    edit.drop_meta_graph(draft, ["train"])
    out = draft.save(tmp_path / "1")
    assert {tuple(sorted(m.tags)) for m in read(out).meta_graphs} == {
        ("serve",),
        ("gpu", "serve"),
    }
    with pytest.raises(MetaGraphNotFound) as caught:
        edit.drop_meta_graph(draft, ["train"])
    assert "serve" in caught.value.hint
    edit.drop_meta_graph(draft, ["serve", "gpu"])
    with pytest.raises(EditRefused, match="the only MetaGraph"):
        edit.drop_meta_graph(draft, ["serve"])


def test_a_warmup_file_is_put_beside_the_graph(tmp_path: Path) -> None:
    (tmp_path / "requests").write_bytes(b"records")
    draft = edit.open_draft(MODELS / "tf2_mlp")
    edit.add_extra_file(draft, tmp_path / "requests")
    out = draft.save(tmp_path / "1")
    extra = out / "assets.extra" / "tf_serving_warmup_requests"
    assert extra.read_bytes() == b"records"
    for name in ("../x", "/x", "a\\b", ""):
        with pytest.raises(BuildInvalid, match="is not a name inside"):
            edit.add_extra_file(draft, tmp_path / "requests", name)


def test_assets_are_copied_and_stale_fingerprints_are_not(tmp_path: Path) -> None:
    source = edit.open_draft(MODELS / "tf2_dtypes").save(tmp_path / "1")
    (source / "fingerprint.pb").write_bytes(b"old")
    out = edit.open_draft(source).save(tmp_path / "2")
    assert not (out / "fingerprint.pb").exists()
    (asset,) = read(out).meta_graph().assets.values()
    assert asset.read_text() == "red\ngreen\nblue\n"


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    source = edit.open_draft(MODELS / "tf2_mlp").save(tmp_path / "1")
    (tmp_path / "secret").write_text("secret")
    (source / "assets.extra").mkdir()
    (source / "assets.extra" / "x").symlink_to(tmp_path / "secret")
    with pytest.raises(EditRefused, match="a link that leads out of the model"):
        edit.open_draft(source).save(tmp_path / "2")
    assert not (tmp_path / "2").exists()


def test_a_model_can_take_its_own_place(tmp_path: Path) -> None:
    path = save_linear(tmp_path / "1")
    draft = edit.open_draft(path)
    edit.freeze(draft)
    draft.save(path, replace=True)
    assert not index_path(path / "variables" / "variables").exists()
    np.testing.assert_array_equal(answer(path, {"x": X})["y"], Y)
    assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_arrays_stay_readable_after_their_model_was_replaced(tmp_path: Path) -> None:
    path = save_linear(tmp_path / "1")
    draft = edit.open_draft(path)
    assert draft.variables is not None
    kept: Array = draft.variables.read("w")
    draft.save(path, replace=True)
    np.testing.assert_array_equal(kept, W)


@pytest.mark.parametrize("model", ["tf2_mlp", "tf1_partitioned"])
def test_damaged_weights_do_not_get_a_new_checksum(model: str, tmp_path: Path) -> None:
    source = edit.open_draft(MODELS / model).save(tmp_path / "1")
    data = source / "variables" / "variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[20] ^= 1
    data.write_bytes(content)
    with pytest.raises(DataChecksumWrong):
        edit.open_draft(source).save(tmp_path / "2")
    assert not (tmp_path / "2").exists()


def with_a_table(folder: Path) -> Path:
    """A model whose restore op fills something that is no variable."""
    model = stored(MODELS / "tf2_mlp")
    for function in model.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.name == "AssignVariableOp" and "restore" in function.signature.name:
                node.op = "LookupTableImportV2"
    draft = edit.open_draft(MODELS / "tf2_mlp")
    draft.model.CopyFrom(model)
    return draft.save(folder)


def test_tables_in_the_variable_files_stay_with_pruning_and_are_not_frozen(
    tmp_path: Path,
) -> None:
    source = with_a_table(tmp_path / "1")
    for verb in (edit.freeze, lambda draft: edit.cast_weights(draft, tensors.HALF)):
        with pytest.raises(EditRefused, match="is not restored into a variable") as caught:
            verb(edit.open_draft(source))
        assert "tables" in caught.value.hint
    draft = edit.open_draft(source)
    edit.prune(draft)
    out = draft.save(tmp_path / "2")
    assert keys(out) == keys(source)
    assert "LookupTableImportV2" in ops(out)


EMBEDDING = """
node {{ name: "table" op: "VarHandleOp"
       attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
       attr {{ key: "shape" value {{ shape {{ dim {{ size: 4 }} dim {{ size: 2 }} }} }} }}
       attr {{ key: "shared_name" value {{ s: "table" }} }} }}
node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
       attr {{ key: "shape" value {{ shape {{ dim {{ size: -1 }} }} }} }} }}
node {{ name: "y" op: "{op}" input: "table" input: "x"
       attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
       attr {{ key: "Tindices" value {{ type: DT_INT32 }} }} {more} }}
"""


@pytest.mark.parametrize(
    ("op", "x", "expected"),
    [
        ("ResourceGather", [3, 1], [[6.0, 7.0], [2.0, 3.0]]),
        ("ResourceGatherNd", [3, 1], 7.0),
    ],
)
def test_rows_are_gathered_from_a_constant_after_freezing(
    op: str, x: list[int], expected: object, tmp_path: Path
) -> None:
    more = 'attr { key: "batch_dims" value { i: 0 } }' if op == "ResourceGather" else ""
    graph = framework_pb2.GraphDef()
    text_format.Parse(EMBEDDING.format(op=op, more=more), graph, descriptor_pool=POOL)
    signature = edit.predict_signature_def(
        {"x": edit.build_tensor_info("x", np.int32, (None,))},
        {"y": edit.build_tensor_info("y", np.float32)},
    )
    builder = edit.SavedModelBuilder(tmp_path / "1")
    builder.add_meta_graph_and_variables(
        graph,
        {"table": np.arange(8, dtype=np.float32).reshape(4, 2)},
        ["serve"],
        signature_def_map={"serving_default": signature},
    )
    draft = edit.open_draft(builder.save())
    edit.freeze(draft)
    out = draft.save(tmp_path / "2")
    got = answer(out, {"x": np.array(x, np.int32)})["y"]
    np.testing.assert_array_equal(got, np.array(expected, np.float32))
    assert not (out / "variables").exists()
