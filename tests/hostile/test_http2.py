"""A gRPC server and clients that keep no rules: they get their answer, and others theirs."""

from __future__ import annotations

import gzip
import resource
import threading
from collections.abc import Callable, Iterator, Mapping

import http2_wire as wire
import numpy as np
import pytest
from held_model import Held
from http2_wire import RawClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served_models import FakeModels, FakeServable, half_plus_two

from servable import tensor_proto
from servable.errors import Code
from servable.pb import serving_pb2
from servable.tensors import Array
from servable.transport.grpc import GrpcServer
from servable.transport.http2 import frames
from servable.transport.http2.frames import Fault
from servable.transport.options import GrpcOptions

PREDICT = "/tensorflow.serving.PredictionService/Predict"
CHECK = "/grpc.health.v1.Health/Check"
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LONG = 10_000_000
"""Values that the model `long` answers with: 40 MB."""


def _long(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
    return {"y": np.zeros(int(inputs["x"][0]), np.float32)}


def request(model: str = "m", value: float = 2) -> bytes:
    message = serving_pb2.PredictRequest(model_spec={"name": model})
    message.inputs["x"].CopyFrom(tensor_proto.encode(np.array([value], np.float32)))
    return message.SerializeToString()


def values(answer: wire.Answer) -> Array:
    assert answer.fields["grpc-status"] == "0", answer.fields
    length = int.from_bytes(answer.body[1:5])
    assert len(answer.body) == length + 5
    response = serving_pb2.PredictResponse.FromString(answer.body[5:])
    return tensor_proto.decode(response.outputs["y"])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    long = FakeServable(half_plus_two().signatures, _long)
    server = GrpcServer(FakeModels({"m": {1: half_plus_two()}, "long": {1: long}}), "127.0.0.1", 0)
    yield server.start()
    server.stop(10)


@pytest.fixture
def client(port: int) -> Iterator[RawClient]:
    with RawClient(port) as client:
        yield client


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[GrpcServer, int]]]:
    servers: list[GrpcServer] = []

    def start(models: FakeModels | None = None, **options: object) -> tuple[GrpcServer, int]:
        found = models or FakeModels({"m": {1: half_plus_two()}})
        server = GrpcServer(found, "127.0.0.1", 0, GrpcOptions(**options))  # type: ignore[arg-type] # tests know their names
        servers.append(server)
        return server, server.start()

    yield start
    for server in servers:
        server.stop(10)


def assert_serves(port: int) -> None:
    with RawClient(port) as other:
        other.send(wire.call(1, PREDICT, request()))
        assert values(other.answer(1)) == [3]


# One call


def test_a_call_of_single_bytes_is_answered(port: int) -> None:
    with RawClient(port, greet=False) as client:
        for byte in frames.PREFACE + wire.SETTINGS + wire.call(1, PREDICT, request()):
            client.send(bytes((byte,)))
        assert values(client.answer(1)) == [3]


def test_a_call_in_many_frames_is_answered(client: RawClient) -> None:
    block, body = wire.block(PREDICT), wire.message(request())
    client.send(wire.frame(frames.HEADERS, 0, 1, b""))
    for byte in block:
        client.send(wire.frame(frames.CONTINUATION, 0, 1, bytes((byte,))))
    client.send(wire.frame(frames.CONTINUATION, frames.END_HEADERS, 1))
    client.send(*(wire.data(1, bytes((byte,))) for byte in body))
    client.send(wire.headers(1, b"", ends=True))
    assert values(client.answer(1)) == [3]


PACKED = gzip.compress(request())
BOMB = wire.message(gzip.compress(bytes(2**27), 9), 1)

