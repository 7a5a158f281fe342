"""Reading SavedModels that TensorFlow wrote, and the rules for what is in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format

from servable.errors import Code
from servable.pb import saved_model_pb2
from servable.savedmodel import errors
from servable.savedmodel.reader import MetaGraph, Restore, read

MODELS = Path(__file__).parents[2] / "data" / "models"
INIT = "__saved_model_init_op"


def written(directory: Path, *meta_graphs: saved_model_pb2.MetaGraphDef) -> Path:
    """Write a SavedModel that is only its model file."""
    model = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=meta_graphs)
    (directory / "saved_model.pb").write_bytes(model.SerializeToString())
    return directory


def meta_graph(text: str = "") -> saved_model_pb2.MetaGraphDef:
    message = saved_model_pb2.MetaGraphDef()
    text_format.Parse('meta_info_def { tags: "serve" } ' + text, message)
    return message


def read_one(directory: Path, text: str) -> MetaGraph:
    return read(written(directory, meta_graph(text))).meta_graph()


SIGNATURES = {
    "tf2_mlp": {
        "serving_default": "(x: float [?, 4]) -> "
        "(logits: float [?, 3], probabilities: float [?, 3])"
    },
    "tf2_dtypes": {
        "any_rank": "(anything: float, any shape) -> (doubled: float, any shape)",
        "lookup": "(words: string [?]) -> (ids: int64 [?], words: string [?])",
        "serving_default": "(scale: float [], x: float [?, 3]) -> (y: float [?, 3])",
    },
    "tf1_half_plus_two": {
        "classify_x_to_y": "(inputs: string [?]) -> (scores: float [?, 1])",
        "count": "() -> (after: int64 [])",
        "regress_x_to_y": "(inputs: string [?]) -> (outputs: float [?, 1])",
        "serving_default": "(x: float [?, 1]) -> (y: float [?, 1])",
    },
    "tf1_partitioned": {
        "serving_default": "(x: float [?, 7]) -> (n: int32 [], y: float [?, 1], z: float [?, 70])"
    },
    "tf1_stateless": {"serving_default": "(x: float [?, 2]) -> (y: float [?, 2])"},
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_read_as_stored_with_aliases_in_order(name: str) -> None:
    signatures = read(MODELS / name).meta_graph().signatures
    assert {key: str(signature) for key, signature in signatures.items()} == SIGNATURES[name]


def test_a_signature_keeps_tensor_names_method_and_the_stored_message() -> None:
    signature = read(MODELS / "tf1_half_plus_two").meta_graph().signatures["regress_x_to_y"]
    assert signature.inputs["inputs"].name == "tf_example:0"
    assert signature.method_name == "tensorflow/serving/regress"
    stored = saved_model_pb2.SignatureDef.FromString(signature.stored)
    assert stored.outputs["outputs"].name == "y:0"


def test_a_default_value_for_an_input_is_read() -> None:
    defaults = read(MODELS / "tf2_dtypes").meta_graph().signatures["serving_default"].defaults
    assert {alias: value.tolist() for alias, value in defaults.items()} == {"scale": 2.0}


def test_encodings_other_than_a_plain_tensor_have_no_name(tmp_path: Path) -> None:
    graph = read_one(
        tmp_path,
        'signature_def { key: "s" value { inputs { key: "x" value { '
        'dtype: DT_FLOAT_REF coo_sparse { values_tensor_name: "v:0" } } } '
        'outputs { key: "y" value { name: "y:0" } } } }',
    )
    signature = graph.signatures["s"]
    assert signature.inputs["x"].name == ""
    assert str(signature) == "(x: float []) -> (y: no dtype [])"


@pytest.mark.parametrize(
    ("name", "init_op", "restore"),
    [
        ("tf2_mlp", "NoOp", Restore("StatefulPartitionedCall_2", "saver_filename:0")),
        ("tf1_half_plus_two", "init_all", Restore("save/restore_all", "save/Const:0")),
        ("tf1_partitioned", "main", Restore("save/restore_all", "save/Const:0")),
        ("tf1_stateless", None, None),
    ],
)
def test_how_a_graph_starts(name: str, init_op: str | None, restore: Restore | None) -> None:
    graph = read(MODELS / name).meta_graph()
    assert (graph.init_op, graph.restore) == (init_op, restore)


@pytest.mark.parametrize(
    ("name", "tensor", "file"),
    [
        ("tf2_dtypes", "asset_path_initializer:0", "vocabulary.txt"),  # the MetaGraph's own list
        ("tf1_half_plus_two", "asset_path:0", "note.txt"),  # a collection
    ],
)
def test_assets_are_absolute_paths_by_the_tensor_they_are_fed_to(
    name: str, tensor: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(MODELS)
    assets = read(name).meta_graph().assets
    assert assets == {tensor: MODELS / name / "assets" / file}
    assert assets[tensor].read_text()


def test_the_list_of_assets_goes_before_the_collection(tmp_path: Path) -> None:
    message = meta_graph('asset_file_def { tensor_info { name: "a:0" } filename: "sub/a.txt" }')
    old = saved_model_pb2.AssetFileDef(filename="b.txt")
    packed = message.collection_def["saved_model_assets"].any_list.value.add()
    packed.type_url = "type.googleapis.com/tensorflow.AssetFileDef"
    packed.value = old.SerializeToString()
    assert read(written(tmp_path, message)).meta_graph().assets == {
        "a:0": tmp_path / "assets" / "sub" / "a.txt"
    }


def test_the_graph_and_the_definitions_of_its_ops_are_there() -> None:
    graph = read(MODELS / "tf2_mlp").meta_graph()
    assert {"Placeholder", "VarHandleOp", "StatefulPartitionedCall"} <= set(graph.op_defs)
    assert "MatMul" in {
        node.op for function in graph.graph.library.function for node in function.node_def
    }
    assert [arg.name for arg in graph.op_defs["MatMul"].input_arg] == ["a", "b"]


@pytest.mark.parametrize(
    ("tags", "outputs"),
    [
        (("serve",), ["n", "y", "z"]),
        ("serve", ["n", "y", "z"]),
        ({"serve", "gpu"}, ["y"]),
        (["gpu", "serve", "gpu"], ["y"]),
    ],
)
def test_a_meta_graph_is_chosen_by_its_exact_set_of_tags(
    tags: tuple[str, ...], outputs: list[str]
) -> None:
    graph = read(MODELS / "tf1_partitioned").meta_graph(tags)
    assert list(graph.signatures["serving_default"].outputs) == outputs


def test_a_meta_graph_without_signatures_can_be_read() -> None:
    assert read(MODELS / "tf1_partitioned").meta_graph(["train"]).signatures == {}


def test_a_tag_set_that_is_not_there_is_not_found_and_the_hint_lists_what_is() -> None:
    with pytest.raises(errors.MetaGraphNotFound) as caught:
        read(MODELS / "tf1_partitioned").meta_graph(["tpu", "serve"])
    assert caught.value.code is Code.NOT_FOUND
    assert caught.value.message == (
        "Could not find meta graph def matching supplied tags: { serve tpu }. To inspect "
        "available tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`"
    )
    assert "{ serve }, { gpu serve }, { train }" in caught.value.hint


def test_a_directory_without_a_model_file_is_not_found(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(errors.NotASavedModel) as caught:
            read(path)
        assert caught.value.code is Code.NOT_FOUND
        assert caught.value.message == (
            "Specified file path does not appear to contain a SavedModel bundle (should have "
            f"a file called `saved_model.pb`)\nSpecified file path: {path}"
        )


def test_the_format_before_saved_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "export.meta").touch()
    with pytest.raises(errors.SessionBundleRemoved) as caught:
        read(str(tmp_path))
    assert caught.value.status_text == "UNIMPLEMENTED: Session Bundle is deprecated and removed."


def test_text_says_the_same_as_binary(tmp_path: Path) -> None:
    source = MODELS / "tf2_mlp"
    model = saved_model_pb2.SavedModel.FromString((source / "saved_model.pb").read_bytes())
    (tmp_path / "saved_model.pbtxt").write_text(text_format.MessageToString(model))
    shutil.copytree(source / "variables", tmp_path / "variables")
    binary, text = read(source).meta_graph(), read(tmp_path).meta_graph()
    assert text_format.MessageToString(text.graph) == text_format.MessageToString(binary.graph)
    assert text.restore == binary.restore
    assert str(text.signatures["serving_default"]) == str(binary.signatures["serving_default"])


def test_the_binary_file_goes_before_the_text(tmp_path: Path) -> None:
    written(tmp_path, meta_graph())
    (tmp_path / "saved_model.pbtxt").write_text("not even text format {")
    assert read(tmp_path).meta_graph().tags == {"serve"}


MAIN = 'collection_def { key: "saved_model_main_op" value { node_list { value: "main" } } } '
LEGACY = 'collection_def { key: "legacy_init_op" value { node_list { value: "legacy" } } } '
SIGNATURE = (
    f'signature_def {{ key: "{INIT}" value {{ outputs {{ key: "{INIT}" '
    'value { name: "init:0" } } } } '
)


@pytest.mark.parametrize(
    ("text", "init_op"),
    [
        ("", None),
        (LEGACY, "legacy"),
        (LEGACY + MAIN, "main"),
        (LEGACY + MAIN + SIGNATURE, "init:0"),
    ],
)
def test_the_init_op_is_the_first_of_signature_main_and_legacy(
    tmp_path: Path, text: str, init_op: str | None
) -> None:
    graph = read_one(tmp_path, text)
    assert graph.init_op == init_op
    assert INIT not in graph.signatures


@pytest.mark.parametrize("collection", ["saved_model_main_op", "legacy_init_op"])
@pytest.mark.parametrize("value", ['node_list { value: "a" value: "b" }', ""])
def test_a_collection_must_name_exactly_one_init_op(
    tmp_path: Path, collection: str, value: str
) -> None:
    with pytest.raises(errors.InitOpInvalid) as caught:
        read_one(tmp_path, f'collection_def {{ key: "{collection}" value {{ {value} }} }}')
    assert caught.value.status_text == (
        f"FAILED_PRECONDITION: Expected exactly one main op in : {tmp_path}"
    )


def test_without_variable_files_there_is_nothing_to_restore(tmp_path: Path) -> None:
    saver = 'saver_def { restore_op_name: "r" filename_tensor_name: "f:0" }'
    graph = read_one(tmp_path, saver)
    assert graph.restore is None
    assert read(tmp_path).variables() is None


def test_the_prefix_fed_to_the_restore_op_is_inside_the_model() -> None:
    path = MODELS / "tf2_mlp"
    assert read(path).variables_prefix == path / "variables" / "variables"
