"""Frames as they are written, and payloads as they are read."""

from __future__ import annotations

import pytest
from http2_wire import Frame, parse
from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http2 import frames
from servable.transport.http2.frames import ConnectionFaultError, Fault, Setting


@given(
    st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1), st.integers(0, 2**24 - 1)
)
def test_a_head_is_read_as_it_was_written(kind: int, flags: int, stream: int, length: int) -> None:
    head = frames.head(kind, flags, stream, length)
    assert len(head) == frames.HEADER_BYTES
    assert frames.read_head(b"x" + head, 1) == (length, kind, flags, stream)


@pytest.mark.parametrize(
    ("written", "frame"),
    [
        (frames.settings({}), Frame(4, 0, 0, b"")),
        (frames.settings({Setting.MAX_FRAME_SIZE: 16384}), Frame(4, 0, 0, b"\0\5\0\0\x40\0")),
        (frames.window_update(3, 2**31 - 1), Frame(8, 0, 3, b"\x7f\xff\xff\xff")),
        (frames.reset(5, Fault.CANCEL), Frame(3, 0, 5, b"\0\0\0\x08")),
        (frames.ping(b"12345678"), Frame(6, 0, 0, b"12345678")),
        (frames.ping(b"12345678", ack=True), Frame(6, 1, 0, b"12345678")),
        (frames.go_away(7, Fault.NO_ERROR, "é"), Frame(7, 0, 0, b"\0\0\0\7\0\0\0\0\xc3\xa9")),
    ],
)
def test_frames_are_those_of_the_standard(written: bytes, frame: Frame) -> None:
    assert parse(written) == ([frame], b"")


@given(st.dictionaries(st.sampled_from(Setting), st.integers(0, 2**32 - 1)))
def test_settings_are_read_as_they_were_written(values: dict[Setting, int]) -> None:
    assert dict(frames.read_settings(frames.settings(values)[frames.HEADER_BYTES :])) == values


@pytest.mark.parametrize("length", [1, 5, 7])
def test_settings_of_a_wrong_size(length: int) -> None:
    with pytest.raises(ConnectionFaultError) as caught:
        frames.read_settings(bytes(length))
    assert caught.value.fault is Fault.FRAME_SIZE_ERROR


@given(st.binary(), st.integers(0, 255))
def test_padding_is_taken_away(content: bytes, padding: int) -> None:
    padded = bytes((padding,)) + content + bytes(padding)
    assert frames.unpadded(padded, frames.PADDED) == content
    assert frames.unpadded(padded, 0) == padded


@pytest.mark.parametrize("payload", [b"", b"\1", b"\2a", b"\xff" + bytes(254)])
def test_more_padding_than_payload(payload: bytes) -> None:
    with pytest.raises(ConnectionFaultError) as caught:
        frames.unpadded(payload, frames.PADDED)
    assert caught.value.fault is Fault.PROTOCOL_ERROR
