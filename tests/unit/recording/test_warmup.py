"""Warmup: which requests a version answers before it is available, and what keeps it from that."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from lifecycle_stage import FakeLoader, Stage
from served_models import FakeServable, half_plus_two, spec

from servable import tensor_proto
from servable.contracts import Loader, Servable, ServableId
from servable.errors import (
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    ServableError,
    Unimplemented,
)
from servable.pb import inference_pb2, logs_pb2
from servable.recording import tfrecord
from servable.recording.warmup import WARMUP_FILE, WarmingLoader
from servable.tensors import STRING, Array, Signature

Outcome = tuple[str, str, int]


class Served(FakeLoader):
    """Loads a given servable."""

    def __init__(self, servable: Servable) -> None:
        super().__init__()
        self._given = servable

    def servable(self) -> Servable:
        return self._given


def inference_model() -> FakeServable:
    """Classifies and regresses; every example scores 1."""
    inputs = {"inputs": spec("examples:0", STRING, (None,))}

    def run(fed: Mapping[str, Array]) -> Mapping[str, Array]:
        ones = np.ones((len(fed["inputs"]), 1), np.float32)
        return {"scores": ones, "outputs": ones}

    return FakeServable(
        {
            "classify": Signature(inputs, {"scores": spec("scores:0")}),
            "regress": Signature(inputs, {"outputs": spec("outputs:0")}),
        },
        run,
    )


def predict_log(*x: float, signature: str = "", alias: str = "x") -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "another"
    request.model_spec.version.value = 77
    request.model_spec.signature_name = signature
    request.inputs[alias].CopyFrom(tensor_proto.encode(np.array(x, np.float32)))
    return log


def classify_log() -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    request = log.classify_log.request
    request.model_spec.signature_name = "classify"
    request.input.example_list.examples.add()
    return log


def regress_log() -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    request = log.regress_log.request
    request.model_spec.signature_name = "regress"
    request.model_spec.version_label = "canary"
    request.input.example_list.examples.add()
    return log


def multi_log() -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    request = log.multi_inference_log.request
    for signature in ("classify", "regress"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{signature}")
        task.model_spec.signature_name = signature
    assert isinstance(request, inference_pb2.MultiInferenceRequest)
    request.input.example_list.examples.add()
    return log


def folder(tmp_path: Path, *logs: logs_pb2.PredictionLog | bytes) -> Path:
    file = tmp_path / WARMUP_FILE
    file.parent.mkdir()
    tfrecord.write(
        file, iter(log if isinstance(log, bytes) else log.SerializeToString() for log in logs)
    )
    return tmp_path


def warming(path: Path, inner: Loader, heard: list[Outcome], iterations: int = 1) -> WarmingLoader:
    return WarmingLoader(
        ServableId("m", 1),
        path,
        inner,
        iterations=iterations,
        note=lambda *outcome: heard.append(outcome[:3]),
    )


@pytest.fixture
def heard() -> list[Outcome]:
    return []


@pytest.mark.parametrize("iterations", [1, 3])
def test_each_request_is_sent_to_the_version_however_it_names_it(
    tmp_path: Path, heard: list[Outcome], iterations: int
) -> None:
    model = half_plus_two()
    path = folder(tmp_path, predict_log(1, 2), predict_log(5))
    warming(path, Served(model), heard, iterations).load()
    fed = [call["x"].tolist() for call in model.fed]
    assert fed == [[1, 2]] * iterations + [[5]] * iterations
    assert heard == [(str(path), "OK", 2)]


def test_examples_are_replayed_in_every_way_of_asking(tmp_path: Path, heard: list[Outcome]) -> None:
    model = inference_model()
    path = folder(tmp_path, classify_log(), regress_log(), multi_log())
    warming(path, Served(model), heard).load()
    assert len(model.fed) == 4
    assert heard == [(str(path), "OK", 3)]


def test_a_version_without_records_is_just_loaded(tmp_path: Path, heard: list[Outcome]) -> None:
    warming(tmp_path, Served(half_plus_two()), heard).load()
    folder(tmp_path)
    warming(tmp_path, Served(half_plus_two()), heard).load()
    assert heard == []


def test_a_record_that_asks_nothing_counts_and_that_is_all(
    tmp_path: Path, heard: list[Outcome]
) -> None:
    model = half_plus_two()
    path = folder(tmp_path, logs_pb2.PredictionLog())
    warming(path, Served(model), heard).load()
    assert (model.fed, heard) == ([], [(str(path), "OK", 1)])


def unsupported(name: str) -> logs_pb2.PredictionLog:
    log = logs_pb2.PredictionLog()
    getattr(log, name).SetInParent()
    return log


@pytest.mark.parametrize(
    ("record", "kind", "text"),
    [
        (unsupported("session_run_log"), Unimplemented, "Unsupported log_type for warmup: 5"),
        (unsupported("predict_streamed_log"), Unimplemented, "Unsupported log_type for warmup: 7"),
        (b"junk!", InvalidArgument, "Failed to parse warmup record: junk! from {file}"),
    ],
)
def test_a_record_that_can_not_be_replayed_fails_the_load(
    tmp_path: Path,
    heard: list[Outcome],
    record: logs_pb2.PredictionLog | bytes,
    kind: type[ServableError],
    text: str,
) -> None:
    path = folder(tmp_path, record)
    inner = Served(half_plus_two())
    with pytest.raises(kind) as error:
        warming(path, inner, heard).load()
    assert error.value.message == text.format(file=path / WARMUP_FILE)
    assert heard == [(str(path), error.value.status_text, 1)]
    assert inner.calls == ["load", "unload"]


def test_a_request_that_fails_fails_the_load_and_is_not_counted(
    tmp_path: Path, heard: list[Outcome]
) -> None:
    path = folder(tmp_path, predict_log(1), predict_log(1, signature="none"))
    inner = Served(half_plus_two())
    with pytest.raises(FailedPrecondition) as error:
        warming(path, inner, heard).load()
    assert error.value.message == 'Serving signature key "none" not found.'
    assert error.value.hint.startswith(f"Record 2 of {path / WARMUP_FILE}.")
    assert heard == []
    assert inner.calls == ["load", "unload"]


def test_a_file_of_another_kind_fails_the_load(tmp_path: Path, heard: list[Outcome]) -> None:
    path = folder(tmp_path)
    (path / WARMUP_FILE).write_bytes(b"by no means a list of records")
    with pytest.raises(DataLoss) as error:
        warming(path, Served(half_plus_two()), heard).load()
    assert error.value.message == (
        "corrupted record at 0 (Is this even a TFRecord file?). "
        "Please verify your warmup data is in TFRecord format."
    )


@pytest.mark.parametrize(("records", "fails"), [(1000, False), (1001, True), (1500, True)])
def test_a_thousand_records_are_the_most(
    tmp_path: Path, heard: list[Outcome], records: int, fails: bool
) -> None:
    model = half_plus_two()
    path = folder(tmp_path, *[predict_log(1)] * records)
    loader = warming(path, Served(model), heard)
    if fails:
        with pytest.raises(InvalidArgument) as error:
            loader.load()
        assert error.value.message == (
            f"Number of warmup records exceeds the maximum (1000) at {path / WARMUP_FILE}"
        )
    else:
        loader.load()
    assert len(model.fed) == min(records, 1001)  # the peer runs the one that is too many


def test_a_version_is_available_only_when_its_records_were_answered(
    tmp_path: Path, heard: list[Outcome]
) -> None:
    stage = Stage()
    served: list[int | None] = []
    model = half_plus_two()

    def look(x: Mapping[str, Array]) -> Mapping[str, Array]:
        served.append(stage.served())
        return {"y": x["x"]}

    seen = FakeServable(model.signatures, look)
    stage.want("m", {1: warming(folder(tmp_path, predict_log(1)), Served(seen), heard)})
    stage.settle()
    assert served == [None]
    assert stage.served() == 1


def test_a_version_whose_warmup_fails_is_tried_again_and_ends_with_its_error(
    tmp_path: Path, heard: list[Outcome]
) -> None:
    stage = Stage()
    inner = Served(half_plus_two())
    stage.want("m", {1: warming(folder(tmp_path, predict_log(1, alias="z")), inner, heard)})
    stage.settle()
    assert stage.states() == {1: "LOADING"}
    stage.wait(60)
    stage.wait(60)
    assert inner.calls == ["load", "unload"] * 3
    assert stage.states() == {1: "END"}
    error = stage.error(1)
    assert error is not None
    assert "x" in error.message


def test_what_was_warmed_is_unloaded_as_ever(tmp_path: Path, heard: list[Outcome]) -> None:
    inner = Served(half_plus_two())
    loader = warming(tmp_path, inner, heard)
    assert loader.estimate_resources() == 1
    loader.load()
    loader.unload()
    assert inner.calls == ["estimate", "load", "unload"]