REFUSED: dict[str, tuple[Code, bytes, bool, dict[str, bytes]]] = {
    "unknown method": (Code.UNIMPLEMENTED, wire.message(b""), True, {":path": b"/no/such"}),
    "no message": (Code.INVALID_ARGUMENT, b"", True, {}),
    "half a prefix": (Code.INTERNAL, b"\0\0", True, {}),
    "half a message": (Code.INTERNAL, wire.message(request())[:-1], True, {}),
    "claims 4 GiB": (Code.INTERNAL, b"\0\xff\xff\xff\xffsome", True, {}),
    "bad flag": (Code.INTERNAL, wire.message(request(), 7), True, {}),
    "compressed by nothing": (Code.INTERNAL, wire.message(PACKED, 1), True, {}),
    "unknown encoding": (
        Code.UNIMPLEMENTED,
        wire.message(PACKED, 1),
        True,
        {"grpc_encoding": b"br"},
    ),
    "no gzip": (
        Code.INVALID_ARGUMENT,
        wire.message(request(), 1),
        True,
        {"grpc_encoding": b"gzip"},
    ),
    "cut gzip": (
        Code.INVALID_ARGUMENT,
        wire.message(PACKED[:-9], 1),
        True,
        {"grpc_encoding": b"gzip"},
    ),
    "bomb": (Code.RESOURCE_EXHAUSTED, BOMB, True, {"grpc_encoding": b"gzip"}),
    "no protobuf": (Code.INTERNAL, wire.message(b"\xff\xff"), True, {}),
    "metadata": (Code.RESOURCE_EXHAUSTED, wire.message(b""), True, {"x": bytes(20_000)}),
    "more metadata": (Code.RESOURCE_EXHAUSTED, wire.message(b""), True, {"x": bytes(200_000)}),
    "no time": (Code.DEADLINE_EXCEEDED, wire.message(request()), True, {"grpc_timeout": b"0S"}),
    "time is over": (Code.DEADLINE_EXCEEDED, b"", False, {"grpc_timeout": b"1n"}),
}


@pytest.mark.parametrize(("code", "body", "ends", "more"), REFUSED.values(), ids=REFUSED)
def test_a_call_that_is_wrong_is_told_so_and_no_other(
    client: RawClient, code: Code, body: bytes, ends: bool, more: dict[str, bytes]
) -> None:
    more = dict(more)
    head = wire.block(more.pop(":path", PREDICT.encode()).decode(), **more)
    cut = range(0, len(head), 60_000)
    client.send(
        wire.frame(frames.HEADERS, 0, 1),
        *(wire.frame(frames.CONTINUATION, 0, 1, head[at : at + 60_000]) for at in cut),
        wire.frame(frames.CONTINUATION, frames.END_HEADERS, 1),
        *(wire.data(1, body[at : at + 2**20]) for at in range(0, len(body), 2**20)),
        wire.data(1, b"", ends=True) if ends else b"",
    )
    answer = client.answer(1)
    assert answer.fields["grpc-status"] != "0"
    if code is not Code.INTERNAL:
        assert answer.status == code.value
    client.send(wire.call(3, PREDICT, request()))
    assert values(client.answer(3)) == [3]


@pytest.mark.parametrize("timeout", [b"", b"1", b"1s", b"-1S", b"999999999S"])
def test_timeouts_that_are_none_reset_their_call(client: RawClient, timeout: bytes) -> None:
    client.send(wire.call(1, PREDICT, request(), grpc_timeout=timeout))
    reset = client.until(frames.RST_STREAM, stream=1)
    assert reset.payload == Fault.PROTOCOL_ERROR.to_bytes(4)
    client.send(wire.call(3, PREDICT, request()))
    assert values(client.answer(3)) == [3]


def test_of_two_messages_the_first_is_answered(client: RawClient) -> None:
    two = wire.message(request(value=4)) + wire.message(request(value=8))
    client.send(wire.headers(1, wire.block(PREDICT)), wire.data(1, two, ends=True))
    assert values(client.answer(1)) == [4]


def test_a_compressed_message_is_answered(client: RawClient) -> None:
    head = wire.headers(1, wire.block(PREDICT, grpc_encoding=b"gzip"))
    client.send(head, wire.data(1, wire.message(PACKED, 1), ends=True))
    assert values(client.answer(1)) == [3]


def test_what_is_no_grpc_is_told_so_in_http(client: RawClient) -> None:
    client.send(wire.headers(1, b"\x82\x84\x86", ends=True))  # GET /
    assert client.answer(1).fields == {":status": "405"}
    client.send(wire.headers(3, b"\x83\x84\x86", ends=True))  # POST / of nothing
    assert client.answer(3).fields == {":status": "415"}


# One connection


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /v1/models/m"])
def test_http_1_gets_an_answer_that_it_can_read(port: int, first: bytes) -> None:
    with RawClient(port, greet=False) as client:
        client.send(first)
        answer = b""
        while piece := client.socket.recv(2**16):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 ")
    assert b"connection: close" in head
    assert b"REST API has a port of its own" in body


