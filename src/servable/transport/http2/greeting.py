"""How a connection begins, and what those are told that speak something else."""

from __future__ import annotations

import asyncio

from servable.transport.http2 import frames
from servable.transport.http2.bounds import Bounds
from servable.transport.http2.frames import ConnectionFaultError, Fault, Setting

STREAM_WINDOW = 2**22
CONNECTION_WINDOW = 2**24
FRAME_BYTES = 2**20
"""What clients may send: large messages come in few frames, and need not wait for leave."""

NOT_HTTP2 = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\n"
    b"content-type: text/plain\r\nconnection: close\r\n\r\n"
    b"This port speaks gRPC, which is HTTP/2. The REST API has a port of its own.\n"
)

_OTHERS = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"DELE", b"CONN", b"PATC", b"TRAC")


def answer(begun: bytes, bounds: Bounds) -> bytes:
    """Return what to say to who began like this; b"" as long as that can not be told.

    Nothing is to be said before, so that a client of HTTP/1.1 can read what it is told, which
    is `NOT_HTTP2`.

    Raises:
        ConnectionFaultError: this is neither.
    """
    preface = frames.PREFACE
    if begun.startswith(preface):
        return _settings(bounds)
    if preface.startswith(begun):
        return b""
    if begun.startswith(_OTHERS):
        return NOT_HTTP2
    if any(other.startswith(begun) for other in _OTHERS):
        return b""
    raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "this is no HTTP/2")


def peer(transport: asyncio.BaseTransport) -> str:
    """Return where a client is, as gRPC writes it: `ipv4:127.0.0.1:40000`."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return "unix:"
    host, port = name[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def _settings(bounds: Bounds) -> bytes:
    return frames.settings(
        {
            Setting.MAX_CONCURRENT_STREAMS: bounds.max_concurrent_streams,
            Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            Setting.MAX_FRAME_SIZE: FRAME_BYTES,
            Setting.MAX_HEADER_LIST_SIZE: bounds.max_metadata_size,
        }
    ) + frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
