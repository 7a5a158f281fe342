"""One connection of HTTP/2, without a socket: what it takes, and how it ends."""

from __future__ import annotations

import http2_wire as wire
import pytest
from http2_bench import BLOCK, HELLO, OPEN, Bench, fault_of
from http2_wire import Frame, frame, on_a_loop, settle

from servable.transport.http2 import frames
from servable.transport.http2.bounds import Bounds
from servable.transport.http2.connection import (
    FAREWELL_SECONDS,
    FLUSH_SECONDS,
    GREETING_SECONDS,
    TURN_STREAMS,
    UNREAD_BYTES,
)
from servable.transport.http2.frames import Fault
from servable.transport.http2.greeting import CONNECTION_WINDOW, FRAME_BYTES, STREAM_WINDOW

# Greetings


def test_a_greeting_is_answered_with_what_the_client_may_do() -> None:
    bench = Bench(sent=b"")
    assert bench.transport.written == b""
    settings, window, ack = bench.send(HELLO)
    assert dict(frames.read_settings(settings.payload)) == {
        3: 1024,
        4: STREAM_WINDOW,
        5: FRAME_BYTES,
        6: 2**14,
    }
    assert window == Frame(
        frames.WINDOW_UPDATE, 0, 0, (CONNECTION_WINDOW - frames.DEFAULT_WINDOW).to_bytes(4)
    )
    assert ack == Frame(frames.SETTINGS, frames.ACK, 0, b"")


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"POST /v1", b"PUT ", b"TRACE"])
@pytest.mark.parametrize("cut", [0, 1, 3])
def test_who_speaks_http_1_is_told_so(first: bytes, cut: int) -> None:
    bench = Bench(sent=b"")
    for piece in (first[:cut], first[cut:]):
        if piece:
            bench.connection.data_received(piece)
    head, _, body = bench.transport.written.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 505 ")
    assert body.startswith(b"This port speaks gRPC")
    assert bench.transport.ended


@pytest.mark.parametrize("first", [b"\x16\x03\x01", b"PRI * HTTP/2.1", b"\0" * 30, b"SSH-"])
def test_who_speaks_anything_else_is_told_less(first: bytes) -> None:
    bench = Bench(sent=b"")
    assert fault_of(bench.send(first)) is Fault.PROTOCOL_ERROR
    assert bench.transport.ended


def test_who_says_nothing_is_not_waited_for() -> None:
    bench = Bench(sent=frames.PREFACE[:5])
    born = bench.connection._born  # its clock is the machine's
    bench.connection.look(born + GREETING_SECONDS)
    assert not bench.transport.aborted
    bench.connection.look(born + GREETING_SECONDS + 1)
    assert bench.transport.aborted


# Streams


def test_a_body_comes_in_pieces_and_ends() -> None:
    bench = Bench()
    bench.send(OPEN, wire.data(1, b"ab"), wire.data(1, b"cd"), wire.data(1, b"", ends=True))
    assert bench.told[1:] == [(1, "body", b"abcd")]


@pytest.mark.parametrize(
    "end",
    [
        wire.headers(1, b"", ends=True),
        wire.headers(1, wire.block("/trailer"), ends=True),
        frame(frames.HEADERS, frames.END_STREAM, 1, b"")
        + frame(frames.CONTINUATION, frames.END_HEADERS, 1, b"\x82"),
        frame(frames.DATA, frames.END_STREAM | frames.PADDED, 1, b"\3abc"),
    ],
    ids=["empty trailers", "trailers", "continued trailers", "padding"],
)
def test_ends_of_a_body(end: bytes) -> None:
    bench = Bench()
    bench.send(OPEN, wire.data(1, b"ab"), end)
    assert bench.told[1:] == [(1, "body", b"ab")]


def test_a_stream_can_end_with_its_headers() -> None:
    bench = Bench()
    bench.send(wire.headers(1, BLOCK, ends=True))
    assert bench.heard("body") == [1]


def test_priorities_and_padding_of_headers_are_left_out() -> None:
    bench = Bench()
    flags = frames.END_HEADERS | frames.PADDED | frames.PRIORITISED
    bench.send(frame(frames.HEADERS, flags, 1, b"\2" + bytes(5) + BLOCK + bytes(2)))
    bench.send(wire.headers(3, BLOCK))
    assert bench.told[0][2] == bench.told[1][2]


