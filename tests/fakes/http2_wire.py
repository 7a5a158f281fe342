"""HTTP/2 byte by byte: what a client sends, what comes back, and a transport without a socket."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, NamedTuple, ParamSpec

from servable.transport.http2 import frames
from servable.transport.http2.hpack import Decoder, literal

P = ParamSpec("P")

PATIENCE = 60
"""Seconds after which a test that hangs is given up."""


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


class FakeTransport(asyncio.Transport):
    """Keeps what is written.

    Attributes:
        written: all of it.
        unread: how much of it the client is said to have left unread.
        reading: whether more may come.
        ended: whether the last has been written.
        protocol: what takes what comes, where that was changed.
        aborted: whether it was closed at once.
    """

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 8500)})
        self.written = bytearray()
        self.unread = 0
        self.reading = True
        self.aborted = False
        self.ended = False
        self.protocol: asyncio.BaseProtocol | None = None
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert not self._closing
        assert not self.ended
        self.written += data

    def close(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = self.aborted = True

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self.unread

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def frames(self) -> list[Frame]:
        """What was written since this was asked last."""
        found, rest = parse(bytes(self.written))
        assert rest == b""
        self.written.clear()
        return found


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def settle() -> None:
    """Let everything run that the loop was asked to run soon."""
    for _ in range(200):
        await asyncio.sleep(0)


def parse(data: bytes) -> tuple[list[Frame], bytes]:
    """Return all whole frames, and what is left."""
    found, at = [], 0
    while len(data) - at >= frames.HEADER_BYTES:
        length, kind, flags, stream = frames.read_head(data, at)
        stop = at + frames.HEADER_BYTES + length
        if stop > len(data):
            break
        found.append(Frame(kind, flags, stream, data[at + frames.HEADER_BYTES : stop]))
        at = stop
    return found, data[at:]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return frames.head(kind, flags, stream, len(payload)) + payload


SETTINGS = frame(frames.SETTINGS)


def block(path: str, **more: bytes) -> bytes:
    """The headers of a call; underscores of the names of more are dashes."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.encode())]
    fields += [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
    fields += [(name.replace("_", "-").encode(), value) for name, value in more.items()]
    return b"".join(literal(name, value) for name, value in fields)


def headers(stream: int, head: bytes, *, ends: bool = False) -> bytes:
    flags = frames.END_HEADERS | (frames.END_STREAM if ends else 0)
    return frame(frames.HEADERS, flags, stream, head)


def data(stream: int, payload: bytes, *, ends: bool = False) -> bytes:
    return frame(frames.DATA, frames.END_STREAM if ends else 0, stream, payload)


def message(payload: bytes, flag: int = 0) -> bytes:
    return bytes((flag,)) + len(payload).to_bytes(4) + payload


def call(stream: int, path: str, payload: bytes, **more: bytes) -> bytes:
    """A whole call of one message."""
    head = headers(stream, block(path, **more))
    return head + data(stream, message(payload), ends=True)


class Answer(NamedTuple):
    """What came on one stream."""

    fields: dict[str, str]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.fields["grpc-status"])


class RawClient:
    """A socket, and the frames that come over it; a context manager."""

    def __init__(self, port: int, *, greet: bool = True, buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self._rest = b""
        self._frames: list[Frame] = []
        self._decoder = Decoder(2**20)
        if greet:
            self.send(frames.PREFACE + SETTINGS)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def __iter__(self) -> Iterator[Frame]:
        """The frames, until the server closes."""
        while True:
            while self._frames:
                yield self._frames.pop(0)
            try:
                piece = self.socket.recv(2**16)
            except ConnectionResetError:
                return
            if not piece:
                return
            self._frames, self._rest = parse(self._rest + piece)

    def until(self, kind: int, flags: int = 0, stream: int = 0) -> Frame:
        """Return the next frame of that kind; those before it are dropped."""
        for found in self:
            if (found.kind, found.stream) == (kind, stream) and found.flags & flags == flags:
                return found
        raise AssertionError("the server closed before that")

    def answer(self, stream: int) -> Answer:
        """Return the answer on a stream; of others nothing is kept."""
        return self.answers(stream)[stream]

    def answers(self, *streams: int) -> dict[int, Answer]:
        """Return the answers on streams that end in any order."""
        found = {stream: Answer({}, b"") for stream in streams}
        left = set(streams)
        for kind, flags, stream, payload in self:
            if kind == frames.HEADERS:
                fields = self._decoder.decode(payload).fields
                if stream in found:
                    found[stream].fields.update((n.decode(), v.decode()) for n, v in fields)
            elif kind == frames.DATA and stream in found:
                found[stream] = found[stream]._replace(body=found[stream].body + payload)
            if kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM:
                left.discard(stream)
                if not left:
                    return found
        raise AssertionError(f"the server closed before it answered {left}")

    def farewell(self) -> tuple[frames.Fault, str]:
        """Return what the server says when it ends the connection, which it has to."""
        last = None
        for found in self:
            if found.kind == frames.GOAWAY:
                last = found.payload
        assert last is not None, "it was closed without a word"
        return frames.Fault(frames.read_word(last, 4)), last[8:].decode()
