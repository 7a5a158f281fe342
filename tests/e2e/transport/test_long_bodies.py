"""Bodies that are received into a buffer of their own: on both loops, with TLS and without."""

from __future__ import annotations

import asyncio
import base64
import gzip
import http.client
import json
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy_files import archive, saved
from served_models import FakeModels, FakeServable, half_plus_two, spec

from servable import tensor_proto, tensors
from servable.pb import serving_pb2
from servable.tensors import Signature
from servable.transport import loop_server
from servable.transport.loops import new_loop
from servable.transport.options import RestOptions, Tls
from servable.transport.rest import RestServer

FILES = Path(__file__).parents[2] / "data" / "tls"
X = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
Y = X / 2 + 2
RAW = {"Content-Type": "application/octet-stream", "X-Tensor-Shape": f"{X.size}"}


def models() -> FakeModels:
    texts = {"b": spec("b:0", tensors.STRING, (None,))}
    strings = FakeServable({"serving_default": Signature(texts, texts)}, dict)
    return FakeModels({"half": {1: half_plus_two()}, "strings": {1: strings}})


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def loops(request: pytest.FixtureRequest) -> Iterator[None]:
    made: Callable[[], asyncio.AbstractEventLoop] = new_loop
    if request.param == "asyncio":
        made = asyncio.new_event_loop
    else:
        pytest.importorskip("uvloop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_server, "new_loop", made)
        yield


@pytest.fixture(scope="module", params=["plain", "TLS"])
def connect(loops: None, request: pytest.FixtureRequest) -> Iterator[Callable[[], socket.socket]]:
    del loops
    secure = request.param == "TLS"
    tls = Tls((FILES / "server.key").read_text(), (FILES / "server.pem").read_text())
    server = RestServer(models(), "127.0.0.1", 0, RestOptions(tls=tls if secure else None))
    port = server.start()

    def connected() -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", port), 60)
        if not secure:
            return plain
        context = ssl.create_default_context(cafile=FILES / "ca.pem")
        context.check_hostname = False
        return context.wrap_socket(plain)

    yield connected
    server.stop(5)


@pytest.fixture(scope="module")
def client(connect: Callable[[], socket.socket]) -> Iterator[http.client.HTTPConnection]:
    """One connection, for all requests."""
    kept = http.client.HTTPConnection("localhost")
    kept.sock = connect()
    yield kept
    kept.close()


def message() -> bytes:
    request = serving_pb2.PredictRequest()
    request.inputs["x"].CopyFrom(tensor_proto.encode(X))
    return request.SerializeToString()


def document(values: Any) -> bytes:
    return json.dumps({"instances": values}).encode()


PREDICT = "/v1/models/half:predict"
V2 = {"name": "x", "shape": [X.size], "datatype": "FP32"}
V2_HEAD = json.dumps(
    {"inputs": [{**V2, "parameters": {"binary_data_size": X.nbytes}}]}, separators=(",", ":")
).encode()
GZIP = {"Content-Encoding": "gzip"}
BODIES: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "JSON": (PREDICT, document(X.tolist()), {}),
    "JSON, gzip": (PREDICT, gzip.compress(document(X.tolist())), GZIP),
    "JSON, with more than numbers": (PREDICT, document(X.tolist())[:-1] + b',"z":NaN}', {}),
    "raw": (PREDICT, X.tobytes(), RAW),
    "npy": (PREDICT, saved(X), {"Content-Type": "application/x-npy"}),
    "npz": (PREDICT, archive(x=X), {"Content-Type": "application/x-npz"}),
    "protobuf": (PREDICT, message(), {"Content-Type": "application/x-protobuf"}),
    "v2 JSON": (
        "/v2/models/half/infer",
        json.dumps({"inputs": [{**V2, "data": X.tolist()}]}).encode(),
        {},
    ),
    "v2 binary": (
        "/v2/models/half/infer",
        V2_HEAD + X.tobytes(),
        {"Inference-Header-Content-Length": str(len(V2_HEAD))},
    ),
}


@pytest.mark.parametrize("form", BODIES)
def test_numbers_in_a_long_body(client: http.client.HTTPConnection, form: str) -> None:
    path, body, headers = BODIES[form]
    for _ in range(2):
        client.request("POST", path, body, {**headers, "Accept": "application/json"})
        answer = json.loads(client.getresponse().read())
        if path == PREDICT:
            found = answer.get("predictions") or answer["outputs"]
        else:
            found = answer["outputs"][0]["data"]
        np.testing.assert_allclose(found, Y, rtol=1e-6)


TEXTS = [uuid.UUID(int=i).hex for i in range(20_000)]


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("strings:predict", document(TEXTS), "application/json"),
        (
            "strings:predict",
            document([{"b64": base64.b64encode(t.encode()).decode()} for t in TEXTS]),
            "application/json",
        ),
        ("strings:predict", document(TEXTS)[:-1] + b',"z":-Infinity}', "application/json"),
        ("strings:predict", saved(np.array(TEXTS, "S32")), "application/x-npy"),
    ],
    ids=["text", "b64", "with words", "npy"],
)
def test_strings_in_a_long_body(
    client: http.client.HTTPConnection, path: str, body: bytes, kind: str
) -> None:
    headers = {"Content-Type": kind, "Accept": "application/json"}
    client.request("POST", f"/v1/models/{path}", body, headers)
    answer = json.loads(client.getresponse().read())
    assert (answer.get("predictions") or answer["outputs"]) == TEXTS


def test_an_image_in_a_long_body_is_passed_on(client: http.client.HTTPConnection) -> None:
    body = b"\xff\xd8\xff" + X.tobytes()
    headers = {"Content-Type": "image/jpeg", "Accept": "application/x-protobuf"}
    client.request("POST", "/v1/models/strings:predict", body, headers)
    answer = serving_pb2.PredictResponse.FromString(client.getresponse().read())
    assert tensor_proto.decode(answer.outputs["b"]).tolist() == [body]


@pytest.mark.parametrize(
    "body", [b'{"instances": [' + b"1, " * 200_000 + b"]}", b'{"instances": "' + b"\xff" * 600_000]
)
def test_a_long_body_that_is_no_json_is_refused(
    client: http.client.HTTPConnection, body: bytes
) -> None:
    client.request("POST", PREDICT, body)
    answer = client.getresponse()
    assert answer.status == 400
    assert "JSON Parse error" in json.loads(answer.read())["error"]


def test_long_bodies_that_are_sent_together_are_answered_in_order(
    connect: Callable[[], socket.socket],
) -> None:
    sizes = [200_000, 3, 150_000, 120_000, 1]
    requests = [
        b"POST %b HTTP/1.1\r\nContent-Type: application/octet-stream\r\nX-Tensor-Shape: %d\r\n"
        b"Accept: application/octet-stream\r\nContent-Length: %d\r\n\r\n%b"
        % (PREDICT.encode(), size, 4 * size, X[:size].tobytes())
        for size in sizes
    ]
    with connect() as client, client.makefile("rb") as answers:
        client.sendall(b"".join(requests))
        for size in sizes:
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            length = http.client.parse_headers(answers)["content-length"]
            found = np.frombuffer(answers.read(int(length)), np.float32)
            np.testing.assert_allclose(found, Y[:size], 1e-6)
