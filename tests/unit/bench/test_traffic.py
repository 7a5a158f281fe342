"""Recorded requests, sent to another model or over another protocol."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from servable.bench import Unfit, traffic
from servable.bench.encoding import Form
from servable.errors import DataLoss, NotFound
from servable.pb import example_pb2, inference_pb2, logs_pb2, serving_pb2
from servable.recording import tfrecord
from servable.tensor_proto import encode

GRPC = Form("grpc", "json", "new", version=4)
REST = Form("rest", "json", "new")


def predict(rows: int = 3) -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "old"
    request.model_spec.version.value = 1
    request.model_spec.signature_name = "sign"
    request.inputs["x"].CopyFrom(encode(np.arange(rows, dtype=np.float32)))
    log.predict_log.response.outputs["y"].CopyFrom(encode(np.zeros(1000, np.float32)))
    return log


def example() -> example_pb2.Example:
    message = example_pb2.Example()
    message.features.feature["x"].float_list.value.append(2.0)
    return message


def classify(*, context: bool = False) -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    input = log.classify_log.request.input
    if context:
        input.example_list_with_context.examples.extend([example()] * 2)
        input.example_list_with_context.context.features.feature["c"].int64_list.value.append(1)
    else:
        input.example_list.examples.extend([example()] * 2)
    return log


def several() -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    log.multi_inference_log.request.tasks.add(method_name="tensorflow/serving/regress")
    log.multi_inference_log.request.input.example_list.examples.append(example())
    return log


def recorded(path: Path, *logs: logs_pb2.PredictionLog) -> Path:
    tfrecord.write(path, iter([log.SerializeToString() for log in logs]))
    return path


def test_a_recorded_request_asks_the_new_model_for_the_old_signature(tmp_path: Path) -> None:
    found = traffic.read(recorded(tmp_path / "r", predict(3), predict(5)), GRPC, {})
    message = serving_pb2.PredictRequest.FromString(found.requests[0].body)
    assert (message.model_spec.name, message.model_spec.version.value) == ("new", 4)
    assert message.model_spec.signature_name == found.requests[0].signature == "sign"
    assert [request.rows for request in found.requests] == [3, 5]
    assert (found.skipped, found.cut) == (0, False)


def test_over_rest_a_message_becomes_json(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", predict(2), classify(), classify(context=True))
    one, two, three = traffic.read(path, REST, {}).requests
    assert json.loads(one.body) == {"signature_name": "sign", "inputs": {"x": [0, 1]}}
    assert two.path == "/v1/models/new:classify"
    assert json.loads(two.body)["examples"] == [{"x": [2.0]}] * 2
    assert json.loads(three.body)["context"] == {"c": [1]}
    assert [two.rows, three.rows] == [2, 2]


def test_examples_keep_their_method_over_grpc(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", classify(), several())
    one, two = traffic.read(path, GRPC, {}).requests
    assert one.path.endswith("/Classify")
    assert inference_pb2.ClassificationRequest.FromString(one.body).model_spec.name == "new"
    assert two.path.endswith("/MultiInference")
    (task,) = inference_pb2.MultiInferenceRequest.FromString(two.body).tasks
    assert task.model_spec.name == "new"


def test_what_has_no_form_over_the_protocol_is_skipped_and_counted(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", several(), predict())
    found = traffic.read(path, REST, {})
    assert (len(found.requests), found.skipped) == (1, 1)
    with pytest.raises(Unfit, match="none of 1 recorded requests"):
        traffic.read(recorded(tmp_path / "s", several()), REST, {})


def test_more_than_can_be_kept_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_REQUESTS", 2)
    found = traffic.read(recorded(tmp_path / "r", *[predict()] * 3), GRPC, {})
    assert (len(found.requests), found.cut) == (2, True)


def test_a_folder_without_records_and_a_damaged_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no recorded requests"):
        traffic.read(tmp_path, GRPC, {})
    broken = tmp_path / "broken"
    broken.write_bytes(b"no record of anything at all")
    with pytest.raises(DataLoss, match=str(broken)):
        traffic.read(broken, GRPC, {})


def test_damage_behind_the_first_record_is_told_with_the_file(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", predict())
    with path.open("ab") as file:
        file.write(b"damage that is long enough for a head")
    traffic.check(path)
    with pytest.raises(DataLoss, match=f"{path}: corrupted record"):
        traffic.read(path, GRPC, {})


def test_files_without_records_hold_no_requests(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(NotFound, match="no recorded requests"):
        traffic.check(tmp_path / "empty")
    with pytest.raises(Unfit, match="no record at"):
        traffic.read(recorded(tmp_path / "r", logs_pb2.PredictionLog()), GRPC, {})
