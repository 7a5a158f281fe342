"""One connection of HTTP/2 without a socket, and streams that note what becomes of them."""

from __future__ import annotations

import http2_wire as wire
from http2_wire import FakeTransport, Frame

from servable.transport.http2 import frames
from servable.transport.http2.bounds import Bounds
from servable.transport.http2.connection import Connection
from servable.transport.http2.frames import Fault
from servable.transport.http2.streams import Fields, Stream

HELLO = frames.PREFACE + wire.SETTINGS
BLOCK = wire.block("/a")
OPEN = wire.headers(1, BLOCK)


class Noted(Stream):
    """Notes what becomes of it."""

    def __init__(self, bench: Bench, connection: Connection, id: int) -> None:
        super().__init__(id, *connection.new_stream_windows())
        self.body = b""
        self._bench = bench

    def receive(self, data: bytes, start: int, stop: int) -> None:
        self.body += data[start:stop]

    def half_close(self) -> None:
        self._bench.told.append((self.id, "body", self.body))

    def lose(self) -> None:
        self._bench.told.append((self.id, "lost", self.body))

    def cut_off(self) -> None:
        self._bench.told.append((self.id, "cut off", self.body))


class Bench:
    """A connection, all that its streams heard, and the crowd that it is in."""

    def __init__(self, bounds: Bounds | None = None, sent: bytes = HELLO) -> None:
        self.told: list[tuple[int, str, object]] = []
        self.joined: set[Connection] = set()
        self.transport = FakeTransport()
        self.connection = Connection(bounds or Bounds(), self._open, self)
        self.connection.connection_made(self.transport)
        if sent:
            self.connection.data_received(sent)
            self.transport.written.clear()

    def _open(
        self, connection: Connection, id: int, fields: Fields, too_large: bool
    ) -> Stream | None:
        self.told.append((id, "too large" if too_large else "open", fields))
        stream = Noted(self, connection, id)
        connection.add(stream)
        return stream

    def join(self, connection: Connection) -> None:
        self.joined.add(connection)

    def leave(self, connection: Connection) -> None:
        self.joined.discard(connection)

    def send(self, *pieces: bytes) -> list[Frame]:
        """Have the connection take these, and return what it answers."""
        self.connection.data_received(b"".join(pieces))
        return self.transport.frames()

    def answer(self, id: int) -> list[Frame]:
        stream = self.connection.streams[id]
        self.connection.sender.answer(stream, b"\x88", (b"answer",), b"\x89")
        return self.transport.frames()

    def heard(self, what: str) -> list[int]:
        return [id for id, told, _ in self.told if told == what]


def fault_of(answered: list[Frame]) -> Fault:
    assert answered, "nothing was said"
    assert answered[-1].kind == frames.GOAWAY
    return Fault(frames.read_word(answered[-1].payload, 4))
