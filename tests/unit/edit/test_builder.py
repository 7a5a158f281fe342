"""SavedModelBuilder: what is put together is read back, and refused where it does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edited_models import MODELS, B, W, answer, linear, linear_signature, save_linear

from servable import edit
from servable.edit.errors import BuildInvalid, TensorMissing
from servable.pb import saved_model_pb2
from servable.savedmodel.reader import read
from servable.savedmodel.write_errors import AlreadyThere

X = np.array([[1.0, 1.0]], np.float32)
Y = X @ W + B
VALUES = {"w": W, "b": B, "unused": np.array(1, np.float32)}


def test_a_graph_with_arrays_becomes_a_model_that_answers(tmp_path: Path) -> None:
    out = save_linear(tmp_path / "1")
    np.testing.assert_array_equal(answer(out, {"x": X})["y"], Y)
    model = read(out)
    assert [set(m.tags) for m in model.meta_graphs] == [{"serve"}]
    with model.variables() or pytest.fail("no variables") as variables:
        assert set(variables.entries) == {"w", "b", "unused"}


def test_nothing_is_there_before_save(tmp_path: Path) -> None:
    builder = edit.SavedModelBuilder(tmp_path / "1")
    builder.add_meta_graph_and_variables(linear(), VALUES, ["serve"])
    assert list(tmp_path.iterdir()) == []


def test_as_text_is_the_same_model(tmp_path: Path) -> None:
    builder = edit.SavedModelBuilder(tmp_path / "1")
    builder.add_meta_graph_and_variables(
        linear(), VALUES, ["serve"], signature_def_map={"serving_default": linear_signature()}
    )
    out = builder.save(as_text=True)
    assert (out / "saved_model.pbtxt").exists()
    assert not (out / "saved_model.pb").exists()
    np.testing.assert_array_equal(answer(out, {"x": X})["y"], Y)


def test_meta_graphs_share_the_variables(tmp_path: Path) -> None:
    builder = edit.SavedModelBuilder(tmp_path / "1")
    signatures = {"serving_default": linear_signature()}
    builder.add_meta_graph_and_variables(linear(), VALUES, ["train"])
    builder.add_meta_graph(
        linear(), ["serve", "mobile"], signature_def_map=signatures, clear_devices=True
    )
    out = builder.save()
    np.testing.assert_array_equal(answer(out, {"x": X}, tags=("serve", "mobile"))["y"], Y)
    train, mobile = read(out).meta_graphs
    assert {n.device for n in train.graph.node} == {"", "/cpu:0"}
    assert {n.device for n in mobile.graph.node} == {""}


@pytest.mark.parametrize("model", ["tf1_half_plus_two", "tf2_mlp", "tf2_dtypes", "tf1_partitioned"])
def test_what_the_reader_gives_is_built_again(model: str, tmp_path: Path) -> None:
    source = read(MODELS / model)
    builder = edit.SavedModelBuilder(tmp_path / "1")
    with source.variables() or pytest.fail("no variables") as variables:
        first, *others = source.meta_graphs
        builder.add_meta_graph_and_variables(first, variables, first.tags)
        for other in others:
            builder.add_meta_graph(other, other.tags)
        out = builder.save()
    again = read(out)
    assert [m.tags for m in again.meta_graphs] == [m.tags for m in source.meta_graphs]
    assert again.meta_graphs[0].signatures == first.signatures
    assert again.meta_graphs[0].init_op == first.init_op
    for tensor, path in first.assets.items():
        assert again.meta_graphs[0].assets[tensor].read_bytes() == path.read_bytes()


def test_assets_of_one_name_get_two(tmp_path: Path) -> None:
    for folder, content in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "words.txt").write_text(content)
    graph = linear()
    for name in ("first", "second"):
        graph.node.add(name=name, op="Placeholder").attr["dtype"].type = 7  # type: ignore[assignment]  # DT_STRING
    builder = edit.SavedModelBuilder(tmp_path / "1")
    builder.add_meta_graph_and_variables(
        graph,
        VALUES,
        ["serve"],
        assets={
            "first:0": tmp_path / "a" / "words.txt",
            "second:0": tmp_path / "b" / "words.txt",
        },
    )
    assets = read(builder.save()).meta_graph().assets
    assert {t: (p.name, p.read_text()) for t, p in assets.items()} == {
        "first:0": ("words.txt", "one"),
        "second:0": ("words.txt_1", "two"),
    }


def test_the_init_op_is_told(tmp_path: Path) -> None:
    graph = linear()
    graph.node.add(name="init", op="NoOp")
    builder = edit.SavedModelBuilder(tmp_path / "1")
    builder.add_meta_graph_and_variables(graph, VALUES, ["serve"], init_op="init")
    assert read(builder.save()).meta_graph().init_op == "init"


def test_default_attributes_are_left_out_on_request(tmp_path: Path) -> None:
    meta_graph = saved_model_pb2.MetaGraphDef(graph_def=linear())
    op = meta_graph.meta_info_def.stripped_op_list.op.add(name="MatMul")
    op.attr.add(name="transpose_a", type="bool").default_value.b = False
    op.attr.add(name="T", type="type")
    builder = edit.SavedModelBuilder(tmp_path / "1")
    builder.add_meta_graph_and_variables(meta_graph, VALUES, ["serve"], strip_default_attrs=True)
    nodes = {n.name: n for n in read(builder.save()).meta_graph().graph.node}
    assert set(nodes["product"].attr) == {"T"}


def test_a_place_that_is_taken_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AlreadyThere):
        edit.SavedModelBuilder(tmp_path)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    builder = edit.SavedModelBuilder(tmp_path / "1")
    with pytest.raises(BuildInvalid, match="must have a MetaGraph"):
        builder.save()
    with pytest.raises(BuildInvalid, match="brings the variables") as caught:
        builder.add_meta_graph(linear(), ["serve"])
    assert "add_meta_graph_and_variables first" in caught.value.hint
    with pytest.raises(BuildInvalid, match="must have a tag"):
        builder.add_meta_graph_and_variables(linear(), VALUES, [])
    with pytest.raises(BuildInvalid, match="no value for the variable 'b'") as caught:
        builder.add_meta_graph_and_variables(linear(), {"w": W}, ["serve"])
    assert caught.value.hint == "There are values for: w."
    with pytest.raises(BuildInvalid, match="init op 'gone' is not in the graph"):
        builder.add_meta_graph_and_variables(linear(), VALUES, ["serve"], init_op="gone")
    wrong = edit.predict_signature_def(
        {"x": edit.build_tensor_info("x", np.float32)},
        {"y": edit.build_tensor_info("produkt", np.float32)},
    )
    with pytest.raises(TensorMissing, match="no tensor 'produkt:0'") as missing:
        builder.add_meta_graph_and_variables(
            linear(), VALUES, ["serve"], signature_def_map={"s": wrong}
        )
    assert "product:0" in missing.value.hint
    builder.add_meta_graph_and_variables(linear(), VALUES, ["serve"])
    with pytest.raises(BuildInvalid, match="variables are there already"):
        builder.add_meta_graph_and_variables(linear(), VALUES, ["train"])
    with pytest.raises(BuildInvalid, match="with the tags serve already"):
        builder.add_meta_graph(linear(), ["serve"])


def test_tensor_infos_say_dtype_and_shape() -> None:
    info = edit.build_tensor_info("x", str, (None, 3))
    assert (info.name, info.dtype) == ("x:0", 7)
    assert [d.size for d in info.tensor_shape.dim] == [-1, 3]
    assert edit.build_tensor_info("x:1", np.int64).tensor_shape.unknown_rank
    meta_graph = saved_model_pb2.MetaGraphDef(graph_def=linear())
    found = edit.tensor_info_of(meta_graph, "x")
    assert (found.name, found.dtype) == ("x:0", 1)
    assert [d.size for d in found.tensor_shape.dim] == [-1, 2]
    assert edit.tensor_info_of(meta_graph, "w:0").dtype == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("x", "datetime64[s]"), "not a dtype"), (("x", np.float32, (-1,)), "can not have")],
)
def test_impossible_tensor_infos_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(BuildInvalid, match=message):
        edit.build_tensor_info(*arguments)


def test_signatures_of_each_method_check_their_dtypes() -> None:
    text, number = edit.build_tensor_info("e", str), edit.build_tensor_info("s", np.float32)
    classify = edit.classification_signature_def(text, scores=number)
    assert set(classify.outputs) == {"scores"}
    assert classify.method_name == "tensorflow/serving/classify"
    regress = edit.regression_signature_def(text, number)
    assert (set(regress.inputs), set(regress.outputs)) == ({"inputs"}, {"outputs"})
    with pytest.raises(BuildInvalid, match="examples must be string"):
        edit.regression_signature_def(number, number)
    with pytest.raises(BuildInvalid, match="needs classes or scores"):
        edit.classification_signature_def(text)
    with pytest.raises(BuildInvalid, match="needs an input and an output"):
        edit.predict_signature_def({}, {"y": number})
    with pytest.raises(BuildInvalid, match="a default for 'z'"):
        edit.build_signature_def({"x": number}, {"y": number}, defaults={"z": np.zeros(1)})
