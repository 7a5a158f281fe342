"""A server in this process, asked over both protocols."""

from __future__ import annotations

import gc
import json
import socket
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from servable.client import Client, GrpcClient, RestClient
from servable.demos import digits
from servable.errors import NotFound, ServableError
from servable.server.assemble import Server
from servable.server.config import BareModel, ServerConfig
from servable.sources.filesystem import Latest, WatchedModel
from servable.tensors import Array


@pytest.mark.parametrize("version", [1, 2])
def test_answers_equal_tensorflows(
    client: Client, images: Array, expected: dict[int, Array], version: int
) -> None:
    answer = client.predict("digits", {"image": images}, version=version)

    np.testing.assert_allclose(
        answer.outputs["probabilities"], expected[version], rtol=1e-4, atol=1e-5
    )


def test_the_newest_version_answers_when_none_is_named(
    client: Client, images: Array, expected: dict[int, Array]
) -> None:
    answer = client.predict("digits", {"image": images[:4]})

    np.testing.assert_allclose(
        answer.outputs["probabilities"], expected[2][:4], rtol=1e-4, atol=1e-5
    )


def test_metadata_describes_the_signature(client: Client) -> None:
    metadata = client.metadata("digits")

    assert (metadata.model, metadata.version) == ("digits", 2)
    assert str(metadata.signatures["serving_default"]) == (
        "(image: float [?, 8, 8, 1]) -> (probabilities: float [?, 10])"
    )


def test_status_lists_versions_highest_first(client: Client) -> None:
    states = client.status("digits")

    assert [(state.version, state.state, state.code.name) for state in states] == [
        (2, "AVAILABLE", "OK"),
        (1, "AVAILABLE", "OK"),
    ]


def test_a_request_that_curl_would_send_is_answered(server: Server, images: Array) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.rest_port}/v1/models/digits:predict",
        data=json.dumps({"instances": images[:2].tolist()}).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)

    assert np.shape(answer["predictions"]) == (2, 10)


def test_a_bare_saved_model_is_served_as_version_1(images: Array) -> None:
    config = ServerConfig(
        (BareModel("m", digits.MODELS / "2"),), "127.0.0.1", grpc_port=0, rest_port=0
    )
    with Server(config) as server, GrpcClient(f"127.0.0.1:{server.grpc_port}") as client:
        assert server.wait_until_settled(60)
        assert client.predict("m", {"image": images[:1]}).version == 1


def test_loaded_models_are_set_aside_from_garbage_collection(
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    config = ServerConfig(
        (BareModel("m", digits.MODELS / "1"),), "127.0.0.1", grpc_port=0, rest_port=0
    )
    gc.unfreeze()
    with Server(config):
        eventually(lambda: gc.get_freeze_count() > 0)
    assert gc.get_freeze_count() == 0


def test_two_models_do_not_get_in_each_others_way(
    tmp_path: Path, images: Array, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    models = (
        WatchedModel("empty", tmp_path),
        WatchedModel("digits", digits.MODELS, Latest()),
    )
    config = ServerConfig(models, "127.0.0.1", grpc_port=0, rest_port=0)
    with Server(config) as server, RestClient(f"127.0.0.1:{server.rest_port}") as client:
        eventually(lambda: _is_available(client, "digits"))
        assert client.predict("digits", {"image": images[:1]}).outputs
        with pytest.raises(NotFound):
            client.predict("empty", {"image": images[:1]})


def test_a_stopped_server_frees_its_ports_for_the_next() -> None:
    models = (BareModel("m", digits.MODELS / "1"),)
    with Server(ServerConfig(models, "127.0.0.1", grpc_port=0, rest_port=0)) as first:
        ports = (first.grpc_port, first.rest_port)

    with Server(ServerConfig(models, "127.0.0.1", *ports)) as second:
        assert (second.grpc_port, second.rest_port) == ports


@pytest.mark.parametrize("flag", ["grpc_port", "rest_port"])
def test_a_port_that_is_taken_is_named_and_nothing_is_left_running(flag: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ports = {"grpc_port": 0, "rest_port": 0} | {flag: port}
        server = Server(ServerConfig((), "127.0.0.1", **ports))
        with pytest.raises(ServableError) as caught:
            server.start()

    assert str(port) in caught.value.message
    assert "--" + flag.replace("_", "-") in caught.value.message + caught.value.hint
    if server.grpc_port and server.grpc_port != port:
        with closing(socket.create_server(("127.0.0.1", server.grpc_port))):
            pass


def _is_available(client: Client, name: str) -> bool:
    try:
        return client.status(name)[0].state == "AVAILABLE"
    except NotFound:
        return False
