"""The REST client against a scripted server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from servable.client import RestClient
from servable.errors import (
    Code,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    NotFound,
    ServableError,
    Unavailable,
    UnknownError,
)

METADATA = {
    "model_spec": {"name": "m", "signature_name": "", "version": "7"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {
                        "x": {
                            "dtype": "DT_FLOAT",
                            "tensor_shape": {
                                "dim": [{"size": "-1", "name": ""}],
                                "unknown_rank": False,
                            },
                            "name": "x:0",
                        }
                    },
                    "outputs": {
                        "y": {
                            "dtype": "DT_FLOAT",
                            "tensor_shape": {"dim": [], "unknown_rank": True},
                            "name": "y:0",
                        }
                    },
                    "method_name": "tensorflow/serving/predict",
                    "defaults": {},
                }
            }
        }
    },
}

Answers = dict[str, tuple[int, Any]]


@contextmanager
def client_of(answers: Answers, *, hang_up: bool = False) -> Iterator[tuple[RestClient, list[str]]]:
    """Yield a client of a server with these answers by path, and the requests that came."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, document = answers[self.path]
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            # Without a word to the client, as after an idle time.
            self.close_connection = hang_up

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        try:
            with RestClient(f"127.0.0.1:{listening.server_port}") as client:
                yield client, seen
        finally:
            listening.shutdown()
            thread.join()


def test_a_named_version_is_predicted_with_its_metadata_read_once() -> None:
    answers: Answers = {
        "/v1/models/m/versions/7/metadata": (200, METADATA),
        "/v1/models/m/versions/7:predict": (200, {"outputs": [2.5, 3.0]}),
    }
    with client_of(answers) as (client, seen):
        for _ in range(2):
            answer = client.predict("m", {"x": [1.0, 2.0]}, version=7)

    assert answer.version == 7
    assert answer.outputs["y"].dtype == np.float32
    assert answer.outputs["y"].tolist() == [2.5, 3.0]
    assert [line.split()[0] for line in seen] == ["GET", "POST", "POST"]


def test_metadata_is_read_as_signatures() -> None:
    with client_of({"/v1/models/m/metadata": (200, METADATA)}) as (client, _):
        metadata = client.metadata("m")

    assert (metadata.model, metadata.version) == ("m", 7)
    assert str(metadata.signatures["serving_default"]) == (
        "(x: float [?]) -> (y: float, any shape)"
    )


def test_status_is_read_with_its_error() -> None:
    status = {"error_code": "DATA_LOSS", "error_message": "a shard is missing"}
    entry = {"version": "3", "state": "END", "status": status}
    with client_of({"/v1/models/m": (200, {"model_version_status": [entry]})}) as (client, _):
        (state,) = client.status("m")

    assert (state.version, state.state) == (3, "END")
    assert (state.code, state.message) == (Code.DATA_LOSS, "a shard is missing")


def test_a_model_name_is_quoted_in_the_path() -> None:
    answers: Answers = {"/v1/models/a%2Fb%20c": (200, {"model_version_status": []})}
    with client_of(answers) as (client, _):
        assert client.status("a/b c") == ()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidArgument), (404, NotFound), (503, Unavailable), (418, UnknownError)],
)
def test_a_refusal_keeps_the_servers_text_and_hint(status: int, kind: type[ServableError]) -> None:
    body = {"error": "no", "hint": "try this"}
    with client_of({"/v1/models/m": (status, body)}) as (client, _), pytest.raises(kind) as caught:
        client.status("m")

    assert (caught.value.message, caught.value.hint) == ("no", "try this")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"model_spec": 3}'])
def test_a_server_of_another_kind_is_recognised(body: bytes) -> None:
    with (
        client_of({"/v1/models/m/metadata": (200, body)}) as (client, _),
        pytest.raises(Internal, match="server's answer"),
    ):
        client.metadata("m")


def test_a_connection_that_was_closed_while_idle_is_opened_again() -> None:
    answers: Answers = {"/v1/models/m": (200, {"model_version_status": []})}
    with client_of(answers, hang_up=True) as (client, seen):
        client.status("m")
        client.status("m")

    assert len(seen) == 2


def test_silence_ends_with_deadline_exceeded() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with RestClient(address, timeout=0.01) as client, pytest.raises(DeadlineExceeded):
            client.status("m")


def test_a_port_that_speaks_something_else_is_said_without_its_noise() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other, ThreadPoolExecutor(1) as thread:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"\x00\x00\x18\x04\x00\r\n")

        thread.submit(answer)
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with RestClient(address) as client, pytest.raises(Unavailable) as caught:
            client.status("m")

    assert caught.value.message.endswith("does not speak HTTP/1.1")


def test_nobody_there_is_unavailable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"

    with RestClient(address) as client, pytest.raises(Unavailable, match="cannot talk to"):
        client.status("m")
