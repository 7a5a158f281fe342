"""Transport security on both ports: who is let in, and what is said about a bad key."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from served_models import FakeModels, half_plus_two

from servable.errors import InvalidArgument
from servable.pb import serving_pb2
from servable.transport.grpc import GrpcServer
from servable.transport.options import GrpcOptions, RestOptions, Tls
from servable.transport.rest import RestServer

FILES = Path(__file__).parents[2] / "data" / "tls"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


def pem(name: str) -> str:
    return (FILES / name).read_text()


SERVER = Tls(pem("server.key"), pem("server.pem"))
MUTUAL = replace(SERVER, custom_ca=pem("ca.pem"), client_verify=True)


def models() -> FakeModels:
    return FakeModels({"m": {1: half_plus_two()}})


@pytest.fixture
def rest() -> Iterator[Callable[[Tls], int]]:
    with ExitStack() as stack:

        def start(tls: Tls) -> int:
            server = RestServer(models(), "127.0.0.1", 0, RestOptions(tls=tls))
            stack.callback(server.stop, 10)
            return server.start()

        yield start


@pytest.fixture
def rpc() -> Iterator[Callable[[Tls], int]]:
    with ExitStack() as stack:

        def start(tls: Tls) -> int:
            server = GrpcServer(models(), "127.0.0.1", 0, GrpcOptions(tls=tls))
            stack.callback(server.stop, 10)
            return server.start()

        yield start


def trusting(*, client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(FILES / "ca.pem"))
    if client:
        context.load_cert_chain(FILES / "client.pem", FILES / "client.key")
    return context


def ask_rest(port: int, context: ssl.SSLContext) -> list[float]:
    with closing(http.client.HTTPSConnection("localhost", port, context=context)) as connection:
        connection.request("POST", "/v1/models/m:predict", '{"instances": [2]}')
        answer: list[float] = json.loads(connection.getresponse().read())["predictions"]
        return answer


def ask_grpc(port: int, *, client: bool = False) -> int:
    chain = (pem("client.key").encode(), pem("client.pem").encode()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(pem("ca.pem").encode(), *chain)
    request = serving_pb2.GetModelStatusRequest(model_spec={"name": "m"})
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        data = channel.unary_unary(STATUS, None, None)(request.SerializeToString(), timeout=60)
    return len(serving_pb2.GetModelStatusResponse.FromString(data).model_version_status)


def test_rest_over_tls(rest: Callable[[Tls], int]) -> None:
    assert ask_rest(rest(SERVER), trusting()) == [3.0]


def test_grpc_over_tls(rpc: Callable[[Tls], int]) -> None:
    assert ask_grpc(rpc(SERVER)) == 1


def test_rest_lets_only_known_clients_in(rest: Callable[[Tls], int]) -> None:
    assert ask_rest(rest(MUTUAL), trusting(client=True)) == [3.0]


@pytest.mark.parametrize(
    ("version", "alert"),
    [
        (ssl.TLSVersion.TLSv1_3, "ALERT_CERTIFICATE_REQUIRED"),
        (ssl.TLSVersion.TLSv1_2, "ALERT_HANDSHAKE_FAILURE"),
    ],
)
def test_a_client_without_a_certificate_is_told_so(
    rest: Callable[[Tls], int], version: ssl.TLSVersion, alert: str
) -> None:
    port, context = rest(MUTUAL), trusting()
    context.maximum_version = version
    for _ in range(2):
        with pytest.raises(ssl.SSLError) as caught:
            ask_rest(port, context)
        assert alert in caught.value.reason


def test_a_body_that_is_too_long_is_refused_over_tls_too(rest: Callable[[Tls], int]) -> None:
    with closing(
        http.client.HTTPSConnection("localhost", rest(SERVER), context=trusting(), timeout=60)
    ) as connection:
        connection.putrequest("POST", "/v1/models/m:predict")
        connection.putheader("Content-Length", str(2**40))
        connection.endheaders(b" " * 300_000)
        response = connection.getresponse()
        assert (response.status, response.headers["connection"]) == (413, "close")
        assert json.loads(response.read())["error"]


def test_grpc_lets_only_known_clients_in(rpc: Callable[[Tls], int]) -> None:
    port = rpc(MUTUAL)
    with pytest.raises(grpc.RpcError):
        ask_grpc(port)
    assert ask_grpc(port, client=True) == 1


def test_plain_text_on_a_tls_port_gets_no_answer_and_ends_nothing(
    rest: Callable[[Tls], int],
) -> None:
    port = rest(SERVER)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as plain:
        plain.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in plain.recv(1000)
    assert ask_rest(port, trusting()) == [3.0]


def test_a_tls_client_that_does_not_close_does_not_hold_up_the_stop() -> None:
    server = RestServer(models(), "127.0.0.1", 0, RestOptions(tls=SERVER))
    port = server.start()
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    with closing(trusting().wrap_socket(connection, server_hostname="localhost")) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        server.stop(600)  # it would be as long as the grace otherwise


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        (replace(SERVER, server_key=""), "server_key and server_cert"),
        (replace(SERVER, server_key=pem("client.key")), "server_key and server_cert"),
        (replace(SERVER, server_cert="/path/to/cert.pem"), "server_key and server_cert"),
        (replace(MUTUAL, custom_ca="-----BEGIN CERTIFICATE-----"), "custom_ca"),
        (replace(MUTUAL, custom_ca=""), "client_verify is set, but custom_ca is empty"),
    ],
    ids=["no key", "not its key", "a path", "no CA", "nobody to verify with"],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda tls: GrpcServer(models(), "127.0.0.1", 0, GrpcOptions(tls=tls)),
        lambda tls: RestServer(models(), "127.0.0.1", 0, RestOptions(tls=tls)),
    ],
    ids=["grpc", "rest"],
)
def test_keys_that_can_not_be_used_are_refused_with_a_reason(
    tls: Tls, text: str, make: Callable[[Tls], object]
) -> None:
    with pytest.raises(InvalidArgument, match=text) as caught:
        make(tls)
    assert caught.value.hint


def test_a_key_is_never_shown() -> None:
    assert "PRIVATE" not in repr(GrpcOptions(tls=SERVER)) + str(RestOptions(tls=MUTUAL))
