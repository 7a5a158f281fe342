"""An event loop in a thread of its own, and the connections of one server on it."""

from __future__ import annotations

import asyncio
import logging
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from servable.errors import Internal
from servable.transport.loops import new_loop
from servable.transport.ports import refuse_connections

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often it is seen whether anything takes too long."""

_HANDSHAKE_SECONDS = 0.1
"""How long a connection may take that a client has begun to make when the server stops."""

_BACKLOG_SECONDS = 1.0
"""How long connections that wait are accepted for."""

_FLUSH_SECONDS = 0.25
"""How long the last words to clients may take that are cut off."""

_STEP_SECONDS = 0.005


class Connection(Protocol):
    """A client's connection. All methods are called on the loop's thread."""

    def go_away(self) -> None:
        """Answer what was asked, take nothing new, and close then."""

    def cut_off(self) -> None:
        """Tell who still waits that there will be no answer, and close."""

    def abort(self) -> None:
        """Close at once."""

    def look(self, now: float) -> None:
        """See whether anything takes too long; `now` is `time.monotonic()`."""


class LoopServer:
    """Listens. `start` and `stop` are called once each, from one thread.

    Args:
        name: of its thread.
        connect: makes what takes up a connection; that joins when it is made, and leaves.
        tls: for TLS; None is plain text.
        look_seconds: how often connections are looked at, if that is more often than usual.

    Attributes:
        loop: what it runs on.
        connections: those that have joined.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], asyncio.Protocol],
        tls: ssl.SSLContext | None,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.loop = new_loop()
        self.connections: set[Connection] = set()
        self._name = name
        self._connect = connect
        self._tls = tls
        self._look_seconds = min(look_seconds, LOOK_SECONDS)
        self._stopping = False
        self._stop = asyncio.Event()
        self._settled = threading.Event()
        self._failure: Exception | None = None
        self._grace = 0.0
        self._thread: threading.Thread | None = None

    def start(self, listeners: Sequence[socket.socket], socket_path: str = "") -> None:
        """Return when connections are being accepted, on these sockets and at this path.

        Raises:
            Internal: the event loop could not be started.
        """
        self._thread = threading.Thread(
            target=self._run, args=(list(listeners), socket_path), name=self._name, daemon=True
        )
        self._thread.start()
        self._settled.wait()
        if self._failure is not None:
            raise Internal(f"the server did not start: {self._failure}") from self._failure

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Have `callback` called on the loop's thread; from any thread. Nothing if it has ended."""
        try:
            self.loop.call_soon_threadsafe(callback)
        except RuntimeError:
            log.debug("nobody waits for this any more")

    def stop(self, grace_seconds: float) -> None:
        """Take no more connections, answer what has come, and return then, or when time is up."""
        if self._thread is None:
            self.loop.close()
            return
        self._grace = grace_seconds
        self.call_soon(self._stop.set)
        self._thread.join()

    def join(self, connection: Connection) -> None:
        """Hear that a connection was made."""
        self.connections.add(connection)
        if self._stopping:
            connection.go_away()

    def leave(self, connection: Connection) -> None:
        """Hear that a connection is lost."""
        self.connections.discard(connection)

    def _run(self, listeners: list[socket.socket], socket_path: str) -> None:
        try:
            self.loop.run_until_complete(self._serve(listeners, socket_path))
        except Exception as error:
            log.exception("a server failed")
            self._failure = error
        finally:
            for listener in listeners:
                listener.close()
            self.loop.close()
            self._settled.set()

    async def _serve(self, listeners: list[socket.socket], socket_path: str) -> None:
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(self._connect, sock=listener, backlog=1024, ssl=self._tls)
            for listener in listeners
        ]
        if socket_path:
            servers.append(await loop.create_unix_server(self._connect, socket_path, ssl=self._tls))
        looking = asyncio.create_task(self._look_now_and_then())
        self._settled.set()
        await self._stop.wait()
        end = time.monotonic() + self._grace
        await _take_in(listeners)
        self._stopping = True
        for server in servers:
            server.close()
        if socket_path:
            Path(socket_path).unlink(missing_ok=True)
        for connection in list(self.connections):
            connection.go_away()
        await self._wait_for_the_last(end)
        for connection in list(self.connections):
            connection.cut_off()
        await self._wait_for_the_last(time.monotonic() + _FLUSH_SECONDS)
        for connection in list(self.connections):
            connection.abort()
        looking.cancel()
        await asyncio.sleep(0)

    async def _wait_for_the_last(self, end: float) -> None:
        while self.connections and time.monotonic() < end:
            await asyncio.sleep(_STEP_SECONDS)
            self._look()

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            self._look()

    def _look(self) -> None:
        now = time.monotonic()
        for connection in list(self.connections):
            try:
                connection.look(now)
            except Exception:
                # The others are to be looked at nevertheless, and for ever.
                log.exception("a connection is ended for an error of the server's")
                connection.abort()


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
