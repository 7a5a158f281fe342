"""The REST server."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from servable.contracts import ModelProvider
from servable.transport.ports import listen
from servable.transport.rest_app import DEFAULT_MAX_BODY_BYTES, ASGIApp, app

if TYPE_CHECKING:
    from servable.transport.http_server import HttpServer

__all__ = ["DEFAULT_MAX_BODY_BYTES", "ASGIApp", "RestServer", "app"]


class RestServer:
    """Serves models over HTTP, without transport security.

    Args:
        models: what is served.
        host: the address to listen on; `::` for every one, IPv4 too.
        port: the port; 0 for any free one.
        threads: requests that are computed at the same time; by default four for each CPU.
        max_body_bytes: a longer request body is refused.
        cors: let web pages of any origin call the API.
    """

    def __init__(
        self,
        models: ModelProvider,
        host: str,
        port: int,
        *,
        threads: int | None = None,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        cors: bool = False,
    ) -> None:
        self._host = host
        self._port = port
        self._pool = ThreadPoolExecutor(
            threads or 4 * (os.cpu_count() or 1), thread_name_prefix="rest"
        )
        self._server: HttpServer | None = None
        self._app = app(models, max_body_bytes=max_body_bytes, cors=cors, pool=self._pool)

    def start(self) -> int:
        """Listen, and return the port once requests are being answered. Call once.

        Raises:
            FailedPrecondition: the port is taken.
            PermissionDenied, InvalidArgument: it may not or can not be opened.
        """
        # uvicorn takes a while to import, and a server may well be gRPC only.
        from servable.transport.http_server import HttpServer

        listener = listen(self._host, self._port, flag="--rest-port")
        port: int = listener.getsockname()[1]
        self._server = HttpServer(self._app, listener)
        self._server.start()
        return port

    def stop(self, grace_seconds: float) -> None:
        """Refuse new requests, and return when the running ones are answered or time is up."""
        if self._server is not None:
            self._server.stop(grace_seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)
