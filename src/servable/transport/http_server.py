"""The application over HTTP/1.1, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl

from servable.metrics.families import Family, Number
from servable.transport.http_connection import Guard, HttpConnection
from servable.transport.http_exchange import Application
from servable.transport.loop_server import LOOK_SECONDS, LoopServer
from servable.transport.options import RestOptions

_LOOKS = 4
"""How often connections are looked at during the shortest time that they may take."""


class HttpServer(LoopServer):
    """Answers HTTP. `start` and `stop` are called once each, from one thread.

    Args:
        options: the bounds on connections.
        tls: for HTTPS.
        broken: counts connections that are ended for what their clients do.
    """

    def __init__(
        self, options: RestOptions, tls: ssl.SSLContext | None, broken: Family[Number]
    ) -> None:
        times = (
            *(options.head_seconds, options.body_seconds, options.keep_alive_seconds),
            LOOK_SECONDS if options.timeout_seconds is None else options.timeout_seconds,
        )
        super().__init__("http-loop", self._connect_one, tls, min(times) / _LOOKS)
        self._options = options
        self._broken = broken
        self._guard: Guard | None = None
        self._secure = tls is not None

    @property
    def size(self) -> int:
        """How many connections there are."""
        return len(self.connections)

    def serve(self, app: Application, listener: socket.socket) -> None:
        """Return when requests are being answered; see `LoopServer.start`."""
        self._guard = Guard(app, self._options, self._broken)
        self.start([listener])

    def drain(self) -> None:
        """Go on, and close each connection after its next answer, which says so."""
        if self._guard is not None:
            self._guard.draining = True

    def stop(self, grace_seconds: float) -> None:
        """Answer what came before the port was closed; return then, or when time is up."""
        self.drain()
        super().stop(grace_seconds)

    def _connect_one(self) -> asyncio.Protocol:
        if self._guard is None:
            raise RuntimeError("there is no application yet")
        return HttpConnection(self._guard, self, secure=self._secure)
