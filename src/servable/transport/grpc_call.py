"""A gRPC call as what answers it sees it, and as it travels in HTTP/2's headers.

The rules are those of gRPC's own description of its protocol over HTTP/2.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import monotonic
from typing import NamedTuple
from urllib.parse import quote

from servable.errors import ServableError
from servable.tensor_wire.message import Message
from servable.transport.http2.hpack import literal
from servable.transport.http2.streams import Fields
from servable.wire.status import ascii_line, grpc_message

HINT_KEY = "servable-hint"
"""Trailing metadata that carries an error's hint, in ASCII with Python's escapes."""

_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST_DIGITS = 8
_GRPC = re.compile(rb"application/grpc(?![^+;])")  # not grpc-web, which is another protocol
_TEXT = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

HEAD = (
    literal(b":status", b"200")
    + literal(b"content-type", b"application/grpc")
    + literal(b"grpc-accept-encoding", b"identity,deflate,gzip")
)
GOOD = literal(b"grpc-status", b"0")


class Head(NamedTuple):
    """What the headers of a call say.

    Attributes:
        path: `/package.Service/Method`.
        timeout: seconds that the client waits; infinity for ever.
        encoding: how messages are compressed that are.
        refusal: the HTTP status for what is no gRPC; 0 for what is.
        fields: all headers.
    """

    path: str
    timeout: float
    encoding: bytes
    refusal: int
    fields: Fields


@lru_cache(2**8)
def read_head(fields: Fields) -> Head | None:
    """Return what headers say; None for headers that HTTP/2 does not allow."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        found.setdefault(name, value)
    method, path = found.get(b":method"), found.get(b":path")
    if method is None or path is None:
        return None
    refusal = 0
    if method != b"POST":
        refusal = 405
    elif not _GRPC.match(found.get(b"content-type", b"")):
        refusal = 415
    timeout = _seconds(found[b"grpc-timeout"]) if b"grpc-timeout" in found else math.inf
    if timeout is None:
        return None
    encoding = found.get(b"grpc-encoding", b"identity")
    return Head(path.decode("utf-8", "surrogateescape"), timeout, encoding, refusal, fields)


def _seconds(text: bytes) -> float | None:
    digits, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not digits.isdigit() or len(digits) > _MOST_DIGITS:
        return None
    return int(digits) * _UNITS[unit]


class Call:
    """One call. Made on the event loop's thread; the methods may be called from any.

    Attributes:
        path: the method.
        peer: where the client is: `ipv4:127.0.0.1:40000`.
        active: whether the client still waits.
    """

    __slots__ = ("_callbacks", "_deadline", "_fields", "active", "path", "peer")

    def __init__(self, head: Head, peer: str) -> None:
        self.path = head.path
        self.peer = peer
        self.active = True
        self._fields = head.fields
        self._deadline = math.inf if head.timeout == math.inf else monotonic() + head.timeout
        self._callbacks: list[Callable[[], None]] = []

    @property
    def metadata(self) -> Sequence[tuple[str, str | bytes]]:
        """What the client sent along, names in lower case."""
        return [
            (name.decode("latin-1"), _value(name, value))
            for name, value in self._fields
            if not name.startswith(b":")
        ]

    def first(self, name: str) -> str:
        """Return the first metadata of that name, "" if there is none."""
        wanted = name.encode()
        for key, value in self._fields:
            if key == wanted:
                return value.decode("utf-8", "surrogateescape")
        return ""

    def is_active(self) -> bool:
        """Whether the client still waits."""
        return self.active

    def time_remaining(self) -> float:
        """Seconds until it does not wait any more; infinity for ever."""
        return self._deadline - monotonic()

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """Have `callback` called when the client stops waiting; False if it does not wait."""
        self._callbacks.append(callback)
        return self.active

    def end(self) -> None:
        """Note that nobody waits any more."""
        self.active = False
        for callback in self._callbacks:
            callback()


class Answered(NamedTuple):
    """What becomes of a call.

    Attributes:
        message: the answer; None with an error.
        error: why there is none.
        trailing: metadata to send with either.
    """

    message: Message | None
    error: ServableError | None = None
    trailing: tuple[tuple[str, str], ...] = ()


def refused(error: ServableError, *, hints: bool = True) -> Answered:
    """Return an error as what becomes of a call, with its hint or without."""
    trailing = ((HINT_KEY, ascii_line(error.hint)),) if error.hint and hints else ()
    return Answered(None, error, trailing)


def tail(answered: Answered) -> bytes:
    """Return the block of headers that ends a call."""
    error = answered.error
    if error is None:
        if not answered.trailing:
            return GOOD
        status = GOOD
    else:
        text = quote(grpc_message(error.message), safe=_TEXT).encode()
        status = literal(b"grpc-status", b"%d" % error.code.value)
        status += literal(b"grpc-message", text)
    return status + b"".join(
        literal(key.encode(), value.encode()) for key, value in answered.trailing
    )


def _value(name: bytes, value: bytes) -> str | bytes:
    if not name.endswith(b"-bin"):
        return value.decode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return b""