def test_reserved_bits_are_not_looked_at() -> None:
    bench = Bench()
    bench.send(frame(frames.HEADERS, frames.END_HEADERS, 1 | 2**31, BLOCK))
    bench.send(frame(frames.WINDOW_UPDATE, 0, 1, b"\x80\0\0\1"))
    assert bench.heard("open") == [1]
    assert bench.connection.streams[1].window == frames.DEFAULT_WINDOW + 1


def test_more_streams_than_allowed_are_refused_and_the_others_go_on() -> None:
    bench = Bench(Bounds(max_concurrent_streams=2))
    answered = bench.send(*[wire.headers(id, BLOCK) for id in (1, 3, 5)])
    assert answered == [Frame(frames.RST_STREAM, 0, 5, Fault.REFUSED_STREAM.to_bytes(4))]
    assert bench.send(wire.data(5, b"on its way"), wire.data(1, b"a", ends=True)) == []
    assert bench.heard("body") == [1]
    bench.answer(1)
    bench.send(wire.headers(7, BLOCK))
    assert bench.heard("open") == [1, 3, 7]


def test_headers_that_are_too_large_concern_their_stream_only() -> None:
    bench = Bench()
    bench.send(wire.headers(1, BLOCK), wire.headers(3, wire.block("/a", x=bytes(100_000))))
    bench.send(wire.headers(5, BLOCK))
    assert [told for _, told, _ in bench.told] == ["open", "too large", "open"]


def test_an_answer_before_the_end_of_its_request_stops_that() -> None:
    bench = Bench()
    bench.send(OPEN)
    assert bench.answer(1)[-1] == Frame(frames.RST_STREAM, 0, 1, Fault.NO_ERROR.to_bytes(4))
    assert bench.send(wire.data(1, b"on its way", ends=True)) == []
    assert not bench.connection.streams


def test_a_stream_that_is_reset_is_lost() -> None:
    bench = Bench()
    bench.send(OPEN, frames.reset(1, Fault.CANCEL), wire.data(1, b"on its way"))
    bench.send(frames.reset(1, Fault.CANCEL), frames.window_update(1, 1))
    assert bench.heard("lost") == [1]
    assert not bench.transport.ended


def test_leave_to_send_more_comes_before_it_is_used_up() -> None:
    bench = Bench(sent=HELLO + OPEN)
    given: dict[int, int] = {0: CONNECTION_WINDOW, 1: STREAM_WINDOW}
    for _ in range(40):
        for update in bench.send(wire.data(1, bytes(FRAME_BYTES))):
            assert update.kind == frames.WINDOW_UPDATE
            given[update.stream] += frames.read_word(update.payload)
        given = {stream: left - FRAME_BYTES for stream, left in given.items()}
        assert given[1] >= STREAM_WINDOW // 2
        assert given[0] >= CONNECTION_WINDOW // 2


def test_data_of_streams_that_are_over_uses_up_no_leave() -> None:
    bench = Bench(sent=HELLO + OPEN)
    bench.answer(1)
    left = CONNECTION_WINDOW
    for _ in range(40):
        left -= FRAME_BYTES
        for update in bench.send(wire.data(1, bytes(FRAME_BYTES))):
            assert (update.kind, update.stream) == (frames.WINDOW_UPDATE, 0)
            left += frames.read_word(update.payload)
        assert left > 0


# Clients that do not read


def test_nothing_is_read_of_a_client_that_reads_nothing() -> None:
    bench = Bench()
    bench.connection.pause_writing()
    reading = []
    for unread in (UNREAD_BYTES, UNREAD_BYTES + 1):
        bench.transport.unread = unread
        bench.send(frames.ping(bytes(8)))
        reading.append(bench.transport.reading)
    bench.connection.resume_writing()
    assert [*reading, bench.transport.reading] == [True, False, True]


@pytest.mark.parametrize(("unread", "seconds"), [(0, FAREWELL_SECONDS), (1, FLUSH_SECONDS)])
def test_a_client_that_does_not_close_is_not_waited_for(unread: int, seconds: float) -> None:
    bench = Bench()
    bench.transport.unread = unread
    bench.send(frame(frames.PUSH_PROMISE))
    assert bench.transport.ended
    over = bench.connection._over_since
    bench.connection.look(over + seconds)
    assert not bench.transport.is_closing()
    bench.connection.look(over + seconds + 1)
    assert bench.transport.aborted


