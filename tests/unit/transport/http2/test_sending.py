"""What a connection sends, when clients let it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from http2_wire import FakeTransport, Frame, on_a_loop, settle
from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http2 import frames
from servable.transport.http2.frames import ConnectionFaultError, Fault
from servable.transport.http2.sending import Sender
from servable.transport.http2.streams import Stream

HEAD, TAIL = b"\x88", b"\x89"


class Bench:
    def __init__(self) -> None:
        self.done: list[int] = []
        self.transport = FakeTransport()
        self.sender = Sender(lambda stream: self.done.append(stream.id))
        self.sender.attach(self.transport)

    def stream(self, id: int) -> Stream:
        return Stream(id, self.sender.initial_window, 0)

    def answer(self, stream: Stream, message: bytes) -> None:
        self.sender.answer(stream, HEAD, (b"prefix", message), TAIL)

    def sizes(self, id: int) -> list[int]:
        """The lengths of the frames of DATA of a stream since this was asked last."""
        return [
            len(f.payload)
            for f in self.transport.frames()
            if f.kind == frames.DATA and f.stream == id
        ]


def test_a_short_answer_is_written_at_once() -> None:
    bench = Bench()
    bench.answer(bench.stream(1), b"message")
    assert bench.transport.frames() == [
        Frame(frames.HEADERS, frames.END_HEADERS, 1, HEAD),
        Frame(frames.DATA, 0, 1, b"prefixmessage"),
        Frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, TAIL),
    ]
    assert bench.done == [1]


@on_a_loop
async def test_no_more_is_sent_than_the_stream_may() -> None:
    bench = Bench()
    bench.sender.set_initial_window(10, {})
    stream = bench.stream(1)
    bench.answer(stream, b"m" * 14)
    assert sum(bench.sizes(1)) == 10
    bench.sender.widen(stream, 3)
    assert sum(bench.sizes(1)) == 3
    assert bench.done == []
    bench.sender.widen(stream, 7)
    assert sum(bench.sizes(1)) == 7
    assert bench.done == [1]


@on_a_loop
async def test_no_more_is_sent_than_the_connection_may() -> None:
    bench = Bench()
    bench.sender.set_initial_window(2**20, {})
    bench.answer(bench.stream(1), bytes(frames.DEFAULT_WINDOW))
    assert sum(bench.sizes(1)) == frames.DEFAULT_WINDOW
    bench.sender.widen(None, 1)
    assert sum(bench.sizes(1)) == 1
    bench.sender.widen(None, 100)
    assert bench.done == [1]


@on_a_loop
async def test_a_window_below_what_was_sent_is_made_up_for_first() -> None:
    bench = Bench()
    stream = bench.stream(1)
    bench.answer(stream, bytes(frames.DEFAULT_WINDOW))
    bench.sender.widen(None, 2**20)
    bench.sizes(1)
    bench.sender.set_initial_window(100, {1: stream})
    assert stream.window == 100 - frames.DEFAULT_WINDOW
    bench.sender.widen(stream, frames.DEFAULT_WINDOW - 100)
    assert bench.sizes(1) == []
    bench.sender.widen(stream, 6)
    assert sum(bench.sizes(1)) == 6
    assert bench.done == [1]


@on_a_loop
async def test_a_stream_that_may_not_send_does_not_hold_up_one_that_may() -> None:
    bench = Bench()
    bench.sender.widen(None, 2**24)
    stuck, free = bench.stream(1), bench.stream(3)
    bench.answer(stuck, bytes(2**20))
    bench.sender.widen(free, 2**24)
    bench.answer(free, bytes(2**21))
    await settle()
    assert bench.done == [3]


@on_a_loop
async def test_streams_take_turns_when_the_client_is_slow() -> None:
    bench = Bench()
    bench.sender.widen(None, 2**24)
    bench.sender.pause()
    for id in (1, 3):
        stream = bench.stream(id)
        bench.sender.widen(stream, 2**24)
        bench.answer(stream, bytes(2**20))

    class Full(FakeTransport):
        def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
            super().write(data)
            if len(self.written) > 2**15:
                bench.sender.pause()

    bench.transport = Full()
    bench.sender.attach(bench.transport)
    seen: list[set[int]] = []
    while len(bench.done) < 2:
        bench.sender.resume()
        await settle()
        found = bench.transport.frames()
        assert found
        seen.append({f.stream for f in found if f.kind == frames.DATA})
    assert seen[:4] == [{1}, {3}, {1}, {3}]


@on_a_loop
async def test_a_short_answer_does_not_wait_for_a_long_one() -> None:
    bench = Bench()
    bench.sender.widen(None, 2**24)
    long, short = bench.stream(1), bench.stream(3)
    bench.sender.widen(long, 2**24)
    bench.answer(long, bytes(2**23))
    bench.answer(short, b"short")
    assert bench.done == [3]
    await settle()
    assert bench.done == [3, 1]


def test_frames_are_no_larger_than_the_client_takes() -> None:
    bench = Bench()
    bench.answer(bench.stream(1), bytes(40_000))
    assert max(bench.sizes(1)) == frames.DEFAULT_FRAME_BYTES


def test_a_client_that_takes_huge_frames_gets_turns_nevertheless() -> None:
    bench = Bench()
    bench.sender.set_frame_bytes(2**24 - 1)
    bench.sender.widen(None, 2**26)
    bench.sender.set_initial_window(2**26, {})
    bench.sender.pause()
    bench.answer(bench.stream(1), bytes(2**25))
    assert bench.sender.waiting
    bench.sender.drop(bench.sender.waiting[1])
    assert not bench.sender.waiting


@pytest.mark.parametrize("size", [0, 2**14 - 1, 2**24])
def test_frame_sizes_that_can_not_be(size: int) -> None:
    with pytest.raises(ConnectionFaultError) as caught:
        Bench().sender.set_frame_bytes(size)
    assert caught.value.fault is Fault.PROTOCOL_ERROR


def test_windows_that_are_too_wide() -> None:
    bench = Bench()
    stream = bench.stream(1)
    wide: tuple[Callable[[], None], ...] = (
        lambda: bench.sender.widen(None, frames.MAX_WINDOW),
        lambda: bench.sender.widen(stream, frames.MAX_WINDOW),
        lambda: bench.sender.set_initial_window(frames.MAX_WINDOW + 1, {}),
        lambda: bench.sender.set_initial_window(frames.MAX_WINDOW, {1: stream}),
    )
    for widen in wide:
        with pytest.raises(ConnectionFaultError) as caught:
            widen()
        assert caught.value.fault is Fault.FLOW_CONTROL_ERROR


@pytest.mark.parametrize(("size", "says"), [(0, True), (4095, True), (4096, False), (9999, False)])
def test_a_client_with_a_small_table_is_told_once_that_none_is_used(
    size: int, *, says: bool
) -> None:
    bench = Bench()
    bench.sender.set_table_bytes(size)
    bench.answer(bench.stream(1), b"message")
    blocks = [f.payload for f in bench.transport.frames() if f.kind == frames.HEADERS]
    assert blocks == [b"\x20" * says + HEAD, TAIL]


def test_nothing_is_sent_to_who_is_gone() -> None:
    bench = Bench()
    bench.transport.close()
    bench.answer(bench.stream(1), b"message")
    bench.sender.attach(None)
    bench.answer(bench.stream(3), b"message")
    assert bench.transport.written == b""
    assert bench.done == [1, 3]


GRANT = st.tuples(st.sampled_from([0, 1, 3, 5]), st.integers(1, 40_000))
STEP = st.one_of(
    GRANT,
    st.tuples(st.sampled_from(["pause", "resume", "turn"]), st.just(0)),
    st.tuples(st.just("first"), st.integers(0, 100_000)),
)


@given(st.lists(st.integers(0, 120_000), min_size=3, max_size=3), st.lists(STEP, max_size=30))
@on_a_loop
async def test_any_order_of_leave_delivers_every_answer(
    sizes: list[int], steps: list[tuple[int | str, int]]
) -> None:
    bench = Bench()
    streams = {id: bench.stream(id) for id in (1, 3, 5)}
    for stream, size in zip(streams.values(), sizes, strict=True):
        bench.answer(stream, bytes([stream.id]) * size)
    for what, much in steps:
        left = {id: stream for id, stream in streams.items() if id not in bench.done}
        match what:
            case "pause":
                bench.sender.pause()
            case "resume":
                bench.sender.resume()
            case "turn":
                await settle()
            case "first":
                bench.sender.set_initial_window(much, left)
            case 0:
                bench.sender.widen(None, much)
            case _:
                if what in left:
                    bench.sender.widen(left[int(what)], much)
        assert all(streams[id].outbox for id in bench.sender.waiting)
    bench.sender.resume()
    bench.sender.widen(None, 2**20)
    for id, stream in streams.items():
        if id not in bench.done:
            bench.sender.widen(stream, 2**20)
    await settle()
    assert sorted(bench.done) == [1, 3, 5]
    found = bench.transport.frames()
    for (id, stream), size in zip(streams.items(), sizes, strict=True):
        mine = [f for f in found if f.stream == id]
        assert b"".join(f.payload for f in mine[1:-1]) == b"prefix" + bytes([id]) * size
        assert [f.payload for f in (mine[0], mine[-1])] == [HEAD, TAIL]
        assert not stream.outbox
    assert max(len(f.payload) for f in found) <= frames.DEFAULT_FRAME_BYTES
