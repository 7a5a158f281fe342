"""The gRPC server: bytes in and bytes out, for all services and both protocols.

gRPC is spoken by this package itself, over its own HTTP/2: grpcio's server takes several
wake-ups of threads for a call, and more of the processor than a small model (measured; see
docs/architecture.md). A request is read on the event loop's thread. Those that are known to be
quick are answered there, others by a pool, where the model computes. Health checks, reflection
and the status of models are answered on the loop's thread too, so that a busy server still
answers those who ask whether it lives.
"""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from servable.contracts import ModelProvider
from servable.errors import ResourceExhausted, Unimplemented
from servable.metrics.models import MeteredModels
from servable.metrics.monitor import Metrics
from servable.transport import v2_services
from servable.transport.admin_access import Access
from servable.transport.dispatch import Dispatcher
from servable.transport.grpc_call import HINT_KEY, Answered, Head, read_head, refused
from servable.transport.grpc_calls import (
    QUICK,
    RELOAD,
    Pooled,
    answering,
    blocking,
    elsewhere,
    immediate,
)
from servable.transport.grpc_health import SERVICE, Health
from servable.transport.grpc_profiler import SERVICE as PROFILER
from servable.transport.grpc_profiler import THREADS as PROFILER_THREADS
from servable.transport.grpc_profiler import Profiler
from servable.transport.grpc_reflection import Reflection
from servable.transport.grpc_services import services
from servable.transport.grpc_stream import GrpcStream, Method
from servable.transport.http2.bounds import from_arguments
from servable.transport.http2.connection import Connection
from servable.transport.http2.frames import Fault, reset
from servable.transport.http2.hpack import literal
from servable.transport.http2.streams import Fields, Stream
from servable.transport.loop_server import LoopServer
from servable.transport.options import GrpcOptions, default_threads
from servable.transport.pool import RequestPool
from servable.transport.ports import free_socket_path, listen
from servable.transport.readiness import Readiness
from servable.transport.tls import server_context

__all__ = ["HINT_KEY", "GrpcServer"]

MAX_CONNECTIONS = 4096
"""One more is closed at once."""

