"""The checklist of TensorFlow Serving's gRPC services (behaviour reference 8.4 and 8.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf import json_format
from peer_process import (
    CLASSIFY,
    REGRESS,
    Peer,
    example,
    predict_request,
    tasks_request,
)

from servable.pb import framework_pb2, inference_pb2, serving_pb2


def unknown_inputs(model: str, *aliases: str) -> Any:
    request = predict_request(model, None)
    for alias in aliases:
        request.inputs[alias].dtype = framework_pb2.DT_FLOAT
        request.inputs[alias].float_val.append(1)
    return request


def of_dtype(dtype: framework_pb2.DataType) -> Any:
    request = predict_request("default")
    request.inputs["x"].Clear()
    request.inputs["x"].dtype = dtype
    request.inputs["x"].tensor_shape.dim.add(size=1)
    return request


REFUSED_PREDICTIONS: Mapping[str, tuple[Any, str]] = {
    "no spec": (serving_pb2.PredictRequest(), "INVALID_ARGUMENT: Missing ModelSpec"),
    "no name": (predict_request(""), "INVALID_ARGUMENT: ModelSpec has no name specified."),
    "model": (predict_request("no"), "NOT_FOUND: Servable not found for request: Latest(no)"),
    "no inputs": (
        predict_request("default", None),
        "INVALID_ARGUMENT: input size does not match signature: 0!=1 len({}) != len({x}). "
        "Sent extra: {}. Missing but required: {x}.",
    ),
    "inputs": (
        unknown_inputs("default", "unknown_key1", "unknown_key2"),
        "INVALID_ARGUMENT: input size does not match signature: 2!=1 "
        "len({unknown_key1,unknown_key2}) != len({x}). "
        "Sent extra: {unknown_key1,unknown_key2}. Missing but required: {x}.",
    ),
    "bool": (
        of_dtype(framework_pb2.DT_BOOL),
        "INVALID_ARGUMENT: Expects arg[0] to be float but bool is provided",
    ),
    "string": (
        of_dtype(framework_pb2.DT_STRING),
        "INVALID_ARGUMENT: Expects arg[0] to be float but string is provided",
    ),
    "output": (
        predict_request("default", output_filter=["output_filter"]),
        "INVALID_ARGUMENT: output tensor alias not found in signature: output_filter "
        "Outputs expected to be in the set {y}.",
    ),
    "output twice": (
        predict_request("default", output_filter=["y", "y"]),
        "INVALID_ARGUMENT: duplicate output tensor alias: y",
    ),
}


@pytest.mark.parametrize("case", REFUSED_PREDICTIONS)
def test_refused_predictions(peer: Peer, case: str) -> None:
    request, refusal = REFUSED_PREDICTIONS[case]

    assert peer.refused("PredictionService/Predict", request) == refusal


def test_predict_with_signatures_of_other_methods(peer: Peer) -> None:
    for signature, alias in (("regress_x2_to_y3", "outputs"), ("classify_x2_to_y3", "scores")):
        answer = peer.predict("default", signature_name=signature, alias="inputs", shape=(1, 1))
        assert list(answer.outputs[alias].float_val) == [4.0]


def test_a_counter_is_state(peer: Peer) -> None:
    def ask(signature: str, **more: Any) -> list[float]:
        output = peer.predict("counter", signature_name=signature, **more).outputs["output"]
        assert output.dtype == framework_pb2.DT_FLOAT
        return list(output.float_val)

    assert ask("get_counter", x=None) == [0.0]
    assert ask("incr_counter", x=None) == [1.0]
    assert ask("reset_counter", x=None) == [0.0]
    assert ask("incr_counter", x=None, output_filter=["output"]) == [1.0]
    assert ask("incr_counter_by", x=3.0, alias="delta") == [4.0]


@pytest.mark.parametrize(
    ("tasks", "refusal"),
    [
        ([("default", "no", REGRESS)], "INVALID_ARGUMENT: Requested signature not found in"),
        (
            [("default", "regress_x_to_y", REGRESS), ("tf2", "classify_x_to_y", CLASSIFY)],
            "INVALID_ARGUMENT: All ModelSpecs in a MultiInferenceRequest must access the same",
        ),
        (
            [("default", "regress_x_to_y", REGRESS), ("default", "regress_x_to_y", REGRESS)],
            "INVALID_ARGUMENT: Duplicate evaluation of signature: regress_x_to_y",
        ),
        (
            [("default", "serving_default", "tensorflow/serving/predict")],
            "UNIMPLEMENTED: Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)
def test_refused_multi_inference(
    peer: Peer, tasks: list[tuple[str, str, str]], refusal: str
) -> None:
    got = peer.refused("PredictionService/MultiInference", tasks_request(*tasks))

    assert got.startswith(refusal)


def test_two_regressions_of_one_request(peer: Peer) -> None:
    names = ("regress_x_to_y", "regress_x_to_y2")

    answer = peer.call(
        "PredictionService/MultiInference",
        tasks_request(*(("default", name, REGRESS) for name in names)),
    )

    values = [r.value for one in answer.results for r in one.regression_result.regressions]
    assert values == [3.0, 4.0]


def test_context_is_merged_into_every_example(peer: Peer) -> None:
    request = inference_pb2.RegressionRequest()
    request.model_spec.name, request.model_spec.signature_name = "default", "regress_x_to_y"
    listed = request.input.example_list_with_context
    listed.context.CopyFrom(example(10.0))
    assert peer.refused("PredictionService/Regress", request).endswith(": Input is empty.")
    listed.examples.add()
    listed.examples.append(example(2.0))

    answer = peer.call("PredictionService/Regress", request)

    assert [r.value for r in answer.result.regressions] == [7.0, 3.0]


@pytest.mark.parametrize("fields", [[], ["x"], ["signature_def", "x"]])
def test_metadata_of_other_fields(peer: Peer, fields: list[str]) -> None:
    request = serving_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "default"

    assert peer.refused("PredictionService/GetModelMetadata", request).startswith(
        "INVALID_ARGUMENT: "
    )


@pytest.mark.parametrize(
    ("spec", "refusal"),
    [
        ({}, "INVALID_ARGUMENT: Missing ModelSpec"),
        ({"name": "no"}, "NOT_FOUND: Could not find any versions of model no"),
        (
            {"name": "default", "version": "7"},
            "NOT_FOUND: Could not find version 7 of model default",
        ),
    ],
)
def test_refused_status(peer: Peer, spec: dict[str, str], refusal: str) -> None:
    request = serving_pb2.GetModelStatusRequest()
    if spec:
        json_format.ParseDict(spec, request.model_spec)

    assert peer.refused("ModelService/GetModelStatus", request) == refusal
