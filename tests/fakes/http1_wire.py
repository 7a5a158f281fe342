"""HTTP/1.1 without a socket: a connection, and an application that answers when it is told to."""

from __future__ import annotations

import asyncio

from http2_wire import FakeTransport

from servable.errors import ServableError
from servable.metrics.monitor import Metrics
from servable.transport.http_connection import Guard, HttpConnection
from servable.transport.http_exchange import Exchange
from servable.transport.options import RestOptions
from servable.transport.rest_pages import Reply

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"


class Bench:
    """A connection, and an application that answers when it is told to."""

    def __init__(self, options: RestOptions | None = None) -> None:
        self.begun: list[Exchange] = []
        self.complete_ones: list[Exchange] = []
        self.size = 1
        self.transport = FakeTransport()
        guard = Guard(self, options or RestOptions(), Metrics().broken)
        self.connection = HttpConnection(guard, self, secure=False)
        self.connection.connection_made(self.transport)

    def begin(self, exchange: Exchange) -> None:
        self.begun.append(exchange)

    def complete(self, exchange: Exchange) -> None:
        self.complete_ones.append(exchange)

    def refuse(self, exchange: Exchange, error: ServableError) -> None:
        exchange.reply(self.refusal(error))

    def refusal(self, error: ServableError) -> Reply:
        return Reply(400, error.message.encode(), ())

    def join(self, connection: HttpConnection) -> None:
        assert connection.client == "127.0.0.1"

    def leave(self, connection: HttpConnection) -> None:  # noqa: ARG002 # see `Crowd`
        self.size -= 1

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            rest = memoryview(piece)
            while rest and not self.transport.is_closing():
                rest = rest[self._receive(rest) :]

    def _receive(self, data: memoryview) -> int:
        taker = self.taker
        if taker is None:
            self.connection.data_received(bytes(data))
            return len(data)
        room = memoryview(taker.get_buffer(-1))
        size = min(len(data), len(room))
        room[:size] = data[:size]
        taker.buffer_updated(size)
        return size

    @property
    def taker(self) -> asyncio.BufferedProtocol | None:
        """What takes the rest of a long body, while it comes."""
        protocol = self.transport.protocol
        return protocol if isinstance(protocol, asyncio.BufferedProtocol) else None

    def answer(self, body: bytes = b"answer") -> None:
        self.complete_ones[-1].reply(Reply(200, body, ()))

    def answer_all(self) -> None:
        answered = 0
        while answered < len(self.complete_ones):
            answered += 1
            self.complete_ones[answered - 1].reply(Reply(200, b"", ()))

    @property
    def deadline(self) -> float:
        return self.connection._deadline

    def wait(self, seconds: float) -> None:
        """Have the connection look at the clock this much after its next deadline."""
        self.connection.look(self.deadline + seconds)

    def said(self) -> bytes:
        found = bytes(self.transport.written)
        self.transport.written.clear()
        return found


def heard(bench: Bench) -> list[tuple[str, str, bytes, bytes, list[bytes]]]:
    return [
        (
            e.head.method,
            e.head.target,
            b"".join(e.chunks),
            e.declared,
            [n for n, _ in e.head.headers],
        )
        for e in bench.complete_ones
    ]


def outcome(pieces: list[bytes]) -> object:
    bench = Bench()
    for piece in pieces:
        bench.send(piece)
        bench.answer_all()
    return heard(bench)
