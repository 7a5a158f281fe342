"""What a connection of HTTP/2 ends for, and that nothing makes it fail."""

from __future__ import annotations

from itertools import pairwise

import http2_wire as wire
import pytest
from http2_bench import BLOCK, HELLO, OPEN, Bench, fault_of
from http2_wire import frame, on_a_loop, settle
from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http2 import frames
from servable.transport.http2.frames import Fault
from servable.transport.http2.greeting import FRAME_BYTES
from servable.transport.http2.heads import MAX_HEAD_BYTES

# Faults

FAULTS = {
    "data on no stream": (wire.data(0, b"a"), Fault.PROTOCOL_ERROR),
    "data on an idle stream": (wire.data(3, b"a"), Fault.PROTOCOL_ERROR),
    "data on an even stream": (wire.data(2, b"a"), Fault.PROTOCOL_ERROR),
    "data after the end": (
        wire.data(1, b"a", ends=True) + wire.data(1, b"a"),
        Fault.STREAM_CLOSED,
    ),
    "a stream of ours": (wire.headers(2, BLOCK), Fault.PROTOCOL_ERROR),
    "headers of no stream": (wire.headers(0, BLOCK), Fault.PROTOCOL_ERROR),
    "headers again": (wire.headers(1, BLOCK), Fault.PROTOCOL_ERROR),
    "headers after the end": (
        wire.data(1, b"a", ends=True) + wire.headers(1, BLOCK, ends=True),
        Fault.PROTOCOL_ERROR,
    ),
    "padding": (frame(frames.DATA, frames.PADDED, 1, b"\5abc"), Fault.PROTOCOL_ERROR),
    "padding of nothing": (frame(frames.DATA, frames.PADDED, 1), Fault.PROTOCOL_ERROR),
    "padded headers": (
        frame(frames.HEADERS, frames.PADDED | frames.END_HEADERS, 3, b"\x09abc"),
        Fault.PROTOCOL_ERROR,
    ),
    "half a priority": (
        frame(frames.HEADERS, frames.PRIORITISED | frames.END_HEADERS, 3, b"abc"),
        Fault.FRAME_SIZE_ERROR,
    ),
    "interleaved": (frame(frames.HEADERS, 0, 3, BLOCK) + frame(frames.PING), Fault.PROTOCOL_ERROR),
    "interleaved data": (
        frame(frames.HEADERS, 0, 3, BLOCK) + wire.data(1, b"a"),
        Fault.PROTOCOL_ERROR,
    ),
    "continued elsewhere": (
        frame(frames.HEADERS, 0, 3, BLOCK) + frame(frames.CONTINUATION, frames.END_HEADERS, 5),
        Fault.PROTOCOL_ERROR,
    ),
    "continuation of nothing": (
        frame(frames.CONTINUATION, frames.END_HEADERS, 1, BLOCK),
        Fault.PROTOCOL_ERROR,
    ),
    "continuation without end": (
        frame(frames.HEADERS, 0, 3, BLOCK)
        + frame(frames.CONTINUATION, 0, 3, bytes(2**16)) * (MAX_HEAD_BYTES // 2**16),
        Fault.ENHANCE_YOUR_CALM,
    ),
    "empty continuations": (
        frame(frames.HEADERS, 0, 3, BLOCK) + frame(frames.CONTINUATION, 0, 3) * 10_000,
        Fault.ENHANCE_YOUR_CALM,
    ),
    "no hpack": (wire.headers(3, b"\x80"), Fault.COMPRESSION_ERROR),
    "a huge frame": (frames.head(frames.DATA, 0, 1, FRAME_BYTES + 1), Fault.FRAME_SIZE_ERROR),
    "a huge head": (
        frames.head(frames.HEADERS, 0, 3, MAX_HEAD_BYTES + 1),
        Fault.FRAME_SIZE_ERROR,
    ),
    "settings of a stream": (frame(frames.SETTINGS, 0, 1), Fault.PROTOCOL_ERROR),
    "half a setting": (frame(frames.SETTINGS, 0, 0, b"\0\4\0"), Fault.FRAME_SIZE_ERROR),
    "a window too wide": (
        frame(frames.SETTINGS, 0, 0, b"\0\4\x80\0\0\0"),
        Fault.FLOW_CONTROL_ERROR,
    ),
    "frames too small": (frame(frames.SETTINGS, 0, 0, b"\0\5\0\0\0\1"), Fault.PROTOCOL_ERROR),
    "window of no size": (frame(frames.WINDOW_UPDATE, 0, 0, b"\0\0\1"), Fault.FRAME_SIZE_ERROR),
    "window by nothing": (frame(frames.WINDOW_UPDATE, 0, 1, bytes(4)), Fault.PROTOCOL_ERROR),
    "window of an idle stream": (frames.window_update(9, 1), Fault.PROTOCOL_ERROR),
    "window over the top": (
        frames.window_update(0, frames.MAX_WINDOW),
        Fault.FLOW_CONTROL_ERROR,
    ),
    "stream window over the top": (
        frames.window_update(1, frames.MAX_WINDOW),
        Fault.FLOW_CONTROL_ERROR,
    ),
    "settings over the top": (
        frames.window_update(1, 2**30) + frame(frames.SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff"),
        Fault.FLOW_CONTROL_ERROR,
    ),
    "reset of an idle stream": (frames.reset(9, Fault.CANCEL), Fault.PROTOCOL_ERROR),
    "reset of no stream": (frames.reset(0, Fault.CANCEL), Fault.PROTOCOL_ERROR),
    "reset of a wrong size": (frame(frames.RST_STREAM, 0, 1, b"abc"), Fault.FRAME_SIZE_ERROR),
    "ping of a stream": (frame(frames.PING, 0, 1, bytes(8)), Fault.PROTOCOL_ERROR),
    "half a ping": (frame(frames.PING, 0, 0, bytes(4)), Fault.PROTOCOL_ERROR),
    "a push": (frame(frames.PUSH_PROMISE, 0, 1, bytes(8)), Fault.PROTOCOL_ERROR),
    "pings": (frames.ping(bytes(8)) * 10_000, Fault.ENHANCE_YOUR_CALM),
    "settings": (wire.SETTINGS * 1000, Fault.ENHANCE_YOUR_CALM),
    "empty data": (wire.data(1, b"") * 10_000, Fault.ENHANCE_YOUR_CALM),
    "padded empty data": (
        frame(frames.DATA, frames.PADDED, 1, b"\0") * 10_000,
        Fault.ENHANCE_YOUR_CALM,
    ),
    "unknown frames": (frame(0x77, 0, 1, b"abc") * 10_000, Fault.ENHANCE_YOUR_CALM),
    "priorities": (frame(frames.PRIORITY, 0, 1, bytes(5)) * 10_000, Fault.ENHANCE_YOUR_CALM),
    "resets": (
        b"".join(
            wire.headers(id, BLOCK) + frames.reset(id, Fault.CANCEL) for id in range(3, 10_003, 2)
        ),
        Fault.ENHANCE_YOUR_CALM,
    ),
}


@pytest.mark.parametrize(("sent", "fault"), FAULTS.values(), ids=FAULTS)
@on_a_loop
async def test_what_breaks_the_rules_ends_the_connection(sent: bytes, fault: Fault) -> None:
    bench = Bench(sent=HELLO + OPEN)
    bench.connection.data_received(sent)
    await settle()
    assert fault_of(bench.transport.frames()) is fault
    assert bench.transport.ended
    bench.connection.connection_lost(None)
    assert not bench.joined
    assert not bench.connection.streams


def test_more_data_than_a_stream_or_the_connection_may_send() -> None:
    # Leave is given as data comes; so it takes one frame that is larger than what is left.
    bench = Bench(sent=HELLO + OPEN)
    bench.connection.streams[1].room = 5
    assert fault_of(bench.send(wire.data(1, bytes(6)))) is Fault.FLOW_CONTROL_ERROR


# Laws

WHOLE = b"".join(
    (
        HELLO,
        wire.headers(1, BLOCK),
        wire.data(1, b"some data"),
        frame(frames.DATA, frames.PADDED, 1, b"\3padded\0\0\0"),
        frames.ping(b"12345678"),
        frame(frames.HEADERS, 0, 3, BLOCK[:7]),
        frame(frames.CONTINUATION, 0, 3, BLOCK[7:9]),
        frame(frames.CONTINUATION, frames.END_HEADERS, 3, BLOCK[9:]),
        wire.data(3, b""),
        wire.data(1, b"the end", ends=True),
        frames.window_update(0, 77),
        frame(0x99, 0xFF, 5, b"unknown"),
        frame(frames.SETTINGS, 0, 0, b"\0\4\0\0\0\5"),
        frames.reset(3, Fault.CANCEL),
        wire.headers(5, wire.block("/b", x=b"y"), ends=True),
    )
)


def test_settings_are_acknowledged_before_what_they_give_leave_for() -> None:
    bench = Bench()
    bench.connection.data_received(frame(frames.SETTINGS, 0, 0, b"\0\4\0\0\0\5") + OPEN)
    bench.answer(1)
    bench.connection.data_received(frame(frames.SETTINGS, 0, 0, b"\0\4\0\0\0\6"))
    kinds = [(f.kind, f.flags & frames.ACK) for f in bench.transport.frames()]
    assert kinds[0] == (frames.SETTINGS, frames.ACK)
    assert (frames.DATA, 0) in kinds


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    bench = Bench(sent=b"")
    for piece in pieces:
        bench.connection.data_received(piece)
    return bench.told, bytes(bench.transport.written), bench.transport.ended


@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=20))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(WHOLE)]
    pieces = [WHOLE[a:b] for a, b in pairwise(edges)]
    assert outcome(pieces) == outcome([WHOLE])


def test_bytes_may_come_one_by_one() -> None:
    assert outcome([WHOLE[i : i + 1] for i in range(len(WHOLE))]) == outcome([WHOLE])


FRAME = st.builds(
    frame,
    st.integers(0, 11),
    st.integers(0, 255) | st.sampled_from([0, 1, 4, 5]),
    st.integers(0, 9) | st.integers(0, 2**32 - 1),
    st.binary(max_size=40) | st.just(BLOCK) | st.sampled_from([bytes(4), b"\0\0\0\1", bytes(8)]),
)


@given(st.lists(FRAME | st.binary(max_size=30), max_size=12), st.booleans())
@on_a_loop
async def test_no_bytes_make_it_raise(pieces: list[bytes], answers: bool) -> None:
    bench = Bench()
    for piece in pieces:
        bench.connection.data_received(piece)
        if answers:
            for stream in list(bench.connection.streams.values()):
                bench.connection.sender.answer(stream, b"\x88", (bytes(70_000),), b"\x89")
    if not bench.transport.ended:
        bench.connection.cut_off()
    bench.connection.connection_lost(None)
    assert not bench.joined