FLOODS = {
    "pings": frames.ping(bytes(8)) * 20_000,
    "settings": wire.SETTINGS * 20_000,
    "windows in settings": wire.frame(
        frames.SETTINGS, 0, 0, (b"\0\4\0\0\0\1" + b"\0\4\0\0\0\2") * 5000
    )
    * 200,
    "empty data": wire.headers(1, wire.block(PREDICT)) + wire.data(1, b"") * 20_000,
    "priorities": wire.frame(frames.PRIORITY, 0, 1, bytes(5)) * 20_000,
    "unknown": wire.frame(0xAA) * 20_000,
    "rapid resets": b"".join(
        wire.headers(id, wire.block(PREDICT)) + frames.reset(id, Fault.CANCEL)
        for id in range(1, 20_000, 2)
    ),
    "too many streams": b"".join(
        wire.headers(id, wire.block(PREDICT)) for id in range(1, 20_000, 2)
    ),
    "continuations": wire.frame(frames.HEADERS, 0, 1)
    + wire.frame(frames.CONTINUATION, 0, 1) * 20_000,
    "long continuations": wire.frame(frames.HEADERS, 0, 1)
    + wire.frame(frames.CONTINUATION, 0, 1, bytes(1000)) * 1000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_floods_end_their_connection(port: int, flood: bytes) -> None:
    with RawClient(port) as client:
        # What is sent after the end may be refused by the system.
        sending = threading.Thread(target=_send_quietly, args=(client, flood))
        sending.start()
        assert client.farewell()[0] is Fault.ENHANCE_YOUR_CALM
        sending.join()
    assert_serves(port)


def _send_quietly(client: RawClient, data: bytes) -> None:
    try:
        client.send(data)
    except OSError:
        return


def test_a_bomb_of_headers_takes_no_memory(client: RawClient) -> None:
    entry = b"\x40\x01a\x7f\xa1\x1e" + bytes(4000)  # into the table, and then named for ever
    bomb = entry + b"\xbe" * 60_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for stream in range(1, 41, 2):
        client.send(wire.headers(stream, bomb, ends=True))
        assert client.answer(stream).status == Code.RESOURCE_EXHAUSTED.value
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


FRAME = st.builds(
    wire.frame,
    st.integers(0, 10),
    st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D]),
    st.integers(0, 7),
    st.binary(max_size=30)
    | st.sampled_from([wire.block(PREDICT), wire.message(request()), bytes(4), bytes(8)]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=st.lists(FRAME | st.binary(max_size=20), max_size=10))
def test_any_frames_at_all(port: int, pieces: list[bytes]) -> None:
    with RawClient(port) as client:
        _send_quietly(client, b"".join(pieces))
    assert_serves(port)


# Flow control


def window(size: int) -> bytes:
    return wire.frame(frames.SETTINGS, 0, 0, b"\0\4" + size.to_bytes(4))


def test_an_answer_comes_byte_by_byte_if_the_client_wants_it_so(client: RawClient) -> None:
    client.send(window(0), wire.call(1, PREDICT, request()))
    client.until(frames.HEADERS, stream=1)
    body = b""
    while len(body) < 5 or len(body) < 5 + int.from_bytes(body[1:5]):
        client.send(frames.window_update(1, 1))
        body += client.until(frames.DATA, stream=1).payload
    assert client.until(frames.HEADERS, frames.END_STREAM, 1)


def test_windows_may_shrink_below_what_was_sent(client: RawClient) -> None:
    client.send(window(2**15), wire.call(1, PREDICT, request("long", 2**15)))
    got = 0
    while got < 2**15:
        got += len(client.until(frames.DATA, stream=1).payload)
    client.send(window(0), frames.window_update(1, 2**15), frames.ping(b"in order"))
    client.until(frames.PING, frames.ACK)
    client.send(frames.window_update(1, 2**17), frames.window_update(0, 2**20))
    assert sum(len(f.payload) for f in _until_end(client, 1)) > 2**16


def _until_end(client: RawClient, stream: int) -> Iterator[wire.Frame]:
    for found in client:
        if found.stream == stream:
            if found.kind == frames.DATA:
                yield found
            elif found.flags & frames.END_STREAM:
                return


def test_a_long_answer_to_a_slow_client_holds_up_no_other(port: int) -> None:
    with RawClient(port, buffer=2**14) as client:
        client.send(window(2**26), frames.window_update(0, 2**30))
        client.send(wire.call(1, PREDICT, request("long", LONG)))
        client.until(frames.DATA, stream=1)
        for stream in range(3, 23, 2):
            client.send(wire.call(stream, PREDICT, request()))
        left = 0
        ended: set[int] = set()
        for found in client:
            if found.flags & frames.END_STREAM:
                ended.add(found.stream)
            if found.kind == frames.DATA and found.stream == 1:
                left += len(found.payload)
            if len(ended) == 10:
                break
        assert 1 not in ended
        assert left < LONG
        assert_serves(port)


