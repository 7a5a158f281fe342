"""What a server bears over HTTP: slow and greedy clients, too many, and those that give up."""

from __future__ import annotations

import gzip
import io
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import IO, Any

import pytest
from held_model import Held
from served_models import FakeModels, half_plus_two

from servable.metrics.monitor import Metrics
from servable.server import observe
from servable.transport.options import RestOptions
from servable.transport.rest import RestServer

HEAD = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: a\r\n"
BODY = b'{"inputs": 2}'
REQUEST = HEAD + b"Content-Length: 13\r\n\r\n" + BODY


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.release.set()


class Rest:
    """A REST server with options, and raw connections to it."""

    def __init__(self, models: FakeModels, stack: ExitStack, **options: Any) -> None:
        self.metrics = Metrics()
        self.server = RestServer(
            models, "127.0.0.1", 0, RestOptions(**options), metrics=self.metrics
        )
        self.port = self.server.start()
        stack.callback(self.server.stop, 10)
        self._stack = stack

    def connect(self, data: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self._stack.callback(connection.close)
        connection.sendall(data)
        return connection

    def refused(self, reason: str) -> int:
        return int(self.metrics.broken.at(reason).value)


@pytest.fixture
def rest() -> Iterator[Callable[..., Rest]]:
    with ExitStack() as stack:

        def start(models: FakeModels | None = None, **options: Any) -> Rest:
            return Rest(models or FakeModels({"m": {1: half_plus_two()}}), stack, **options)

        yield start


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def read_one(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one answer."""
    with connection.makefile("rb", buffering=0) as file:
        return read_from(file)


def read_from(file: IO[bytes] | socket.SocketIO) -> tuple[int, dict[str, str], bytes]:
    status = int(file.readline().split()[1])
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = b""
    while len(body) < int(headers["content-length"]):
        body += file.read(int(headers["content-length"]) - len(body)) or b""
    return status, headers, body


# Heads

CHUNKED = b"POST /v1/models/half:predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"GET /v1/models HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431, "large_head"),
        (b"GET /v1/models HTTP/1.1\r\n" + b"a: b\r\n" * 100_000, 431, "large_head"),
        (b"GET /v1/models HTTP/1.1\r\na: " + b"b" * 2_000_000, 431, "large_head"),
        (b"GET /" + b"b" * 2_000_000, 431, "large_head"),
        (b"GET /v1/models HTTP/1.1\r\na: " + b"b" * 70_000 + b"\r\n\r\n", 431, "large_head"),
        (b"GET /a HTTP/1.1\r\ncontent-length: " + b"0" * 70_000 + b"\r\n\r\n", 431, "large_head"),
        (
            b"GET /a HTTP/1.1\r\n" + b"a: b\r\n" * 100 + b"content-length: 0\r\n\r\n",
            431,
            "large_head",
        ),
        (CHUNKED + b"0\r\na: " + b"b" * 2_000_000, 431, "large_head"),
        (CHUNKED + b"2;" + b"b" * 2_000_000, 431, "large_head"),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00", 400, "not_http"),
        (b"BREW /v1/models HTTP/1.1\r\n\r\n", 400, "not_http"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "not_http"),
    ],
    ids=[
        "count",
        "flood",
        "value",
        "url",
        "whole",
        "length",
        "last",
        "trailer",
        "extension",
        "tls",
        "method",
        "http2",
    ],
)
def test_a_head_that_is_too_much_is_refused(
    rest: Callable[..., Rest], head: bytes, status: int, reason: str
) -> None:
    server = rest()
    connection = server.connect()
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(connection.sendall, head)
        answer = read_all(connection)
        sending.result(60)
    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert server.refused(reason) + server.refused("many_headers") == 1
    assert read_one(server.connect(REQUEST))[0] == 200


def _send_quietly(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # refused before all was sent
        connection.sendall(data)


def test_trailers_are_bounded_too(rest: Callable[..., Rest]) -> None:
    server = rest()
    connection = server.connect(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n")
    _send_quietly(connection, b"a: b\r\n" * 1000)
    read_all(connection)
    assert server.refused("many_headers") == 1


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /v1/models HTTP/1.1\r\nA: b\r\n"])
def test_a_head_that_does_not_end_is_not_waited_for(rest: Callable[..., Rest], sent: bytes) -> None:
    server = rest(head_seconds=0.05)
    assert read_all(server.connect(sent)).startswith(b"HTTP/1.1 408")
    assert server.refused("slow_head") == 1


def test_the_second_request_of_a_connection_has_a_limit_too(rest: Callable[..., Rest]) -> None:
    server = rest(head_seconds=0.05)
    connection = server.connect(REQUEST)
    assert read_one(connection)[0] == 200
    connection.sendall(HEAD)
    assert read_all(connection).startswith(b"HTTP/1.1 408")


def test_one_connection_too_many_is_told_so(rest: Callable[..., Rest]) -> None:
    server = rest(max_connections=2)
    first, second = server.connect(REQUEST), server.connect(REQUEST)
    assert (read_one(first)[0], read_one(second)[0]) == (200, 200)
    assert read_all(server.connect()).startswith(b"HTTP/1.1 503")
    first.sendall(REQUEST)
    assert read_one(first)[0] == 200


# Bodies


@pytest.mark.parametrize("framing", [b"Content-Length: 99", b"Transfer-Encoding: chunked"])
def test_a_body_that_does_not_end_is_not_waited_for(
    rest: Callable[..., Rest], framing: bytes
) -> None:
    server = rest(body_seconds=0.05)
    connection = server.connect(HEAD + framing + b"\r\n\r\n1\r\n{\r\n")
    status, headers, body = read_one(connection)
    assert (status, headers["connection"]) == (408, "close")
    assert json.loads(body)["error"] == "The request body took too long to come."
    assert read_all(connection) == b""


def test_a_trickle_is_too_slow(rest: Callable[..., Rest]) -> None:
    server = rest(body_seconds=0.1)
    connection = server.connect(HEAD + b"Content-Length: 100000\r\n\r\n")
    pause = threading.Event()
    while not pause.wait(0.01):
        try:
            connection.sendall(b" ")
        except OSError:
            break  # else it would go on for a quarter of an hour
    assert read_one(server.connect(REQUEST))[0] == 200


def test_a_body_that_does_not_end_does_not_hold_up_the_stop(rest: Callable[..., Rest]) -> None:
    server = rest(body_seconds=600)
    connection = server.connect(HEAD + b"Expect: 100-continue\r\nContent-Length: 99\r\n\r\n")
    assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.server.stop(600)  # it would be as long as the grace otherwise
    answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"The server is stopping." in answer


def test_an_answer_before_the_end_of_the_body_arrives(rest: Callable[..., Rest]) -> None:
    server = rest()
    bad = HEAD.replace(b":predict", b":nope") + b"Content-Length: 300000\r\n\r\n"
    connection = server.connect(bad + b" " * 300_000 + REQUEST)
    assert read_one(connection)[0] == 400


# Kinds of HTTP


def test_http_1_0_is_answered_and_closed(rest: Callable[..., Rest]) -> None:
    answer = read_all(rest().connect(REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0")))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"outputs":3.0}')


def test_requests_sent_together_are_answered_in_order(rest: Callable[..., Rest]) -> None:
    last = b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n"
    answer = read_all(rest().connect(REQUEST * 20 + b"HEAD /livez HTTP/1.1\r\n\r\n" + last))
    assert answer.count(b'{"outputs":3.0}') == 20
    assert answer.count(b"HTTP/1.1 200") == 22
    assert answer.endswith(b'{"alive":true}')


def test_a_client_that_leaves_before_its_answers_is_no_error(
    rest: Callable[..., Rest], caplog: pytest.LogCaptureFixture
) -> None:
    server = rest()
    for _ in range(20):
        server.connect(REQUEST * 20).close()
    assert read_one(server.connect(REQUEST))[0] == 200
    server.server.stop(10)
    assert [r for r in caplog.records if r.levelno > logging.DEBUG] == []


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAEA\r\n"


@pytest.mark.parametrize("cut", [1, len(HEAD) + 5, len(REQUEST), -5])
def test_an_upgrade_is_not_taken_and_the_request_is_answered(
    rest: Callable[..., Rest], cut: int
) -> None:
    # Java's own client offers HTTP/2 with each request, and sends the body along.
    request = HEAD + UPGRADE % b"h2c" + REQUEST[len(HEAD) :]
    sockets = b"GET /livez HTTP/1.1\r\n" + UPGRADE % b"websocket" + b"\r\n"
    connection = rest().connect(request[:cut])
    connection.sendall(request[cut:] + sockets + REQUEST)
    assert [read_one(connection)[::2] for _ in range(3)] == [
        (200, b'{"outputs":3.0}'),
        (200, b'{"alive":true}'),
        (200, b'{"outputs":3.0}'),
    ]


@pytest.mark.parametrize(
    ("request_bytes", "answers"),
    [
        (HEAD + b"\r\n" + BODY, [(400, "JSON Parse error: The document is empty")]),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            [(400, "Invalid HTTP request received.")],
        ),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
            [(400, "Invalid HTTP request received.")],
        ),
        (
            REQUEST + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + REQUEST,
            [(200, ""), (400, "Invalid HTTP request received.")],
        ),
        (REQUEST * 2 + b"garbage\r\n\r\n", [(200, ""), (200, "")]),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 200,
            [(431, "The head of the request is too large.")],
        ),
    ],
    ids=["no length", "no chunk size", "no second one", "after one", "no third", "trailers"],
)
def test_a_request_that_breaks_off_is_answered_after_those_before_it(
    rest: Callable[..., Rest], request_bytes: bytes, answers: list[tuple[int, str]]
) -> None:
    connection = rest().connect(request_bytes)
    with connection.makefile("rb") as file:
        for status, error in answers:
            answer = read_from(file)
            assert (answer[0], json.loads(answer[2]).get("error", "")) == (status, error)
        assert answer[1]["connection"] == "close"
        assert file.read() == b""


def test_garbage_behind_a_request_that_was_refused_early_is_thrown_away(
    rest: Callable[..., Rest],
) -> None:
    bad = HEAD.replace(b":predict", b":nope") + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    connection = rest().connect(bad)
    with connection.makefile("rb") as file:
        assert read_from(file)[0] == 400
        connection.sendall(b"zz\r\n\r\n")
        assert file.read() == b""


def test_a_body_that_is_too_long_is_refused_though_the_client_goes_on_sending(
    rest: Callable[..., Rest],
) -> None:
    connection = rest(max_body_bytes=1_000_000).connect()
    long = HEAD + b"Content-Length: 3000000\r\n\r\n" + b" " * 1_500_000
    with ThreadPoolExecutor(1) as sender:
        sending = sender.submit(connection.sendall, long)
        assert read_all(connection).startswith(b"HTTP/1.1 413")
        sending.result(60)


def test_who_sends_without_end_is_cut_off(rest: Callable[..., Rest]) -> None:
    connection = rest(max_body_bytes=1000).connect(b"\0garbage\r\n\r\n")
    with pytest.raises(ConnectionError):
        _send_without_end(connection)


def _send_without_end(connection: socket.socket) -> None:
    while True:
        connection.sendall(b" " * 65536)


STRANGE = (
    b"\x00\x00\r\n\r\n",
    b"GET /%zz HTTP/9.9\r\n\r\n",
    b"GET /livez HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    HEAD + b"\r\n" + BODY,
)


def test_strangers_do_not_fill_the_log(rest: Callable[..., Rest]) -> None:
    log = io.StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        observe.configure("info", stream=log)
        server = rest()
        for data in STRANGE:
            assert read_all(server.connect(data)).startswith(b"HTTP/1.1 ")
    finally:
        logging.getLogger().handlers[:], logging.getLogger().level = before
    assert log.getvalue() == ""


# Compression


@pytest.mark.parametrize(
    ("accepts", "zipped"),
    [("gzip, deflate", True), ("br, *;q=0.5", True), ("gzip;q=0", False), ("identity", False)],
)
def test_answers_are_compressed_for_those_who_ask_if_wanted(
    rest: Callable[..., Rest], accepts: str, zipped: bool
) -> None:
    body = json.dumps({"inputs": [1.0] * 1000}).encode()
    request = HEAD + f"Accept-Encoding: {accepts}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    _, headers, answer = read_one(rest(gzip=True).connect(request + body))
    assert (headers.get("content-encoding") == "gzip") is zipped
    text = gzip.decompress(answer) if zipped else answer
    assert json.loads(text) == {"outputs": [2.5] * 1000}

    assert "content-encoding" not in read_one(rest().connect(request + body))[1]


# Too much to do


def test_rest_gives_up_on_a_model_that_takes_too_long(
    rest: Callable[..., Rest], held: Held
) -> None:
    server = rest(held.models, timeout_seconds=0.05, threads=1)
    connection = server.connect(REQUEST)
    status, _, body = read_one(connection)
    assert (status, json.loads(body)["error"]) == (504, "Timed out waiting for notification")

    connection.sendall(REQUEST)  # waits for the only thread, and is never run
    assert read_one(connection)[0] == 504
    held.release.set()
    connection.sendall(REQUEST)
    assert read_one(connection)[0] == 200
    assert len(held.servable.fed) == 2
    assert 'code="DEADLINE_EXCEEDED"} 2' in server.metrics.page()
    assert 'code="OK"} 1' in server.metrics.page()


def test_rest_refuses_what_would_wait_too_long(rest: Callable[..., Rest], held: Held) -> None:
    server = rest(held.models, threads=1, max_queued=0)
    running = server.connect(REQUEST)
    held.wait_until_entered()
    status, headers, body = read_one(server.connect(REQUEST))
    assert (status, headers["retry-after"]) == (429, "1")
    assert json.loads(body)["hint"]
    assert read_one(server.connect(b"GET /v1/models/m HTTP/1.1\r\n\r\n"))[0] == 200
    held.release.set()
    assert read_one(running)[0] == 200
    assert 'servable_requests_shed_total{transport="rest"} 1' in server.metrics.page()


def test_rest_does_not_run_what_nobody_waits_for(
    rest: Callable[..., Rest], held: Held, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    server = rest(held.models, threads=1)
    running = server.connect(REQUEST)
    held.wait_until_entered()
    server.connect(REQUEST).close()
    eventually(lambda: 'in_flight{transport="rest"} 2' in server.metrics.page())
    # Once a later connection is answered, the server has seen that one end.
    assert read_one(server.connect(b"GET /livez HTTP/1.1\r\n\r\n"))[0] == 200
    held.release.set()
    assert read_one(running)[0] == 200
    running.sendall(REQUEST)
    assert read_one(running)[0] == 200
    assert len(held.servable.fed) == 2
