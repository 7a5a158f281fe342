"""Classify, Regress and MultiInference of recorded models, over both protocols."""

from __future__ import annotations

import gzip
import http.client
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from served_models import FakeModels

from servable.pb import example_pb2, inference_pb2, serving_pb2
from servable.servables.saved_model import SavedModelLoader
from servable.transport.grpc import HINT_KEY, GrpcServer
from servable.transport.rest import RestServer

MODELS = Path(__file__).parents[2] / "data" / "models"
SERVICE = "/tensorflow.serving.PredictionService/"
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"


class Ports:
    """One server of each kind; both serve the same models as version 123."""

    def __init__(self, rest: int, channel: grpc.Channel) -> None:
        self.rest = rest
        self.channel = channel

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.rest, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", f"/v1/models/{path}", data, named)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def call(self, method: str, request: Any) -> bytes:
        data = request if isinstance(request, bytes) else request.SerializeToString()
        answer: bytes = self.channel.unary_unary(SERVICE + method, None, None)(data, timeout=60)
        return answer

    def refusal(self, method: str, request: Any) -> tuple[int, str, str]:
        """Code, text and hint."""
        with pytest.raises(grpc.RpcError) as caught:
            self.call(method, request)
        error: Any = caught.value
        trailing = {key: str(value) for key, value in error.trailing_metadata() or ()}
        return error.code().value[0], error.details() or "", trailing.get(HINT_KEY, "")


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    models = {}
    for name in ("tf1_inference", "tf2_inference"):
        loader = SavedModelLoader(MODELS / name)
        loader.load()
        models[name] = {123: loader.servable()}
    rest = RestServer(FakeModels(models), "127.0.0.1", 0)
    rpc = GrpcServer(FakeModels(models), "127.0.0.1", 0)
    port = rest.start()
    with grpc.insecure_channel(f"127.0.0.1:{rpc.start()}") as channel:
        yield Ports(port, channel)
    rest.stop(10)
    rpc.stop(10)


def x(value: float) -> example_pb2.Example:
    example = example_pb2.Example()
    example.features.feature["x"].float_list.value.append(value)
    return example


def spec(signature: str = "", model: str = "tf1_inference") -> serving_pb2.ModelSpec:
    return serving_pb2.ModelSpec(name=model, signature_name=signature)


def classify(signature: str, *values: float) -> inference_pb2.ClassificationRequest:
    message = inference_pb2.ClassificationRequest(model_spec=spec(signature))
    message.input.example_list.examples.extend(map(x, values))
    return message


def regress(signature: str, *values: float) -> inference_pb2.RegressionRequest:
    message = inference_pb2.RegressionRequest(model_spec=spec(signature))
    message.input.example_list.examples.extend(map(x, values))
    return message


def served(signature: str) -> serving_pb2.ModelSpec:
    return serving_pb2.ModelSpec(
        name="tf1_inference", version={"value": 123}, signature_name=signature
    )


def test_classify_over_grpc(ports: Ports) -> None:
    data = ports.call("Classify", classify("classify_x_to_y", 2, 20))
    response = inference_pb2.ClassificationResponse.FromString(data)
    rows = response.result.classifications
    assert [[(c.label, c.score) for c in row.classes] for row in rows] == [[("", 3)], [("", 12)]]
    assert response.model_spec == served("classify_x_to_y")


@pytest.mark.parametrize(
    ("signature", "value"), [("regress_x_to_y", 3.0), ("regress_x_to_y2", 4.0)]
)
def test_regress_over_grpc(ports: Ports, signature: str, value: float) -> None:
    data = ports.call("Regress", regress(signature, 2))
    response = inference_pb2.RegressionResponse.FromString(data)
    assert [r.value for r in response.result.regressions] == [value]
    assert response.model_spec == served(signature)


