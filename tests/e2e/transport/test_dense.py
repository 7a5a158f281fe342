"""Predict requests and answers that are no JSON, on the port and the URL of JSON."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import numpy as np
import pytest
from numpy_files import archive, saved
from PIL import Image
from served_models import FakeModels, FakeServable, echo, half_plus_two, spec

from servable import tensor_proto, tensors
from servable.pb import serving_pb2
from servable.tensors import Signature
from servable.transport.options import RestOptions
from servable.transport.rest import RestServer

NPY = "application/x-npy"
NPZ = "application/x-npz"
PROTO = "application/x-protobuf"
RAW = "application/octet-stream"
X = np.array([1, 2, 5], np.float32)
Y = [2.5, 3.0, 4.5]


def models() -> FakeModels:
    two = {"a": spec("a:0"), "b": spec("b:0", tensors.STRING)}
    pixels = {"image": spec("i:0", tensors.FLOAT, (None, 2, 2, 3))}
    contents = {"image": spec("i:0", tensors.STRING, (None,))}
    named = half_plus_two().signatures["serving_default"]
    half = half_plus_two()
    half.signatures = {**half.signatures, "größe, 2": named}
    return FakeModels(
        {
            "half": {1: half, 2: half},
            "two": {1: FakeServable({"serving_default": Signature(two, two)}, dict)},
            "pixels": {1: FakeServable({"serving_default": Signature(pixels, pixels)}, dict)},
            "contents": {1: FakeServable({"serving_default": Signature(contents, contents)}, dict)},
            "bf16": {1: echo(x=tensors.BFLOAT16)},
            "complex": {1: echo(x=tensors.COMPLEX64)},
        }
    )


class Client:
    def __init__(self, port: int, ask: Any, served: FakeModels) -> None:
        self.models = served
        self._port = port
        self._ask = ask

    def __call__(self, path: str, body: bytes, kind: str = "", **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if kind:
            named["Content-Type"] = kind
        return self._ask(self._port, "POST", f"/v1/models/{path}", body, named)


@pytest.fixture(scope="module")
def client(ask: Any) -> Any:
    served = models()
    server = RestServer(served, "127.0.0.1", 0, RestOptions(gzip=True))
    yield Client(server.start(), ask, served)
    server.stop(5)


def message(name: str = "", **inputs: Any) -> serving_pb2.PredictRequest:
    request = serving_pb2.PredictRequest()
    if name:
        request.model_spec.name = name
    for alias, array in inputs.items():
        request.inputs[alias].CopyFrom(tensor_proto.encode(array))
    return request


BODIES = {
    "npy": (NPY, saved(X), {}),
    "npz": (NPZ, archive(x=X), {}),
    "protobuf": (PROTO, message(x=X).SerializeToString(), {"Accept": "application/json"}),
    "raw": (RAW, X.tobytes(), {"X_Tensor_Shape": "3"}),
    "raw with dtype": (RAW, X.tobytes(), {"X_Tensor_Shape": "3", "X_Tensor_Dtype": "float32"}),
    "raw with name": (RAW, X.tobytes(), {"X_Tensor_Shape": "3", "X_Tensor_Name": "x"}),
    "json": ("application/json", b'{"inputs": [1, 2, 5]}', {}),
    "json of no type": ("", b'{"inputs": [1, 2, 5]}', {}),
    "json of a strange type": ("text/plain", b'{"inputs": [1, 2, 5]}', {}),
    "json as bytes": (RAW, b'{"inputs": [1, 2, 5]}', {}),
    "json as a form": ("application/x-www-form-urlencoded", b'{"inputs": [1, 2, 5]}', {}),
}


def test_long_plain_answers_come_whole(client: Any) -> None:
    x = np.random.default_rng(0).standard_normal(300_000).astype(np.float32)
    reply = client("half:predict", x.tobytes(), RAW, X_Tensor_Shape="300000", Accept=RAW)
    assert reply.headers["x-tensor-shape"] == "300000"
    np.testing.assert_array_equal(np.frombuffer(reply.body, np.float32), x / 2 + 2)


@pytest.mark.parametrize("form", BODIES)
def test_each_form_of_a_body_is_read(client: Any, form: str) -> None:
    kind, body, headers = BODIES[form]
    reply = client("half:predict", body, kind, **headers)
    assert (reply.status, reply.document) == (200, {"outputs": Y})
    assert reply.headers["content-type"] == "application/json"
    packed = client("half:predict", gzip.compress(body), kind, Content_Encoding="gzip", **headers)
    assert packed.document == {"outputs": Y}


@pytest.mark.parametrize("form", BODIES)
def test_each_form_can_be_answered_with_each(client: Any, form: str) -> None:
    kind, body, headers = BODIES[form]
    headers = {name: value for name, value in headers.items() if name != "Accept"}
    for accept in (NPY, NPZ, PROTO, RAW):
        reply = client("half:predict", body, kind, Accept=f"text/html, {accept};q=0.9", **headers)
        assert (reply.status, reply.headers["content-type"]) == (200, accept)
        assert answered(reply).tolist() == Y


def answered(reply: Any) -> Any:
    match reply.headers["content-type"]:
        case "application/x-npy":
            return np.load(io.BytesIO(reply.body))
        case "application/x-npz":
            return np.load(io.BytesIO(reply.body))["y"]
        case "application/x-protobuf":
            response = serving_pb2.PredictResponse.FromString(reply.body)
            assert response.model_spec.version.value == 2
            return tensor_proto.decode(response.outputs["y"])
        case _:
            assert reply.headers["x-tensor-name"] == "y"
            dtype = reply.headers["x-tensor-dtype"]
            shape = [int(size) for size in reply.headers["x-tensor-shape"].split(",")]
            return np.frombuffer(reply.body, dtype).reshape(shape)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/json, application/x-npy", "application/json"),
        ("application/json;q=0.5, application/x-npy", NPY),
        ("Application/X-NPY ; q=1.000", NPY),
        ("application/x-npy;q=0", "application/json"),
        ("application/x-npy;q=x", "application/json"),
        ("application/x-npy;q=1e5", "application/json"),
        ("," * 60 + NPY, "application/json"),
    ],
)
def test_accept_chooses_the_answer(client: Any, accept: str, kind: str) -> None:
    reply = client("half:predict", b'{"instances": [2]}', Accept=accept)
    assert reply.headers["content-type"] == kind


def test_a_message_is_answered_with_a_message(client: Any) -> None:
    reply = client("half:predict", message(x=X).SerializeToString(), PROTO, Accept="*/*")
    assert reply.headers["content-type"] == PROTO
    assert answered(reply).tolist() == Y


@pytest.mark.parametrize(
    ("path", "stated", "error"),
    [
        ("half", {"name": "half"}, None),
        ("half/versions/1", {}, None),
        ("half/versions/1", {"version": {"value": 1}}, None),
        ("half", {"version": {"value": 1}}, None),
        ("half", {"signature_name": "serving_default"}, None),
        ("half", {"name": "two"}, "The message asks for model two, the URL for half."),
        (
            "half/versions/1",
            {"version": {"value": 2}},
            "The message asks for version 2, the URL for 1.",
        ),
        (
            "half/versions/1",
            {"version_label": "x"},
            "The message asks for label x, the URL for None.",
        ),
        ("half", {"version": {"value": 9}}, "Servable not found for request: Specific(half, 9)"),
        ("half", {"version_label": "x"}, "Unrecognized servable version label: x"),
    ],
)
def test_url_and_message_must_agree(client: Any, path: str, stated: Any, error: str | None) -> None:
    request = message(x=X)
    request.model_spec.MergeFrom(serving_pb2.ModelSpec(**stated))
    reply = client(f"{path}:predict", request.SerializeToString(), PROTO)
    if error is None:
        assert answered_in_order(reply) == Y
    else:
        assert reply.error == error


def answered_in_order(reply: Any) -> Any:
    response = serving_pb2.PredictResponse.FromString(reply.body)
    return tensor_proto.decode(response.outputs["y"]).tolist()


def test_signature_and_output_are_chosen_by_url_or_headers(client: Any) -> None:
    url = client("half:predict?signature_name=gr%C3%B6%C3%9Fe%2C+2&output=y", saved(X), NPY)
    assert url.document == {"outputs": Y}
    headers = {"X_Signature_Name": "größe, 2".encode().decode("latin-1"), "X_Output_Name": "y"}
    assert client("half:predict", saved(X), NPY, **headers).document == {"outputs": Y}
    with_json = client("two:predict?output=a", b'{"inputs": {"a": 1, "b": "x"}}')
    assert with_json.document == {"outputs": 1.0}
    nope = client("half:predict?signature_name=nope", saved(X), NPY)
    assert nope.error == 'Serving signature name: "nope" not found in signature def'
    assert "output tensor alias not found" in client("half:predict?output=z", saved(X), NPY).error


@pytest.mark.parametrize(
    "query", ["x=1", "signature_name=a&signature_name=b", "output=y&x=1", "output", "a;b"]
)
def test_other_queries_are_as_malformed_as_before(client: Any, query: str) -> None:
    reply = client(f"half:predict?{query}", saved(X), NPY)
    expected = f"Malformed request: POST /v1/models/half:predict?{query}"
    assert (reply.status, reply.error) == (400, expected)


def test_several_tensors_travel_in_an_archive(client: Any) -> None:
    body = archive(a=np.array([1.5], np.float32), b=np.array(["ü"]))
    document = client("two:predict", body, NPZ).document
    assert document == {"outputs": {"a": [1.5], "b": ["ü"]}}
    reply = client("two:predict", body, NPZ, Accept=NPZ)
    arrays = np.load(io.BytesIO(reply.body))
    assert (arrays["a"].tolist(), arrays["b"].tolist()) == ([1.5], ["ü".encode()])
    one = client("two:predict?output=b", body, NPZ, Accept=NPY)
    assert np.load(io.BytesIO(one.body)).tolist() == ["ü".encode()]


def test_dtypes_without_a_form_in_json_travel_as_bytes(client: Any) -> None:
    array = np.array([1.5, 2], np.float32).view(np.uint32) >> 16
    raw = array.astype(np.uint16).tobytes()
    reply = client("bf16:predict", raw, RAW, X_Tensor_Shape="2", Accept=RAW)
    assert (reply.body, reply.headers["x-tensor-dtype"]) == (raw, "bfloat16")
    complexes = np.array([[1 + 2j]], np.complex64)
    reply = client("complex:predict", saved(complexes), NPY, Accept=NPY)
    assert np.load(io.BytesIO(reply.body)).tolist() == complexes.tolist()


def test_a_large_array_reaches_the_model_without_a_copy(client: Any) -> None:
    array = np.zeros((100, 100), np.float32)
    fed = client.models.models["half"][2].fed
    fed.clear()
    assert client("half:predict", saved(array), NPY).status == 200
    assert not fed[0]["x"].flags.owndata
    assert not fed[0]["x"].flags.writeable


def image(side: int = 2) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 200, np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_an_image_goes_straight_into_a_model(client: Any) -> None:
    document = client("pixels:predict", image(), "image/png").document
    assert document == {"outputs": [[[[200.0] * 3] * 2] * 2]}
    reply = client("contents:predict", image(), "image/jpeg", Accept=NPY)
    assert np.load(io.BytesIO(reply.body)).tolist() == [image()]


def test_an_image_of_another_size_is_told_which_one_fits(client: Any) -> None:
    reply = client("pixels:predict", image(3), "image/png")
    assert reply.status == 400
    assert reply.error == "The image is 3 high and 3 wide, but the model takes 2 by 2."
    assert "Resize it first" in reply.hint


@pytest.mark.parametrize(
    ("path", "kind", "body", "headers", "error"),
    [
        ("half", NPY, b"", {}, "The body is no .npy file."),
        ("half", NPY, saved(np.zeros(3)), {}, "Expects arg[0] to be float but double is provided"),
        ("half", NPZ, b"", {}, "The body is no .npz file: File is not a zip file"),
        ("half", NPZ, archive(z=X), {}, "Signature input alias: x"),
        ("half", PROTO, b"\xff", {}, "not a serialized tensorflow.serving.PredictRequest"),
        ("half", RAW, b"123", {"X_Tensor_Shape": "1"}, "A tensor has 3 bytes where"),
        ("half", RAW, b"1234", {"X_Tensor_Shape": "x"}, "The shape 'x' is no list"),
        (
            "half",
            RAW,
            b"1234",
            {"X_Tensor_Shape": "1", "X_Tensor_Dtype": "x"},
            "The dtype 'x' is not known",
        ),
        ("half", RAW, b"", {"X_Tensor_Shape": f"0,{2**62},{2**62}"}, "can not be held"),
        (
            "half",
            RAW,
            b"1234",
            {"X_Tensor_Shape": "1", "X_Tensor_Name": "z%00"},
            'Signature "serving_default" has no input z\0.',
        ),
        ("contents", RAW, b"1", {"X_Tensor_Shape": "1"}, "can not be read from plain bytes"),
        ("two", NPY, saved(X), {}, 'One tensor was sent, and signature "serving_default" takes 2'),
        ("half", "image/png", image(), {}, "does not take one image"),
        ("pixels", "image/png", b"x", {}, "Unknown image file format"),
        ("half", NPY, saved(X), {"Content_Encoding": "gzip"}, "can not be decompressed"),
        ("nope", NPY, saved(X), {}, "Servable not found for request: Latest(nope)"),
    ],
)
def test_errors_are_json_whatever_was_sent(
    client: Any, path: str, kind: str, body: bytes, headers: dict[str, str], error: str
) -> None:
    reply = client(f"{path}:predict", body, kind, Accept=NPY, **headers)
    assert reply.status in (400, 404)
    assert reply.headers["content-type"] == "application/json"
    assert error in reply.error
    assert reply.hint


def test_one_tensor_is_asked_for_of_several(client: Any) -> None:
    body = json.dumps({"inputs": {"a": 1, "b": "x"}}).encode()
    for accept in (NPY, RAW):
        reply = client("two:predict", body, Accept=accept)
        assert reply.error == "This form holds one tensor, and there are 2."
        assert "?output=NAME: a, b" in reply.hint
    reply = client("two:predict?output=b", body, Accept=RAW)
    assert reply.error == "Strings have no form as plain bytes."
