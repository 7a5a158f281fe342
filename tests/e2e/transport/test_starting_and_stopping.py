"""Ports, and what becomes of requests when a server stops."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import grpc
import numpy as np
import pytest
from served_models import FakeModels, FakeServable, half_plus_two

from servable import tensor_proto
from servable.errors import FailedPrecondition, InvalidArgument
from servable.pb import serving_pb2
from servable.tensors import Array
from servable.transport.grpc import GrpcServer
from servable.transport.rest import RestServer

Server = GrpcServer | RestServer
FLAGS = {GrpcServer: "--grpc-port", RestServer: "--rest-port"}
BOTH = pytest.mark.parametrize("make", FLAGS)
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def models(servable: FakeServable | None = None) -> FakeModels:
    return FakeModels({"m": {1: servable or half_plus_two()}})


class RefusedError(Exception):
    """An HTTP status and the document that came with it."""


def ask(server: Server, port: int) -> list[float]:
    """Predict y for x = 2, over whatever the server speaks."""
    if isinstance(server, GrpcServer):
        request = serving_pb2.PredictRequest(model_spec={"name": "m"})
        request.inputs["x"].CopyFrom(tensor_proto.encode(np.array([2], np.float32)))
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            data = channel.unary_unary(PREDICT, None, None)(request.SerializeToString(), timeout=60)
        return list(serving_pb2.PredictResponse.FromString(data).outputs["y"].float_val)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        connection.request("POST", "/v1/models/m:predict", '{"instances": [2]}')
        response = connection.getresponse()
        document = json.loads(response.read())
        if response.status != http.HTTPStatus.OK:
            raise RefusedError(response.status, document)
        return list(document["predictions"])


@BOTH
def test_a_port_that_is_taken_is_an_error_that_helps(make: type[Server]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FailedPrecondition) as caught:
            make(models(), "127.0.0.1", port).start()

    assert caught.value.message == f"port {port} on 127.0.0.1 is taken"
    assert FLAGS[make] in caught.value.hint


@BOTH
def test_two_servers_do_not_share_a_port(make: type[Server]) -> None:
    first = make(models(), "127.0.0.1", 0)
    port = first.start()
    try:
        with pytest.raises(FailedPrecondition, match=f"port {port} on"):
            make(models(), "127.0.0.1", port).start()
        assert ask(first, port) == [3.0]
    finally:
        first.stop(10)
    again = make(models(), "127.0.0.1", port)
    assert again.start() == port
    again.stop(10)


@BOTH
@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no such host", 0), ("::", 70000)])
def test_an_address_that_can_not_be_had(make: type[Server], host: str, port: int) -> None:
    with pytest.raises(InvalidArgument, match="can not be opened") as caught:
        make(models(), host, port).start()
    assert FLAGS[make] in caught.value.hint


@BOTH
def test_a_server_that_never_started_can_be_stopped(make: type[Server]) -> None:
    make(models(), "127.0.0.1", 0).stop(1)


class Held:
    """A model whose every prediction waits until it is let go."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()
        self.servable = FakeServable(half_plus_two().signatures, self._run)

    def _run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        self.entered.set()
        assert self.release.wait(60)
        return {"y": inputs["x"]}


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.release.set()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def in_flight(
    make: type[Server], held: Held, threads: ThreadPoolExecutor
) -> tuple[Server, Future[Any]]:
    server = make(models(held.servable), "127.0.0.1", 0)
    port = server.start()
    answer = threads.submit(ask, server, port)
    assert held.entered.wait(60)
    return server, answer


@BOTH
def test_a_request_in_flight_is_answered_before_the_server_stops(
    make: type[Server], held: Held, threads: ThreadPoolExecutor
) -> None:
    server, answer = in_flight(make, held, threads)
    stopping = threads.submit(server.stop, 60)
    threads.submit(held.release.set)

    assert answer.result(60) == [2.0]
    stopping.result(60)


@BOTH
def test_time_runs_out_on_a_request_that_does_not_end(
    make: type[Server], held: Held, threads: ThreadPoolExecutor
) -> None:
    server, answer = in_flight(make, held, threads)
    server.stop(0)

    assert not held.release.is_set()
    if make is GrpcServer:
        with pytest.raises(grpc.RpcError):
            answer.result(60)
    else:
        with pytest.raises(RefusedError) as caught:
            answer.result(60)
        status, document = caught.value.args
        assert (status, document["error"]) == (503, "The server is stopping.")


