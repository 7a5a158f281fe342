"""`servable serve` as a process."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from servable.client import connect
from servable.cpus import cpu_budget
from servable.demos import digits
from servable.tensors import Array

LOCAL = ("--host", "127.0.0.1", "--grpc-port", "0", "--rest-port", "0")

Start = Callable[..., Any]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops_cleanly(servable: Start, images: Array, number: int) -> None:
    command = servable("serve", str(digits.MODELS), *LOCAL)
    grpc, rest = command.ports()
    command.wait_for(r"digits 2: available")

    for address in (grpc, rest):
        with connect(address) as client:
            assert client.predict("digits", {"image": images[:1]}).outputs["probabilities"].any()

    assert command.stop(number) == 0
    assert "stopped" in command.log[-1]
    assert not any("Traceback" in line for line in command.log)


@contextmanager
def request_in_flight(address: str, body: bytes) -> Iterator[socket.socket]:
    """Yield a connection on which the server has begun a request, and waits for its body."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/models/digits:predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        yield connection


def test_a_request_in_flight_is_answered_before_the_process_ends(
    servable: Start, images: Array
) -> None:
    body = json.dumps({"instances": images[:1].tolist()}).encode()
    command = servable("serve", str(digits.MODELS), *LOCAL)
    _, rest = command.ports()
    command.wait_for(r"digits 2: available")

    with request_in_flight(rest, body) as connection:
        command.process.send_signal(signal.SIGTERM)
        command.wait_for("stopping")
        connection.sendall(body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()

        assert answer.status == 200
        assert "predictions" in json.loads(answer.read())
    assert command.process.wait(60) == 0


def test_a_second_signal_ends_it_at_once(servable: Start, tmp_path: Path) -> None:
    command = servable("serve", str(tmp_path), *LOCAL, "--grace-seconds", "1000")
    _, rest = command.ports()

    with request_in_flight(rest, b"never sent"):
        command.process.send_signal(signal.SIGTERM)
        command.wait_for("stopping")
        command.process.send_signal(signal.SIGTERM)

        assert command.process.wait(60) == 128 + signal.SIGTERM


def test_a_request_that_outlasts_the_grace_does_not_keep_the_process(
    servable: Start, tmp_path: Path
) -> None:
    command = servable("serve", str(tmp_path), *LOCAL, "--grace-seconds", "0")
    _, rest = command.ports()

    with request_in_flight(rest, b"never sent"):
        assert command.stop(signal.SIGTERM) == 0


def test_a_relative_path_and_a_name(servable: Start, images: Array) -> None:
    path = os.path.relpath(digits.MODELS / "2")
    command = servable("serve", f"m={path}", *LOCAL)
    grpc, _ = command.ports()
    command.wait_for(r"m 1: available")

    with connect(grpc) as client:
        assert client.predict("m", {"image": images[:1]}).version == 1


def test_a_base_path_without_a_version_is_waited_for(
    servable: Start, tmp_path: Path, images: Array
) -> None:
    base = tmp_path / "digits"
    base.mkdir()
    command = servable("serve", str(base), *LOCAL, "--poll-seconds", "0.05")
    grpc, _ = command.ports()
    command.wait_for(r"digits: no version yet; waiting")

    shutil.copytree(digits.MODELS / "1", base / "1.tmp")
    (base / "1.tmp").rename(base / "1")
    command.wait_for(r"digits 1: available")

    with connect(grpc) as client:
        assert client.predict("digits", {"image": images[:1]}).version == 1


def test_versions_are_served_as_asked(servable: Start) -> None:
    command = servable("serve", str(digits.MODELS), *LOCAL, "--versions", "1")
    grpc, _ = command.ports()
    command.wait_for(r"digits 1: available")

    with connect(grpc) as client:
        assert [state.version for state in client.status("digits")] == [1]


def test_every_line_of_a_json_log_is_an_object(servable: Start) -> None:
    command = servable("serve", str(digits.MODELS), *LOCAL, "--log-format", "json")
    command.wait_for(r"digits 2: available")

    assert command.stop(signal.SIGTERM) == 0
    entries = [json.loads(line) for line in command.log]
    assert {"ts", "level", "logger", "message"} <= set.intersection(*map(set, entries))
    assert entries[-1]["message"] == "stopped"


def test_all_interfaces_are_the_default_and_said(servable: Start, tmp_path: Path) -> None:
    command = servable("serve", str(tmp_path), "--grpc-port", "0", "--rest-port", "0")
    command.ports()

    assert "0.0.0.0" in command.wait_for("listening on all interfaces.*").string


def test_what_computes_is_said(servable: Start) -> None:
    command = servable("serve", str(digits.MODELS), *LOCAL, "--performance-hint", "latency")
    said = command.wait_for(r"computing with (\d+) CPUs?, performance hint latency")
    assert int(said[1]) == cpu_budget()


@pytest.mark.parametrize("flag", ["--grpc-port", "--rest-port"])
def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path, flag: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        run = subprocess.run(
            [sys.executable, "-m", "servable", "serve", str(tmp_path), *LOCAL, flag, port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert run.returncode == 1
    error, hint = run.stderr.splitlines()
    assert error.startswith("error: ")
    assert port in error
    assert flag in error + hint


@pytest.mark.parametrize("flag", ["--grpc-port", "--rest-port"])
def test_a_host_that_is_not_this_machine_is_one_clear_line(tmp_path: Path, flag: str) -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "servable",
            "serve",
            str(tmp_path),
            "--host",
            "192.0.2.1",
            flag,
            "0",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.returncode == 1
    assert "192.0.2.1" in run.stderr
    assert len(run.stderr.splitlines()) <= 2


def test_strangers_at_a_tls_port_are_not_in_the_log(servable: Start, tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "data" / "tls"
    key, certificate = (
        json.dumps((folder / name).read_text()) for name in ("server.key", "server.pem")
    )
    config = tmp_path / "ssl.config"
    config.write_text(f"server_key: {key} server_cert: {certificate}")
    command = servable("serve", str(digits.MODELS), *LOCAL, "--ssl-config", str(config))
    match = command.wait_for(r"gRPC on (\S+):(\d+), REST on https://\S+:(\d+)")
    for port in (match[2], match[3]):
        with socket.create_connection((match[1], int(port)), 60) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with suppress(ConnectionError):
                while stranger.recv(1000):
                    pass  # until the server has hung up
    assert command.stop(signal.SIGTERM) == 0
    command.close()
    assert command.log
    assert [line for line in command.log if " INFO " not in line] == []
