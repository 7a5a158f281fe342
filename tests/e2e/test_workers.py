"""`servable serve --workers`: several processes that clients take for one."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from servable.client import connect
from servable.demos import digits
from servable.tensors import Array

LOCAL = ("--host", "127.0.0.1", "--grpc-port", "0", "--rest-port", "0", "--log-level", "debug")
TWO = ("--workers", "2")
PATIENCE = 60.0

Start = Callable[..., Any]
Eventually = Callable[[Callable[[], bool]], None]

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "SO_REUSEPORT"), reason="this system divides no connections"
)


def fetch(address: str, path: str, body: bytes | None = None) -> bytes:
    """Ask over a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return text
    finally:
        connection.close()


def metric(address: str, name: str) -> dict[str, float]:
    """Return label text -> value of the members of a metric."""
    page = fetch(address, "/metrics").decode()
    found = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", page, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def two_workers(servable: Start, *arguments: str) -> tuple[Any, str, str]:
    """Start a server, and wait until both of its workers take requests."""
    command = servable("serve", *arguments, *LOCAL, *TWO)
    grpc, rest = command.ports()
    for _ in range(2):
        said = command.wait_for("of 2 takes requests|ended with exit code")
        assert "takes requests" in said[0], command.log
    return command, grpc, rest


def available_in_both(command: Any, *versions: int) -> None:
    """Wait until both workers have made versions available, be it before both took requests."""
    for worker in (1, 2):
        for version in versions:
            said = f"worker {worker}: digits {version}: available"
            while not any(said in line for line in command.log):
                command.wait_for(said)


def process_of(command: Any, worker: int) -> int:
    """Return the number of a worker's first process."""
    told = (re.search(f"worker {worker}: process (.*)$", line) for line in command.log)
    return next(int(match[1]) for match in told if match)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "digits"
    shutil.copytree(digits.MODELS / "1", base / "1")
    return base


def deploy(base: Path, version: int) -> None:
    shutil.copytree(digits.MODELS / str(version), base / f"{version}.tmp")
    (base / f"{version}.tmp").rename(base / str(version))


def test_two_workers_answer_both_protocols_and_count_together(
    servable: Start, images: Array, eventually: Eventually
) -> None:
    command, grpc, rest = two_workers(servable, str(digits.MODELS))
    available_in_both(command, 2)
    body = json.dumps({"instances": images[:1].tolist()}).encode()
    asked = 0

    def both_answered() -> bool:
        nonlocal asked
        for _ in range(8):
            assert b"predictions" in fetch(rest, "/v1/models/digits:predict", body)
            asked += 1
        return len(metric(rest, "servable_worker_requests_total")) == 2

    eventually(lambda: metric(rest, "servable_version_available") != {})
    eventually(both_answered)
    with connect(grpc) as client:
        assert client.predict("digits", {"image": images[:1]}).version == 2

    by_worker = metric(rest, "servable_worker_requests_total")
    assert set(by_worker) == {'{worker="1"}', '{worker="2"}'}
    assert sum(by_worker.values()) == asked + 1
    assert metric(rest, "servable_workers") == {"": 2}
    assert set(metric(rest, "servable_version_available").values()) == {1}
    assert command.stop(signal.SIGTERM) == 0
    assert sum("gRPC on" in line for line in command.log) == 1
    assert any("CPU" in line and "in each of 2 workers" in line for line in command.log)
    for worker in (1, 2):
        assert any(f"worker {worker}: digits 2: unloaded" in line for line in command.log)
    assert "stopped" in command.log[-1]


def test_a_version_takes_over_in_both_workers_at_once(
    servable: Start, base: Path, images: Array
) -> None:
    command, grpc, rest = two_workers(servable, str(base), "--poll-seconds", "0.1")
    available_in_both(command, 1)
    body = json.dumps({"instances": images[:1].tolist()}).encode()
    done = threading.Event()

    def ask(over_grpc: bool) -> list[int]:
        seen: list[int] = []
        while not done.is_set() or seen[-1:] != [2]:
            if over_grpc:
                with connect(grpc) as client:
                    seen.append(client.predict("digits", {"image": images[:1]}).version or 0)
            else:
                fetch(rest, "/v1/models/digits:predict", body)
                seen.append(newest(rest))
        return seen

    with ThreadPoolExecutor(20) as threads:
        asking = [threads.submit(ask, number % 2 == 0) for number in range(20)]
        deploy(base, 2)
        available_in_both(command, 2)
        done.set()
        for seen in asking:
            versions = seen.result(PATIENCE)
            assert versions == sorted(versions)
            assert versions[-1] == 2


def newest(rest: str) -> int:
    """Return the version whose metadata a request without a version gets."""
    spec = json.loads(fetch(rest, "/v1/models/digits/metadata"))["model_spec"]
    return int(spec["version"])


