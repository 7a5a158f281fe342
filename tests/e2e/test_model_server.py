"""`servable model_server` as a process: what tooling around TensorFlow Serving relies on."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from servable.config.text import parse
from servable.demos import digits
from servable.pb import config_pb2, framework_pb2, serving_pb2

MODELS = Path(__file__).parents[1] / "data" / "models"
SEVEN = Path(__file__).parents[2] / "examples" / "digits" / "seven.json"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
PATIENCE = 60.0

Start = Callable[..., Any]
Eventually = Callable[[Callable[[], bool]], None]


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listened on a moment ago; 0 means none to model_server."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """A base path with version 123 of half_plus_two."""
    base = tmp_path / "half_plus_two"
    shutil.copytree(MODELS / "tf1_half_plus_two", base / "123")
    return base


def listing(*entries: tuple[str, Path, str]) -> str:
    """A model_config_list of names, base paths, and what else is said about each."""
    configs = (
        f"config {{ name: '{name}' base_path: '{path}' model_platform: 'tensorflow' {more} }}"
        for name, path, more in entries
    )
    return f"model_config_list {{ {' '.join(configs)} }}"


def put(path: Path, text: str) -> None:
    """Replace a file at once, as careful people do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def get(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://{url}", data, timeout=PATIENCE) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


class Running:
    """A model_server that has opened its ports."""

    def __init__(self, start: Start, *arguments: str) -> None:
        self.grpc_port, self.rest_port = free_ports()
        self.command = start(
            "model_server",
            "--host=127.0.0.1",
            f"--port={self.grpc_port}",
            f"--rest_api_port={self.rest_port}",
            *arguments,
        )
        self.command.wait_for(rf"Running gRPC ModelServer at 127\.0\.0\.1:{self.grpc_port} \.\.\.$")
        self.command.wait_for(rf"Exporting HTTP/REST API at:localhost:{self.rest_port} \.\.\.$")

    def rest(self, path: str, body: object = None) -> Any:
        return get(f"localhost:{self.rest_port}/v1/models/{path}", body)

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            yield channel

    def halve(self, x: float, **spec: Any) -> float | str:
        """Ask half_plus_two over gRPC; the answer, or the refusal's text."""
        with self.channel() as channel:
            return halve(channel, x, **spec)


def halve(channel: grpc.Channel, x: float, **spec: Any) -> float | str:
    request = serving_pb2.PredictRequest()
    request.model_spec.name = spec.pop("name", "half_plus_two")
    for key, value in spec.items():
        setattr(request.model_spec, key, value)
    request.inputs["x"].dtype = framework_pb2.DT_FLOAT
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(x)
    try:
        answer = channel.unary_unary(
            PREDICT,
            request_serializer=serving_pb2.PredictRequest.SerializeToString,
            response_deserializer=serving_pb2.PredictResponse.FromString,
        )(request, timeout=PATIENCE)
    except grpc.RpcError as error:
        return str(error.details())
    return float(answer.outputs["y"].float_val[0])


def test_one_model_by_flags_answers_on_both_ports_and_stops_cleanly(
    servable: Start, halves: Path
) -> None:
    server = Running(
        servable, "--model_name=half_plus_two", "--model_base_path", str(halves), "--bogus"
    )

    assert server.halve(2.0) == 3.0
    assert server.rest("half_plus_two:predict", {"instances": [2.0, 3.0, 4.0]}) == {
        "predictions": [3.0, 3.5, 4.0]
    }
    (status,) = server.rest("half_plus_two")["model_version_status"]
    assert (status["version"], status["state"]) == ("123", "AVAILABLE")
    assert "Servable" in str(server.halve(2.0, name="nothing_of_that_name"))
    assert server.command.stop(signal.SIGTERM) == 0


def test_two_models_with_policies_and_labels(
    servable: Start, halves: Path, tmp_path: Path, eventually: Eventually
) -> None:
    labels = "version_labels { key: 'old' value: 1 } version_labels { key: 'new' value: 2 }"
    config = tmp_path / "models.config"
    put(
        config,
        listing(
            ("half_plus_two", halves, "version_labels { key: 'stable' value: 123 }"),
            ("digits", digits.MODELS, "model_version_policy { all {} } " + labels),
        ),
    )
    server = Running(
        servable,
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
    )

    assert server.halve(2.0, version_label="stable") == 3.0
    assert server.halve(2.0, version_label="x") == "Unrecognized servable version label: x"
    assert server.rest("half_plus_two/labels/stable:predict", {"instances": [2.0]}) == {
        "predictions": [3.0]
    }
    for version in (1, 2):
        path = f"digits/versions/{version}/metadata"
        eventually(lambda path=path: "error" not in server.rest(path))  # type: ignore[misc]  # mypy has no type for it
    seven = json.loads(SEVEN.read_text())
    answers = [
        server.rest(f"digits/{which}:predict", seven)["predictions"]
        for which in ("labels/old", "versions/1", "labels/new", "versions/2")
    ]
    assert answers[0] == answers[1] != answers[2] == answers[3]


def test_the_config_file_is_polled_and_garbage_changes_nothing(
    servable: Start, halves: Path, tmp_path: Path, eventually: Eventually
) -> None:
    config = tmp_path / "models.config"
    put(config, listing(("one", halves, "")))
    server = Running(
        servable, f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1"
    )
    assert server.halve(2.0, name="one") == 3.0

    put(config, "garbage")
    server.command.wait_for("Failed to read ModelServerConfig file: INVALID_ARGUMENT: Invalid")
    assert server.halve(2.0, name="one") == 3.0

    put(config, listing(("two", halves, "")))
    eventually(lambda: server.halve(2.0, name="two") == 3.0)
    eventually(lambda: server.halve(2.0, name="one") != 3.0)
    assert server.halve(2.0, name="one") == "Servable not found for request: Latest(one)"


def reload(channel: grpc.Channel, text: str) -> config_pb2.ReloadConfigResponse | str:
    request = config_pb2.ReloadConfigRequest(metric_names=["/tensorflow/x", "/tensorflow/x"])
    request.config.CopyFrom(parse(config_pb2.ModelServerConfig, text.encode(), "request"))
    try:
        answer: config_pb2.ReloadConfigResponse = channel.unary_unary(
            RELOAD,
            request_serializer=config_pb2.ReloadConfigRequest.SerializeToString,
            response_deserializer=config_pb2.ReloadConfigResponse.FromString,
        )(request, timeout=PATIENCE)
        return answer
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def test_a_reload_by_request(servable: Start, halves: Path) -> None:
    server = Running(servable, "--model_name=half_plus_two", f"--model_base_path={halves}")
    stable = "version_labels { key: 'stable' value: 123 }"
    with server.channel() as channel:
        answer = reload(channel, listing(("half_plus_two", halves, stable), ("b", halves, "")))
        assert isinstance(answer, config_pb2.ReloadConfigResponse)
        assert answer.HasField("status")
        assert (answer.status.error_code, answer.status.error_message) == (0, "")
        assert [(m.name, m.int64_value_increase) for m in answer.metric] == [("/tensorflow/x", 0)]
        assert halve(channel, 4.0, name="b") == 4.0
        assert halve(channel, 4.0, version_label="stable") == 4.0

        assert reload(channel, "") == (
            "INVALID_ARGUMENT: ServerModelConfig type not supported by HandleReloadConfigRequest. "
            "Only ModelConfigList is currently supported"
        )
        assert str(reload(channel, listing(("b", halves, stable.replace("123", "7"))))) == (
            "FAILED_PRECONDITION: Request to assign label to version 7 of model b, which is not "
            "currently available for inference"
        )
        assert reload(channel, listing(("b", halves, ""), ("b", halves, ""))) == (
            "INVALID_ARGUMENT: Illegal to list model b multiple times in config list"
        )
        assert halve(channel, 4.0, version_label="stable") == 4.0


@pytest.mark.parametrize("over", ["tcp", "unix"])
def test_grpc_over_a_unix_socket(servable: Start, halves: Path, tmp_path: Path, over: str) -> None:
    path = tmp_path / "s"
    port = free_ports()[0] if over == "tcp" else 0
    command = servable(
        "model_server",
        "--host=127.0.0.1",
        f"--port={port}",
        f"--grpc_socket_path={path}",
        f"--model_base_path={halves}",
    )
    command.wait_for(rf"Running gRPC ModelServer at UNIX socket {path} \.\.\.")

    with grpc.insecure_channel(f"unix:{path}") as channel:
        assert halve(channel, 2.0, name="default") == 3.0
    assert any(f"127.0.0.1:{port} ..." in line for line in command.log) == (over == "tcp")


def failing(*arguments: str) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-m", "servable", "model_server", "--host=127.0.0.1", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert run.returncode == 255, run.stderr
    assert "Traceback" not in run.stderr
    return run


def test_a_malformed_config_file_ends_the_process(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text("improperly formatted file")

    run = failing(f"--model_config_file={config}")

    assert "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:1: " in run.stderr
    assert run.stdout == (
        f"Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{config}'\n"
    )


def test_a_model_that_can_not_be_loaded_ends_the_process_before_a_port_is_opened(
    halves: Path,
) -> None:
    run = failing(
        f"--model_base_path={halves}", "--saved_model_tags=other", "--max_num_load_retries=0"
    )

    assert run.stdout.startswith(
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{name: default version: 123} due to error: "
    )
    assert run.stdout.endswith("}, }\n")
    assert "Running gRPC" not in run.stderr


def test_a_label_for_a_version_that_is_not_there_ends_the_process(
    halves: Path, tmp_path: Path
) -> None:
    config = tmp_path / "models.config"
    put(config, listing(("m", halves, "version_labels { key: 'stable' value: 123 }")))

    run = failing(f"--model_config_file={config}")

    assert "Error: FAILED_PRECONDITION: Request to assign label to version 123" in run.stdout


def test_a_port_that_is_taken(servable: Start, halves: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = failing(f"--port={port}", f"--model_base_path={halves}")
        assert "Failed to BuildAndStart gRPC server" in run.stdout
        assert f"port {port} on 127.0.0.1 is taken" in run.stderr

        command = servable(
            "model_server",
            "--host=127.0.0.1",
            f"--port={free_ports()[0]}",
            f"--rest_api_port={port}",
            f"--model_base_path={halves}",
        )
        command.wait_for(f"Failed to start HTTP Server at localhost:{port}")
        assert command.stop(signal.SIGTERM) == 0


def test_a_base_path_without_versions_is_waited_for_until_it_is_stopped(
    servable: Start, tmp_path: Path
) -> None:
    command = servable("model_server", "--host=127.0.0.1", f"--model_base_path={tmp_path}")
    command.wait_for("No versions of servable default found under base path")

    assert command.stop(signal.SIGTERM) == 0
    assert not any("Running gRPC" in line for line in command.log)


def unreadable(folder: Path) -> None:
    (folder / "saved_model.pb").unlink()
    (folder / "saved_model.pb").symlink_to("/proc/self/mem")  # refused to root, too


def half_copied(folder: Path) -> None:
    shutil.rmtree(folder / "variables")


def damaged(folder: Path) -> None:
    data = folder / "variables" / "variables.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[0] ^= 0x10
    data.write_bytes(content)


@pytest.mark.parametrize("spoil", [unreadable, half_copied, damaged])
@pytest.mark.parametrize("by_file", [False, True])
def test_a_model_that_can_not_be_loaded_ends_the_start_like_the_peers_retries(
    halves: Path, tmp_path: Path, spoil: Callable[[Path], None], by_file: bool
) -> None:
    base = tmp_path / "broken"
    shutil.copytree(halves, base)
    spoil(base / "123")
    listed = tmp_path / "models.config"
    put(listed, listing(("good", halves, ""), ("broken", base, "")))
    which = (
        [f"--model_config_file={listed}"]
        if by_file
        else ["--model_name=broken", f"--model_base_path={base}"]
    )
    port, _ = free_ports()

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "servable", "model_server", f"--port={port}", *which),
            *("--max_num_load_retries=1", "--load_retry_interval_micros=100000"),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ended.returncode == 255
    assert ended.stdout.startswith(
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{name: broken version: 123} due to error: "
    )
    assert "Traceback" not in ended.stderr
