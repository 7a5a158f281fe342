"""tensorflow.ProfilerService over a real port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from served_models import FakeModels

from servable.errors import Code
from servable.metrics.monitor import Metrics
from servable.metrics.requests import Observation
from servable.pb import profiler_pb2
from servable.transport.grpc import GrpcServer
from servable.transport.grpc_profiler import MAX_WATCHING
from servable.transport.options import GrpcOptions

LONG_MS = 100_000
PATIENCE = 30.0


class Watched:
    """A server, a stub, and requests that it is said to have answered."""

    def __init__(self, channel: grpc.Channel, server: GrpcServer, metrics: Metrics) -> None:
        self._channel = channel
        self.server = server
        self.metrics = metrics

    def ask(self, method: str, request: Any, response: Any) -> Any:
        call = self._channel.unary_unary(
            f"/tensorflow.ProfilerService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        return call(request, timeout=PATIENCE)

    def send(self, method: str, data: bytes) -> bytes:
        call = self._channel.unary_unary(
            f"/tensorflow.ProfilerService/{method}",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        answer: bytes = call(data, timeout=PATIENCE)
        return answer

    def profile(self, **request: Any) -> Any:
        asked = profiler_pb2.ProfileRequest(**request)
        return self.ask("Profile", asked, profiler_pb2.ProfileResponse)

    def terminate(self, session: str) -> bool:
        """Return False, for use in conditions: the answer does not say whether it ended any."""
        asked = profiler_pb2.TerminateRequest(session_id=session)
        self.ask("Terminate", asked, profiler_pb2.TerminateResponse)
        return False

    def answer_requests(self, count: int) -> None:
        for _ in range(count):
            seen = Observation("predict", "grpc", model="m")
            self.metrics.requests.record(seen, Code.OK, 0)

    def until(self, condition: Callable[[], bool]) -> None:
        pause = threading.Event()
        for _ in range(int(PATIENCE / 0.005)):
            if condition():
                return
            pause.wait(0.005)
        raise AssertionError("this never came true")

    def traces(self) -> int:
        return len(self.metrics.requests.tracing.active)


@pytest.fixture
def watched() -> Iterator[Watched]:
    metrics = Metrics()
    options = GrpcOptions(profiler=True)
    server = GrpcServer(FakeModels({}), "127.0.0.1", 0, options, metrics=metrics)
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        yield Watched(channel, server, metrics)
    server.stop(0)


@pytest.mark.parametrize("emit", [True, False])
def test_a_trace_has_the_requests_that_ended_before_it_was_terminated(
    watched: Watched, emit: bool
) -> None:
    watched.answer_requests(1)  # too early
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(watched.profile, duration_ms=LONG_MS, session_id="s", emit_xspace=emit)
        watched.until(lambda: watched.traces() == 1)
        watched.answer_requests(3)
        watched.terminate("another")
        assert watched.traces() == 1
        watched.until(lambda: watched.terminate("s") or asked.done())
        response = asked.result()

    assert not response.empty_trace
    space = response.xspace
    if not emit:
        (tool,) = response.tool_data
        assert tool.name == "xplane.pb"
        space = profiler_pb2.XSpace.FromString(tool.data)
    assert sum(len(line.events) for line in space.planes[0].lines) == 3
    assert watched.traces() == 0


def test_a_trace_of_no_requests_says_that_it_is_empty(watched: Watched) -> None:
    assert watched.profile(duration_ms=1).empty_trace


def test_a_trace_keeps_as_many_events_as_it_may_and_says_what_is_left_out(
    watched: Watched,
) -> None:
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(watched.profile, duration_ms=LONG_MS, max_events=8, emit_xspace=True)
        watched.until(lambda: watched.traces() == 1)
        watched.answer_requests(5)
        watched.until(lambda: watched.terminate("") or asked.done())
        space = asked.result().xspace

    assert sum(len(line.events) for line in space.planes[0].lines) == 2
    assert list(space.warnings) == ["3 further requests are left out."]


def test_monitor_answers_in_words(watched: Watched) -> None:
    request = profiler_pb2.MonitorRequest(duration_ms=1, timestamp=True)

    text = watched.ask("Monitor", request, profiler_pb2.MonitorResponse).data

    assert text.startswith("Timestamp: ")
    assert "\nRequests: 0 in " in text


def test_too_many_traces_are_refused_and_stopping_ends_those_that_are_made(
    watched: Watched,
) -> None:
    with ThreadPoolExecutor() as pool:
        asked = [pool.submit(watched.profile, duration_ms=LONG_MS) for _ in range(MAX_WATCHING)]
        watched.until(lambda: watched.traces() == MAX_WATCHING)
        with pytest.raises(grpc.RpcError) as refusal:
            watched.profile(duration_ms=1)
        assert refusal.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        watched.server.stop(PATIENCE)
        assert [one.result().empty_trace for one in asked] == [True] * MAX_WATCHING


@pytest.mark.parametrize("method", ["Profile", "Monitor", "Terminate"])
def test_what_is_no_message_is_refused(watched: Watched, method: str) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        watched.send(method, b"\xff")

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_there_is_no_profiler_unless_it_is_asked_for() -> None:
    server = GrpcServer(FakeModels({}), "127.0.0.1", 0)
    with (
        grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel,
        pytest.raises(grpc.RpcError) as refusal,
    ):
        Watched(channel, server, Metrics()).send("Monitor", b"")
    server.stop(0)
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