def test_a_worker_that_is_killed_is_replaced_and_new_connections_are_answered(
    servable: Start, images: Array
) -> None:
    command, grpc, rest = two_workers(servable, str(digits.MODELS))
    body = json.dumps({"instances": images[:1].tolist()}).encode()
    available_in_both(command, 2)

    os.kill(process_of(command, 1), signal.SIGKILL)
    command.wait_for("worker 1 was ended by signal 9")
    replaced = threading.Event()

    def ask() -> int:
        asked = 0
        while not replaced.is_set() or not asked:
            assert b"predictions" in fetch(rest, "/v1/models/digits:predict", body)
            asked += 1
        return asked

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        command.wait_for("worker 1 of 2 takes requests")
        replaced.set()
        assert asking.result(PATIENCE)
    with connect(grpc) as client:
        assert client.predict("digits", {"image": images[:1]}).version == 2


LABELS = tuple("abcdefgh")
"""So many that two processes hardly ever read them in the same order."""


@pytest.mark.parametrize("killed", [False, True], ids=["", "while one is replaced"])
def test_labels_of_a_config_file_move_in_both_workers(
    servable: Start, tmp_path: Path, images: Array, killed: bool
) -> None:
    file = tmp_path / "models.config"

    def write(version: int) -> None:
        labels = (f'version_labels {{ key: "{label}" value: {version} }}' for label in LABELS)
        text = f"""model_config_list {{ config {{ name: "digits" base_path: "{digits.MODELS}"
            model_platform: "tensorflow" model_version_policy {{ all {{}} }}
            {" ".join(labels)} }} }}"""
        new = tmp_path / "new"
        new.write_text(text)
        new.rename(file)

    write(1)
    command, grpc, _ = two_workers(servable, "--config", str(file), "--poll-seconds", "0.1")
    available_in_both(command, 1, 2)
    if killed:
        os.kill(process_of(command, 1), signal.SIGKILL)
        command.wait_for("worker 1 was ended by signal 9")

    def meant() -> int:
        """Ask by each label, each time over a connection of its own."""
        versions = []
        for label in LABELS:
            with connect(grpc) as client:
                found = client.predict("digits", {"image": images[:1]}, label=label)
                versions.append(found.version or 0)
        assert versions == sorted(versions)
        return versions[-1]

    assert meant() == 1
    write(2)
    seen: list[int] = []
    while seen[-1:] != [2]:
        seen.append(meant())
    if killed:
        said = command.wait_for("worker 1 of 2 takes requests|ended with exit code")
        assert "takes requests" in said[0], command.log
    assert seen == sorted(seen)
    assert meant() == 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/v1/admin/models/digits", None),
        ("POST", "/v1/admin/models/digits/traffic", '{"split": [{"version": 1, "weight": 1}]}'),
        ("POST", "/v1/admin/models/digits/traffic", '{"shadow": {"version": 1}}'),
    ],
)
def test_a_request_can_not_change_what_one_of_two_workers_serves(
    servable: Start, base: Path, method: str, path: str, body: str | None
) -> None:
    command, _, rest = two_workers(servable, str(base))
    connection = http.client.HTTPConnection(rest, timeout=PATIENCE)
    connection.request(method, path, body)
    answer = connection.getresponse()
    refusal = json.loads(answer.read())
    connection.close()

    assert answer.status == 400
    assert "--config FILE" in refusal["hint"]
    assert command.stop(signal.SIGINT) == 0


def test_a_request_in_flight_is_answered_before_the_workers_end(
    servable: Start, images: Array
) -> None:
    command, _, rest = two_workers(servable, str(digits.MODELS))
    available_in_both(command, 2)
    body = json.dumps({"instances": images[:1].tolist()}).encode()
    host, port = rest.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(
            b"POST /v1/models/digits:predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        command.process.send_signal(signal.SIGTERM)
        command.wait_for("stopping")
        connection.sendall(body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()

        assert answer.status == 200
        assert "predictions" in json.loads(answer.read())
    assert command.process.wait(PATIENCE) == 0


def test_a_second_signal_ends_all_at_once(servable: Start, base: Path) -> None:
    command, _, rest = two_workers(servable, str(base), "--grace-seconds", "1000")
    host, port = rest.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(
            b"POST /v1/models/digits:predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 9\r\n\r\n"
        )
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        command.process.send_signal(signal.SIGTERM)
        command.wait_for("stopping")
        command.process.send_signal(signal.SIGTERM)

        assert command.process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert connection.recv(1) == b""  # its worker is gone too


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_is_taken_is_an_error_at_once(
    servable: Start, base: Path, shared: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=shared) as taken:
        port = str(taken.getsockname()[1])
        command = servable("serve", str(base), *LOCAL, *TWO, "--rest-port", port)

        assert command.process.wait(PATIENCE) == 1
    command.wait_for(f"port {port} on 127.0.0.1 is taken")
    command.wait_for("--rest-port")


def test_a_config_file_that_can_not_be_used_is_an_error_at_once(
    servable: Start, tmp_path: Path
) -> None:
    file = tmp_path / "models.config"
    file.write_text("nonsense")

    command = servable("serve", "--config", str(file), *LOCAL, *TWO)

    assert command.process.wait(PATIENCE) == 2
    command.wait_for("error:")
