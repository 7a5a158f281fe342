"""HTTP/1.1 answers from the pieces in which they arrive."""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_HEAD_BYTES = 2**16
MOST_BODY_BYTES = 2**31
_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: |\r)")
_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_MOST_SIZE_LINE = 1024


class BadAnswer(Exception):
    """What came is no HTTP/1.1 answer, or larger than one may be."""


class Answer(NamedTuple):
    """A whole answer.

    Attributes:
        status: the HTTP status.
        head: its lines as they came.
        body: the body, chunks put together.
        keeps: whether the connection may be used for the next request.
    """

    status: int
    head: bytes
    body: bytes
    keeps: bool


class AnswerReader:
    """Puts together the one answer to a request; make a new one for the next.

    Interim answers (1xx) are skipped. Bytes beyond the answer are dropped: a server has
    nothing to say before it is asked again.
    """

    __slots__ = ("_buffer", "_chunked", "_chunks", "_head", "_length", "_lowered", "_status")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head = self._lowered = b""
        self._status = 0
        self._length: int | None = None  # of the body, where the head says it
        self._chunked = False
        self._chunks = bytearray()

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self._head or self._buffer)

    def feed(self, data: bytes) -> Answer | None:
        """Take the next piece; return the answer if that completes it.

        Raises:
            BadAnswer: this is no answer.
        """
        self._buffer += data
        while not self._head:
            if not self._read_head():
                return None
        if self._chunked:
            return self._read_chunks()
        if self._length is None:
            if len(self._buffer) > MOST_BODY_BYTES:
                raise BadAnswer("the body is too large")
            return None  # it ends with the connection
        if len(self._buffer) < self._length:
            return None
        return self._answer(bytes(self._buffer[: self._length]))

    def ended(self) -> Answer | None:
        """Return the answer that ends because the connection does; None if it is cut off."""
        if self._head and not self._chunked and self._length is None:
            return self._answer(bytes(self._buffer))._replace(keeps=False)
        return None

    def _read_head(self) -> bool:
        """Take the head from the buffer if it is there; an interim one is dropped."""
        end = self._buffer.find(_END)
        if max(end, len(self._buffer) if end < 0 else 0) > MOST_HEAD_BYTES:
            raise BadAnswer("the head is too long")
        if end < 0:
            if not b"HTTP/1.".startswith(self._buffer[:7]):
                raise BadAnswer(f"it begins with {bytes(self._buffer[:20])!r}")
            return False
        head = bytes(self._buffer[: end + 2])
        del self._buffer[: end + len(_END)]
        found = _STATUS.match(head)
        if found is None:
            raise BadAnswer(f"it begins with {head[:20]!r}")
        self._status = int(found[1])
        if self._status < 200:
            return bool(self._buffer) and self._read_head()
        self._head = head
        self._lowered = lowered = head.lower()
        if header(head, b"transfer-encoding", lowered).lower() == b"chunked":
            self._chunked = True
        elif self._status in (204, 304):
            self._length = 0
        elif length := header(head, b"content-length", lowered):
            if not length.isdigit() or len(length) > 12 or int(length) > MOST_BODY_BYTES:
                raise BadAnswer(f"a body of {length[:20]!r} bytes")
            self._length = int(length)
        return True

    def _read_chunks(self) -> Answer | None:
        while (end := self._buffer.find(b"\r\n")) >= 0:
            found = _SIZE.match(self._buffer, 0, end)
            if found is None:
                raise BadAnswer(f"a chunk of {bytes(self._buffer[:20])!r} bytes")
            size = int(found[0], 16)
            if size + len(self._chunks) > MOST_BODY_BYTES:
                raise BadAnswer("the body is too large")
            if not size:
                return self._read_trailers(end)
            begin = end + 2
            if len(self._buffer) < begin + size + 2:
                return None
            self._chunks += self._buffer[begin : begin + size]
            del self._buffer[: begin + size + 2]
        if len(self._buffer) > _MOST_SIZE_LINE:
            raise BadAnswer("the size of a chunk is too long")
        return None

    def _read_trailers(self, end: int) -> Answer | None:
        """Return the answer if the trailers, mostly none, are there behind the last chunk."""
        if len(self._buffer) > end + MOST_HEAD_BYTES:
            raise BadAnswer("the trailers are too long")
        if self._buffer.find(_END, end) < 0:
            return None
        return self._answer(bytes(self._chunks))

    def _answer(self, body: bytes) -> Answer:
        connection = header(self._head, b"connection", self._lowered).lower()
        keeps = connection != b"close" and (
            self._head.startswith(b"HTTP/1.1") or connection == b"keep-alive"
        )
        return Answer(self._status, self._head, body, keeps)


def header(head: bytes, name: bytes, lowered: bytes = b"") -> bytes:
    """Return the value of a header; b"" if it is missing.

    Args:
        head: the lines of a head.
        name: in lower case.
        lowered: `head` in lower case, for a caller that has it already.
    """
    at = (lowered or head.lower()).find(b"\r\n" + name + b":")
    if at < 0:
        return b""
    begin = at + len(name) + 3
    return head[begin : head.find(b"\r\n", begin)].strip()