def test_a_context_fills_in_what_examples_leave_out(ports: Ports) -> None:
    request = inference_pb2.RegressionRequest(model_spec=spec("regress_x_to_y"))
    merged = request.input.example_list_with_context
    merged.context.CopyFrom(x(3))
    merged.examples.extend([example_pb2.Example(), x(1)])
    data = ports.call("Regress", request)
    response = inference_pb2.RegressionResponse.FromString(data)
    assert [r.value for r in response.result.regressions] == [3.5, 2.5]


def multi(*tasks: tuple[str, str], values: tuple[float, ...] = (2,)) -> Any:
    message = inference_pb2.MultiInferenceRequest()
    for signature, method in tasks:
        message.tasks.add(model_spec=spec(signature), method_name=method)
    message.input.example_list.examples.extend(map(x, values))
    return message


def test_multi_inference(ports: Ports) -> None:
    request = multi(
        ("regress_x_to_y", REGRESS), ("regress_x_to_y2", REGRESS), ("classify_x_to_y", CLASSIFY)
    )
    data = ports.call("MultiInference", request)
    first, second, third = inference_pb2.MultiInferenceResponse.FromString(data).results
    assert [r.value for r in first.regression_result.regressions] == [3.0]
    assert [r.value for r in second.regression_result.regressions] == [4.0]
    [row] = third.classification_result.classifications
    assert [(c.label, c.score) for c in row.classes] == [("", 3.0)]
    assert [r.model_spec for r in (first, second, third)] == [
        served("regress_x_to_y"),
        served("regress_x_to_y2"),
        served("classify_x_to_y"),
    ]


RAW = "Expects arg[0] to be float but string is provided"


@pytest.mark.parametrize(
    ("method", "request_", "code", "text"),
    [
        ("Classify", classify("classify_x_to_y"), 3, "Input is empty."),
        ("Regress", regress("nope", 2), 3, "No signature was found with the name: nope"),
        ("Regress", regress("regress_x2_to_y3", 2), 3, RAW),
        ("Classify", classify("classify_x2_to_y3", 2), 3, RAW),
        ("Regress", regress("", 2), 3, "No regression inputs found in SignatureDef: "),
        ("Classify", classify("", 2), 3, "No classification inputs found in SignatureDef: "),
        ("Classify", b"\x12\x01\xff", 3, "Missing ModelSpec"),
        ("Regress", regress("regress_x_to_y").SerializeToString() + b"\x12\x01\xff", 13,
         "Error parsing serialized input."),
        ("MultiInference", b"", 3, "ModelSpec has no name specified."),
        (
            "MultiInference",
            multi(("regress_x_to_y", "tensorflow/serving/predict")),
            12,
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ],
)  # fmt: skip
def test_refusals_over_grpc(ports: Ports, method: str, request_: Any, code: int, text: str) -> None:
    got, said, hint = ports.refusal(method, request_)
    assert got == code
    assert said.startswith(text)
    assert hint


def test_bytes_that_are_no_example_reach_the_model_which_refuses_them(ports: Ports) -> None:
    request = inference_pb2.RegressionRequest(model_spec=spec("regress_x_to_y"))
    code, text, _ = ports.refusal(
        "Regress", request.SerializeToString() + b"\x12\x05\x0a\x03\x0a\x01\xff"
    )
    assert code == 3
    assert text.startswith("Could not parse example input, value: '")


@pytest.mark.parametrize(
    ("path", "body", "results"),
    [
        (
            "tf1_inference:classify",
            {"signature_name": "classify_x_to_y", "examples": [{"x": 20.0}, {"x": [10.0]}]},
            [[["", 12.0]], [["", 7.0]]],
        ),
        (
            "tf1_inference/versions/123:regress",
            {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]},
            [42.0],
        ),
        (
            "tf1_inference:regress",
            {
                "signature_name": "regress_x_to_y",
                "context": {"x": 3.0},
                "examples": [{}, {"x": 1.0}],
            },
            [3.5, 2.5],
        ),
        (
            "tf2_inference:classify",
            {
                "context": {"ratings": [8.0, 9.0], "names": ["foo", {"b64": "YmFy"}]},
                "examples": [{}, {"names": ["é", ""]}],
            },
            [[["foo", 8.0], ["bar", 9.0]], [["é", 8.0], ["", 9.0]]],
        ),
        (
            "tf2_inference:classify",
            {
                "signature_name": "labels",
                "examples": [{"ratings": [8.0, 9.0], "names": ["foo", "bar"]}],
            },
            [[["foo", 0.0], ["bar", 0.0]]],
        ),
        (
            "tf2_inference:regress",
            {
                "signature_name": "regress",
                "context": {"ratings": [8.0, 9.0], "names": ["foo", "bar"]},
                "examples": [{"age": 20}, {}, {"age": [True]}],
            },
            [10.0, 3.5, 0.5],
        ),
    ],
)  # fmt: skip
def test_rest(ports: Ports, path: str, body: Any, results: Any) -> None:
    assert ports.post(path, body) == (200, {"results": results})
    squeezed = gzip.compress(json.dumps(body).encode())
    assert ports.post(path, squeezed, content_encoding="gzip") == (200, {"results": results})