DRAIN_SECONDS = 2.0
"""How long a message may still take when the server stops."""


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
        self._options = options = options or GrpcOptions()
        self._metrics = metrics = metrics or Metrics()
        self._access = access or Access()
        self._models = MeteredModels(models)
        metrics.requests.know(models)
        self._host = host
        self._port = port
        self._bounds = from_arguments(options.channel_arguments)
        limit = math.inf if options.message_seconds is None else options.message_seconds
        self.message_seconds = limit
        self.max_send = self._bounds.max_send_message_length
        self.hints = options.hints
        tls = server_context(options.tls, "h2") if options.tls else None
        self._server = LoopServer("grpc-loop", self._connect, tls, limit / 2)
        self._pool = RequestPool(options.threads or default_threads(), options.max_queued, "grpc")
        self._dispatcher: Dispatcher[Answered] = Dispatcher(
            self._pool, self._server.call_soon, self._server.loop.call_soon
        )
        self._profiling = ThreadPoolExecutor(PROFILER_THREADS, "grpc-profiler")
        readiness = readiness or Readiness(models)
        self._health = Health(readiness) if options.health else None
        self._profiler = Profiler(metrics.requests.tracing) if options.profiler else None
        self._methods = self._all_methods(readiness)
        metrics.watch_in_flight("grpc", lambda: self._pool.unfinished)

    def start(self) -> int:
        """Listen, and return the port, 0 if there is none. Call once.

        Raises:
            FailedPrecondition: the port or the socket's path is taken.
            PermissionDenied, InvalidArgument: it may not or can not be opened.
        """
        path = self._options.socket_path
        if path:
            free_socket_path(path)
        listeners = []
        port = 0
        if self._port is not None:
            listener = listen(
                self._host, self._port, flag="--grpc-port", reuse_port=self._options.reuse_port
            )
            port = listener.getsockname()[1]
            listeners.append(listener)
        self._server.start(listeners, path)
        return port

    def stop(self, grace_seconds: float) -> None:
        """Answer the calls that came, and return when that is done or time is up."""
        self._server.call_soon(self._end_streams)
        if self._profiler is not None:
            self._profiler.stop()
        self._server.stop(grace_seconds)
        for pool in (self._pool, self._profiling):
            pool.shutdown(wait=False, cancel_futures=True)

    def _end_streams(self) -> None:
        """End what clients may leave open for ever; what does not come is hardly waited for."""
        self.message_seconds = min(self.message_seconds, DRAIN_SECONDS)
        if self._health is not None:
            self._health.stop()
        self._reflection.stop()

    def _connect(self) -> asyncio.Protocol:
        if len(self._server.connections) >= MAX_CONNECTIONS:
            return _Closed()
        return Connection(self._bounds, self._open, self._server)

    def _open(
        self, connection: Connection, id: int, fields: Fields, too_large: bool
    ) -> Stream | None:
        head = None if too_large else read_head(fields)
        if head is None and not too_large:
            connection.sender.write(reset(id, Fault.PROTOCOL_ERROR))
            return None
        if head is None:
            return self._refuse_head(connection, id)
        stream = GrpcStream(connection, id, head, self, self._bounds.max_receive_message_length)
        connection.add(stream)
        if head.refusal:
            stream.call.end()
            status = literal(b":status", b"%d" % head.refusal)
            connection.sender.finish(stream, status)
            return stream
        method = self._methods.get(head.path)
        if method is None:
            stream.end(refused(_NO_METHOD, hints=self.hints))
        else:
            stream.open(method)
        return stream

    def _refuse_head(self, connection: Connection, id: int) -> Stream:
        # What was decoded of it may lack anything, the path too.
        head = Head("", math.inf, b"identity", 0, ())
        stream = GrpcStream(connection, id, head, self, 0)
        connection.add(stream)
        most = self._bounds.max_metadata_size
        stream.end(refused(ResourceExhausted(f"The metadata is larger than {most} bytes.")))
        return stream

    def _all_methods(self, readiness: Readiness) -> dict[str, Method]:
        options = self._options
        ours = services(
            check_method_name=options.check_method_name,
            as_content=options.tensor_content,
            value_of=self._metrics.value,
        )
        named = {**ours, **v2_services.services(readiness)}
        asked_by_probes = QUICK | v2_services.QUICK
        guarded = v2_services.GUARDED | (RELOAD if self._access.keyed else frozenset())
        shed = self._metrics.shed.at("grpc")
        found: dict[str, Method] = {}
        for service, methods in named.items():
            for name, answer in methods.items():
                path = f"/{service}/{name}"
                unary = answering(
                    path,
                    answer,
                    self._models,
                    self._metrics,
                    hints=options.hints,
                    access=self._access if path in guarded else None,
                )
                if path in asked_by_probes:
                    found[path] = immediate(blocking(unary))
                else:
                    found[path] = Pooled(path, unary, self._pool, self._dispatcher, shed)
        if self._health is not None:
            found |= self._health.methods()
        if self._profiler is not None:
            wait = partial(elsewhere, executor=self._profiling, call_soon=self._server.call_soon)
            found |= {path: wait(plain) for path, plain in self._profiler.methods().items()}
        listed = [
            *named,
            *([SERVICE] if self._health else []),
            *([PROFILER] if self._profiler else []),
        ]
        self._reflection = Reflection(listed)
        if options.reflection:
            found |= self._reflection.methods()
        return found


class _Closed(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


_NO_METHOD = Unimplemented(
    "Method not found!",
    hint="The services are tensorflow.serving.PredictionService and ModelService; reflection "
    "lists all methods: grpcurl HOST:PORT list",
)
