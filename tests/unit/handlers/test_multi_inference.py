"""MultiInference without any transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from served_models import FakeModels, FakeServable, spec

from servable import tensors
from servable.contracts import ModelSpec
from servable.errors import Internal, InvalidArgument, ServableError
from servable.handlers.classify import Classes
from servable.handlers.multi_inference import Task, multi_inference
from servable.tensors import DType, Signature

CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
EXAMPLES = (b"first", b"second")


def definition(
    alias: str, tensor: str, source: str = "tf_example:0", dtype: DType = tensors.STRING
) -> Signature:
    return Signature({"inputs": spec(source, dtype, (None,))}, {alias: spec(tensor)})


def make_servable() -> FakeServable:
    y = np.array([[2.5], [3.5]], np.float32)
    return FakeServable(
        {
            "serving_default": definition("outputs", "y:0"),
            "regress_x_to_y": definition("outputs", "y:0"),
            "regress_x_to_y2": definition("outputs", "y2:0"),
            "classify_x_to_y": definition("scores", "y:0"),
            "classify_labels": definition("classes", "y:0"),
            "regress_other_input": definition("outputs", "y:0", "other_example:0"),
            "regress_floats": definition("outputs", "y:0", "a:0", tensors.FLOAT),
            "predict_x": Signature({"x": spec("x:0")}, {"y": spec("y:0")}),
        },
        lambda _: {"outputs": y, "scores": y, "classes": y},
    )


def models() -> FakeModels:
    return FakeModels(
        {"m": {122: make_servable(), 123: make_servable()}, "n": {1: make_servable()}}
    )


def task(signature: str = "regress_x_to_y", method: str = REGRESS, **fields: Any) -> Task:
    return Task(ModelSpec(**({"name": "m", "signature_name": signature} | fields)), method)


def refusal(*tasks: Task, examples: Sequence[bytes] = EXAMPLES, **options: Any) -> ServableError:
    provider = models()
    with pytest.raises(ServableError) as caught:
        multi_inference(provider, tasks, lambda: examples, **options)
    assert all(handle.returned for handle in provider.handles)
    return caught.value


def test_answers_come_in_the_order_of_the_tasks() -> None:
    tasks = (task("classify_x_to_y", CLASSIFY), task(), task("", REGRESS))
    classified, regressed, default = multi_inference(models(), tasks, lambda: EXAMPLES)

    assert [a.signature_name for a in (classified, regressed, default)] == [
        "classify_x_to_y",
        "regress_x_to_y",
        "serving_default",
    ]
    assert {a.id.version for a in (classified, regressed, default)} == {123}
    assert isinstance(classified.result, Classes)
    assert classified.result.labels is None
    assert classified.result.scores is not None
    assert classified.result.scores.tolist() == [[2.5], [3.5]]
    for answer in (regressed, default):
        assert isinstance(answer.result, np.ndarray)
        assert answer.result.tolist() == [2.5, 3.5]


def test_the_first_tasks_version_answers_all() -> None:
    tasks = (task(version=122), task("", version=9), task("regress_x_to_y2", label="any"))
    answers = multi_inference(models(), tasks, lambda: EXAMPLES)
    assert [answer.id.version for answer in answers] == [122, 122, 122]


@pytest.mark.parametrize(
    ("tasks", "runs"),
    [
        ((task(), task("classify_x_to_y", CLASSIFY), task("")), 1),
        ((task(), task("regress_x_to_y2")), 2),
        ((task(), task("regress_other_input")), 2),
    ],
)
def test_the_same_tensors_are_computed_once(tasks: Sequence[Task], runs: int) -> None:
    servable = make_servable()
    multi_inference(FakeModels({"m": {1: servable}}), tasks, lambda: EXAMPLES)
    assert len(servable.fed) == runs


@pytest.mark.parametrize(
    ("tasks", "code", "message"),
    [
        ((), 3, "ModelSpec has no name specified."),
        ((task(name=""), task(name="nope")), 3, "ModelSpec has no name specified."),
        ((task(name="nope"), task(name="")), 5, "Servable not found for request: Latest(nope)"),
        ((task(version=9),), 5, "Servable not found for request: Specific(m, 9)"),
        ((task(), task("nope", name="")), 3, "Found ModelSpec with an empty model name."),
        (
            (task(), task("nope", name="n")),
            3,
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
        ((task(), task(method="")), 3, "Duplicate evaluation of signature: regress_x_to_y"),
        (
            (task(""), task("serving_default")),
            3,
            "Duplicate evaluation of signature: serving_default",
        ),
        ((task("nope", ""),), 3, "Requested signature not found in model graph: nope"),
        (
            (task("predict_x", "tensorflow/serving/predict"),),
            12,
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
        ((task(method=""),), 12, "Unsupported signature method_name: "),
        (
            (task("predict_x"),),
            3,
            "No regression inputs found in SignatureDef: (x: float, any shape) -> "
            "(y: float, any shape)",
        ),
        (
            (task("predict_x", CLASSIFY),),
            3,
            "No classification inputs found in SignatureDef: (x: float, any shape) -> "
            "(y: float, any shape)",
        ),
        (
            (task("regress_floats"), task()),
            3,
            "Expects arg[0] to be float but string is provided",
        ),
        (
            (task(), task("classify_labels", CLASSIFY)),
            3,
            "Expected classes Tensor of DT_STRING. Got: DT_FLOAT",
        ),
    ],
)
def test_what_a_request_can_get_wrong(tasks: Sequence[Task], code: int, message: str) -> None:
    error = refusal(*tasks)
    assert (error.code.value, error.message) == (code, message)
    assert error.hint


def test_tasks_are_checked_before_the_examples() -> None:
    def unreadable() -> Sequence[bytes]:
        raise Internal("Error parsing serialized input.")

    assert refusal(task("nope"), examples=()).message.endswith(": nope")
    assert refusal(task(), examples=()).message == "Input is empty."
    with pytest.raises(Internal):
        multi_inference(models(), [task()], unreadable)


def test_results_that_do_not_fit_the_number_of_examples() -> None:
    error = refusal(task(), examples=(b"one",))
    assert error.message == "Input batch size did not match output batch size: 1 vs. 2"


def test_method_names_count_only_where_they_are_checked() -> None:
    error = refusal(task(), check_method_name=True)
    assert isinstance(error, InvalidArgument)
    assert error.message == (
        f"Expected regression signature method_name to be {REGRESS}. "
        "Was: tensorflow/serving/predict"
    )