def test_two_long_answers_come_side_by_side(client: RawClient) -> None:
    client.send(window(2**26), frames.window_update(0, 2**30))
    client.send(*(wire.call(stream, PREDICT, request("long", LONG / 4)) for stream in (1, 3)))
    found = client.answers(1, 3)
    assert [len(values(found[stream])) for stream in (1, 3)] == [LONG // 4] * 2


def test_who_reads_nothing_makes_no_memory_grow(port: int) -> None:
    with RawClient(port, buffer=2**12) as client:
        client.socket.settimeout(0.5)
        many = b"".join(
            wire.headers(id, wire.block("/no/such"), ends=True) for id in range(1, 60_001, 2)
        )
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # About 9 MB of answers; the server stops reading long before.
        with pytest.raises(TimeoutError):
            client.send(many * 4)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB
    assert_serves(port)


def test_who_asks_and_asks_and_reads_nothing_is_ended(port: int) -> None:
    with RawClient(port) as client:
        client.send(window(0), wire.headers(1, wire.block(REFLECT)))
        symbol = b"tensorflow.serving.PredictionService"
        question = wire.message(b"\x22" + bytes((len(symbol),)) + symbol)
        client.send(wire.data(1, question * 900))
        reset = client.until(frames.RST_STREAM, stream=1)
        assert reset.payload == Fault.ENHANCE_YOUR_CALM.to_bytes(4)


def test_an_answer_that_nobody_takes_in_time_is_dropped(port: int) -> None:
    with RawClient(port) as client:
        client.send(window(0), wire.call(1, PREDICT, request(), grpc_timeout=b"300m"))
        client.until(frames.HEADERS, stream=1)
        assert client.until(frames.RST_STREAM, stream=1)


# The end


def test_no_call_is_lost_when_the_server_stops(
    serve: Callable[..., tuple[GrpcServer, int]],
) -> None:
    held = Held()
    server, port = serve(held.models, threads=1)
    with RawClient(port) as client:
        client.send(wire.call(1, PREDICT, request()))
        held.wait_until_entered()
        stopping = threading.Thread(target=server.stop, args=(60,))
        stopping.start()
        away = client.until(frames.GOAWAY)
        assert frames.read_word(away.payload) == frames.MAX_WINDOW
        ping = client.until(frames.PING)
        # This was on its way when the client was told to go.
        client.send(wire.call(3, PREDICT, request(value=7)))
        client.send(wire.frame(frames.PING, frames.ACK, 0, ping.payload))
        assert frames.read_word(client.until(frames.GOAWAY).payload) == 3
        held.release.set()
        found = client.answers(1, 3)
        assert values(found[1]) == [2]
        assert values(found[3]) == [7]
        assert list(client) == []
        stopping.join()


def test_the_last_answer_reaches_a_client_that_still_sends(client: RawClient) -> None:
    client.send(
        wire.headers(1, wire.block("/no/such")),
        frames.go_away(0, Fault.NO_ERROR),
        wire.data(1, bytes(2**20)) * 8,
    )
    assert client.answer(1).status == Code.UNIMPLEMENTED.value
    assert [found.kind for found in client] == [frames.RST_STREAM]


def test_a_client_that_goes_gets_its_answers_first(client: RawClient) -> None:
    client.send(wire.call(1, PREDICT, request()), frames.go_away(0, Fault.NO_ERROR))
    assert values(client.answer(1)) == [3]
    assert list(client) == []


def test_too_many_streams_are_refused_until_others_are_over(
    serve: Callable[..., tuple[GrpcServer, int]],
) -> None:
    held = Held()
    _, port = serve(held.models, channel_arguments=(("grpc.max_concurrent_streams", 1),))
    with RawClient(port) as client:
        client.send(wire.call(1, PREDICT, request()))
        held.wait_until_entered()
        client.send(wire.call(3, PREDICT, request()))
        refused = client.until(frames.RST_STREAM, stream=3)
        assert refused.payload == Fault.REFUSED_STREAM.to_bytes(4)
        held.release.set()
        assert values(client.answer(1)) == [2]
        client.send(wire.call(5, PREDICT, request()))
        assert values(client.answer(5)) == [2]


def test_clients_that_come_and_go_leave_nothing(
    serve: Callable[..., tuple[GrpcServer, int]],
) -> None:
    server, port = serve()
    for end in (b"", frames.PREFACE[:9], frames.PREFACE, wire.call(1, CHECK, b"")):
        for _ in range(50):
            with RawClient(port) as client:
                client.send(end)
    assert_serves(port)
    threads = threading.active_count()
    server.stop(10)
    assert threading.active_count() < threads
    assert not server._server.connections