class Crowd:
    """Clients that send one request after the other until nobody listens any more.

    Args:
        ask: sends one request; returns False when it finds the port closed.
    """

    def __init__(self, ask: Callable[[], bool], clients: int = 20) -> None:
        self.answered = threading.Semaphore(0)
        self._ask = ask
        self._threads = ThreadPoolExecutor(clients)
        self._clients = [self._threads.submit(self._go_on) for _ in range(clients)]

    def wait_for(self, answers: int) -> None:
        for _ in range(answers):
            assert self.answered.acquire(timeout=60)

    def all_gone(self) -> None:
        """Raise what a client met that was no answer, and not a closed port."""
        for client in self._clients:
            client.result(60)
        self._threads.shutdown()

    def _go_on(self) -> None:
        while self._ask():
            self.answered.release()


REQUEST = b"GET /v1/models/m HTTP/1.1\r\nHost: a\r\n%b\r\n"


@pytest.mark.parametrize("kept", [False, True], ids=["new connections", "kept connections"])
def test_no_request_is_lost_that_was_sent_before_the_port_was_closed(*, kept: bool) -> None:
    server = RestServer(models(), "127.0.0.1", 0)
    port = server.start()
    mine = threading.local()

    def ask_once() -> bool:
        connection = getattr(mine, "connection", None)
        if connection is None:
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            except ConnectionRefusedError:
                return False
        connection.sendall(REQUEST % (b"" if kept else b"Connection: close\r\n"))
        answer = b""
        while not answer.endswith(b"}"):
            piece = connection.recv(65536)
            assert piece, f"closed after {answer!r}"
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200")
        mine.connection = connection
        if b"connection: close" in answer:
            connection.close()
            mine.connection = None
        return True

    crowd = Crowd(ask_once)
    crowd.wait_for(200)
    server.stop(60)
    crowd.all_gone()


def test_no_grpc_call_is_lost_that_was_sent_before_the_port_was_closed() -> None:
    server = GrpcServer(models(), "127.0.0.1", 0)
    port = server.start()
    request = serving_pb2.GetModelStatusRequest(model_spec={"name": "m"}).SerializeToString()

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(STATUS, None, None)

        def ask_once() -> bool:
            try:
                call(request, timeout=60)
            except grpc.RpcError as error:
                refusal: Any = error  # also the call, which the stubs do not know
                assert refusal.code() is grpc.StatusCode.UNAVAILABLE
                assert "failed to connect" in refusal.details().lower()  # so it was not sent
                return False
            return True

        crowd = Crowd(ask_once)
        crowd.wait_for(200)
        server.stop(60)
        crowd.all_gone()


def read_answer(connection: socket.socket) -> bytes:
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(65536)
    return answer


def test_before_it_stops_a_server_answers_on_and_sends_clients_away() -> None:
    server = RestServer(models(), "127.0.0.1", 0)
    port = server.start()
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as kept:
            kept.sendall(REQUEST % b"")
            assert b"connection: close" not in read_answer(kept)
            server.drain()
            with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as new:
                new.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = read_answer(new)
                assert answer.startswith(b"HTTP/1.1 503")
                assert b"connection: close" in answer
                assert b'"draining":true' in answer
            kept.sendall(REQUEST % b"")
            answer = read_answer(kept)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer
            assert kept.recv(1) == b""
    finally:
        server.stop(10)


def test_all_requests_sent_together_are_answered_by_a_server_that_stops(held: Held) -> None:
    server = RestServer(models(held.servable), "127.0.0.1", 0)
    port = server.start()
    body = b'{"instances": [2]}'
    predict = b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    try:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
            connection.sendall(predict)
            assert held.entered.wait(60)
            server.drain()
            connection.sendall(REQUEST % b"" + REQUEST % b"")
            held.release.set()
            answers = b""
            while piece := connection.recv(65536):
                answers += piece
        assert answers.count(b"HTTP/1.1 200") == 3
    finally:
        server.stop(10)


def test_silent_connections_do_not_hold_up_a_stop() -> None:
    server = RestServer(models(), "127.0.0.1", 0)
    port = server.start()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as silent:
        server.stop(600)  # it would be as long as the grace otherwise
        assert silent.recv(1) == b""
