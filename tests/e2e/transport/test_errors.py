"""The same faults over both protocols: code, text and hint."""

from __future__ import annotations

import logging
import shlex
from typing import Any

import pytest

from servable.errors import Code
from servable.pb import framework_pb2, serving_pb2

PREDICT = "/tensorflow.serving.PredictionService/Predict"

HTTP = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


def request(**spec: Any) -> serving_pb2.PredictRequest:
    message = serving_pb2.PredictRequest(model_spec={"name": "half_plus_two"} | spec)
    message.inputs["x"].dtype = framework_pb2.DT_FLOAT
    message.inputs["x"].float_val.append(1)
    return message


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_every_code_travels_both_ways(asking: Any, code: Code) -> None:
    reply = asking.post(f"fails/versions/{code.value}:predict", {"instances": [1]})
    assert (reply.status, reply.error) == (HTTP[code], f"the text of {code.name}")

    message = request(name="fails", version={"value": code.value})
    refusal = asking.refusal(PREDICT, message.SerializeToString())
    assert (refusal.code, refusal.text) == (code.value, f"the text of {code.name}")


def test_what_nobody_foresaw_is_logged_and_not_told(
    asking: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        reply = asking.post("fails/versions/99:predict", {"instances": [1]})
        message = request(name="fails", version={"value": 99})
        refusal = asking.refusal(PREDICT, message.SerializeToString())

    assert (reply.status, refusal.code) == (500, Code.INTERNAL.value)
    assert "secret" not in reply.body.decode() + refusal.text + refusal.hint
    tracebacks = [record.exc_info for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 2
    assert all(isinstance(info[1], ValueError) for info in tracebacks)

    assert asking.post("half_plus_two:predict", {"instances": [1]}).status == 200
    assert asking.predict(request()).outputs["y"].float_val == [2.5]


@pytest.mark.parametrize(
    ("spec", "path", "code", "text"),
    [
        ({"name": "nope"}, "nope", 5, "Servable not found for request: Latest(nope)"),
        (
            {"version": {"value": 9}},
            "half_plus_two/versions/9",
            5,
            "Servable not found for request: Specific(half_plus_two, 9)",
        ),
        (
            {"version_label": "prod"},
            "half_plus_two/labels/prod",
            3,
            "Unrecognized servable version label: prod",
        ),
    ],
)
def test_models_that_are_not_there(
    asking: Any, spec: dict[str, Any], path: str, code: int, text: str
) -> None:
    reply = asking.post(f"{path}:predict", {"instances": [1]})
    refusal = asking.refusal(PREDICT, request(**spec).SerializeToString())

    assert (reply.status, reply.error) == (HTTP[Code(code)], text)
    assert (refusal.code, refusal.text) == (code, text)
    assert reply.hint == refusal.hint != ""


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (
            {"signature_name": "foo", "instances": [1]},
            'Serving signature name: "foo" not found in signature def',
        ),
        (
            {"instances": [{"z": 1}]},
            "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: z",
        ),
        ({"inputs": {"z": 1}}, "Missing named input: x in 'inputs' object."),
        ({}, "Missing 'inputs' or 'instances' key"),
        (
            {"instances": ["a"]},
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "a" Type: String is not of expected type: float',
        ),
    ],
)
def test_a_rest_refusal_shows_a_command_that_works(asking: Any, document: Any, text: str) -> None:
    reply = asking.post("half_plus_two:predict", document)

    assert (reply.status, reply.error) == (400, text)
    assert "x: float [?]" in reply.hint
    _, _, command = reply.hint.partition("Try: ")
    curl, flag, body, url = shlex.split(command)
    assert (curl, flag) == ("curl", "-d")
    assert url == f"http://127.0.0.1:{asking.rest_port}/v1/models/half_plus_two:predict"
    path = url.removeprefix(f"http://127.0.0.1:{asking.rest_port}")
    assert asking.rest("POST", path, body).status == 200


