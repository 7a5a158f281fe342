"""Requests on disk: a server logs them, a warmup file is made of them, a server replays them."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from servable import tensor_proto
from servable.cli.main import main
from servable.client import GrpcClient, RestClient
from servable.config.request_logs import LoggingConfig
from servable.errors import InvalidArgument
from servable.pb import framework_pb2, logs_pb2
from servable.recording import tfrecord
from servable.recording.prediction_log import Kind, kind_of, parse
from servable.recording.warmup import WARMUP_FILE
from servable.server.assemble import Server
from servable.server.config import BareModel, Loading, ServerConfig
from servable.sources.filesystem import WatchedModel

DATA = Path(__file__).parents[1] / "data" / "models"
PATIENCE = 60.0


def records(folder: Path) -> list[logs_pb2.PredictionLog]:
    return [parse(data) for path in sorted(folder.iterdir()) for data in tfrecord.read(path)]


def config(model: WatchedModel | BareModel, log: LoggingConfig | None = None) -> ServerConfig:
    return ServerConfig((model,), "127.0.0.1", grpc_port=0, rest_port=0, log=log)


def metrics(server: Server) -> str:
    url = f"http://127.0.0.1:{server.rest_port}/metrics"
    with urllib.request.urlopen(url, timeout=PATIENCE) as page:
        return bytes(page.read()).decode()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    shutil.copytree(DATA / "tf2_inference", tmp_path / "m" / "1")
    return tmp_path / "m"


def test_every_way_of_asking_is_logged_and_the_log_becomes_a_warmup_file(
    base: Path, tmp_path: Path
) -> None:
    prefix = tmp_path / "logs" / "m"
    example: dict[str, Any] = {"ratings": [8.0, 9.0], "names": ["foo", "bar"], "age": 20}
    with Server(config(WatchedModel("m", base), LoggingConfig(prefix, 1.0))) as server:
        assert server.wait_until_settled(PATIENCE)
        server.check_available()
        with GrpcClient(f"127.0.0.1:{server.grpc_port}") as grpc:
            grpc.classify("m", [example])
            grpc.regress("m", [example], signature="regress")
            grpc.metadata("m")
            with pytest.raises(InvalidArgument):
                grpc.classify("m", [example], signature="none")
        with RestClient(f"127.0.0.1:{server.rest_port}") as rest:
            rest.classify("m", [example, example])
            rest.regress("m", [example], signature="regress")
            answer = rest.regress("m", [example], signature="regress")
    logged = records(prefix.parent)
    assert [kind_of(log) for log in logged] == [
        *(Kind.CLASSIFY, Kind.REGRESS, Kind.CLASSIFY, Kind.REGRESS, Kind.REGRESS)
    ]
    assert len(logged[2].classify_log.request.input.example_list.examples) == 2
    assert logged[0].classify_log.response.result == type(logged[0].classify_log.response.result)(
        classifications=logged[2].classify_log.response.result.classifications[:1]
    )
    (regression,) = logged[4].regress_log.response.result.regressions
    assert regression.value == answer.values[0]
    assert logged[4].log_metadata.model_spec.name == "m"

    made = CliRunner().invoke(main, ["warmup", "record", str(base), str(prefix)])
    assert made.output == f"3 requests in {base / '1' / WARMUP_FILE}\n"
    with Server(config(WatchedModel("m", base))) as server:
        assert server.wait_until_settled(PATIENCE)
        server.check_available()
        read = f':model_warmup_records_read{{model_path="{base / "1"}",status="OK"}} 3'
        assert read in metrics(server)


def test_predictions_of_both_protocols_are_logged_alike(tmp_path: Path) -> None:
    model = BareModel("half_plus_two", DATA / "tf1_half_plus_two")
    log = LoggingConfig(tmp_path / "logs" / "x", 1.0)
    x = np.array([1.0, 2.0], np.float32)
    with Server(config(model, log)) as server:
        assert server.wait_until_settled(PATIENCE)
        with GrpcClient(f"127.0.0.1:{server.grpc_port}") as grpc:
            grpc.predict("half_plus_two", {"x": x})
        with RestClient(f"127.0.0.1:{server.rest_port}") as rest:
            rest.predict("half_plus_two", {"x": x})
        assert '{model_name="half_plus_two",status_code="OK"}' in metrics(server)
    by_grpc, by_rest = (log.predict_log for log in records(tmp_path / "logs"))
    for logged in (by_grpc, by_rest):
        assert tensor_proto.decode(logged.request.inputs["x"]).tolist() == [1.0, 2.0]
    assert by_rest.response == by_grpc.response
    assert not by_grpc.request.model_spec.HasField("version")
    assert by_rest.request.model_spec.version.value == 1


def test_a_request_can_not_have_a_log_written(tmp_path: Path) -> None:
    model = BareModel("half_plus_two", DATA / "tf1_half_plus_two")
    listed = f"""model_config_list {{ config {{ name: "m" base_path: "{tmp_path}"
        model_platform: "tensorflow" logging_config {{ log_collector_config {{
        type: "tfrecord" filename_prefix: "{tmp_path}/taken/over" }} }} }} }}"""
    file = tmp_path / "models.config"
    file.write_text(listed)
    with Server(config(model)) as server:
        target = f"127.0.0.1:{server.grpc_port}"
        refused = CliRunner().invoke(main, ["reload", target, str(file)])
    assert refused.exit_code == 1
    assert "No request-logger-creator provided." in refused.stderr
    assert not (tmp_path / "taken").exists()


def test_a_config_file_says_what_is_logged(tmp_path: Path) -> None:
    shutil.copytree(DATA / "tf1_half_plus_two", tmp_path / "models" / "1")
    file = tmp_path / "models.config"
    file.write_text(f"""model_config_list {{ config {{
        name: "m" base_path: "{tmp_path}/models" model_platform: "tensorflow"
        logging_config {{
            log_collector_config {{ type: "tfrecord" filename_prefix: "{tmp_path}/logs/m" }}
            sampling_config {{ sampling_rate: 1.0 }} }} }} }}""")
    settings = ServerConfig((), "127.0.0.1", grpc_port=0, rest_port=0, config_file=file)
    with Server(settings) as server:
        assert server.wait_until_settled(PATIENCE)
        with GrpcClient(f"127.0.0.1:{server.grpc_port}") as grpc:
            grpc.predict("m", {"x": np.array([1.0], np.float32)})
    assert [kind_of(log) for log in records(tmp_path / "logs")] == [Kind.PREDICT]


def test_a_version_whose_warmup_fails_is_not_served_and_the_old_one_is(
    base: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with Server(config(WatchedModel("m", base))) as server:
        assert server.wait_until_settled(PATIENCE)
        log = logs_pb2.PredictionLog()
        log.predict_log.request.inputs["wrong"].dtype = framework_pb2.DT_FLOAT
        shutil.copytree(base / "1", base / "incoming")
        (base / "incoming" / WARMUP_FILE).parent.mkdir()
        tfrecord.write(base / "incoming" / WARMUP_FILE, iter([log.SerializeToString()]))
        (base / "incoming").rename(base / "2")

        def state(version: int) -> str:
            return "".join(status.state for status in server.models.status("m", version))

        eventually(lambda: state(2) == "END")
        assert state(1) == "AVAILABLE"


def test_warmup_can_be_turned_off(base: Path) -> None:
    (base / "1" / WARMUP_FILE).parent.mkdir()
    (base / "1" / WARMUP_FILE).write_bytes(b"damaged, but nobody looks")
    settings = ServerConfig(
        (WatchedModel("m", base),),
        "127.0.0.1",
        grpc_port=0,
        rest_port=None,
        loading=Loading(warmup_iterations=0),
    )
    with Server(settings) as server:
        assert server.wait_until_settled(PATIENCE)
        server.check_available()


def test_a_warmup_file_is_made_of_a_signature_shown_and_replayed(base: Path) -> None:
    version = str(base / "1")
    made = CliRunner().invoke(
        main, ["warmup", "make", version, "--rows", "1", "--rows", "3", "--signature", "regress"]
    )
    assert made.output.startswith("2 requests in ")
    shown = CliRunner().invoke(main, ["warmup", "show", version, "--json"])
    found = json.loads(shown.output)["records"]
    assert [(record["kind"], record["inputs"], record["signature"]) for record in found] == [
        ("predict", {"inputs": "string [1]"}, "regress"),
        ("predict", {"inputs": "string [3]"}, "regress"),
    ]
    with Server(config(WatchedModel("m", base))) as server:
        assert server.wait_until_settled(PATIENCE)
        server.check_available()
