"""REST beyond one answer: retries, labels, what is remembered, asyncio."""

from __future__ import annotations

import asyncio
import gzip
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

from servable.client import NO_RETRIES, AsyncRestClient, Metadata, RestClient, Retries
from servable.client.metadata_cache import MOST_ENTRIES, Key, MetadataCache
from servable.errors import Internal, InvalidArgument, Unavailable

QUICKLY = Retries(attempts=3, first_delay=0.001, longest_delay=0.001)


class Script:
    """Answers by method and path; a list is used up, its last answer stays."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.seen: list[str] = []
        self.bodies: list[bytes] = []
        self.connections: set[Any] = set()

    def next(self, line: str) -> tuple[int, Any]:
        self.seen.append(line)
        answer = self.answers[line]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        return answer if isinstance(answer, tuple) else (200, answer)


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[tuple[str, Script]]:
    """Yield the address and the script of a server."""
    script = Script(answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            script.connections.add(self.client_address)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            script.bodies.append(body)
            status, document = script.next(f"{self.command} {self.path}")
            answer = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", script
        finally:
            server.shutdown()
            thread.join()


def metadata(output: str, dtype: str) -> dict[str, Any]:
    signature = {"outputs": {output: {"dtype": dtype, "tensor_shape": {"unknown_rank": True}}}}
    return {
        "model_spec": {"name": "m", "signature_name": "", "version": "7"},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }


def test_classes_and_numbers_are_read() -> None:
    answers = {
        "POST /v1/models/m/labels/a%2Fb:classify": {"results": [[["cat", 0.75], ["dog", 0.25]]]},
        "POST /v1/models/m/versions/3:regress": {"results": [2.5, 3.5]},
    }
    with serving(answers) as (address, script), RestClient(address) as client:
        classes = client.classify("m", [{"x": 1.0}], label="a/b", context={"c": "u"})
        numbers = client.regress("m", [{"x": 1.0}, {}], version=3)

    assert (classes.labels.tolist(), classes.scores.tolist()) == ([["cat", "dog"]], [[0.75, 0.25]])
    assert (numbers.values.tolist(), numbers.version) == ([2.5, 3.5], 3)
    assert json.loads(script.bodies[0])["context"] == {"c": [{"b64": "dQ=="}]}


@pytest.mark.parametrize("answer", [[], {"results": 3}, {"results": [3]}, {"results": [[["a"]]]}])
def test_results_of_another_shape_are_recognised(answer: Any) -> None:
    answers = {"POST /v1/models/m:classify": (200, answer)}
    with (
        serving(answers) as (address, _),
        RestClient(address) as client,
        pytest.raises(Internal, match="not one of the predict API"),
    ):
        client.classify("m", [{}])


def test_the_newest_version_is_predicted_with_its_metadata_read_once() -> None:
    answers = {
        "GET /v1/models/m/metadata": metadata("y", "DT_FLOAT"),
        "POST /v1/models/m:predict": {"outputs": [2.5]},
    }
    with serving(answers) as (address, script), RestClient(address) as client:
        for _ in range(3):
            client.predict("m", {"x": [1.0]})

    assert [line.split()[0] for line in script.seen] == ["GET", "POST", "POST", "POST"]
    assert len(script.connections) == 1


def test_an_answer_that_does_not_fit_is_read_again_with_fresh_metadata() -> None:
    answers = {
        "GET /v1/models/m/metadata": [metadata("y", "DT_INT32"), metadata("z", "DT_FLOAT")],
        "POST /v1/models/m:predict": [{"outputs": [2]}, {"outputs": [2.5]}],
    }
    with serving(answers) as (address, _), RestClient(address) as client:
        before = client.predict("m", {"x": [1.0]}).outputs
        after = client.predict("m", {"x": [1.0]}).outputs

    assert {alias: array.dtype for alias, array in before.items()} == {"y": np.int32}
    assert {alias: array.tolist() for alias, array in after.items()} == {"z": [2.5]}


def test_metadata_of_a_label_is_believed_for_a_while_and_of_a_version_for_good() -> None:
    now = [0.0]
    cache = MetadataCache(5.0, lambda: now[0])
    known = Metadata("m", 7, {})
    exact, latest = Key("m", 7, None), Key("m", None, "stable")
    cache.put(exact, known)
    cache.put(latest, known)

    now[0] = 4.9
    assert cache.get(latest) is known
    now[0] = 5.0
    assert cache.get(latest) is None
    assert cache.get(exact) is known


def test_only_so_much_metadata_is_remembered() -> None:
    cache = MetadataCache(5.0, lambda: 0.0)
    for version in range(MOST_ENTRIES + 1):
        cache.put(Key("m", version, None), Metadata("m", version, {}))

    assert cache.get(Key("m", 0, None)) is None
    assert cache.get(Key("m", 1, None)) is not None


def test_a_server_that_is_unavailable_for_a_moment_is_asked_again() -> None:
    answers: dict[str, Any] = {
        "GET /v1/models/m": [(503, {"error": "loading"})] * 2 + [{"model_version_status": []}]
    }
    with serving(answers) as (address, script), RestClient(address, retries=QUICKLY) as client:
        assert client.status("m") == ()

    assert len(script.seen) == 3


def test_one_that_stays_unavailable_is_given_up() -> None:
    answers = {"GET /v1/models/m": (503, {"error": "loading"})}
    with (
        serving(answers) as (address, script),
        RestClient(address, retries=QUICKLY) as client,
        pytest.raises(Unavailable, match="loading"),
    ):
        client.status("m")

    assert len(script.seen) == 3


def test_requests_are_compressed_on_demand() -> None:
    answers = {"POST /v1/models/m:regress": {"results": [1.0]}}
    with serving(answers) as (address, script), RestClient(address, gzip=True) as client:
        client.regress("m", [{"x": 1.0}])

    assert json.loads(script.bodies[0])["examples"] == [{"x": [1.0]}]


def test_threads_share_a_client() -> None:
    answers = {"POST /v1/models/m:regress": {"results": [1.0]}}
    with serving(answers) as (address, script), RestClient(address) as client:
        threads = [
            threading.Thread(target=client.regress, args=("m", [{"x": 1.0}])) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(script.seen) == 4


def test_every_call_can_be_awaited() -> None:
    answers = {
        "GET /v1/models/m": {"model_version_status": []},
        "GET /v1/models/m/metadata": metadata("y", "DT_FLOAT"),
        "POST /v1/models/m:predict": {"outputs": [2.5]},
        "POST /v1/models/m:classify": {"results": [[["a", 1.0]]]},
        "POST /v1/models/m:regress": {"results": [3.0]},
    }

    async def ask(address: str) -> Any:
        async with AsyncRestClient(address) as client:
            return await asyncio.gather(
                client.status("m"),
                client.metadata("m"),
                client.predict("m", {"x": [1.0]}),
                client.classify("m", [{}]),
                client.regress("m", [{}]),
            )

    with serving(answers) as (address, _):
        states, known, predicted, classes, numbers = asyncio.run(ask(address))

    assert (states, known.version) == ((), 7)
    assert predicted.outputs["y"].tolist() == [2.5]
    assert (classes.labels.tolist(), numbers.values.tolist()) == ([["a"]], [3.0])


def test_a_version_and_a_label_together_are_refused() -> None:
    with RestClient("127.0.0.1:9") as client, pytest.raises(InvalidArgument, match="both named"):
        client.predict("m", {}, version=1, label="a")


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"attempts": 6}, {"first_delay": 0}, {"first_delay": 3}, {"factor": 0.5}],
)
def test_retries_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Retries(**wrong)


def test_delays_grow_up_to_the_longest_give_or_take_a_fifth() -> None:
    delays = list(Retries(attempts=5, first_delay=1, factor=2, longest_delay=3).delays())

    assert len(delays) == 4
    for delay, middle in zip(delays, [1, 2, 3, 3], strict=True):
        assert 0.8 * middle <= delay <= 1.2 * middle


def test_an_answer_that_breaks_off_is_unavailable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server, ThreadPoolExecutor(1) as thread:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}")

        done = thread.submit(answer)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with (
            RestClient(address, retries=NO_RETRIES) as client,
            pytest.raises(Unavailable, match="in the middle of an answer"),
        ):
            client.status("m")
        done.result()


def test_an_answer_without_a_length_is_read_to_its_end() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server, ThreadPoolExecutor(1) as thread:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n{"model_version_status": []}')

        done = thread.submit(answer)
        with RestClient(f"127.0.0.1:{server.getsockname()[1]}") as client:
            assert client.status("m") == ()
        done.result()
