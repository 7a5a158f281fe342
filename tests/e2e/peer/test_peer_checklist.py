"""The checklist of TensorFlow Serving's own end-to-end suite, against the real process.

The binary is started, and waited for, the way that suite does it; the answers expected here are
those of section 8.1 of the behaviour reference. Messages are sent over plain gRPC channels.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from peer_process import (
    CLASSIFY,
    MORE,
    REGRESS,
    SERVED,
    VERSION,
    Peer,
    example,
    examples_request,
    listing,
    predict_request,
    start,
    tasks_request,
    wait_until_ready,
)

from servable.pb import (
    framework_pb2,
    inference_pb2,
    profiler_pb2,
    saved_model_pb2,
    serving_pb2,
)

FOUR = b"\0\0\x80\x40"

Eventually = Callable[[Callable[[], bool]], None]


def spec_of(answer: Any) -> tuple[str, str, int]:
    spec = answer.model_spec
    return spec.name, spec.signature_name, spec.version.value


def test_get_model_status(peer: Peer) -> None:
    request = serving_pb2.GetModelStatusRequest()
    request.model_spec.name = "default"

    (entry,) = peer.call("ModelService/GetModelStatus", request).model_version_status

    assert (entry.version, entry.state, entry.status.error_code) == (VERSION, 30, 0)
    assert entry.HasField("status")


def test_get_model_metadata(peer: Peer) -> None:
    request = serving_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "default"

    answer = peer.call("PredictionService/GetModelMetadata", request)

    assert spec_of(answer) == ("default", "", VERSION)
    (key,) = answer.metadata
    assert key == "signature_def"
    signatures = serving_pb2.SignatureDefMap()
    assert answer.metadata[key].type_url.endswith("/tensorflow.serving.SignatureDefMap")
    signatures.ParseFromString(answer.metadata[key].value)
    assert {"serving_default", "classify_x_to_y", "regress_x_to_y"} <= set(signatures.signature_def)


@pytest.mark.parametrize("model", ["default", "tf2"])
def test_classify_and_regress(peer: Peer, model: str) -> None:
    classify = examples_request(
        inference_pb2.ClassificationRequest, model, "classify_x_to_y", example()
    )
    answer = peer.call("PredictionService/Classify", classify)
    ((one,),) = [c.classes for c in answer.result.classifications]
    assert (one.label, one.score) == ("", 3.0)
    assert spec_of(answer) == (model, "classify_x_to_y", VERSION)

    regress = examples_request(inference_pb2.RegressionRequest, model, "regress_x_to_y", example())
    answer = peer.call("PredictionService/Regress", regress)
    assert [r.value for r in answer.result.regressions] == [3.0]
    assert spec_of(answer) == (model, "regress_x_to_y", VERSION)


@pytest.mark.parametrize("model", ["default", "tf2"])
def test_multi_inference(peer: Peer, model: str) -> None:
    request = tasks_request(
        (model, "regress_x_to_y", REGRESS), (model, "classify_x_to_y", CLASSIFY)
    )

    first, second = peer.call("PredictionService/MultiInference", request).results

    assert [r.value for r in first.regression_result.regressions] == [3.0]
    (classes,) = second.classification_result.classifications
    assert [c.score for c in classes.classes] == [3.0]
    assert spec_of(first) == (model, "regress_x_to_y", VERSION)
    assert spec_of(second) == (model, "classify_x_to_y", VERSION)


@pytest.mark.parametrize("output_filter", [(), ("y",)])
def test_predict_of_a_scalar(peer: Peer, output_filter: tuple[str, ...]) -> None:
    answer = peer.predict("default", output_filter=output_filter)

    expected = serving_pb2.PredictResponse()
    expected.model_spec.name, expected.model_spec.signature_name = "default", "serving_default"
    expected.model_spec.version.value = VERSION
    expected.outputs["y"].dtype = framework_pb2.DT_FLOAT
    expected.outputs["y"].tensor_shape.SetInParent()
    expected.outputs["y"].float_val.append(3.0)
    assert answer == expected


def test_predict_without_a_default_signature(peer: Peer) -> None:
    assert peer.refused("PredictionService/Predict", predict_request("counter")) == (
        'FAILED_PRECONDITION: Serving signature key "serving_default" not found.'
    )


@pytest.mark.parametrize(
    ("model", "request_", "expected"),
    [
        ("default", {}, 3.0),
        ("tf2", {}, 3.0),
        ("half_plus_three", {}, 4.0),
        ("concrete", {}, 12.0),
        ("several", {"signature_name": "custom"}, 2.0),
        ("several", {}, 1.0),
        ("keras", {"shape": (1, 1)}, 2.0),
        ("mirrored", {"shape": (1, 1)}, 2.0),
    ],
)
def test_predict_of_every_kind_of_export(
    peer: Peer, model: str, request_: dict[str, Any], expected: float
) -> None:
    ((_, output),) = peer.predict(model, **request_).outputs.items()

    assert list(output.float_val) == [expected]


def test_rest_classify_and_regress(peer: Peer) -> None:
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]}
    assert peer.rest("/v1/models/default:classify", body) == (200, {"results": [[["", 3.0]]]})
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]}
    assert peer.rest("/v1/models/default:regress", body) == (200, {"results": [3.0]})


@pytest.mark.parametrize(
    ("given", "answered"), [("instances", "predictions"), ("inputs", "outputs")]
)
@pytest.mark.parametrize("which", ["", f"/versions/{VERSION}", "/labels/stable"])
def test_rest_predict(peer: Peer, given: str, answered: str, which: str) -> None:
    url = f"/v1/models/default{which}:predict"
    for more in ({}, {"signature_name": "serving_default"}):
        got = peer.rest(url, {given: [2.0, 3.0, 4.0], **more})
        assert got == (200, {answered: [3.0, 3.5, 4.0]})
    rows = [[1.0, 2.0], [3.0, 4.0]]
    assert peer.rest(url, {given: rows}) == (200, {answered: [[2.5, 3.0], [3.5, 4.0]]})


@pytest.mark.parametrize("which", ["", f"/versions/{VERSION}", "/labels/stable"])
def test_rest_status(peer: Peer, which: str) -> None:
    status = {"error_code": "OK", "error_message": ""}
    entry = {"version": str(VERSION), "state": "AVAILABLE", "status": status}

    got = peer.rest(f"/v1/models/default{which}")

    assert got == (200, {"model_version_status": [entry]})


@pytest.mark.parametrize("which", ["", f"/versions/{VERSION}", "/labels/stable"])
def test_rest_metadata_is_what_is_stored(peer: Peer, which: str) -> None:
    stored = saved_model_pb2.SavedModel.FromString(
        (SERVED["default"] / "saved_model.pb").read_bytes()
    )
    signatures = {
        name: json_format.MessageToDict(
            signature,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, signature in stored.meta_graphs[0].signature_def.items()
    }
    assert signatures["serving_default"]["defaults"] == {}

    status, document = peer.rest(f"/v1/models/default{which}/metadata")

    assert status == 200
    assert document == {
        "model_spec": {"name": "default", "signature_name": "", "version": str(VERSION)},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def test_the_prometheus_page(peer: Peer) -> None:
    status, headers, text = peer.http("/monitoring/prometheus/metrics")

    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    assert "# TYPE :tensorflow:serving:request_count counter" in text


def test_predict_over_a_unix_socket_while_tcp_is_open(peer: Peer) -> None:
    target = f"unix:{peer.socket_path}"

    answer = peer.call("PredictionService/Predict", predict_request("default"), target)

    assert list(answer.outputs["y"].float_val) == [3.0]
    assert list(peer.predict("default").outputs["y"].float_val) == [3.0]


def test_the_config_file_is_polled_by_the_server_that_was_told_to(
    peers: tuple[Peer, Peer], eventually: Eventually
) -> None:
    plain, polling = peers
    base = plain.config.parent / "bases" / "half_plus_three"
    new = plain.config.with_suffix(".new")
    old = plain.config.read_text().removesuffix("}")
    new.write_text(old + listing({"added": base}).removeprefix("model_config_list {"))
    new.replace(plain.config)

    def answers() -> bool:
        try:
            return bool(polling.predict("added").outputs["y"].tensor_content == FOUR)
        except grpc.RpcError:
            return False

    eventually(answers)
    assert "Servable not found" in plain.refused(
        "PredictionService/Predict", predict_request("added")
    )
    assert list(plain.predict("half_plus_three").outputs["y"].float_val) == [4.0]


def test_a_trace_is_taken_while_requests_are_running(peer: Peer) -> None:
    wanted = profiler_pb2.ProfileRequest(duration_ms=1000, session_id="s")
    with grpc.insecure_channel(f"127.0.0.1:{peer.port}") as channel:
        stub = channel.unary_unary(
            "/tensorflow.ProfilerService/Profile",
            request_serializer=profiler_pb2.ProfileRequest.SerializeToString,
            response_deserializer=profiler_pb2.ProfileResponse.FromString,
        )
        asked = stub.future(wanted, timeout=60)
        while not asked.done():
            peer.predict("default")
        response = asked.result()

    assert not response.empty_trace
    (tool,) = response.tool_data
    space = profiler_pb2.XSpace.FromString(tool.data)
    names = {meta.name for plane in space.planes for meta in plane.event_metadata.values()}
    assert {"grpc predict default", "run"} <= names


def test_examples_of_multi_inference_are_counted(peer: Peer) -> None:
    tasks = tasks_request(("tf2", "regress_x_to_y", REGRESS))
    tasks.input.example_list.examples.append(example(1.0))
    name = ":tensorflow:serving:request_example_count"

    def counted() -> tuple[int, int]:
        text = peer.http("/monitoring/prometheus/metrics")[2]
        total, calls = (
            re.search(rf'^{re.escape(name + rest)}{{model="tf2"}} (\d+)$', text, re.MULTILINE)
            for rest in ("_total", "s_count")
        )
        return int(total[1]) if total else 0, int(calls[1]) if calls else 0

    examples, calls = counted()
    peer.call("PredictionService/MultiInference", tasks)

    assert counted() == (examples + 2, calls + 1)


@pytest.mark.parametrize("model", ["tflite_plain", "tflite_signature"])
def test_half_plus_two_as_a_tflite_model(tmp_path: Path, model: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs the extra `tflite`")
    shutil.copytree(MORE / model, tmp_path / "base" / str(VERSION))
    config = tmp_path / "models.config"
    config.write_text(listing({"default": tmp_path / "base"}))
    server = start(tmp_path / "server", config, "--prefer_tflite_model")
    try:
        wait_until_ready(server)
        shape = () if model == "tflite_signature" else (1,)
        (output,) = server.predict("default", shape=shape).outputs.values()
        assert list(output.float_val) == [3.0]
    finally:
        server.process.kill()
        server.process.wait()


def test_a_malformed_config_file_ends_the_process(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text("improperly formatted file")

    server = start(tmp_path / "server", config)

    assert server.process.wait(60) == 255
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in (
        server.log.read_text()
    )


# Flags that change answers


def test_tensor_content(peers: tuple[Peer, Peer]) -> None:
    output = peers[1].predict("default").outputs["y"]

    assert output.dtype == framework_pb2.DT_FLOAT
    assert (output.tensor_content, list(output.float_val)) == (b"\0\0\x40\x40", [])
    got = peers[1].rest("/v1/models/default:predict", {"instances": [2.0]})
    assert got == (200, {"predictions": [3.0]})


def test_the_method_names_of_signatures_are_looked_at_behind_a_flag(
    peers: tuple[Peer, Peer],
) -> None:
    plain, checking = peers
    other = predict_request("half_plus_three", signature_name="other")
    assert list(plain.call("PredictionService/Predict", other).outputs["y"].float_val) == [4.0]
    text = (
        "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
        "tensorflow/serving/classify, tensorflow/serving/regress}. Was: not/supported/method"
    )
    assert checking.refused("PredictionService/Predict", other) == f"INTERNAL: {text}"
    url = "/v1/models/half_plus_three:predict"
    body = {"signature_name": "other", "instances": [2.0]}
    assert plain.rest(url, body) == (200, {"predictions": [4.0]})
    assert checking.rest(url, body) == (500, {"error": text})

    # Exporters for TF2 write the method of predict into every signature.
    for noun, kind in (
        ("classification", inference_pb2.ClassificationRequest),
        ("regression", inference_pb2.RegressionRequest),
    ):
        verb = {"classification": "classify", "regression": "regress"}[noun]
        request = examples_request(kind, "tf2", f"{verb}_x_to_y", example())
        text = (
            f"Expected {noun} signature method_name to be tensorflow/serving/{verb}. "
            "Was: tensorflow/serving/predict"
        )
        rpc = f"PredictionService/{verb.capitalize()}"
        assert checking.refused(rpc, request) == f"INVALID_ARGUMENT: {text}"
        body = {"signature_name": f"{verb}_x_to_y", "examples": [{"x": 2.0}]}
        assert checking.rest(f"/v1/models/tf2:{verb}", body) == (400, {"error": text})
    tasks = tasks_request(("tf2", "regress_x_to_y", REGRESS))
    assert "method_name" in checking.refused("PredictionService/MultiInference", tasks)


def test_hints_can_be_turned_off(peers: tuple[Peer, Peer]) -> None:
    plain, terse = peers
    body = {"instances": ["x"]}
    status, answer = plain.rest("/v1/models/default:predict", body)
    assert answer.keys() == {"error", "hint"}
    assert terse.rest("/v1/models/default:predict", body) == (status, {"error": answer["error"]})

    for peer, hinted in ((plain, True), (terse, False)):
        with pytest.raises(grpc.RpcError) as refusal:
            peer.predict("default", alias="z")
        assert bool(refusal.value.trailing_metadata()) is hinted
