"""An ASGI application under uvicorn, in a thread of its own."""

from __future__ import annotations

import logging
import math
import socket
import threading

import uvicorn

from servable.errors import Internal
from servable.transport.rest_app import ASGIApp

log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open. Clients keep theirs in pools, and a request that
meets a connection just being closed is lost; the shorter this is, the more often."""


class HttpServer:
    """Answers HTTP on a listening socket, with uvloop and httptools where they are installed.

    `start` and `stop` are called once each, from one thread.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._server = _Server(config)
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

    def stop(self, grace_seconds: float) -> None:
        """Refuse new connections; return when the running requests are answered or time is up."""
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
    """Tells when it has begun to answer, or has failed to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()
