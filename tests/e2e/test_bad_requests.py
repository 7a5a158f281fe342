"""Requests that can not be answered: the compatible text first, then what to do; and on it goes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from servable.client import Client, GrpcClient
from servable.errors import Code, ServableError
from servable.server.assemble import Server
from servable.tensors import Array

IMAGE = np.zeros((1, 8, 8, 1), np.float32)


@pytest.fixture(autouse=True)
def still_serving(server: Server, images: Array) -> Iterator[None]:
    yield
    with GrpcClient(f"127.0.0.1:{server.grpc_port}") as client:
        assert client.predict("digits", {"image": images[:1]}).version == 2


def post(server: Server, body: bytes, path: str = "digits:predict") -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
    try:
        connection.request("POST", f"/v1/models/{path}", body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("model", "version", "message"),
    [
        ("nope", None, "Servable not found for request: Latest(nope)"),
        ("digits", 9, "Servable not found for request: Specific(digits, 9)"),
    ],
)
def test_a_model_or_version_that_is_not_there(
    client: Client, model: str, version: int | None, message: str
) -> None:
    with pytest.raises(ServableError) as caught:
        client.predict(model, {"image": IMAGE}, version=version)

    assert (caught.value.code, caught.value.message) == (Code.NOT_FOUND, message)
    assert "digits" in caught.value.hint


@pytest.mark.parametrize(
    ("inputs", "signature", "code", "message"),
    [
        (
            {},
            "",
            Code.INVALID_ARGUMENT,
            "input size does not match signature: 0!=1 len({}) != len({image}). "
            "Sent extra: {}. Missing but required: {image}.",
        ),
        (
            {"image": IMAGE, "more": IMAGE},
            "",
            Code.INVALID_ARGUMENT,
            "input size does not match signature: 2!=1 len({image,more}) != len({image}). "
            "Sent extra: {more}. Missing but required: {}.",
        ),
        (
            {"img": IMAGE},
            "",
            Code.INVALID_ARGUMENT,
            "Signature input alias: image(feed name: ",
        ),
        (
            {"image": IMAGE.astype(np.int64)},
            "",
            Code.INVALID_ARGUMENT,
            "Expects arg[0] to be float but int64 is provided",
        ),
        ({"image": IMAGE[:, :4]}, "", Code.INVALID_ARGUMENT, ""),
        ({"image": IMAGE[0]}, "", Code.INVALID_ARGUMENT, ""),
        (
            {"image": IMAGE},
            "nope",
            Code.FAILED_PRECONDITION,
            'Serving signature key "nope" not found.',
        ),
    ],
    ids=["missing", "extra", "misnamed", "wrong dtype", "wrong size", "wrong rank", "signature"],
)
@pytest.mark.parametrize("version", [1, 2])
def test_a_grpc_request_that_does_not_fit_the_signature(
    server: Server,
    inputs: Mapping[str, Array],
    signature: str,
    code: Code,
    message: str,
    version: int,
) -> None:
    with (
        GrpcClient(f"127.0.0.1:{server.grpc_port}") as client,
        pytest.raises(ServableError) as caught,
    ):
        client.predict("digits", inputs, signature=signature, version=version)

    assert caught.value.code is code
    assert caught.value.message.startswith(message)
    assert caught.value.message
    assert "image" in caught.value.hint


def instances(value: Any) -> bytes:
    return json.dumps({"instances": value}).encode()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "JSON Parse error: The document is empty"),
        (b'{"instances": [1, ]}', 400, "JSON Parse error: Invalid value. at offset: 18"),
        (b"[]", 400, "JSON Value: [] Is not object"),
        (b"{}", 400, "Missing 'inputs' or 'instances' key"),
        (
            b'{"instances": []}',
            400,
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        (
            instances([{"img": IMAGE[0].tolist()}]),
            400,
            "Failed to process element: 0 key: img of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: img",
        ),
        (
            json.dumps({"inputs": {"img": IMAGE.tolist()}}).encode(),
            400,
            "Missing named input: image in 'inputs' object.",
        ),
        (
            instances(["a"]),
            400,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "a" Type: String is not of expected type: float',
        ),
        (instances(IMAGE[:, :4].tolist()), 400, ""),
        (
            json.dumps({"signature_name": "nope", "instances": IMAGE.tolist()}).encode(),
            400,
            'Serving signature name: "nope" not found in signature def',
        ),
    ],
    ids=[
        "empty body",
        "invalid json",
        "no object",
        "neither key",
        "no instances",
        "misnamed in a row",
        "misnamed in columns",
        "wrong dtype",
        "wrong shape",
        "signature",
    ],
)
def test_a_rest_request_that_can_not_be_answered(
    server: Server, body: bytes, status: int, message: str
) -> None:
    code, document = post(server, body)

    assert code == status
    assert next(iter(document)) == "error"
    assert document["error"].startswith(message)
    assert document["error"]
    assert document["hint"]


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("nope:predict", 404, "Servable not found for request: Latest(nope)"),
        (
            "digits/versions/9:predict",
            404,
            "Servable not found for request: Specific(digits, 9)",
        ),
        ("digits:frobnicate", 400, "Malformed request: POST /v1/models/digits:frobnicate"),
    ],
)
def test_a_rest_path_that_leads_nowhere(
    server: Server, path: str, status: int, message: str
) -> None:
    code, document = post(server, instances(IMAGE.tolist()), path)

    assert (code, document["error"]) == (status, message)
    assert document["hint"]


def test_garbage_on_either_port_does_no_harm(server: Server) -> None:
    import socket

    for port in (server.grpc_port, server.rest_port):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00" + bytes(range(256)))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
