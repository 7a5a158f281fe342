"""Requests as bytes, and answers read again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from served_models import spec

from servable import tensors
from servable.bench import answers, encoding
from servable.bench.encoding import Form
from servable.bench.messages import Request
from servable.bench.settings import Body
from servable.errors import Internal, InvalidArgument, ServableError
from servable.pb import inference_pb2, serving_pb2
from servable.tensor_proto import decode, encode
from servable.tensors import Array, Signature
from servable.wire import npy

TWO = Signature(
    {"x": spec("x:0", shape=(None, 2)), "n": spec("n:0", tensors.INT64, (None,))},
    {"y": spec("y:0", shape=(None,))},
)
ONE = Signature({"x": spec("x:0", shape=(None, 2))}, {"y": spec("y:0", shape=(None,))})
SIGNATURES = {"serving_default": ONE}
X = np.array([[1.5, 2], [3, 4]], np.float32)
N = np.array([5, 6], np.int64)
Y = np.array([0.25, 1], np.float32)


def rest(body: Body) -> Form:
    return Form("rest", body, "m n", version=3)


def predict(form: Form, signature: Signature, **inputs: Array) -> Request:
    return encoding.predict(form, "serving_default", signature, inputs, 2)


def test_over_grpc_it_is_a_predict_request() -> None:
    form = Form("grpc", "json", "m", label="stable")
    request = predict(form, TWO, x=X, n=N)
    message = serving_pb2.PredictRequest.FromString(request.body)
    assert request.path == "/tensorflow.serving.PredictionService/Predict"
    assert (message.model_spec.name, message.model_spec.version_label) == ("m", "stable")
    assert message.model_spec.signature_name == "serving_default"
    np.testing.assert_array_equal(decode(message.inputs["n"]), N)
    assert request.rows == 2


def test_json_is_columnar_and_names_its_signature() -> None:
    request = predict(rest("json"), TWO, x=X, n=N)
    assert request.path == "/v1/models/m%20n/versions/3:predict"
    assert json.loads(request.body) == {
        "signature_name": "serving_default",
        "inputs": {"x": X.tolist(), "n": N.tolist()},
    }


def test_a_label_is_part_of_the_url() -> None:
    assert Form("rest", "json", "m", label="a/b").url("classify") == (
        "/v1/models/m/labels/a%2Fb:classify"
    )


def test_one_array_is_an_npy_file_and_several_are_an_archive() -> None:
    one = predict(rest("npy"), ONE, x=X)
    assert one.headers == b"Content-Type: application/x-npy\r\nAccept: application/x-npy\r\n"
    assert one.path.endswith(":predict?signature_name=serving_default")
    np.testing.assert_array_equal(npy.read(one.body), X)
    several = predict(rest("npy"), TWO, x=X, n=N)
    found = npy.read_archive(several.body, {}, 10_000)
    np.testing.assert_array_equal(found["n"], N)


def test_plain_bytes_say_their_shape_and_name() -> None:
    request = predict(rest("raw"), ONE, x=X)
    assert request.body == X.tobytes()
    assert b"X-Tensor-Shape: 2,2\r\n" in request.headers
    assert b"X-Tensor-Name: x\r\n" in request.headers


def test_plain_bytes_hold_one_array_without_strings() -> None:
    with pytest.raises(InvalidArgument, match="one input"):
        predict(rest("raw"), TWO, x=X, n=N)
    with pytest.raises(InvalidArgument, match="no strings"):
        predict(rest("raw"), ONE, x=np.array([b"a"], object))


def test_a_complex_number_has_no_json() -> None:
    with pytest.raises(ServableError, match="complex"):
        predict(rest("json"), ONE, x=np.zeros(1, np.complex64))


RESPONSE = serving_pb2.PredictResponse()
RESPONSE.outputs["y"].CopyFrom(encode(Y))


@pytest.mark.parametrize(
    ("form", "data", "content_type"),
    [
        (Form("grpc", "json", "m"), RESPONSE.SerializeToString(), ""),
        (rest("json"), b'{"outputs": [0.25, 1]}', "application/json\n\n\n"),
        (rest("protobuf"), RESPONSE.SerializeToString(), "application/x-protobuf\n\n\n"),
        (rest("npy"), npy.write(Y), "application/x-npy\n\n\n"),
        (rest("npy"), npy.write_archive({"y": Y}), "application/x-npz\n\n\n"),
        (rest("raw"), Y.tobytes(), "application/octet-stream\ny\nfloat32\n2"),
    ],
)
def test_an_answer_of_every_form_is_read(form: Form, data: bytes, content_type: str) -> None:
    found = answers.read(predict(form, ONE, x=X), data, content_type, SIGNATURES)
    np.testing.assert_array_equal(found["y"], Y)
    assert found["y"].dtype == np.float32


@pytest.mark.parametrize(
    ("form", "data", "content_type"),
    [
        (Form("grpc", "json", "m"), b"\xff", ""),
        (rest("json"), b"<html>", "text/html"),
        (rest("json"), b"[1]", "application/json"),
        (rest("json"), b'{"outputs": {"other": 1}}', "application/json"),
        (rest("npy"), b"\x93NUMPY", "application/x-npy"),
        (rest("npy"), b"PK", "application/x-npz"),
        (rest("raw"), b"123", "application/octet-stream\ny\nfloat32\n2"),
        (rest("raw"), b"123", "application/octet-stream"),
    ],
)
def test_an_answer_that_can_not_be_read_is_an_error(
    form: Form, data: bytes, content_type: str
) -> None:
    with pytest.raises(Internal, match="an answer can not be read"):
        answers.read(predict(form, ONE, x=X), data, content_type, SIGNATURES)


def test_classes_and_values_are_read_from_both_protocols() -> None:
    classified = inference_pb2.ClassificationResponse()
    classified.result.classifications.add().classes.add(label="a", score=0.5)
    regressed = inference_pb2.RegressionResponse()
    regressed.result.regressions.add(value=2.5)
    several = inference_pb2.MultiInferenceResponse()
    several.results.add(classification_result=classified.result)
    several.results.add(regression_result=regressed.result)
    service = "/tensorflow.serving.PredictionService/"
    classes = {"labels": [b"a"], "scores": [0.5]}
    both = {"0/labels": [b"a"], "0/scores": [0.5], "1/values": [2.5]}
    for path, headers, data, found in [
        (service + "Classify", b"", classified.SerializeToString(), classes),
        (service + "Regress", b"", regressed.SerializeToString(), {"values": [2.5]}),
        (service + "MultiInference", b"", several.SerializeToString(), both),
        ("/v1/models/m:classify", b"h", b'{"results": [[["a", 0.5]]]}', classes),
        ("/v1/models/m:regress", b"h", b'{"results": [2.5]}', {"values": [2.5]}),
    ]:
        read = answers.read(Request(path, headers, b"", 1, ""), data, "", {})
        assert {name: array.tolist() for name, array in read.items()} == found
