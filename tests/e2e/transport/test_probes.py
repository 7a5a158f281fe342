"""What probes, load balancers and tools are told, over both ports."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from served_models import FakeModels, half_plus_two

from servable.errors import FailedPrecondition, InvalidArgument
from servable.pb import health_pb2, reflection_pb2, serving_pb2
from servable.transport.grpc import GrpcServer
from servable.transport.grpc_services import SERVICES
from servable.transport.options import GrpcOptions
from servable.transport.readiness import Readiness
from servable.transport.rest import RestServer

CHECK = "/grpc.health.v1.Health/Check"
WATCH = "/grpc.health.v1.Health/Watch"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
Health = health_pb2.HealthCheckResponse


class Stage:
    """Two models behind both servers; `b` is still being loaded."""

    def __init__(self) -> None:
        self.models = FakeModels({"a": {1: half_plus_two(), 2: half_plus_two()}, "b": {7: None}})  # type: ignore[dict-item] # never asked
        self.models.statuses["b"][0].state = "LOADING"
        self.readiness = Readiness(self.models, lambda: ["a", "b"])
        self.rpc = GrpcServer(self.models, "127.0.0.1", 0, readiness=self.readiness)
        self.rest = RestServer(self.models, "127.0.0.1", 0, readiness=self.readiness)
        self.rest_port = self.rest.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.rpc.start()}")

    def load_b(self) -> None:
        self.models.statuses["b"][0].state = "AVAILABLE"

    def check(self, name: str) -> int:
        request = health_pb2.HealthCheckRequest(service=name).SerializeToString()
        data = self.channel.unary_unary(CHECK, None, None)(request, timeout=60)
        return Health.FromString(data).status

    def watch(self, name: str) -> Any:
        request = health_pb2.HealthCheckRequest(service=name).SerializeToString()
        return self.channel.unary_stream(WATCH, None, Health.FromString)(request, timeout=60)

    def close(self) -> None:
        self.channel.close()
        self.rpc.stop(10)
        self.rest.stop(10)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()


# HTTP


@pytest.mark.parametrize("path", ["/livez", "/healthz"])
def test_a_process_that_answers_is_alive_even_while_it_stops(
    stage: Stage, ask: Callable[..., Any], path: str
) -> None:
    stage.readiness.drain()
    assert ask(stage.rest_port, "GET", path).status == 200


@pytest.mark.parametrize("path", ["/readyz", "/ping"])
def test_a_server_is_ready_when_every_model_is_and_until_it_stops(
    stage: Stage, ask: Callable[..., Any], path: str
) -> None:
    reply = ask(stage.rest_port, "GET", path)
    assert reply.status == 503
    assert reply.document == {
        "ready": False,
        "draining": False,
        "models": {
            "a": {"available": True, "versions": ["2", "1"]},
            "b": {"available": False, "versions": []},
        },
    }

    stage.load_b()
    assert ask(stage.rest_port, "GET", path).status == 200

    stage.readiness.drain()
    reply = ask(stage.rest_port, "GET", path)
    assert (reply.status, reply.document["draining"]) == (503, True)
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("need=any", 200, {"a", "b"}),
        ("need=all", 503, {"a", "b"}),
        ("model=a", 200, {"a"}),
        ("model=b", 503, {"b"}),
        ("model=a&model=b", 503, {"a", "b"}),
        ("model=b&model=a&need=any", 200, {"a", "b"}),
        ("model=nobody", 503, {"nobody"}),
        ("model=nobody&need=any", 503, {"nobody"}),
    ],
)
def test_readiness_can_ask_for_all_models_any_or_some(
    stage: Stage, ask: Callable[..., Any], query: str, status: int, told: set[str]
) -> None:
    reply = ask(stage.rest_port, "GET", f"/readyz?{query}")
    assert (reply.status, reply.document["models"].keys()) == (status, told)
    stage.readiness.drain()
    assert ask(stage.rest_port, "GET", f"/readyz?{query}").status == 503


@pytest.mark.parametrize(
    "query", ["models=a", "model=", "need=some", "need=any&need=all", "any", "&"]
)
def test_readiness_refuses_questions_it_does_not_know(
    stage: Stage, ask: Callable[..., Any], query: str
) -> None:
    reply = ask(stage.rest_port, "GET", f"/readyz?{query}")
    assert reply.status == 400
    assert "need=any" in reply.document["hint"]


def test_probes_take_head_and_refuse_other_methods(stage: Stage, ask: Callable[..., Any]) -> None:
    reply = ask(stage.rest_port, "HEAD", "/livez")
    assert (reply.status, reply.body) == (200, b"")
    reply = ask(stage.rest_port, "POST", "/livez", b"{}")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


# gRPC health


@pytest.mark.parametrize("name", ["", "ModelService", "tensorflow.serving.PredictionService"])
def test_the_server_itself_serves_until_it_stops(stage: Stage, name: str) -> None:
    assert stage.check(name) == Health.SERVING
    stage.readiness.drain()
    assert stage.check(name) == Health.NOT_SERVING


def test_a_model_serves_when_a_version_is_available(stage: Stage) -> None:
    assert (stage.check("a"), stage.check("b")) == (Health.SERVING, Health.NOT_SERVING)
    stage.load_b()
    assert stage.check("b") == Health.SERVING


def test_a_name_that_nobody_knows_is_not_found(stage: Stage) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stage.check("nope")
    error: Any = caught.value  # also the call, which the stubs do not know
    assert error.code() is grpc.StatusCode.NOT_FOUND
    watch = stage.watch("nope")
    assert next(watch).status == Health.SERVICE_UNKNOWN
    watch.cancel()


def test_a_watcher_hears_every_change_and_the_end(stage: Stage) -> None:
    watch = stage.watch("b")
    assert next(watch).status == Health.NOT_SERVING
    stage.load_b()
    assert next(watch).status == Health.SERVING
    stage.readiness.drain()
    assert next(watch).status == Health.NOT_SERVING
    stage.rpc.stop(10)
    assert list(watch) == []


def test_watchers_occupy_no_threads(stage: Stage) -> None:
    watches = [stage.watch("a") for _ in range(50)]
    assert {next(watch).status for watch in watches} == {Health.SERVING}
    assert stage.check("") == Health.SERVING
    for watch in watches:
        watch.cancel()


def test_a_request_that_is_none_is_refused(stage: Stage) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stage.channel.unary_unary(CHECK, None, None)(b"\xff\xff", timeout=60)
    error: Any = caught.value  # also the call, which the stubs do not know
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_health_can_be_left_out() -> None:
    server = GrpcServer(FakeModels({}), "127.0.0.1", 0, GrpcOptions(health=False, reflection=False))
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(CHECK, None, None)(b"", timeout=60)
        error: Any = caught.value  # also the call, which the stubs do not know
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    server.stop(10)


# Reflection


def reflect(channel: grpc.Channel, *requests: Any, version: str = "v1") -> list[Any]:
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    call = channel.stream_stream(
        method,
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    return list(call(iter(requests), timeout=60))


def question(**asked: Any) -> Any:
    return reflection_pb2.ServerReflectionRequest(**asked)


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_a_tool_that_knows_nothing_can_call_a_method(stage: Stage, version: str) -> None:
    [listing] = reflect(stage.channel, question(list_services=""), version=version)
    names = {service.name for service in listing.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= names

    pool = descriptor_pool.DescriptorPool()
    for name in sorted(names):
        [answer] = reflect(stage.channel, question(file_containing_symbol=name), version=version)
        # The file that was asked for comes first, what it imports later.
        for data in reversed(answer.file_descriptor_response.file_descriptor_proto):
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(data))
    service = pool.FindServiceByName("tensorflow.serving.ModelService")
    assert service.methods_by_name["GetModelStatus"].input_type.full_name == (
        "tensorflow.serving.GetModelStatusRequest"
    )


def test_every_method_that_is_served_is_described(stage: Stage) -> None:
    for service, methods in SERVICES.items():
        [answer] = reflect(stage.channel, question(file_containing_symbol=service))
        files = [
            descriptor_pb2.FileDescriptorProto.FromString(data)
            for data in answer.file_descriptor_response.file_descriptor_proto
        ]
        [described] = [s for f in files for s in f.service if s.name == service.split(".")[-1]]
        assert set(methods) <= {method.name for method in described.method}


def test_questions_without_an_answer_do_not_end_the_stream(stage: Stage) -> None:
    answers = reflect(
        stage.channel,
        question(file_by_filename="nope.proto"),
        question(file_containing_symbol="tensorflow.serving.Nope"),
        question(
            file_containing_extension={
                "containing_type": "tensorflow.serving.ModelSpec",
                "extension_number": 1,
            }
        ),
        question(),
        question(all_extension_numbers_of_type="tensorflow.serving.ModelSpec"),
        question(file_by_filename="servable/pb/serving.proto"),
    )
    assert [a.error_response.error_code for a in answers] == [5, 5, 5, 3, 0, 0]
    assert answers[-1].file_descriptor_response.file_descriptor_proto


# UNIX sockets


def status_of(target: str) -> int:
    request = serving_pb2.GetModelStatusRequest(model_spec={"name": "m"})
    with grpc.insecure_channel(target) as channel:
        data = channel.unary_unary(STATUS, None, None)(request.SerializeToString(), timeout=60)
    return len(serving_pb2.GetModelStatusResponse.FromString(data).model_version_status)


def on_socket(path: Path, port: int | None = None) -> GrpcServer:
    models = FakeModels({"m": {1: half_plus_two()}})
    return GrpcServer(models, "127.0.0.1", port, GrpcOptions(socket_path=str(path)))


def test_a_unix_socket_beside_the_port_or_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = on_socket(path, 0)
    port = server.start()
    assert status_of(f"unix:{path}") == status_of(f"127.0.0.1:{port}") == 1
    server.stop(10)

    server = on_socket(path)
    assert server.start() == 0
    assert status_of(f"unix:{path}") == 1
    server.stop(10)


def test_a_socket_that_a_dead_server_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with closing(socket.socket(socket.AF_UNIX)) as left:
        left.bind(str(path))
    server = on_socket(path)
    server.start()
    assert status_of(f"unix:{path}") == 1
    server.stop(10)


def test_a_socket_that_can_not_be_had_is_an_error_that_helps(tmp_path: Path) -> None:
    taken = on_socket(tmp_path / "taken")
    taken.start()
    with pytest.raises(FailedPrecondition, match="listens on"):
        on_socket(tmp_path / "taken").start()
    taken.stop(10)

    (tmp_path / "file").write_text("precious")
    with pytest.raises(FailedPrecondition, match="no socket"):
        on_socket(tmp_path / "file").start()
    assert (tmp_path / "file").read_text() == "precious"

    for path in (tmp_path / "no" / "folder", tmp_path / ("x" * 200)):
        with pytest.raises(InvalidArgument):
            on_socket(path).start()
