"""`grpc.health.v1.Health`: whether the server, or a model, can be asked.

The names are the peer's, short and without a package, and beside them the full ones and
every model's. A model of the name of a service can not be asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import grpc
from google.protobuf.message import DecodeError

from servable.errors import InvalidArgument, NotFound
from servable.pb import health_pb2
from servable.transport.grpc_calls import Handler, abort, in_pool
from servable.transport.readiness import Readiness

SERVICE = "grpc.health.v1.Health"

SERVER_NAMES = frozenset(
    {
        "",
        "ModelService",
        "PredictionService",
        "tensorflow.serving.ModelService",
        "tensorflow.serving.PredictionService",
    }
)
"""What stands for the server as a whole: it serves until it begins to stop."""

LOOK_SECONDS = 0.5
"""How often the states that somebody watches are looked at."""

_Status = health_pb2.HealthCheckResponse
_State: TypeAlias = health_pb2.HealthCheckResponse.ServingStatus
_Send = Callable[[bytes | None], None]


class Health:
    """Answers Check and Watch. `stop` ends all watches; call it before the server's own.

    A watch occupies no thread while nothing changes: one thread looks for all of them.

    Args:
        readiness: what is asked.
        pool: answers Check, and takes up Watch.
    """

    def __init__(self, readiness: Readiness, pool: ThreadPoolExecutor) -> None:
        self._readiness = readiness
        self._pool = pool
        self._lock = threading.Lock()
        self._watches: dict[grpc.ServicerContext, _Watch] = {}
        self._stopped = threading.Event()
        self._looking: threading.Thread | None = None

    def handlers(self) -> dict[str, Handler]:
        """Return path -> handler."""
        watch = in_pool(self._watch, self._pool)
        # Takes a third argument, and does not end the call when it returns.
        watch.experimental_non_blocking = True
        return {
            f"/{SERVICE}/Check": grpc.unary_unary_rpc_method_handler(
                in_pool(self._check, self._pool)
            ),
            f"/{SERVICE}/Watch": grpc.unary_stream_rpc_method_handler(watch),
        }

    def status(self, name: str) -> _State:
        """Return the state of the server or of a model; SERVICE_UNKNOWN for another name."""
        if name in SERVER_NAMES:
            fit = not self._readiness.draining
        elif self._readiness.knows(name):
            fit = not self._readiness.draining and bool(self._readiness.available(name))
        else:
            return _Status.SERVICE_UNKNOWN
        return _Status.SERVING if fit else _Status.NOT_SERVING

    def stop(self) -> None:
        """Tell every watcher the last state, and end its call."""
        self._stopped.set()
        if self._looking is not None:
            self._looking.join()

    def _check(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        status = self.status(_name(data, context))
        if status == _Status.SERVICE_UNKNOWN:
            abort(context, NotFound("unknown service", hint="Ask for a model, or for ''."))
        return _Status(status=status).SerializeToString()

    def _watch(self, data: bytes, context: grpc.ServicerContext, send: _Send) -> None:
        watch = _Watch(_name(data, context), send)
        with self._lock:
            self._watches[context] = watch
            if self._looking is None and not self._stopped.is_set():
                self._looking = threading.Thread(target=self._look, name="health", daemon=True)
                self._looking.start()
        watch.tell(self.status(watch.name))
        if self._stopped.is_set():
            watch.end()
        if not context.add_callback(lambda: self._forget(context)):
            self._forget(context)  # it has ended already

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self._tell()
        self._tell()
        for watch in self._all():
            watch.end()

    def _tell(self) -> None:
        for watch in self._all():
            watch.tell(self.status(watch.name))

    def _all(self) -> list[_Watch]:
        with self._lock:
            return list(self._watches.values())

    def _forget(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._watches.pop(context, None)


class _Watch:
    """One watcher: it hears a state only when that is another than the last."""

    def __init__(self, name: str, send: _Send) -> None:
        self.name = name
        self._send = send
        self._lock = threading.Lock()
        self._last: _State | None = None
        self._ended = False

    def tell(self, status: _State) -> None:
        with self._lock:
            if status != self._last and not self._ended:
                self._last = status
                self._send(_Status(status=status).SerializeToString())

    def end(self) -> None:
        with self._lock:
            if not self._ended:
                self._ended = True
                self._send(None)


def _name(data: bytes, context: grpc.ServicerContext) -> str:
    try:
        name: str = health_pb2.HealthCheckRequest.FromString(data).service
    except DecodeError:
        abort(context, InvalidArgument("The request is no HealthCheckRequest."))
    return name
