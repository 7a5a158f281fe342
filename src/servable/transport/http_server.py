"""An ASGI application under uvicorn, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import math
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from functools import partial

import uvicorn

from servable.errors import Internal
from servable.metrics.families import Family, Number
from servable.transport.http_protocol import Guard, GuardedProtocol
from servable.transport.options import RestOptions
from servable.transport.ports import refuse_connections
from servable.transport.rest_app import App

log = logging.getLogger(__name__)

_HANDSHAKE_SECONDS = 0.1
"""How long a connection may take that a client has begun to make when the server stops."""

_BACKLOG_SECONDS = 1.0
"""How long connections that wait are accepted for."""

_CLOSE_SECONDS = 2.0
"""How long a client may take to close its end when the server stops. Over TLS it is asked
to, and need not."""


class HttpServer:
    """Answers HTTP on a listening socket, with httptools, and uvloop where it is installed.

    `start` and `stop` are called once each, from one thread.

    Args:
        app: what answers.
        listener: a listening socket; closed when the server stops.
        options: the bounds on connections.
        tls: for HTTPS.
        broken: counts connections that are ended for what their clients do.
    """

    def __init__(
        self,
        app: App,
        listener: socket.socket,
        options: RestOptions,
        tls: ssl.SSLContext | None,
        broken: Family[Number],
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=math.ceil(options.keep_alive_seconds),
        )
        # uvicorn would make a protocol and a context itself, from names and paths.
        config.load()
        guard = Guard(options, broken)
        config.http_protocol_class = partial(GuardedProtocol, guard)  # type: ignore[assignment] # is only called
        config.ssl = tls
        self._server = _Server(config, app, guard)
        self._listener = listener
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    def start(self) -> None:
        """Return when requests are being answered.

        Raises:
            Internal: the event loop could not be started; the log says why.
        """
        self._thread.start()
        self._server.settled.wait()
        if not self._server.started:
            raise Internal("the HTTP server did not start; its log says why")

    def drain(self) -> None:
        """Go on, and close each connection after its next answer, which says so."""
        self._server.drain()

    def stop(self, grace_seconds: float) -> None:
        """Answer what came before the port was closed; return then, or when time is up."""
        self._server.config.timeout_graceful_shutdown = math.ceil(grace_seconds)
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except Exception:
            log.exception("the HTTP server failed")
        finally:
            self._listener.close()
            self._server.settled.set()


class _Server(uvicorn.Server):
    """Tells when it has begun to answer, or has failed to, and loses no request when it stops."""

    def __init__(self, config: uvicorn.Config, app: App, guard: Guard) -> None:
        super().__init__(config)
        self.settled = threading.Event()
        self._app = app
        self._guard = guard
        self._loop: asyncio.AbstractEventLoop | None = None

    def drain(self) -> None:
        """See `HttpServer.drain`; for any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._drain)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = None
        self._drain()
        await _take_in(sockets or [])
        self._app.drain()
        self._guard.stopping = True
        asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self._cut)
        await super().shutdown(sockets)

    def _drain(self) -> None:
        self._guard.draining = True
        for connection in self._connections():
            connection.close_after_answer()

    def _cut(self) -> None:
        for connection in self._connections():
            connection.abort_if_idle()

    def _connections(self) -> Sequence[GuardedProtocol]:
        connections = list(self.server_state.connections)
        return [c for c in connections if isinstance(c, GuardedProtocol)]


async def _take_in(listeners: Sequence[socket.socket]) -> None:
    """Let nobody else connect, and wait until all who did have been accepted.

    The system resets the connections that wait at a listening socket when that is closed.
    """
    for listener in listeners:
        refuse_connections(listener)
    await asyncio.sleep(_HANDSHAKE_SECONDS)
    # Where the system can not be told to refuse them, new ones may come as fast as these go.
    end = time.monotonic() + _BACKLOG_SECONDS
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(listener, selectors.EVENT_READ)
        while selector.select(0) and time.monotonic() < end:
            await asyncio.sleep(0)