def test_the_closest_input_is_suggested(asking: Any) -> None:
    reply = asking.post("two:predict", {"inputs": {"grösse": [1.0], "s": ["a"]}})
    assert 'Did you mean "größe"?' in reply.hint


def test_a_hostile_host_header_is_not_repeated(asking: Any) -> None:
    reply = asking.post("half_plus_two:predict", {}, host="a; rm -rf /")
    assert "rm" not in reply.hint
    address = f"http://127.0.0.1:{asking.rest_port}"
    assert f"{address}/v1/models/half_plus_two:predict" in reply.hint


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"signature_name": "foo"}, 9, 'Serving signature key "foo" not found.'),
        ({"name": ""}, 3, "ModelSpec has no name specified."),
    ],
)
def test_a_grpc_spec_that_is_refused(
    asking: Any, change: dict[str, Any], code: int, text: str
) -> None:
    refusal = asking.refusal(PREDICT, request(**change).SerializeToString())
    assert (refusal.code, refusal.text) == (code, text)
    assert refusal.hint


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (
            {},
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. "
            "Missing but required: {x}.",
        ),
        (
            {"z": {"dtype": 1}},
            "Signature input alias: x(feed name: x:0) not found in request and no default value "
            "provided. Inputs expected to be in the request {x}, or default input alias set: {}",
        ),
        ({"x": {"dtype": 10}}, "Expects arg[0] to be float but bool is provided"),
        ({"x": {"dtype": 7}}, "Expects arg[0] to be float but string is provided"),
        ({"x": {}}, "tensor parsing error: x"),
        (
            {"x": {"dtype": 1, "tensor_shape": {"dim": [{"size": 10**9}]}, "tensor_content": b"a"}},
            "tensor parsing error: x",
        ),
        (
            {"x": {"dtype": 2, "tensor_shape": {"dim": [{"size": 10**9}]}, "double_val": [1]}},
            "tensor parsing error: x",
        ),
        ({"x": {"dtype": 1, "tensor_shape": {"dim": [{"size": -1}]}}}, "tensor parsing error: x"),
    ],
)
def test_grpc_inputs_that_are_refused(asking: Any, inputs: dict[str, Any], text: str) -> None:
    message = serving_pb2.PredictRequest(model_spec={"name": "half_plus_two"})
    for alias, proto in inputs.items():
        message.inputs[alias].CopyFrom(framework_pb2.TensorProto(**proto))

    refusal = asking.refusal(PREDICT, message.SerializeToString())

    assert (refusal.code, refusal.text) == (3, text)
    assert refusal.hint


def test_a_hint_is_ascii_on_the_wire(asking: Any) -> None:
    message = serving_pb2.PredictRequest(model_spec={"name": "two"})
    refusal = asking.refusal(PREDICT, message.SerializeToString())
    assert refusal.text.startswith(
        "input size does not match signature: 0!=2 len({}) != len({größe"
    )
    assert "gr\\xf6\\xdfe: float" in refusal.hint


def test_a_long_grpc_text_is_truncated_and_a_long_rest_text_is_not(asking: Any) -> None:
    name = "x" * 5000
    text = f"Servable not found for request: Latest({name})"
    refusal = asking.refusal(PREDICT, request(name=name).SerializeToString())
    reply = asking.post(f"{name}:predict", {"instances": [1]})

    assert refusal.text == text[:1024] + "...TRUNCATED"
    assert reply.error == text


@pytest.mark.parametrize("data", [b"\xff" * 10, b"\x0a\x05ab", bytes(range(256))])
@pytest.mark.parametrize(
    "method",
    [
        PREDICT,
        "/tensorflow.serving.PredictionService/GetModelMetadata",
        "/tensorflow.serving.ModelService/GetModelStatus",
    ],
)
def test_garbage_over_grpc_is_the_callers_fault(asking: Any, method: str, data: bytes) -> None:
    refusal = asking.refusal(method, data)
    assert refusal.code == Code.INVALID_ARGUMENT.value
    assert "not a serialized tensorflow.serving" in refusal.text
