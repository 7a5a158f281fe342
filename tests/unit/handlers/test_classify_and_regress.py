"""Classify and Regress without any transport: what is checked, in which order, what is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from served_models import FakeModels, FakeServable, spec

from servable import tensors
from servable.contracts import ModelSpec
from servable.errors import Internal, InvalidArgument, NotFound, ServableError
from servable.handlers.classify import CLASSIFY, Classes
from servable.handlers.examples import ExamplesCall, Method, infer
from servable.handlers.regress import REGRESS
from servable.tensors import Array, DType, Signature, TensorSpec

TWO = (b"first", b"second")
BOTH = pytest.mark.parametrize("method", [CLASSIFY, REGRESS], ids=["classify", "regress"])


def strings(rows: Sequence[Sequence[bytes]]) -> Array:
    return np.array(rows, object)


def floats(values: Any) -> Array:
    return np.array(values, np.float32)


def signature(
    *outputs: str,
    inputs: Sequence[str] = ("inputs",),
    dtype: DType | None = tensors.STRING,
    method: str = "tensorflow/serving/predict",
) -> Signature:
    return Signature(
        {alias: spec(f"{alias}:0", dtype, (None,)) for alias in inputs},
        {alias: spec(f"{alias}:0") for alias in outputs},
        method,
    )


def serving(definition: Signature, outputs: Mapping[str, Array]) -> FakeModels:
    servable = FakeServable({"serving_default": definition, "named": definition}, lambda _: outputs)
    return FakeModels({"m": {122: servable, 123: servable}})


def call(*examples: bytes, **fields: Any) -> ExamplesCall:
    return ExamplesCall(ModelSpec(**({"name": "m"} | fields)), lambda: examples)


def refusal(
    method: Method[Any], models: FakeModels, request: ExamplesCall, **options: Any
) -> ServableError:
    with pytest.raises(ServableError) as caught:
        infer(method, models, request, **options)
    assert all(handle.returned for handle in models.handles)
    return caught.value


def classified(outputs: Mapping[str, Array]) -> Classes:
    return infer(CLASSIFY, serving(signature(*outputs), outputs), call(*TWO)).result


def test_labels_and_scores_come_in_the_order_of_the_examples() -> None:
    labels, scores = strings([[b"a", b"b"], [b"c", b""]]), floats([[1, 2], [0, -1]])
    models = serving(signature("classes", "scores"), {"classes": labels, "scores": scores})
    answer = infer(CLASSIFY, models, call(*TWO))

    assert (answer.id.version, answer.signature_name) == (123, "serving_default")
    assert answer.result.labels is labels
    assert answer.result.scores is scores


@pytest.mark.parametrize("alias", ["classes", "scores"])
def test_one_of_labels_and_scores_is_enough(alias: str) -> None:
    array = strings([[b"a"], [b"b"]]) if alias == "classes" else floats([[1], [2]])
    result = classified({alias: array})
    assert (result.labels is None, result.scores is None) == (
        alias == "scores",
        alias == "classes",
    )


def test_a_second_output_of_another_name_is_not_computed() -> None:
    models = serving(signature("scores", "logits"), {"scores": floats([[1], [2]])})
    assert infer(CLASSIFY, models, call(*TWO)).result.labels is None


@pytest.mark.parametrize("values", [[2.5, 3.5], [[2.5], [3.5]]], ids=["vector", "column"])
def test_a_regression_is_one_number_for_each_example(values: Any) -> None:
    answer = infer(REGRESS, serving(signature("outputs"), {"outputs": floats(values)}), call(*TWO))
    assert answer.result.tolist() == [2.5, 3.5]


@BOTH
def test_a_signature_and_a_version_can_be_named(method: Method[Any]) -> None:
    alias = "scores" if method is CLASSIFY else "outputs"
    models = serving(signature(alias), {alias: floats([[1], [2]])})
    answer = infer(method, models, call(*TWO, signature_name="named", version=122))
    assert (answer.id.version, answer.signature_name) == (122, "named")


@BOTH
def test_the_model_is_fed_the_bytes_as_they_came(method: Method[Any]) -> None:
    alias = "scores" if method is CLASSIFY else "outputs"
    servable = FakeServable(
        {"serving_default": signature(alias)}, lambda _: {alias: floats([[1], [2]])}
    )
    infer(method, FakeModels({"m": {1: servable}}), call(b"\xff\x00no proto", b""))
    [fed] = servable.fed
    assert list(fed) == ["inputs"]
    assert fed["inputs"].dtype == object
    assert fed["inputs"].tolist() == [b"\xff\x00no proto", b""]


@BOTH
@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (ExamplesCall(None, lambda: TWO), InvalidArgument, "Missing ModelSpec"),
        (call(name=""), InvalidArgument, "ModelSpec has no name specified."),
        (call(name="nope"), NotFound, "Servable not found for request: Latest(nope)"),
        (call(version=9), NotFound, "Servable not found for request: Specific(m, 9)"),
        (
            call(signature_name="nam"),
            InvalidArgument,
            "No signature was found with the name: nam",
        ),
        (call(), InvalidArgument, "Input is empty."),
    ],
)
def test_what_a_request_can_get_wrong(
    method: Method[Any], request_: ExamplesCall, kind: type[ServableError], message: str
) -> None:
    alias = "scores" if method is CLASSIFY else "outputs"
    error = refusal(method, serving(signature(alias), {}), request_)
    assert (type(error), error.message) == (kind, message)
    assert error.hint


NAME = {CLASSIFY.name: "classification", REGRESS.name: "regression"}


@BOTH
@pytest.mark.parametrize("stored", ["tensorflow/serving/predict", "", "other"])
def test_method_names_count_only_where_they_are_checked(method: Method[Any], stored: str) -> None:
    alias = "scores" if method is CLASSIFY else "outputs"
    output = {alias: floats([[1], [2]])}
    models = serving(signature(alias, method=stored), output)
    assert infer(method, models, call(*TWO)).signature_name == "serving_default"

    error = refusal(method, models, call(), check_method_name=True)
    assert error.message == (
        f"Expected {NAME[method.name]} signature method_name to be {method.name}. Was: {stored}"
    )
    models = serving(signature(alias, method=method.name), output)
    assert infer(method, models, call(*TWO), check_method_name=True)


CLASSIFY_STRUCTURES: list[tuple[Signature, str]] = [
    (signature(inputs=()), "Expected one input Tensor."),
    (signature("scores", inputs=("inputs", "more")), "Expected one input Tensor."),
    (signature(inputs=("x",)), "Expected one or two output Tensors, found 0"),
    (signature("scores", "a", "b", inputs=("x",)), "Expected one or two output Tensors, found 3"),
    (
        signature("other", inputs=("x",)),
        "No classification inputs found in SignatureDef: (x: string [?]) -> (other: float, ",
    ),
    (
        signature("outputs"),
        "Expected classification signature outputs to contain at least one of "
        '"classes" or "scores". Signature was: (inputs: string [?]) -> (outputs: float, ',
    ),
]

REGRESS_STRUCTURES: list[tuple[Signature, str]] = [
    (signature(inputs=()), "Expected one input Tensor."),
    (signature("outputs", inputs=("inputs", "more")), "Expected one input Tensor."),
    (signature(inputs=("x",)), "Expected one output Tensor."),
    (signature("outputs", "more", inputs=("x",)), "Expected one output Tensor."),
    (
        signature("other", inputs=("x",)),
        "No regression inputs found in SignatureDef: (x: string [?]) -> (other: float, ",
    ),
    (
        signature("scores"),
        "No regression outputs found in SignatureDef: (inputs: string [?]) -> (scores: float, ",
    ),
]


@pytest.mark.parametrize(
    ("method", "definition", "message"),
    [(CLASSIFY, *case) for case in CLASSIFY_STRUCTURES]
    + [(REGRESS, *case) for case in REGRESS_STRUCTURES],
)
def test_a_signature_of_another_structure_is_refused_before_its_input_is_looked_at(
    method: Method[Any], definition: Signature, message: str
) -> None:
    def unreadable() -> Sequence[bytes]:
        raise Internal("nobody should look")

    request = ExamplesCall(ModelSpec("m"), unreadable)
    error = refusal(method, serving(definition, {}), request)
    assert isinstance(error, InvalidArgument)
    assert error.message.startswith(message)
    assert 'Signature "serving_default" takes' in error.hint


def test_an_input_that_can_not_be_read_is_reported_last() -> None:
    def unreadable() -> Sequence[bytes]:
        raise Internal("Error parsing serialized input.")

    error = refusal(
        REGRESS, serving(signature("outputs"), {}), ExamplesCall(ModelSpec("m"), unreadable)
    )
    assert isinstance(error, Internal)


@BOTH
def test_an_input_of_another_dtype_is_the_runtimes_to_refuse(method: Method[Any]) -> None:
    alias = "scores" if method is CLASSIFY else "outputs"
    error = refusal(method, serving(signature(alias, dtype=tensors.FLOAT), {}), call(*TWO))
    assert error.message == "Expects arg[0] to be float but string is provided"


@BOTH
def test_what_the_model_says_is_passed_on(method: Method[Any]) -> None:
    def run(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise InvalidArgument("Could not parse example input, value: 'x'")

    alias = "scores" if method is CLASSIFY else "outputs"
    servable = FakeServable({"serving_default": signature(alias)}, run)
    error = refusal(method, FakeModels({"m": {1: servable}}), call(*TWO))
    assert error.message == "Could not parse example input, value: 'x'"
    assert "tf.Example" in error.hint


SHAPE = "Expected Tensor shape: [batch_size num_classes] but got "


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"classes": strings([[b"a"]])[0], "scores": floats(1)}, SHAPE + "[1]"),
        ({"classes": floats(1)}, SHAPE + "[]"),
        ({"scores": floats([[[1, 2, 3]], [[1, 2, 3]]])}, SHAPE + "[2,1,3]"),
        ({"classes": floats([[1]])}, "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
        (
            {"classes": strings([[b"a"]]), "scores": floats(1)},
            "Expected classes output batch size of 2. Got: 1",
        ),
        (
            {"scores": np.zeros((1, 1), np.int64)},
            "Expected scores Tensor of DT_FLOAT. Got: DT_INT64",
        ),
        (
            {"scores": np.zeros((1, 1), ml_dtypes.bfloat16)},
            "Expected scores Tensor of DT_FLOAT. Got: DT_BFLOAT16",
        ),
        ({"scores": floats([[1]])}, "Expected scores output batch size of 2. Got: 1"),
        (
            {"classes": strings([[b"a", b"b"]] * 2), "scores": floats([[1, 2, 3]] * 2)},
            "Tensors class and score should match in dim_size(1). Got 2 vs. 3",
        ),
    ],
)
def test_outputs_that_are_no_classes(outputs: Mapping[str, Array], message: str) -> None:
    models = serving(signature(*outputs), outputs)
    assert refusal(CLASSIFY, models, call(*TWO)).message == message


PAIR = "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (floats(1), PAIR + "[]"),
        (floats([[1, 2, 3], [4, 5, 6]]), PAIR + "[2,3]"),
        (floats([[[1]], [[2]]]), PAIR + "[2,1,1]"),
        (np.zeros(3), "Input batch size did not match output batch size: 2 vs. 3"),
        (np.zeros(2), "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
        (strings([[b"a"], [b"b"]]), "Expected output Tensor of DT_FLOAT.  Got: DT_STRING"),
    ],
)
def test_outputs_that_are_no_regression(array: Array, message: str) -> None:
    models = serving(signature("outputs"), {"outputs": array})
    assert refusal(REGRESS, models, call(*TWO)).message == message


def test_a_model_that_returns_too_little() -> None:
    models = serving(signature("classes", "scores"), {"scores": floats([[1], [2]])})
    message = "Expected 2 output tensor(s).  Got: 1"
    assert refusal(CLASSIFY, models, call(*TWO)).message == message
    message = "Expected output_tensors and output_tensor_names to have the same size."
    assert refusal(REGRESS, serving(signature("outputs"), {}), call(*TWO)).message == message


def test_hints_name_the_signatures_that_would_do() -> None:
    definitions = {
        "classify_x": signature("scores"),
        "regress_x": signature("outputs"),
        "regress_floats": signature("outputs", dtype=tensors.FLOAT),
        "serving_default": signature("y", inputs=("x",)),
    }
    models = FakeModels({"m": {1: FakeServable(definitions, dict)}})

    hint = refusal(REGRESS, models, call(*TWO)).hint
    assert "Such signatures of this model: regress_x." in hint
    assert 'Signature "serving_default" takes x: string [?] and returns y.' in hint
    hint = refusal(CLASSIFY, models, call(*TWO, signature_name="Classify_X")).hint
    assert 'Did you mean "classify_x"?' in hint
    hint = refusal(REGRESS, serving(signature("y"), {}), call(*TWO)).hint
    assert "Such signatures of this model: none." in hint


def test_hints_name_the_features_that_the_model_reads() -> None:
    definition = signature("outputs")
    feature = TensorSpec("age", tensors.INT64, (1,))
    definition = replace(definition, features={"age": feature})
    hint = refusal(REGRESS, serving(definition, {}), call(*TWO)).hint
    assert hint.endswith("It reads serialized tf.Examples with the features age: int64 [1].")
