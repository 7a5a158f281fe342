"""The REST server."""

from __future__ import annotations

from servable.contracts import ModelProvider
from servable.metrics.monitor import Metrics
from servable.transport.admin_access import Access
from servable.transport.admin_calls import Admin
from servable.transport.http_server import HttpServer
from servable.transport.options import RestOptions, default_threads
from servable.transport.pool import RequestPool
from servable.transport.ports import listen
from servable.transport.readiness import Readiness
from servable.transport.rest_app import App
from servable.transport.tls import server_context


class RestServer:
    """Serves models, probes and metrics over HTTP.

    Args:
        models: what is served.
        host: the address to listen on; `::` for every one, IPv4 too.
        port: the port; 0 for any free one.
        options: everything else.
        metrics: counts requests, and is shown.
        readiness: what probes are told.
        access: decides who may change what is served; by default only this machine.
        admin: changes what is served; None where that can not be changed.

    Raises:
        InvalidArgument: a key or a certificate can not be used.
    """

    def __init__(
        self,
        models: ModelProvider,
        host: str,
        port: int,
        options: RestOptions | None = None,
        *,
        metrics: Metrics | None = None,
        readiness: Readiness | None = None,
        access: Access | None = None,
        admin: Admin | None = None,
    ) -> None:
        self._options = options or RestOptions()
        self._metrics = metrics or Metrics()
        self._host = host
        self._port = port
        self._pool = RequestPool(
            self._options.threads or default_threads(), self._options.max_queued, "rest"
        )
        self._metrics.watch_in_flight("rest", lambda: self._pool.unfinished)
        tls = server_context(self._options.tls) if self._options.tls else None
        self._server = HttpServer(self._options, tls, self._metrics.broken)
        self._readiness = readiness or Readiness(models)
        self._app = App(
            models,
            self._options,
            self._pool,
            self._metrics,
            self._readiness,
            access or Access(),
            admin,
            self._server.call_soon,
            self._server.loop.call_soon,
        )

    def start(self) -> int:
        """Listen, and return the port once requests are being answered. Call once.

        Raises:
            FailedPrecondition: the port is taken.
            PermissionDenied, InvalidArgument: it may not or can not be opened.
        """
        listener = listen(
            self._host, self._port, flag="--rest-port", reuse_port=self._options.reuse_port
        )
        port: int = listener.getsockname()[1]
        self._server.serve(self._app, listener)
        return port

    def drain(self) -> None:
        """Say that a stop is near, to probes and in every answer, and go on answering."""
        self._readiness.drain()
        self._server.drain()

    def stop(self, grace_seconds: float) -> None:
        """Answer what came before the port was closed; return then, or when time is up."""
        self._readiness.drain()
        self._server.stop(grace_seconds)
        self._app.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
