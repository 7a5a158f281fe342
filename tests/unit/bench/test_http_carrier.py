"""Requests over real sockets, to a server that does what the test says."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from servable.bench.batch_note import BatchNote
from servable.bench.http_carrier import (
    HUNG_UP,
    NO_CONNECTION,
    NO_HTTP,
    TIMED_OUT,
    HttpCarrier,
)
from servable.bench.messages import Request, Target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[socket.socket], None]


def asked(body: bytes = b"body") -> Request:
    return Request("/v1/models/m:predict", b"Content-Type: application/json\r\n", body, 1, "s")


def read_request(connection: socket.socket) -> bytes:
    """Return the next request; b"" if the client hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(2**16)):
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(2**16)
    return head + b"\r\n\r\n" + body


class Server:
    """Accepts connections and hands each to the next function of its list, then the last."""

    def __init__(self, *serve: Serve) -> None:
        self.connections = 0
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            serve = self._serve[min(self.connections, len(self._serve) - 1)]
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(serve, connection))
            self._threads.append(thread)
            thread.start()

    @staticmethod
    def _run(serve: Serve, connection: socket.socket) -> None:
        with connection:
            serve(connection)


def answering(*answers: bytes, seen: list[bytes] | None = None) -> Serve:
    """Answer each request with the next of these, the last again and again, until it hangs up."""

    def serve(connection: socket.socket) -> None:
        number = 0
        while request := read_request(connection):
            if seen is not None:
                seen.append(request)
            connection.sendall(answers[min(number, len(answers) - 1)])
            number += 1

    return serve


def hanging_up(after: bytes = b"") -> Serve:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(after)

    return serve


@pytest.fixture
def talk() -> Iterator[Callable[..., tuple[HttpCarrier, Server]]]:
    """Start a server and a carrier to it."""
    with ExitStack() as stack:

        def start(*serve: Serve, slots: int = 1, timeout: float = 30) -> tuple[HttpCarrier, Server]:
            server = Server(*serve)
            carrier = HttpCarrier(Target(server.address, "rest", timeout), slots)
            stack.callback(server.close)
            stack.callback(carrier.close)
            return carrier, server

        yield start


Talk = Callable[..., tuple[HttpCarrier, Server]]


def test_requests_follow_each_other_on_one_connection(talk: Talk) -> None:
    seen: list[bytes] = []
    carrier, server = talk(answering(OK, seen=seen))
    for number in range(3):
        carrier.send(0, asked(b"body %d" % number))
        done = carrier.receive()
        assert (done.slot, done.error, done.data) == (0, "", b"ok")
    assert server.connections == 1
    assert seen[2] == (
        b"POST /v1/models/m:predict HTTP/1.1\r\nHost: " + server.address.encode()
        + b"\r\nContent-Length: 6\r\nContent-Type: application/json\r\n\r\nbody 2"
    )  # fmt: skip


def test_slots_have_requests_under_way_at_the_same_time(talk: Talk) -> None:
    all_there = threading.Barrier(3)

    def together(connection: socket.socket) -> None:
        read_request(connection)
        all_there.wait(30)
        connection.sendall(OK)
        read_request(connection)

    carrier, _ = talk(together, slots=3)
    for slot in range(3):
        carrier.send(slot, asked())
    assert {carrier.receive().slot for _ in range(3)} == {0, 1, 2}


def test_a_large_body_is_sent_while_the_server_takes_it_slowly(talk: Talk) -> None:
    seen: list[bytes] = []
    carrier, _ = talk(answering(OK, seen=seen))
    body = bytes(range(256)) * 40_000
    carrier.send(0, asked(body))
    assert carrier.receive().error == ""
    assert seen[0].endswith(b"\r\n\r\n" + body)


def test_an_error_has_its_status_and_what_the_server_says(talk: Talk) -> None:
    body = b'{"error": "full", "hint": "wait"}'
    answer = b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    plain = b"HTTP/1.1 404 X\r\nContent-Length: 3\r\n\r\nno!"
    carrier, _ = talk(answering(answer, plain))
    for expected in [("HTTP 503", "full", "wait"), ("HTTP 404", "no!", "")]:
        carrier.send(0, asked())
        done = carrier.receive()
        assert (done.error, done.text, carrier.hint(done)) == expected
        assert not done.lost


def test_a_connection_that_the_server_closes_is_opened_again(talk: Talk) -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    carrier, server = talk(answering(closing))
    for _ in range(2):
        carrier.send(0, asked())
        assert carrier.receive().error == ""
    assert server.connections == 2


def test_a_request_on_a_connection_that_was_closed_when_idle_is_sent_once_more(talk: Talk) -> None:
    carrier, server = talk(hanging_up(OK), answering(OK))
    for _ in range(2):
        carrier.send(0, asked())
        assert carrier.receive().error == ""
    assert server.connections == 2


@pytest.mark.parametrize(
    ("begun", "error"),
    [(b"", HUNG_UP), (OK[:-1], HUNG_UP), (b"SSH-2.0-x\r\n", NO_HTTP)],
)
def test_half_an_answer_is_an_error_and_the_next_request_has_a_new_connection(
    talk: Talk, begun: bytes, error: str
) -> None:
    carrier, _ = talk(hanging_up(begun), answering(OK))
    carrier.send(0, asked())
    assert carrier.receive().error == error
    carrier.send(0, asked())
    assert carrier.receive().error == ""


def test_where_nobody_listens_the_request_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    carrier = HttpCarrier(Target(address, "rest", 30), 1)
    carrier.send(0, asked())
    done = carrier.receive()
    assert (done.error, done.lost) == (NO_CONNECTION, True)
    carrier.close()


def test_a_thread_that_waits_hears_that_another_could_not_send() -> None:
    carrier = HttpCarrier(Target("127.0.0.1:1", "rest", 30), 1)
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    waiting = threading.Thread(target=lambda: heard.put(carrier.receive().error))
    waiting.start()
    carrier.send(0, asked())
    assert heard.get(timeout=30) == NO_CONNECTION
    waiting.join()
    carrier.close()


def test_a_server_that_never_answers_times_out(talk: Talk) -> None:
    def silent(connection: socket.socket) -> None:
        while connection.recv(2**16):
            pass

    carrier, _ = talk(silent, timeout=0.01)
    carrier.send(0, asked())
    assert carrier.receive().error == TIMED_OUT


def test_what_the_server_tells_of_batches_is_read_from_the_head(talk: Talk) -> None:
    told = OK.replace(b"\r\n\r\n", b"\r\nX-Servable-Batch: queue_us=5;size=2;reason=full\r\n\r\n")
    carrier, _ = talk(answering(told, OK))
    for note in (BatchNote(5, 2, 0, "full"), None):
        carrier.send(0, asked())
        assert carrier.batch_note(carrier.receive()) == note
