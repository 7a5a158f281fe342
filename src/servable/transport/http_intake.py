"""Long bodies are received where they are read, with no copy in between.

While one comes, its connection hands its place at the transport to an `Intake`. asyncio allows
that at any time, and both of its loops, with TLS and without, read into what they are lent.
The way through the parser makes three copies of a body. Measured with one of 100 MB: 2.0 times
its size at the peak that way, 1.05 times this way.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from servable.transport.http_exchange import Exchange

LONG_BYTES = 2**17
"""What has to have come of a body, and what has to be to come, for the change to be worth it."""

_GROWTH = 4
"""Room is made for so many times what has come: who claims to send much has to send it."""

_WASTE_BYTES = 2**16


class Host(Protocol):
    """The connection whose place is taken."""

    def rest_came(self, size: int, *, ended: bool) -> None:
        """Hear that so many bytes came, and whether they were the last of the body."""

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""


class Intake(asyncio.BufferedProtocol):
    """Takes the rest of one body. For the event loop's thread.

    Args:
        host: hears of it.
        exchange: whose body it is; what has come of it, which is not nothing, is in its chunks.
            They are replaced when all has come. If it is answered before, is found at fault or
            is not wanted any more, what comes is thrown away.
        rest: bytes that are to come.
    """

    def __init__(self, host: Host, exchange: Exchange, rest: int) -> None:
        self._host = host
        self._exchange = exchange
        self._left = rest
        came = exchange.body()
        self._at = len(came)
        self._body = bytearray(came)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 # asyncio passes it
        """Lend the room for what comes next."""
        if self._is_waste():
            if len(self._body) > _WASTE_BYTES:
                self._body = bytearray(_WASTE_BYTES)
            return memoryview(self._body)[: self._left]
        room = len(self._body) - self._at
        if not room:
            self._body += bytes(min(self._left, (_GROWTH - 1) * self._at))
        return memoryview(self._body)[self._at :]

    def buffer_updated(self, size: int) -> None:
        """Take note of what came."""
        self._left -= size
        if not self._is_waste():
            self._at += size
            self._exchange.length += size
            if not self._left:
                self._exchange.chunks = [self._body]
        if not self._left:
            self._let_go()
        self._host.rest_came(size, ended=not self._left)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the host."""
        self._let_go()
        self._host.connection_lost(error)

    def pause_writing(self) -> None:
        """Tell the host."""
        self._host.pause_writing()

    def resume_writing(self) -> None:
        """Tell the host."""
        self._host.resume_writing()

    def _is_waste(self) -> bool:
        exchange = self._exchange
        return exchange.replied or exchange.over or exchange.fault is not None

    def _let_go(self) -> None:
        # uvloop, and both loops' TLS, keep the methods of what took their place last.
        self._body = bytearray()
