"""Addresses, and finding out what a port speaks."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent import futures
from contextlib import closing, contextmanager

import grpc
import pytest

from servable.client import GrpcClient, RestClient, connect
from servable.client.probe import split_address
from servable.errors import InvalidArgument, Unavailable


@contextmanager
def port_that_says(answer: bytes) -> Iterator[int]:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        futures.ThreadPoolExecutor(1) as thread,
    ):

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        done = thread.submit(serve)
        yield server.getsockname()[1]
        done.result()


def test_a_port_that_answers_http1_gets_the_rest_client() -> None:
    with (
        port_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port,
        connect(f"http://127.0.0.1:{port}/") as client,
    ):
        assert isinstance(client, RestClient)


def test_a_grpc_port_gets_the_grpc_client() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with connect(f"127.0.0.1:{port}") as client:
            assert isinstance(client, GrpcClient)
    finally:
        server.stop(None).wait()


def test_a_port_where_nothing_listens_is_unavailable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]

    with pytest.raises(Unavailable, match=f"cannot reach 127.0.0.1:{port}"):
        connect(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("localhost:8500", ("localhost", 8500)),
        ("http://localhost:8501/", ("localhost", 8501)),
        ("[::1]:8500", ("::1", 8500)),
    ],
)
def test_addresses_are_split(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    "address", ["", "localhost", ":8500", "localhost:", "localhost:x", "h:0", "h:65536", "h:-1"]
)
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(InvalidArgument, match="HOST:PORT") as caught:
        split_address(address)

    assert "localhost:8500" in caught.value.hint
