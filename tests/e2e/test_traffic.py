"""Requests to the two versions of the digits, divided and copied, over both protocols."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from servable import tensor_proto
from servable.client import GrpcClient
from servable.demos import digits
from servable.errors import InvalidArgument, NotFound
from servable.pb import config_pb2, serving_pb2
from servable.server.assemble import Server
from servable.server.config import ServerConfig
from servable.tensors import Array
from servable.traffic.rules import ShadowRule, Share, Which

PATIENCE = 60.0
PREDICT = "/tensorflow.serving.PredictionService/Predict"

Eventually = Callable[[Callable[[], bool]], None]
Ask = Callable[["Client"], int]


class Client:
    """Asks about one image over either protocol; tells which version answered."""

    def __init__(self, server: Server, image: Array, expected: dict[int, Array]) -> None:
        self._image = image
        self._expected = expected
        self._http = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=PATIENCE)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        self._predict = self._channel.unary_unary(PREDICT, bytes, bytes)

    def close(self) -> None:
        self._http.close()
        self._channel.close()

    def grpc(self, **headers: str) -> int:
        request = serving_pb2.PredictRequest()
        request.model_spec.name = "digits"
        request.inputs["image"].CopyFrom(tensor_proto.encode(self._image))
        metadata = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        answer = self._predict(request.SerializeToString(), metadata=metadata, timeout=PATIENCE)
        response = serving_pb2.PredictResponse.FromString(answer)
        version: int = response.model_spec.version.value
        return version

    def rest(self, **headers: str) -> int:
        body = json.dumps({"instances": self._image.tolist()})
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._send("POST", "/v1/models/digits:predict", body, named)["predictions"]
        # REST does not tell the version, its numbers do.
        gaps = {v: float(np.abs(np.array(answer) - e).max()) for v, e in self._expected.items()}
        return min(gaps, key=gaps.__getitem__)

    def get(self, path: str) -> Any:
        return self._send("GET", path, None, {})

    def _send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Any:
        self._http.request(method, path, body, headers)
        response = self._http.getresponse()
        text = response.read()
        assert response.status == 200, text
        return json.loads(text)


class Stand:
    """A server that reads its models from a file again and again."""

    def __init__(self, folder: Path, images: Array, expected: dict[int, Array]) -> None:
        self._file = folder / "models.config"
        self._image = images[:1]
        self._expected = {version: answers[:1] for version, answers in expected.items()}
        self._open = ExitStack()

    def start(self, traffic: str) -> Client:
        self.say(traffic)
        config = ServerConfig(
            host="127.0.0.1",
            grpc_port=0,
            rest_port=0,
            config_file=self._file,
            config_poll_seconds=0.02,
        )
        self.server = self._open.enter_context(Server(config))
        client = Client(self.server, self._image, self._expected)
        self._open.callback(client.close)
        return client

    def say(self, traffic: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(
            f"""model_config_list {{ config {{
              name: "digits" base_path: "{digits.MODELS}" model_platform: "tensorflow"
              model_version_policy {{ all {{}} }}
              version_labels {{ key: "stable" value: 1 }}
              version_labels {{ key: "canary" value: 2 }}
              {traffic} }} }}"""
        )
        new.replace(self._file)

    def close(self) -> None:
        self._open.close()


@pytest.fixture
def stand(tmp_path: Path, images: Array, expected: dict[int, Array]) -> Iterator[Stand]:
    made = Stand(tmp_path, images, expected)
    yield made
    made.close()


def all_there(stand: Stand) -> bool:
    statuses = stand.server.models.status("digits")
    return [str(status.state) for status in statuses] == ["AVAILABLE"] * 2


@pytest.mark.parametrize("ask", [Client.grpc, Client.rest])
def test_the_file_divides_requests_and_may_divide_them_otherwise(
    stand: Stand, eventually: Eventually, ask: Ask
) -> None:
    client = stand.start('traffic { split { label: "stable" weight: 1 } }')
    eventually(lambda: all_there(stand))
    assert {ask(client) for _ in range(5)} == {1}

    stand.say('traffic { split { version: 1 weight: 1 } split { label: "canary" weight: 1 } }')
    eventually(lambda: ask(client) == 2)
    found = Counter(ask(client) for _ in range(60))
    assert found.keys() == {1, 2}

    stand.say("")
    eventually(lambda: not client_split(client))
    assert {ask(client) for _ in range(5)} == {2}


def client_split(client: Client) -> list[Any]:
    split: list[Any] = client.get("/v1/models/digits/traffic")["split"]
    return split


def test_a_split_can_be_set_while_the_server_runs(stand: Stand, eventually: Eventually) -> None:
    client = stand.start("traffic { split { version: 1 weight: 1 } }")
    eventually(lambda: all_there(stand))

    stand.server.models.set_traffic("digits", [Share(Which(label="canary"), 1)])

    assert {client.grpc(), client.rest()} == {2}
    assert client_split(client) == [
        {"label": "canary", "weight": 1, "now": "2", "available": True, "share": 1.0}
    ]


def test_a_shadow_can_be_set_while_the_server_runs(stand: Stand, eventually: Eventually) -> None:
    client = stand.start("")
    eventually(lambda: all_there(stand))

    stand.server.models.set_shadow("digits", ShadowRule(Which(label="stable")))
    assert client.grpc() == 2
    page = client.get("/v1/models/digits/traffic")
    assert (page["split"], page["shadow"]["now"]) == ([], "1")

    stand.server.models.set_shadow("digits", None)
    assert client.get("/v1/models/digits/traffic")["shadow"] is None


def test_a_label_or_model_that_does_not_exist_can_not_be_sent_anything(
    stand: Stand, eventually: Eventually
) -> None:
    client = stand.start("traffic { split { version: 1 weight: 1 } }")
    eventually(lambda: all_there(stand))
    nobody = Which(label="nobody")

    with pytest.raises(InvalidArgument) as split:
        stand.server.models.set_traffic("digits", [Share(nobody, 1)])
    with pytest.raises(InvalidArgument) as shadow:
        stand.server.models.set_shadow("digits", ShadowRule(nobody))
    with pytest.raises(NotFound) as model:
        stand.server.models.set_traffic("nothing", [Share(nobody, 1)])

    for caught in (split, shadow):
        assert caught.value.message == 'label "nobody" of model digits is not given'
        assert caught.value.hint == "Labels: canary, stable."
    assert model.value.message == "There is no model nothing."
    assert client.grpc() == 1


def test_a_key_gets_the_same_version_over_both_protocols(
    stand: Stand, eventually: Eventually
) -> None:
    client = stand.start(
        "traffic { split { version: 1 weight: 1 } split { version: 2 weight: 1 }"
        ' sticky_header: "x-user-id" }'
    )
    eventually(lambda: all_there(stand))

    chosen = {key: client.grpc(x_user_id=key) for key in map(str, range(12))}

    assert set(chosen.values()) == {1, 2}
    assert {key: client.rest(x_user_id=key) for key in chosen} == chosen
    assert {key: client.grpc(x_user_id=key) for key in chosen} == chosen


@pytest.mark.parametrize("ask", [Client.grpc, Client.rest])
def test_copies_are_compared_and_the_page_and_the_metrics_say_how_they_did(
    stand: Stand, eventually: Eventually, ask: Ask, expected: dict[int, Array]
) -> None:
    client = stand.start(
        "traffic { split { version: 1 weight: 1 } shadow { version: 2 tolerance: 1e-5 } }"
    )
    eventually(lambda: all_there(stand))

    def compared() -> int:
        pairs = client.get("/v1/models/digits/traffic")["shadow"]["comparisons"]
        return sum(pair["compared"] for pair in pairs)

    for number in range(5):
        assert ask(client) == 1
        eventually(lambda number=number: compared() == number + 1)  # type: ignore[misc]  # bound now

    page = client.get("/v1/models/digits/traffic")
    (pair,) = page["shadow"]["comparisons"]
    gap = float(np.abs(expected[1][0] - expected[2][0]).max())
    assert page["requests"] == {"1": 5}
    assert (pair["version"], pair["shadow"], pair["failed"]) == ("1", "2", 0)
    assert min(pair["mean_seconds"].values()) > 0
    output = pair["outputs"]["probabilities"]
    assert output["max_absolute_difference"] == pytest.approx(gap, rel=1e-3)
    assert (output["rows"], output["disagreement_rate"]) == (5, float(gap > 1e-5))
    assert output["argmax_disagreement_rate"] == float(
        expected[1][0].argmax() != expected[2][0].argmax()
    )
    text = metrics_page(stand.server)
    assert 'servable_traffic_requests_total{model="digits",version="1"} 5' in text
    of = 'model="digits",shadow="2",version="1"'
    assert f'servable_shadow_requests_total{{{of},outcome="compared"}} 5' in text


def metrics_page(server: Server) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=PATIENCE)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_rules_come_with_a_reload_request_too(eventually: Eventually) -> None:
    request = config_pb2.ReloadConfigRequest()
    listed = request.config.model_config_list.config.add(
        name="digits", base_path=str(digits.MODELS), model_platform="tensorflow"
    )
    listed.model_version_policy.all.SetInParent()
    listed.traffic.split.add(version=1, weight=1)
    method = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
    with Server(ServerConfig(host="127.0.0.1", grpc_port=0, rest_port=0)) as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            channel.unary_unary(method, bytes, bytes)(request.SerializeToString(), timeout=PATIENCE)
        with GrpcClient(f"127.0.0.1:{server.grpc_port}") as client:
            eventually(lambda: {s.state for s in client.status("digits")} == {"AVAILABLE"})
            image = np.zeros((1, 8, 8, 1), np.float32)
            answer = client.predict("digits", {"image": image})

    assert answer.version == 1


def test_models_without_rules_have_the_page_too_and_their_status_is_as_ever(
    server: Server,
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=PATIENCE)

    def get(path: str) -> tuple[int, bytes]:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()

    entry = '{"version":"%d","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}'
    assert get("/v1/models/digits") == (
        200,
        f'{{"model_version_status":[{entry % 2},{entry % 1}]}}'.encode(),
    )
    assert get("/v1/models/digits/traffic") == (
        200,
        b'{"model":"digits","split":[],"sticky_header":"","requests":{},"shadow":null}',
    )
    status, body = get("/v1/models/nothing/traffic")
    connection.close()
    assert status == 404
    assert json.loads(body)["error"] == "Could not find any versions of model nothing"
