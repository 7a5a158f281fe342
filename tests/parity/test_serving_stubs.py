"""Classify, Regress, MultiInference and Predict through TensorFlow Serving's own client stubs.

Skipped where `tensorflow-serving-api` is not installed; TensorFlow itself says what the right
numbers are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from served_models import FakeModels

from servable.servables.saved_model import SavedModelLoader
from servable.transport.grpc import GrpcServer

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("default"),  # TensorFlow's own deprecations
]

WHY = "needs tensorflow and tensorflow-serving-api"
tf: Any = pytest.importorskip("tensorflow", reason=WHY)
stubs: Any = pytest.importorskip("tensorflow_serving.apis.prediction_service_pb2_grpc", reason=WHY)
classification_pb2: Any = pytest.importorskip("tensorflow_serving.apis.classification_pb2")
inference_pb2: Any = pytest.importorskip("tensorflow_serving.apis.inference_pb2")
input_pb2: Any = pytest.importorskip("tensorflow_serving.apis.input_pb2")
predict_pb2: Any = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
regression_pb2: Any = pytest.importorskip("tensorflow_serving.apis.regression_pb2")

MODELS = Path(__file__).parents[1] / "data" / "models"
NAMES = ("tf1_inference", "tf2_inference")
VERSION = 123
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


@pytest.fixture(scope="module")
def stub() -> Iterator[Any]:
    loaders = {name: SavedModelLoader(MODELS / name) for name in NAMES}
    for loader in loaders.values():
        loader.load()
    models = {name: {VERSION: loader.servable()} for name, loader in loaders.items()}
    server = GrpcServer(FakeModels(models), "127.0.0.1", 0)
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        yield stubs.PredictionServiceStub(channel)
    server.stop(10)


def example(**features: list[Any]) -> Any:
    lists = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
    message = tf.train.Example()
    for name, values in features.items():
        kind = getattr(message.features.feature[name], lists[type(values[0])])
        kind.value.extend(values)
    return message


def person(first: bytes, second: bytes, low: float, high: float, **more: list[Any]) -> Any:
    return example(names=[first, second], ratings=[low, high], **more)


def theirs(model: str, signature: str, examples: list[Any]) -> dict[str, Any]:
    """What TensorFlow computes."""
    loaded = tf.saved_model.load(str(MODELS / model)).signatures[signature]
    serialized = tf.constant([item.SerializeToString() for item in examples])
    return {alias: value.numpy() for alias, value in loaded(inputs=serialized).items()}


def input_of(examples: list[Any], context: Any = None) -> Any:
    if context is None:
        return input_pb2.Input(example_list={"examples": examples})
    merged = input_pb2.ExampleListWithContext(examples=examples, context=context)
    return input_pb2.Input(example_list_with_context=merged)


def said(response: Any) -> tuple[str, int, str]:
    spec = response.model_spec
    return spec.name, spec.version.value, spec.signature_name


PEOPLE = [
    person(b"foo", b"bar", 8.0, 9.0, age=[20]),
    person(b"\xc3\xa9", b"", 0.2, float("nan")),
]


def test_labels_and_scores_come_in_the_models_order(stub: Any) -> None:
    request = classification_pb2.ClassificationRequest(input=input_of(PEOPLE))
    request.model_spec.name = "tf2_inference"
    response = stub.Classify(request)

    expected = theirs("tf2_inference", "serving_default", PEOPLE)
    rows = response.result.classifications
    assert [[c.label for c in row.classes] for row in rows] == [
        [label.decode() for label in row] for row in expected["classes"]
    ]
    np.testing.assert_array_equal(
        [[c.score for c in row.classes] for row in rows], expected["scores"]
    )
    assert said(response) == ("tf2_inference", VERSION, "serving_default")


@pytest.mark.parametrize("context", [None, example(x=[5.0])], ids=["plain", "context"])
def test_numbers_come_from_features_and_context(stub: Any, context: Any) -> None:
    examples = [example(x=[2.0]), example(x=[-80.0], x2=[1.0])]
    if context is not None:
        examples.append(example(other=[1.0]))
    request = regression_pb2.RegressionRequest(input=input_of(examples, context))
    request.model_spec.name = "tf1_inference"
    request.model_spec.signature_name = "regress_x_to_y"
    response = stub.Regress(request)

    merged = []
    for item in examples:
        both = tf.train.Example()
        if context is not None:
            both.MergeFrom(context)
        both.MergeFrom(item)
        merged.append(both)
    expected = theirs("tf1_inference", "regress_x_to_y", merged)["outputs"]
    assert [r.value for r in response.result.regressions] == expected.ravel().tolist()
    assert said(response) == ("tf1_inference", VERSION, "regress_x_to_y")


def test_several_questions_are_answered_in_order(stub: Any) -> None:
    request = inference_pb2.MultiInferenceRequest(input=input_of([example(x=[2.0])]))
    for signature, method in (("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY)):
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = "tf1_inference", signature
    regressed, classified = stub.MultiInference(request).results

    assert regressed.WhichOneof("result") == "regression_result"
    assert [r.value for r in regressed.regression_result.regressions] == [3.0]
    [row] = classified.classification_result.classifications
    assert [(c.label, c.score) for c in row.classes] == [("", 3.0)]
    assert said(regressed) == ("tf1_inference", VERSION, "regress_x_to_y")
    assert said(classified) == ("tf1_inference", VERSION, "classify_x_to_y")


def test_the_same_signature_can_be_predicted_with(stub: Any) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "tf2_inference", "regress"
    serialized = [item.SerializeToString() for item in PEOPLE]
    request.inputs["inputs"].CopyFrom(tf.make_tensor_proto(serialized))
    response = stub.Predict(request)

    expected = theirs("tf2_inference", "regress", PEOPLE)["outputs"]
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["outputs"]), expected)


def test_an_example_that_the_model_refuses_is_refused_in_tensorflows_words(stub: Any) -> None:
    request = regression_pb2.RegressionRequest(input=input_of([example(y=[1.0])]))
    request.model_spec.name, request.model_spec.signature_name = "tf1_inference", "regress_x_to_y"
    with pytest.raises(tf.errors.InvalidArgumentError) as refused:
        theirs("tf1_inference", "regress_x_to_y", [example(y=[1.0])])
    with pytest.raises(grpc.RpcError) as caught:
        stub.Regress(request)

    error: Any = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    feature = "Feature: x (data type: float) is required but could not be found."
    assert feature in error.details()
    assert feature in refused.value.message
