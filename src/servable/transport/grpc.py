"""The gRPC server: bytes in and bytes out, for all services and both protocols.

Messages are decoded by `wire`, not by gRPC, so that a hot message may have a codec of
its own. Each request runs on a thread of the pool: the model computes there too. Health
checks, reflection and the status of models have threads of their own, so that a busy
server still answers those who ask whether it lives.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc

from servable.contracts import ModelProvider
from servable.errors import FailedPrecondition
from servable.metrics.models import MeteredModels
from servable.metrics.monitor import Metrics
from servable.transport import v2_services
from servable.transport.admin_access import Access
from servable.transport.grpc_calls import (
    HINT_KEY,
    QUICK,
    RELOAD,
    Handler,
    Router,
    Uploads,
    answering,
    in_pool,
)
from servable.transport.grpc_health import SERVICE, Health
from servable.transport.grpc_hold import Hold
from servable.transport.grpc_profiler import SERVICE as PROFILER
from servable.transport.grpc_profiler import THREADS as PROFILER_THREADS
from servable.transport.grpc_profiler import Profiler
from servable.transport.grpc_reflection import Reflection
from servable.transport.grpc_services import services
from servable.transport.options import GrpcOptions, default_threads
from servable.transport.pool import RequestPool
from servable.transport.ports import free_socket_path, listen
from servable.transport.readiness import Readiness
from servable.transport.tls import grpc_credentials

__all__ = ["HINT_KEY", "GrpcServer"]

_ARGUMENTS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
_QUICK_THREADS = 4


class GrpcServer:
    """Serves models over gRPC.

    Args:
        models: what is served.
        host: the address to listen on.
        port: the port; 0 for any free one, None for none at all.
        options: everything else.
        metrics: counts requests.
        readiness: what health checks are told.
        access: decides who may change what is served; by default only this machine. With a
            key, HandleReloadConfigRequest needs it too; without one it is open to all, as
            with TensorFlow Serving.

    Raises:
        InvalidArgument: a key or a certificate can not be used.
    """

    def __init__(
        self,
        models: ModelProvider,
        host: str,
        port: int | None,
        options: GrpcOptions | None = None,
        *,
        metrics: Metrics | None = None,
        readiness: Readiness | None = None,
        access: Access | None = None,
    ) -> None:
        self._access = access or Access()
        options = options or GrpcOptions()
        metrics = metrics or Metrics()
        self._models = MeteredModels(models)
        metrics.requests.know(models)
        self._metrics = metrics
        self._host = host
        self._port = port
        self._reuse_port = options.reuse_port
        self._socket_path = options.socket_path
        self._credentials = grpc_credentials(options.tls) if options.tls else None
        self._pool = RequestPool(options.threads or default_threads(), options.max_queued, "grpc")
        self._quick = ThreadPoolExecutor(_QUICK_THREADS, "grpc-quick")
        self._refusing = ThreadPoolExecutor(1, "grpc-refuse")
        self._uploads = Uploads(options.message_seconds)
        self._hold = Hold()
        self._reflecting = ThreadPoolExecutor(_QUICK_THREADS, "grpc-reflection")
        readiness = readiness or Readiness(models)
        ours = services(
            check_method_name=options.check_method_name,
            as_content=options.tensor_content,
            value_of=metrics.value,
        )
        self._services = {**ours, **v2_services.services(readiness)}
        self._health = Health(readiness, self._quick) if options.health else None
        self._profiling = ThreadPoolExecutor(PROFILER_THREADS, "grpc-profiler")
        self._profiler = None
        if options.profiler:
            self._profiler = Profiler(metrics.requests.tracing, self._profiling)
        listed = [
            *self._services,
            *([SERVICE] if self._health else []),
            *([PROFILER] if self._profiler else []),
        ]
        self._reflection = Reflection(listed, self._reflecting)
        metrics.watch_in_flight("grpc", lambda: self._pool.unfinished)
        # With port reuse two servers share a port and take turns answering.
        sharing = ("grpc.so_reuseport", int(options.reuse_port))
        arguments = list((dict((*_ARGUMENTS, sharing)) | dict(options.channel_arguments)).items())
        self._server = grpc.server(self._pool, [self._router(options)], options=arguments)

    def start(self) -> int:
        """Listen, and return the port, 0 if there is none. Call once.

        Raises:
            FailedPrecondition: the port or the socket's path is taken.
            PermissionDenied, InvalidArgument: it may not or can not be opened.
        """
        port = 0
        if self._socket_path:
            free_socket_path(self._socket_path)
            self._add(f"unix:{self._socket_path}", f"the UNIX socket {self._socket_path}")
        if self._port is not None:
            # gRPC does not tell why it can not have a port; a socket does.
            if not self._reuse_port:
                listen(self._host, self._port, flag="--grpc-port").close()
            host = f"[{self._host}]" if ":" in self._host else self._host
            port = self._add(f"{host}:{self._port}", f"port {self._port} on {self._host}")
        self._uploads.start()
        self._server.start()
        return port

    def stop(self, grace_seconds: float) -> None:
        """Answer the calls that came, and return when that is done or time is up."""
        if self._health is not None:
            self._health.stop()
        try:
            self._hold.begin()
            stopped = self._server.stop(grace_seconds)
        finally:
            self._hold.end()
        self._uploads.drain()
        self._reflection.stop()
        if self._profiler is not None:
            self._profiler.stop()
        stopped.wait()
        self._uploads.stop()
        for pool in (
            self._pool,
            self._quick,
            self._refusing,
            self._reflecting,
            self._profiling,
        ):
            pool.shutdown(wait=False, cancel_futures=True)

    def _add(self, address: str, what: str) -> int:
        try:
            if self._credentials is None:
                return self._server.add_insecure_port(address)
            return self._server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise FailedPrecondition(f"{what} could not be listened on") from error

    def _router(self, options: GrpcOptions) -> Router:
        heavy: dict[str, Handler] = {}
        quick: dict[str, Handler] = {}
        asked_by_probes = QUICK | v2_services.QUICK
        guarded = v2_services.GUARDED | (RELOAD if self._access.keyed else frozenset())
        for service, methods in self._services.items():
            for name, answer in methods.items():
                path = f"/{service}/{name}"
                method = answering(
                    path,
                    answer,
                    self._models,
                    self._metrics,
                    self._uploads,
                    self._hold,
                    hints=options.hints,
                    access=self._access if path in guarded else None,
                )
                if path in asked_by_probes:
                    method = in_pool(method, self._quick)
                chosen = quick if path in asked_by_probes else heavy
                chosen[path] = grpc.stream_unary_rpc_method_handler(method)
        if self._health is not None:
            quick |= self._health.handlers()
        if self._profiler is not None:
            quick |= self._profiler.handlers()
        if options.reflection:
            quick |= self._reflection.handlers()
        return Router(heavy, quick, self._pool, self._refusing, self._metrics, self._hold)