def test_what_comes_after_the_end_is_not_read() -> None:
    bench = Bench()
    bench.send(frame(frames.PUSH_PROMISE))
    assert bench.send(OPEN) == []
    assert bench.told == []


@on_a_loop
async def test_others_have_their_turn_before_all_streams_of_one_client_begin() -> None:
    bench = Bench()
    ids = range(1, 4 * TURN_STREAMS, 2)
    bench.send(*(wire.call(id, "/a", b"body") for id in ids))
    assert bench.heard("open") == list(ids)[:TURN_STREAMS]
    assert not bench.transport.reading
    await settle()
    assert bench.heard("open") == bench.heard("body") == list(ids)
    assert bench.transport.reading


@on_a_loop
async def test_what_came_before_the_client_stopped_reading_is_not_forgotten() -> None:
    bench = Bench()
    bench.connection.pause_writing()
    bench.transport.unread = UNREAD_BYTES + 1
    ids = range(1, 4 * TURN_STREAMS, 2)
    bench.send(*(wire.headers(id, BLOCK) for id in ids))
    await settle()
    assert bench.heard("open") == list(ids)[:TURN_STREAMS]
    bench.transport.unread = 0
    bench.connection.resume_writing()
    await settle()
    assert bench.heard("open") == list(ids)


# Going away


@on_a_loop
async def test_who_is_told_to_go_still_has_answered_what_was_on_its_way() -> None:
    bench = Bench(sent=HELLO + OPEN)
    bench.connection.go_away()
    bench.connection.go_away()
    away, ping = bench.transport.frames()
    assert frames.read_word(away.payload) == frames.MAX_WINDOW
    bench.send(wire.headers(3, BLOCK, ends=True))
    last, *_ = bench.send(frame(frames.PING, frames.ACK, 0, ping.payload))
    assert (last.kind, frames.read_word(last.payload)) == (frames.GOAWAY, 3)
    bench.send(wire.headers(5, BLOCK), wire.data(5, b"in vain"), frames.window_update(5, 9))
    assert bench.heard("open") == [1, 3]
    bench.answer(1)
    assert not bench.transport.ended
    bench.answer(3)
    assert bench.transport.ended


@on_a_loop
async def test_who_has_nothing_open_is_closed_when_it_knows() -> None:
    bench = Bench()
    bench.connection.go_away()
    _, ping = bench.transport.frames()
    bench.send(frame(frames.PING, frames.ACK, 0, b"another!"))
    assert not bench.transport.ended
    bench.send(frame(frames.PING, frames.ACK, 0, ping.payload))
    assert bench.transport.ended


def test_a_client_that_goes_is_answered_and_closed() -> None:
    bench = Bench(sent=HELLO + OPEN)
    bench.send(frames.go_away(0, Fault.NO_ERROR))
    assert not bench.transport.ended
    bench.answer(1)
    assert bench.transport.ended


def test_who_is_cut_off_is_told() -> None:
    bench = Bench(sent=HELLO + OPEN)
    bench.connection.cut_off()
    assert bench.heard("cut off") == [1]
    assert bench.transport.ended


@on_a_loop
async def test_ages_and_idleness() -> None:
    bounds = Bounds(max_connection_age=50, max_connection_age_grace=9, max_connection_idle=20)
    bench = Bench(bounds, HELLO + OPEN)
    born = bench.connection._born  # its clock is the machine's
    for second in range(50):
        bench.connection.look(born + second)
    assert bench.transport.frames() == []
    bench.connection.look(born + 51)
    assert bench.transport.frames()[0].kind == frames.GOAWAY
    bench.connection.look(born + 60)
    assert bench.transport.aborted
    idle = Bench(bounds)
    idle.connection.look(idle.connection._born + 21)  # see above
    assert idle.transport.frames()[0].kind == frames.GOAWAY


@on_a_loop
async def test_who_does_not_say_that_it_lives_is_given_up() -> None:
    bench = Bench(Bounds(keepalive_time=10, keepalive_timeout=5, max_connection_age=1))
    heard = bench.connection._heard  # its clock is the machine's
    bench.connection.look(heard + 11)
    ping = bench.transport.frames()[-1]
    assert (ping.kind, ping.flags) == (frames.PING, 0)
    bench.connection.look(heard + 16)
    assert not bench.transport.aborted
    bench.connection.look(heard + 17)
    assert bench.transport.aborted
