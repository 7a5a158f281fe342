"""The frames of HTTP/2 (RFC 9113, sections 4 and 6): numbers, and how they are written."""

from __future__ import annotations

import enum
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first."""

HEADER_BYTES = 9
MAX_WINDOW = MAX_STREAM = 2**31 - 1
DEFAULT_WINDOW = 2**16 - 1
DEFAULT_FRAME_BYTES = 2**14
"""What each side may send before the other has said anything else."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
"""Types of frames; plain numbers, since every frame that comes is compared with them."""

END_STREAM, ACK, END_HEADERS, PADDED, PRIORITISED = 0x1, 0x1, 0x4, 0x8, 0x20
"""Flags."""

_HEAD = struct.Struct(">IBI")  # length and type in one number, flags, stream
_WORD = struct.Struct(">I")
_SETTING = struct.Struct(">HI")


class Fault(enum.IntEnum):
    """Error codes of RFC 9113, section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class Setting(enum.IntEnum):
    """The settings that matter here, of RFC 9113, section 6.5.2."""

    HEADER_TABLE_SIZE = 0x1
    MAX_CONCURRENT_STREAMS = 0x3
    INITIAL_WINDOW_SIZE = 0x4
    MAX_FRAME_SIZE = 0x5
    MAX_HEADER_LIST_SIZE = 0x6


class ConnectionFaultError(Exception):
    """What came breaks the rules of a connection, which has to end.

    Attributes:
        fault: what the client is told.
        text: the same in words.
    """

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault
        self.text = text


def head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """Return the nine bytes before a payload of that length."""
    return _HEAD.pack(length << 8 | kind, flags, stream)


def read_head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Return the length, type, flags and stream of a frame, without the stream's reserved bit."""
    first, flags, stream = _HEAD.unpack_from(data, at)
    return first >> 8, first & 0xFF, flags, stream & MAX_STREAM


def settings(values: dict[Setting, int]) -> bytes:
    """Return a SETTINGS frame."""
    payload = b"".join(_SETTING.pack(key, value) for key, value in values.items())
    return head(SETTINGS, 0, 0, len(payload)) + payload


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the settings in a payload; raises ConnectionFaultError if it is none."""
    if len(payload) % _SETTING.size:
        raise ConnectionFaultError(Fault.FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
    return list(_SETTING.iter_unpack(payload))


def window_update(stream: int, more: int) -> bytes:
    """Return a WINDOW_UPDATE frame; stream 0 is the connection."""
    return head(WINDOW_UPDATE, 0, stream, 4) + _WORD.pack(more)


def reset(stream: int, fault: Fault) -> bytes:
    """Return a RST_STREAM frame."""
    return head(RST_STREAM, 0, stream, 4) + _WORD.pack(fault)


def ping(payload: bytes, *, ack: bool = False) -> bytes:
    """Return a PING frame with eight bytes."""
    return head(PING, ACK if ack else 0, 0, len(payload)) + payload


def go_away(last_stream: int, fault: Fault, text: str = "") -> bytes:
    """Return a GOAWAY frame: streams above the last are not answered."""
    payload = _WORD.pack(last_stream) + _WORD.pack(fault) + text.encode()
    return head(GOAWAY, 0, 0, len(payload)) + payload


def read_word(payload: bytes, at: int = 0) -> int:
    """Return four bytes as a number."""
    number: int = _WORD.unpack_from(payload, at)[0]
    return number


def unpadded(payload: bytes, flags: int) -> bytes:
    """Return a payload without its padding; raises ConnectionFaultError if that is too long."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]
