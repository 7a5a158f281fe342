"""The Open Inference Protocol on both ports, next to the peer's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from served_models import FakeModels, FakeServable, FakeStatus, echo, half_plus_two, spec

from servable import __version__, tensors
from servable.contracts import ServableId
from servable.errors import NotFound, Unavailable
from servable.pb import oip_pb2
from servable.tensors import Signature
from servable.transport.grpc import GrpcServer
from servable.transport.options import RestOptions
from servable.transport.readiness import Readiness
from servable.transport.rest import RestServer

SERVICE = "/inference.GRPCInferenceService/"
TRITON_PYTHON = os.environ.get("SERVABLE_TRITON_PYTHON") or (
    sys.executable if find_spec("tritonclient") else ""
)
"""An interpreter that has tritonclient[http,grpc]."""


class Repository(FakeModels):
    """Models that clients may load and unload."""

    def __init__(self) -> None:
        super().__init__({"half": {1: half_plus_two()}})
        self.calls: list[tuple[str, str]] = []

    def load_model(self, name: str) -> None:
        if name == "nope":
            raise NotFound("The repository has no model nope.")
        self.calls.append(("load", name))

    def unload_model(self, name: str) -> None:
        self.calls.append(("unload", name))


class Both:
    """A REST and a gRPC server, and shortcuts to ask them."""

    def __init__(self, models: FakeModels, ask: Callable[..., Any]) -> None:
        self.models = models
        self.readiness = Readiness(models)
        self._ask = ask
        self._rest = RestServer(
            models, "127.0.0.1", 0, RestOptions(gzip=True), readiness=self.readiness
        )
        self._grpc = GrpcServer(models, "127.0.0.1", 0, readiness=self.readiness)
        self.ports = self._rest.start(), self._grpc.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.ports[1]}")

    def close(self) -> None:
        self.channel.close()
        self._rest.stop(5)
        self._grpc.stop(5)

    def rest(self, method: str, path: str, document: Any = None, **headers: str) -> Any:
        body = document if isinstance(document, bytes | None) else json.dumps(document)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask(self.ports[0], method, path, body, named)

    def grpc(self, name: str, /, **fields: Any) -> Any:
        request = getattr(oip_pb2, f"{name}Request")(**fields)
        data = self.channel.unary_unary(SERVICE + name, None, None)(
            request.SerializeToString(), timeout=60
        )
        return getattr(oip_pb2, f"{name}Response").FromString(data)

    def refusal(self, name: str, /, **fields: Any) -> tuple[str, str]:
        with pytest.raises(grpc.RpcError) as caught:
            self.grpc(name, **fields)
        error: Any = caught.value  # also the call, which the stubs do not know
        return error.code().name, error.details()


def make_models() -> FakeModels:
    named: dict[str, FakeServable] = {
        dtype.name: echo(x=dtype) for dtype in tensors.DTYPES if dtype.field
    }
    shaped = {"x": spec("x:0", tensors.FLOAT, (None, 3)), "s": spec("s:0", tensors.STRING, ())}
    two = Signature(shaped, shaped)
    models = FakeModels(
        {
            **{name: {1: servable} for name, servable in named.items()},
            "half_plus_two": {122: half_plus_two(), 123: half_plus_two()},
            "two": {1: FakeServable({"serving_default": two, "other": two}, dict)},
            "only": {
                1: FakeServable(
                    {"score": half_plus_two().signatures["serving_default"]},
                    lambda x: {"y": x["x"]},
                )
            },
        }
    )
    models.statuses["broken"] = [FakeStatus(ServableId("broken", 1), "END", Unavailable("no disk"))]
    models.statuses["new"] = [FakeStatus(ServableId("new", 1), "LOADING")]
    return models


@pytest.fixture(scope="module")
def both(ask: Any) -> Iterator[Both]:
    servers = Both(make_models(), ask)
    yield servers
    servers.close()


@pytest.fixture
def repository(ask: Any) -> Iterator[Both]:
    servers = Both(Repository(), ask)
    yield servers
    servers.close()


X = {"name": "x", "datatype": "FP32", "shape": [3], "data": [1, 2, 5]}
HALF = "/v2/models/half_plus_two"


def test_the_server_describes_itself(both: Both) -> None:
    document = both.rest("GET", "/v2").document
    answer = both.grpc("ServerMetadata")
    assert document == {
        "name": "servable",
        "version": __version__,
        "extensions": ["binary_tensor_data", "model_repository", "parameters"],
    }
    assert [answer.name, answer.version, list(answer.extensions)] == list(document.values())


def test_a_server_that_loads_is_live_and_not_ready(both: Both) -> None:
    assert both.rest("GET", "/v2/health/live").status == 200
    assert both.grpc("ServerLive").live
    assert both.rest("GET", "/v2/health/ready").status == 503
    assert not both.grpc("ServerReady").ready


def test_a_server_that_is_ready_says_so_until_it_drains(repository: Both) -> None:
    assert repository.rest("GET", "/v2/health/ready").status == 200
    assert repository.grpc("ServerReady").ready
    repository.readiness.drain()
    assert repository.rest("GET", "/v2/health/ready").status == 503
    assert not repository.grpc("ServerReady").ready


@pytest.mark.parametrize(
    ("name", "version", "status", "ready"),
    [
        ("half_plus_two", "", 200, True),
        ("half_plus_two", "122", 200, True),
        ("half_plus_two", "9", 404, False),
        ("new", "", 503, False),
        ("broken", "1", 503, False),
        ("nope", "", 404, False),
    ],
)
def test_readiness_of_models(both: Both, name: str, version: str, status: int, ready: bool) -> None:
    place = f"/versions/{version}" if version else ""
    assert both.rest("GET", f"/v2/models/{name}{place}/ready").status == status
    assert both.grpc("ModelReady", name=name, version=version).ready is ready


def test_metadata_of_a_model(both: Both) -> None:
    document = both.rest("GET", "/v2/models/two").document
    sides: list[dict[str, Any]] = [
        {"name": "x", "datatype": "FP32", "shape": [-1, 3]},
        {"name": "s", "datatype": "BYTES", "shape": []},
    ]
    assert document == {
        "name": "two",
        "versions": ["1"],
        "platform": "tensorflow_savedmodel",
        "inputs": sides,
        "outputs": sides,
    }
    answer = both.grpc("ModelMetadata", name="two")
    assert [(t.name, t.datatype, list(t.shape)) for t in answer.inputs] == [
        tuple(side.values()) for side in sides
    ]
    assert both.rest("GET", "/v2/models/two?signature_name=other").status == 200
    assert both.rest("GET", "/v2/models/two?signature_name=nope").status == 404
    assert both.rest("GET", f"{HALF}/versions/122").document["versions"] == ["122", "123"]


def test_inference_over_both(both: Both) -> None:
    for place, version in (("", "123"), ("/versions/122", "122")):
        document = both.rest("POST", f"{HALF}{place}/infer", {"id": "7", "inputs": [X]}).document
        assert document == {
            "model_name": "half_plus_two",
            "model_version": version,
            "id": "7",
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [3], "data": [2.5, 3.0, 4.5]}],
        }
    tensor = {
        "name": "x",
        "datatype": "FP32",
        "shape": [3],
        "contents": {"fp32_contents": [1, 2, 5]},
    }
    answer = both.grpc("ModelInfer", model_name="half_plus_two", id="7", inputs=[tensor])
    assert (answer.model_name, answer.model_version, answer.id) == ("half_plus_two", "123", "7")
    assert list(answer.outputs[0].contents.fp32_contents) == [2.5, 3.0, 4.5]
    del tensor["contents"]
    raw = np.array([1, 2, 5], np.float32).tobytes()
    answer = both.grpc(
        "ModelInfer",
        model_name="half_plus_two",
        model_version="122",
        inputs=[tensor],
        raw_input_contents=[raw],
    )
    assert np.frombuffer(answer.raw_output_contents[0], np.float32).tolist() == [2.5, 3.0, 4.5]
    assert answer.model_version == "122"


def test_a_binary_answer_says_how_long_its_json_is(both: Both) -> None:
    request = {"inputs": [X], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}
    for headers in ({}, {"Accept_Encoding": "gzip"}):
        reply = both.rest("POST", f"{HALF}/infer", request, **headers)
        length = int(reply.headers["inference-header-content-length"])
        assert reply.headers["content-type"] == "application/octet-stream"
        document = json.loads(reply.body[:length])
        assert document["outputs"][0]["parameters"] == {"binary_data_size": 12}
        assert np.frombuffer(reply.body[length:], np.float32).tolist() == [2.5, 3.0, 4.5]


def test_outputs_and_signature_are_chosen(both: Both) -> None:
    inputs = [
        {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]},
        {"name": "s", "datatype": "BYTES", "shape": [], "data": ["ü"]},
    ]
    document = both.rest(
        "POST",
        "/v2/models/two/infer",
        {"inputs": inputs, "outputs": [{"name": "s"}], "parameters": {"signature_name": "other"}},
    ).document
    assert document["outputs"] == [{"name": "s", "datatype": "BYTES", "shape": [], "data": ["ü"]}]
    nope = {"inputs": inputs, "parameters": {"signature_name": "nope"}}
    reply = both.rest("POST", "/v2/models/two/infer", nope)
    assert (reply.status, reply.error) == (400, 'Serving signature key "nope" not found.')


def test_the_only_signature_needs_no_name(both: Both) -> None:
    reply = both.rest("POST", "/v2/models/only/infer", {"inputs": [X]})
    assert reply.document["outputs"][0]["data"] == [1, 2, 5]
    assert both.rest("GET", "/v2/models/only").status == 200


@pytest.mark.parametrize(
    ("method", "path", "document", "status", "error"),
    [
        ("POST", "/v2/models/nope/infer", {"inputs": [X]}, 404, "Servable not found for request"),
        ("POST", f"{HALF}/versions/9/infer", {"inputs": [X]}, 404, "Specific(half_plus_two, 9)"),
        ("POST", f"{HALF}/versions/x/infer", {"inputs": [X]}, 400, "The version 'x' is no number"),
        ("POST", f"{HALF}/versions/{'9' * 30}/infer", {}, 400, "Failed to convert version"),
        ("POST", f"{HALF}/infer", {}, 400, "input size does not match"),
        ("POST", f"{HALF}/infer", b"", 400, "JSON Parse error"),
        ("POST", f"{HALF}/infer", {"inputs": [{**X, "datatype": "INT64"}]}, 400, "to be float"),
        ("POST", f"{HALF}/infer", {"inputs": [X, {**X, "name": "z"}]}, 400, "input size"),
        ("POST", f"{HALF}/infer", {"inputs": [X], "outputs": [{"name": "z"}]}, 400, "alias not"),
        ("POST", "/v2/models/complex64/infer", {"inputs": [X]}, 400, "to be complex64"),
        ("GET", f"{HALF}/infer", None, 400, "takes POST, not GET"),
        ("POST", f"{HALF}/ready", {}, 400, "takes GET, not POST"),
        ("GET", f"{HALF}/config", None, 501, "has no config"),
        ("GET", f"{HALF}/stats", None, 501, "has no stats"),
        ("GET", f"{HALF}/other", None, 404, "No such page"),
        ("GET", "/v2/models", None, 404, "No such page"),
        ("GET", "/v2/models/%zz", None, 400, "Failed to decode model name"),
        ("GET", "/v2/x", None, 404, "No such page"),
        ("POST", "/v2/repository/x", {}, 404, "No such page"),
        ("POST", "/v2/repository/index", [], 400, "no JSON object"),
        ("POST", "/v2/repository/index", {"ready": 1}, 400, "neither true nor false"),
        ("POST", "/v2/repository/index", b" " * 70000, 400, "longer than"),
        ("POST", "/v2/repository/models/half_plus_two/load", {}, 403, "may not load"),
        ("POST", "/v2/repository/models/half_plus_two/unload", {}, 403, "may not load"),
    ],
)
def test_errors_over_rest(
    both: Both, method: str, path: str, document: Any, status: int, error: str
) -> None:
    reply = both.rest(method, path, document)
    assert reply.status == status
    assert error in reply.error
    assert reply.headers["content-type"] == "application/json"


def test_errors_over_grpc(both: Both) -> None:
    assert both.refusal("ModelInfer", model_name="nope")[0] == "NOT_FOUND"
    assert both.refusal("ModelInfer")[0] == "INVALID_ARGUMENT"
    assert both.refusal("ModelInfer", model_name="two")[0] == "INVALID_ARGUMENT"
    assert both.refusal("ModelMetadata", name="nope")[0] == "NOT_FOUND"
    assert both.refusal("ModelMetadata", name="two", version="x")[0] == "INVALID_ARGUMENT"
    for name in ("RepositoryModelLoad", "RepositoryModelUnload"):
        code, text = both.refusal(name, model_name="two")
        assert code == "PERMISSION_DENIED"
        assert text.startswith("Clients may not load")


@pytest.mark.parametrize(
    "name",
    [
        *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata"),
        *("ModelInfer", "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    ],
)
def test_what_is_no_message_is_the_clients_fault(both: Both, name: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        both.channel.unary_unary(SERVICE + name, None, None)(b"\xff\xff", timeout=60)
    error: Any = caught.value  # also the call, which the stubs do not know
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_the_index_of_the_repository(both: Both) -> None:
    entries = both.rest("POST", "/v2/repository/index", b"").document
    states = {(e["name"], e["version"]): (e["state"], e["reason"]) for e in entries}
    assert states["half_plus_two", "122"] == states["half_plus_two", "123"] == ("READY", "")
    assert states["broken", "1"] == ("UNAVAILABLE", "UNAVAILABLE: no disk")
    assert states["new", "1"] == ("LOADING", "")
    answer = both.grpc("RepositoryIndex")
    assert [(m.name, m.version, m.state, m.reason) for m in answer.models] == [
        tuple(entry.values()) for entry in entries
    ]
    ready = both.rest("POST", "/v2/repository/index", {"ready": True}).document
    assert {entry["state"] for entry in ready} == {"READY"}
    assert len(both.grpc("RepositoryIndex", ready=True).models) == len(ready)


def test_models_are_loaded_and_unloaded_where_that_is_permitted(repository: Both) -> None:
    base = "/v2/repository/models"
    assert repository.rest("POST", f"{base}/a%20b/load", b"").status == 200
    unload = {"parameters": {"unload_dependents": False}}
    assert repository.rest("POST", f"{base}/half/unload", unload).status == 200
    repository.grpc("RepositoryModelLoad", model_name="half")
    repository.grpc("RepositoryModelUnload", model_name="half")
    assert isinstance(repository.models, Repository)
    assert repository.models.calls == [
        ("load", "a b"),
        ("unload", "half"),
        ("load", "half"),
        ("unload", "half"),
    ]
    reply = repository.rest("POST", f"{base}/nope/load", b"")
    assert (reply.status, reply.error) == (404, "The repository has no model nope.")
    with_files = {"parameters": {"config": "{}"}}
    assert repository.rest("POST", f"{base}/half/load", with_files).status == 400
    parameters = {"config": {"string_param": "{}"}}
    code, _ = repository.refusal("RepositoryModelLoad", model_name="half", parameters=parameters)
    assert code == "INVALID_ARGUMENT"


def test_metrics_name_the_model_and_what_was_asked(repository: Both) -> None:
    repository.rest("POST", "/v2/models/half/infer", {"inputs": [X]})
    repository.rest("POST", "/v2/repository/index", b"")
    repository.rest("GET", "/openapi.json")
    page = repository.rest("GET", "/metrics").body.decode()
    counted = [line for line in page.splitlines() if line.startswith("servable_requests_total{")]
    assert any('model="half"' in line and 'api="model_infer"' in line for line in counted)
    for api in ("repository_index", "openapi"):
        assert any('model=""' in line and f'api="{api}"' in line for line in counted)


def test_the_peers_protocol_is_untouched(both: Both) -> None:
    reply = both.rest("POST", "/v1/models/half_plus_two:predict", {"instances": [2]})
    assert reply.document == {"predictions": [3.0]}


@pytest.mark.skipif(not TRITON_PYTHON, reason="needs tritonclient[http,grpc]")
def test_tritons_own_client_works_unmodified(ask: Any) -> None:
    models = make_models()
    del models.statuses["broken"], models.statuses["new"]
    servers = Both(models, ask)
    try:
        session = subprocess.run(
            [
                TRITON_PYTHON,
                Path(__file__).with_name("triton_session.py"),
                *map(str, servers.ports),
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        servers.close()
    assert session.returncode == 0, session.stderr