GOOD = {"examples": [{"x": 1.0}]}


@pytest.mark.parametrize("verb", ["classify", "regress"])
@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("nope:{}", {"examples": [1]}, 400, "Example must be JSON object but got JSON Number"),
        ("nope:{}", {"signature_name": 1}, 400, "'signature_name' key must be a string value."),
        ("nope:{}", {}, 400, "When method is classify, key 'examples' is expected and was not"),
        ("nope:{}", GOOD, 404, "Servable not found for request: Latest(nope)"),
        ("tf1_inference/versions/9:{}", GOOD, 404, "Specific(tf1_inference, 9)"),
        ("tf1_inference/labels/x:{}", GOOD, 400, "Unrecognized servable version label: x"),
        ("tf1_inference:{}", b"", 400, "JSON Parse error: The document is empty"),
        ("tf1_inference:{}", GOOD | {"signature_name": "foo"}, 400,
         "No signature was found with the name: foo"),
        ("tf1_inference:{}?x=1", GOOD, 400, "Malformed request: POST /v1/models/tf1_inference:"),
    ],
)  # fmt: skip
def test_refusals_over_rest(
    ports: Ports, verb: str, path: str, body: Any, status: int, text: str
) -> None:
    got, document = ports.post(path.format(verb), body)
    assert got == status
    assert text in document["error"]
    assert document["hint"]


def test_verbs_are_written_in_lower_case(ports: Ports) -> None:
    status, document = ports.post("tf1_inference:Regress", GOOD)
    path = "/v1/models/tf1_inference:Regress"
    assert (status, document["error"]) == (400, f"Malformed request: POST {path}")


def test_an_integer_is_not_taken_for_a_float(ports: Ports) -> None:
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 1}]}
    status, document = ports.post("tf1_inference:regress", body)
    assert status == 400
    assert "Data type: int64 but expected type: float" in document["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tf1_inference:classify", GOOD),
        ("tf1_inference:regress", GOOD | {"signature_name": "regress_x_to_y3"}),
        ("tf1_inference:regress", {"signature_name": "regress_x_to_y2", "examples": [{"y": 1.0}]}),
        ("tf2_inference:classify", {"examples": [{"names": 1}]}),
        ("tf2_inference/versions/123:regress", {"examples": [{}]}),
    ],
)
def test_the_command_in_a_hint_works(ports: Ports, path: str, body: Any) -> None:
    status, document = ports.post(path, body)
    assert status == 400
    *_, flag, data, url = shlex.split(document["hint"].partition("Try: ")[2])
    assert (flag, url) == ("-d", f"http://127.0.0.1:{ports.rest}/v1/models/{path}")
    assert ports.post(path, data.encode())[0] == 200
