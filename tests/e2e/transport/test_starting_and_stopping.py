"""Ports, and what becomes of requests when a server stops."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
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
