"""`servable.load`: signatures, variables, calls and subgraphs, against recorded values."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import servable
from servable.demos import digits
from servable.errors import FailedPrecondition, InvalidArgument, ServableError, Unimplemented
from servable.graph.ir import GraphError
from servable.savedmodel import model_file
from servable.savedmodel.errors import MetaGraphNotFound
from servable.servables.python_model import PythonModel

DATA = Path(__file__).parents[2] / "data"
MODELS = DATA / "models"


@pytest.fixture(scope="module")
def mlp() -> PythonModel:
    return servable.load(MODELS / "tf2_mlp")


@pytest.fixture(scope="module")
def dtypes() -> PythonModel:
    return servable.load(MODELS / "tf2_dtypes")


def test_signatures_give_the_values_that_tensorflow_gave() -> None:
    images, _ = digits.heldout()
    with servable.load(digits.MODELS / "2") as model:
        got = model.signatures["serving_default"](image=images[:20])
    expected = np.load(DATA / "digits_expected.npz")["v2"][:20]
    np.testing.assert_allclose(got["probabilities"], expected, atol=1e-5)


def test_lists_and_scalars_take_the_dtype_of_the_signature(dtypes: PythonModel) -> None:
    found = dtypes.signatures["lookup"](words=["green", b"none"])
    assert found["ids"].tolist() == [1, -1]
    assert found["words"].tolist() == [b"green", b"none"]
    scaled = dtypes.signatures["serving_default"]
    x = [[1, 2, 3]]
    assert scaled(x=x, scale=3)["y"].dtype == np.float32
    difference = scaled(x=x, scale=3)["y"] - scaled(x=x)["y"]
    assert difference.tolist() == [[1.0, 2.0, 3.0]], "the default of scale is 2"


def test_a_text_that_is_no_utf8_is_refused(dtypes: PythonModel) -> None:
    with pytest.raises(InvalidArgument, match="input words: a text can not be written as UTF-8"):
        dtypes.signatures["lookup"](words=["\ud800"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "signature serving_default needs the input x"),
        ({"y": 1}, "signature serving_default has no input y"),
        ({"x": np.ones((1, 4))}, "input x: the dtype is double; expected float"),
        ({"x": np.ones((1, 3), np.float32)}, "input x: the shape is [1, 3]; expected float [?, 4]"),
        ({"x": [["a"] * 4]}, "input x: values of object do not stand for float"),
        ({"x": [[True] * 4]}, "input x: values of bool do not stand for float"),
        ({"x": [[1.0], [1.0, 2.0]]}, "input x: not an array"),
        ({"x": np.ones((1, 4), "M8[s]")}, "input x: no tensor has the dtype datetime64[s]"),
    ],
)
def test_what_does_not_fit_the_signature_is_refused_with_what_is_expected(
    mlp: PythonModel, given: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        mlp.signatures["serving_default"](**given)
    assert message in caught.value.message
    assert caught.value.hint == "It takes x (float [?, 4])."


def recorded(model: str) -> dict[str, dict[str, object]]:
    stored: dict[str, dict[str, object]] = json.loads((MODELS / f"{model}.json").read_text())
    return stored


@pytest.mark.parametrize(
    "name", ["tf2_mlp", "tf2_dtypes", "tf1_half_plus_two", "tf1_partitioned", "tf1_inference"]
)
def test_variables_have_the_values_that_tensorflow_read(name: str) -> None:
    with servable.load(MODELS / name, tags=["serve"]) as model:
        variables = model.variables
        assert len(variables) == len(recorded(name))
        for key, value in recorded(name).items():
            short = key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
            array = variables[short]
            assert list(array.shape) == value["shape"]
            if array.dtype == object:
                assert [item.hex() for item in array.ravel()] == value["data"]
            else:
                assert array.dtype == np.dtype(str(value["dtype"]))
                assert array.tobytes().hex() == value["data"]


def test_variables_are_views_of_the_file_and_can_not_be_written(mlp: PythonModel) -> None:
    weights = mlp.trainable_variables["w1"]
    assert weights.base is not None
    assert not weights.flags.writeable


def test_only_what_training_changes_is_trainable(dtypes: PythonModel) -> None:
    assert dtypes.variables
    assert not dtypes.trainable_variables
    with servable.load(MODELS / "tf1_half_plus_two") as half:
        assert set(half.trainable_variables) <= set(half.variables) == {"a", "b", "counter"}
    with pytest.raises(KeyError):
        dtypes.variables["no such variable"]


def test_a_model_with_a_call_function_is_called_like_its_class(mlp: PythonModel) -> None:
    x = np.linspace(-2, 2, 8, dtype=np.float32).reshape(2, 4)
    direct, signed = mlp(x), mlp.signatures["serving_default"](x=x)
    assert direct.keys() == signed.keys() == {"logits", "probabilities"}
    for alias, value in direct.items():
        np.testing.assert_array_equal(value, signed[alias])
    np.testing.assert_array_equal(mlp(x=x.tolist())["logits"], direct["logits"])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((np.ones((1, 3), np.float32),), "not traced for a call with these arguments"),
        ((None,), "not traced"),
        ((), "missing a required argument: 'x'"),
        ((1, 2), "too many positional arguments"),
    ],
)
def test_a_call_that_was_not_traced_is_refused(
    mlp: PythonModel, args: tuple[object, ...], message: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        mlp(*args)
    assert message in caught.value.message
    assert "x" in caught.value.hint


def test_a_trace_for_composite_tensors_leaves_the_others_callable(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(MODELS / "tf2_mlp", tmp_path / "model"))
    stored = model_file.parse(copy / model_file.BINARY_NAME)
    objects = stored.meta_graphs[0].object_graph_def
    root = {child.local_name: child.node_id for child in objects.nodes[0].children}
    traces = objects.nodes[root["__call__"]].function.concrete_functions
    plain = traces[0]
    library = stored.meta_graphs[0].graph_def.library.function
    library.add().CopyFrom(next(f for f in library if f.signature.name == plain))
    library[-1].signature.name = "ragged"
    objects.concrete_functions["ragged"].CopyFrom(objects.concrete_functions[plain])
    args = objects.concrete_functions["ragged"].canonicalized_input_signature.tuple_value.values[0]
    spec = args.tuple_value.values[0].type_spec_value
    spec.type_spec_class_name, spec.num_flat_components = "RaggedTensorSpec", 2
    spec.type_state.tuple_value.SetInParent()
    del traces[:]
    traces.extend(["ragged", plain])
    (copy / model_file.BINARY_NAME).write_bytes(stored.SerializeToString())
    with servable.load(copy) as model:
        assert model([[1.0, 2.0, 3.0, 4.0]])["logits"].shape == (1, 3)
        with pytest.raises(Unimplemented, match="arguments of type RaggedTensorSpec"):
            model([[1.0]])


def test_a_model_without_a_call_function_says_so(dtypes: PythonModel) -> None:
    with pytest.raises(Unimplemented, match="without a function to call it by"):
        dtypes(1)


def test_a_subgraph_is_cut_out_by_the_names_of_its_tensors() -> None:
    with servable.load(MODELS / "tf1_half_plus_two") as model:
        half = model.prune(["x:0"], ["y:0", "a/read:0"])
        y, a = half(np.array([[4.0], [6.0]], np.float32))
        assert (y.tolist(), float(a)) == ([[4.0], [5.0]], 0.5)
        assert model.prune([], ["b/read:0"])()[0] == 2.0
        with pytest.raises(InvalidArgument, match="x:0: the dtype is double") as caught:
            half(np.ones((1, 1)))
        assert caught.value.hint == "In order: x:0 (float)."
        with pytest.raises(InvalidArgument, match="2 values for 1 tensors"):
            half(1.0, 2.0)
        with pytest.raises(GraphError, match="tensor nowhere:0 does not exist"):
            model.prune(["nowhere:0"], ["y:0"])


def test_a_pruned_operation_runs_for_its_effect() -> None:
    with servable.load(MODELS / "tf1_half_plus_two") as model:
        step = model.prune([], ["AssignAdd:0"])
        assert [int(step()[0]) for _ in range(3)] == [1, 2, 3]
        assert int(model.signatures["count"]()["after"]) == 4


def test_tags_choose_the_graph() -> None:
    path = MODELS / "tf1_partitioned"
    assert servable.load(path).tags == {"serve"}
    assert not servable.load(path, tags="train").signatures
    small = servable.load(path, tags=["gpu", "serve"]).signatures["serving_default"]
    assert list(small.signature.outputs) == ["y"]
    with pytest.raises(MetaGraphNotFound):
        servable.load(path, tags=["gpu"])


def test_a_closed_model_refuses_and_arrays_stay() -> None:
    with servable.load(MODELS / "tf2_mlp") as model:
        weights, function = model.variables["w1"], model.signatures["serving_default"]
    assert weights.sum() != 0
    for use in (lambda: function(x=[[0.0] * 4]), lambda: model(1), lambda: model.prune([], [])):
        with pytest.raises(FailedPrecondition, match="closed"):
            use()
    with pytest.raises(ServableError):
        model.variables["w1"]


def test_many_threads_may_call_at_once() -> None:
    model = servable.load(MODELS / "tf2_mlp")
    wrong: list[int] = []

    def work(number: int) -> None:
        x = np.full((number + 1, 4), number, np.float32)
        for _ in range(5):
            both = model(x)["logits"], model.signatures["serving_default"](x=x)["logits"]
            if not np.array_equal(*both) or model.variables["w1"].shape != (4, 8):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_small_floats_are_arrays_of_their_own_dtype(dtypes: PythonModel) -> None:
    assert dtypes.variables["bfloat16"].dtype == ml_dtypes.bfloat16
