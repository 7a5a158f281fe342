"""`servable bench` and its library, against a running server."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from google.protobuf.message import Message
from grpc import ServicerContext
from predict_servers import grpc_server

from servable.bench import Settings, Step, run
from servable.cli.main import main
from servable.demos import digits
from servable.errors import InvalidArgument, NotFound, ServableError
from servable.pb import framework_pb2, logs_pb2, saved_model_pb2, serving_pb2
from servable.recording import tfrecord
from servable.server.assemble import Server
from servable.tensor_proto import encode
from servable.tensors import Array


def grpc(server: Server) -> str:
    return f"127.0.0.1:{server.grpc_port}"


def rest(server: Server) -> str:
    return f"127.0.0.1:{server.rest_port}"


def settings(address: str, **given: object) -> Settings:
    few = {"clients": (3,), "requests": 24, "warmup": 0.0, "processes": 1, **given}
    return Settings(address, "digits", **few)  # type: ignore[arg-type]  # by name


def bench(address: str, *arguments: str) -> Result:
    few = ["--model", "digits", "--clients", "2", "--requests", "12", "--warmup", "0"]
    return CliRunner().invoke(main, ["bench", address, *few, *arguments])


@pytest.mark.parametrize("address", [grpc, rest])
def test_every_request_is_answered_and_counted(
    server: Server, address: Callable[[Server], str]
) -> None:
    result = run(settings(address(server), clients=(1, 3), processes=2, batch_size=5))
    assert [level.clients for level in result.levels] == [1, 3]
    for level in result.levels:
        (measured,) = level.measurements
        assert measured.tally.latency.count == 24
        assert measured.tally.rows == 120
        assert not measured.tally.errors
        assert measured.unreadable == ""
        assert 0 < measured.quantile(0.5) <= measured.longest
    assert result.answered
    assert (result.versions, result.rows, result.interrupted) == ((2,), (5, 5), False)


@pytest.mark.parametrize("body", ["json", "protobuf", "npy", "raw"])
def test_every_body_is_answered_and_its_answers_are_read(server: Server, body: str) -> None:
    (level,) = run(settings(rest(server), body=body)).levels
    assert level.measurements[0].tally.latency.count == 24
    assert level.measurements[0].tally.samples
    assert level.measurements[0].unreadable == ""


@pytest.mark.parametrize("address", [grpc, rest])
def test_an_open_load_sends_what_is_due(server: Server, address: Callable[[Server], str]) -> None:
    (level,) = run(settings(address(server), rates=(500.0,))).levels
    assert level.rate == 500.0
    assert level.measurements[0].tally.latency.count == 24
    assert level.measurements[0].tally.late.count == 24


def test_the_same_answers_over_both_protocols_are_not_apart(server: Server) -> None:
    result = run(settings(grpc(server), against=rest(server), rounds=2, requests=8))
    assert result.protocols == ("grpc", "rest")
    (level,) = result.levels
    assert [len(measured.rounds) for measured in level.measurements] == [2, 2]
    assert [ratio.name for ratio in level.ratios] == ["throughput", "p50", "p99"]
    assert result.comparison is not None
    assert (result.comparison.compared, result.comparison.same) == (16, True)
    (difference,) = result.comparison.outputs
    assert (difference.output, difference.compared) == ("probabilities", 16)
    assert difference.absolute < 1e-6
    assert difference.problem == ""


def test_given_rows_are_sent(server: Server, images: Array) -> None:
    result = run(settings(grpc(server), inputs={"image": images[:10]}, batch_size=4))
    assert (result.requests, result.rows) == (3, (4, 4))
    assert result.answered


@pytest.mark.parametrize("address", [grpc, rest])
def test_recorded_requests_are_sent(
    server: Server, images: Array, tmp_path: Path, address: Callable[[Server], str]
) -> None:
    log = logs_pb2.PredictionLog()
    request: serving_pb2.PredictRequest = log.predict_log.request
    request.model_spec.name = "another"
    request.inputs["image"].CopyFrom(encode(images[:7]))
    tfrecord.write(tmp_path / "log", iter([log.SerializeToString()]))
    result = run(settings(address(server), traffic=tmp_path / "log", version=1))
    assert (result.requests, result.rows, result.versions) == (1, (7, 7), (1,))
    assert result.answered


def test_servers_that_get_other_requests_are_not_compared(
    server: Server, images: Array, tmp_path: Path
) -> None:
    predict, several = logs_pb2.PredictionLog(), logs_pb2.PredictionLog()
    predict.predict_log.request.inputs["image"].CopyFrom(encode(images[:1]))
    several.multi_inference_log.request.tasks.add(method_name="tensorflow/serving/regress")
    logs = [log.SerializeToString() for log in (predict, several)]
    tfrecord.write(tmp_path / "log", iter(logs))
    traffic = settings(grpc(server), against=rest(server), traffic=tmp_path / "log", rounds=1)
    result = run(traffic)
    assert result.comparison is not None
    assert result.comparison.compared == 0
    assert any("not compared" in note for note in result.notes)
    assert any("1 recorded requests have no form over rest" in note for note in result.notes)
    assert result.levels[0].measurements[0].tally.errors


def test_what_is_not_there_is_told_before_anything_is_sent(server: Server) -> None:
    with pytest.raises(NotFound, match="nothing"):
        run(Settings(grpc(server), "nothing"))
    with pytest.raises(NotFound, match="no signature 'x'"):
        run(settings(grpc(server), signature="x"))
    with pytest.raises(NotFound, match="no input pixels"):
        run(settings(grpc(server), inputs={"pixels": np.zeros((1, 8, 8, 1), np.float32)}))
    with pytest.raises(ServableError):
        run(settings(rest(server), version=99))


@pytest.mark.parametrize("address", [grpc, rest])
def test_a_request_that_the_model_refuses_ends_the_run_with_its_words(
    server: Server, address: Callable[[Server], str]
) -> None:
    wrong = {"image": np.zeros((1, 3, 8, 1), np.float32)}
    with pytest.raises(InvalidArgument):
        run(settings(address(server), inputs=wrong))


def test_a_run_can_be_stopped_and_has_what_was_measured(server: Server) -> None:
    stop = threading.Event()

    def progress(step: Step) -> None:
        if step.ended:
            stop.set()

    long = settings(grpc(server), clients=(2, 4), requests=None, duration=3600.0)
    result = run(long, progress=progress, stop=stop)
    assert result.interrupted
    (level,) = result.levels
    assert level.measurements[0].tally.latency.count > 0


def test_the_command_prints_a_table_and_writes_data_and_a_page(
    server: Server, tmp_path: Path
) -> None:
    data, page = tmp_path / "r.json", tmp_path / "r.html"
    outcome = bench(rest(server), "--json", str(data), "--html", str(page))
    assert outcome.exit_code == 0, outcome.output
    assert "requests/s" in outcome.output
    assert "2 clients" in outcome.output
    document = json.loads(data.read_text())
    assert document["levels"][0]["measurements"][0]["requests"] == 12
    assert page.read_text().startswith("<!doctype html>")


def test_the_command_compares_two_servers_in_json(server: Server) -> None:
    outcome = bench(rest(server), "--against", grpc(server), "--rounds", "1", "--json", "-")
    assert outcome.exit_code == 0, outcome.output
    document = json.loads(outcome.stdout)
    assert document["comparison"]["outputs"][0]["output"] == "probabilities"
    assert document["comparison"]["compared"] == document["comparison"]["requests"] == 16
    assert "throughput" in document["levels"][0]["ratios"]


def test_options_that_no_server_would_get_end_the_command_before_the_load(server: Server) -> None:
    outcome = bench(grpc(server), "--body", "npy")
    assert outcome.exit_code == 2
    assert "the body npy is for REST" in outcome.output
    outcome = bench(rest(server), "--connections", "2")
    assert outcome.exit_code == 2
    assert "a connection of its own" in outcome.output
    outcome = bench(grpc(server), "--against", rest(server), "--body", "npy", "--rounds", "1")
    assert outcome.exit_code == 0, outcome.output


def test_the_command_reads_arrays_from_files(server: Server, tmp_path: Path) -> None:
    rows = digits.heldout()[0][:4]
    np.save(tmp_path / "image.npy", rows)
    np.savez(tmp_path / "all.npz", image=rows.astype(np.float64))
    for given in (f"image={tmp_path / 'image.npy'}", str(tmp_path / "all.npz")):
        outcome = bench(grpc(server), "--input", given, "--json", "-")
        assert outcome.exit_code == 0, outcome.output
        assert json.loads(outcome.stdout)["requests"]["different"] == 4
    np.savez(tmp_path / "other.npz", pixels=rows)
    outcome = bench(grpc(server), "--input", str(tmp_path / "other.npz"))
    assert outcome.exit_code == 2
    assert "no input of the signature" in outcome.output


@pytest.mark.parametrize("address", [grpc, rest])
def test_a_model_that_is_not_there_is_an_error(
    server: Server, address: Callable[[Server], str]
) -> None:
    outcome = CliRunner().invoke(main, ["bench", address(server), "--model", "nothing"])
    assert outcome.exit_code == 1
    assert "error:" in outcome.output
    assert "nothing" in outcome.output


class Answering:
    """A gRPC server with a model that always answers one number.

    Attributes:
        asked_often: is set once it was asked often.
    """

    def __init__(self, number: float = 0.0) -> None:
        self._number = number
        self.asked_often = threading.Event()
        self._asked = 0

    def metadata(self, _data: bytes, _context: ServicerContext) -> Message:
        signature = saved_model_pb2.SignatureDef()
        signature.inputs["x"].name = "x:0"
        signature.inputs["x"].dtype = framework_pb2.DT_FLOAT
        signature.inputs["x"].tensor_shape.dim.add(size=-1)
        answer = serving_pb2.GetModelMetadataResponse()
        signatures = serving_pb2.SignatureDefMap()
        signatures.signature_def["serving_default"].CopyFrom(signature)
        answer.metadata["signature_def"].Pack(signatures)
        return answer

    def predict(self, _data: bytes, _context: ServicerContext) -> Message:
        self._asked += 1
        if self._asked > 50:
            self.asked_often.set()
        answer = serving_pb2.PredictResponse()
        answer.outputs["y"].CopyFrom(encode(np.array([self._number], np.float32)))
        return answer

    def listening(self) -> AbstractContextManager[str]:
        return grpc_server({"GetModelMetadata": self.metadata, "Predict": self.predict})


def test_servers_whose_answers_differ_end_the_command_with_an_exit_code_of_its_own() -> None:
    with (
        Answering(1.0).listening() as first,
        Answering(1.00001).listening() as near,
        Answering(2.0).listening() as far,
    ):
        few = [first, "--model", "m", "--clients", "1", "--requests", "2", "--warmup", "0"]
        command = CliRunner().invoke
        close = command(main, ["bench", *few, "--against", near, "--tolerance", "1e-3"])
        assert close.exit_code == 0, close.output
        assert "Answers to 16 of 16 different requests were compared; 0 are unequal" in close.output
        apart = command(main, ["bench", *few, "--against", far])
        assert apart.exit_code == 3, apart.output
        assert "16 of 16 answers differ" in apart.output
        wide = command(main, ["bench", *few, "--against", far, "--tolerance", "0.5"])
        assert wide.exit_code == 0, wide.output


PATIENCE = 60.0
FOREVER = ["--model", "m", "--clients", "1,2", "--duration", "1h", "--warmup", "0"]


def test_ctrl_c_shows_what_was_measured_so_far(servable: Callable[..., Any]) -> None:
    endless = Answering()
    with endless.listening() as address:
        command = servable("bench", address, *FOREVER)
        assert endless.asked_often.wait(PATIENCE)
        assert command.stop(signal.SIGINT) == 130
    output = command.process.stdout.read()
    assert "1 client" in output
    assert "2 clients" not in output


def test_a_server_that_goes_away_ends_the_run_with_an_error(
    servable: Callable[..., Any],
) -> None:
    endless = Answering()
    with endless.listening() as address:
        command = servable("bench", address, *FOREVER, "--timeout", "5s")
        assert endless.asked_often.wait(PATIENCE)
    assert command.process.wait(PATIENCE) == 1
    output = command.process.stdout.read()
    assert "UNAVAILABLE" in output
    assert "the server has gone" in output
