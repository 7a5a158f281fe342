"""Both servers on free ports, serving models that exist only in memory."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from served_models import FakeModels, FakeServable, echo, half_plus_two, spec

from servable import tensors
from servable.errors import Code, ServableError
from servable.pb import serving_pb2
from servable.tensors import Array, Signature
from servable.transport.grpc import HINT_KEY, GrpcServer
from servable.transport.options import RestOptions
from servable.transport.rest import RestServer

PREDICT = "/tensorflow.serving.PredictionService/Predict"
UNFORESEEN = 99
"""The version of the model `fails` that raises what no code foresaw."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.document["error"])

    @property
    def hint(self) -> str:
        return str(self.document.get("hint", ""))


@dataclass(frozen=True)
class Refusal:
    code: int
    text: str
    hint: str


def ask_rest(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        lower = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, lower, response.read())
    finally:
        connection.close()


class Asking:
    """One server of each kind, and shortcuts to ask them."""

    def __init__(self, models: FakeModels, rest_port: int, channel: grpc.Channel) -> None:
        self.models = models
        self.rest_port = rest_port
        self.channel = channel

    def rest(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask_rest(self.rest_port, method, path, body, named)

    def post(self, path: str, document: Any, **headers: str) -> Reply:
        return self.rest("POST", f"/v1/models/{path}", json.dumps(document), **headers)

    def grpc(self, method: str, data: bytes, timeout: float = 60) -> bytes:
        answer: bytes = self.channel.unary_unary(method, None, None)(data, timeout=timeout)
        return answer

    def predict(self, request: serving_pb2.PredictRequest) -> serving_pb2.PredictResponse:
        data = self.grpc(PREDICT, request.SerializeToString())
        return serving_pb2.PredictResponse.FromString(data)

    def refusal(self, method: str, data: bytes) -> Refusal:
        with pytest.raises(grpc.RpcError) as caught:
            self.grpc(method, data)
        error: Any = caught.value  # also the call, which the stubs do not know
        trailing = {key: str(value) for key, value in error.trailing_metadata() or ()}
        return Refusal(error.code().value[0], error.details() or "", trailing.get(HINT_KEY, ""))


def failing(error: Exception) -> FakeServable:
    def run(_: Mapping[str, Array]) -> Mapping[str, Array]:
        raise error

    return FakeServable(half_plus_two().signatures, run)


def error_with(code: Code) -> ServableError:
    kind = type("Failure", (ServableError,), {"code": code})
    error: ServableError = kind(f"the text of {code.name}")
    return error


def make_models() -> FakeModels:
    broken: dict[int, FakeServable] = {
        code.value: failing(error_with(code)) for code in Code if code is not Code.OK
    }
    broken[UNFORESEEN] = failing(ValueError("a secret"))
    two = {"größe": spec("a:0", tensors.FLOAT), "s": spec("b:0", tensors.STRING)}
    return FakeModels(
        {
            "half_plus_two": {122: half_plus_two(), 123: half_plus_two()},
            "fails": broken,
            "two": {1: FakeServable({"serving_default": Signature(two, two)}, dict)},
            "text": {1: echo(s=tensors.STRING)},
            "half": {1: echo(h=tensors.HALF)},
            "a/b:c d%?#[]@": {7: half_plus_two()},
        }
    )


@pytest.fixture(scope="session")
def asking() -> Iterator[Asking]:
    models = make_models()
    rest = RestServer(models, "127.0.0.1", 0)
    rpc = GrpcServer(models, "127.0.0.1", 0)
    rest_port = rest.start()
    options = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(f"127.0.0.1:{rpc.start()}", options)
    try:
        yield Asking(models, rest_port, channel)
    finally:
        channel.close()
        rest.stop(10)
        rpc.stop(10)


@pytest.fixture
def rest_server() -> Iterator[Callable[..., int]]:
    """Start a REST server with other options; it is gone when the test ends."""
    servers: list[RestServer] = []

    def start(**options: Any) -> int:
        servers.append(RestServer(make_models(), "127.0.0.1", 0, RestOptions(**options)))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop(10)


@pytest.fixture(scope="session")
def ask() -> Callable[..., Reply]:
    return ask_rest
