"""`grpc.health.v1.Health`: whether the server, or a model, can be asked.

The names are the peer's, short and without a package, and beside them the full ones and
every model's. A model of the name of a service can not be asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from google.protobuf.message import DecodeError

from servable.errors import InvalidArgument, NotFound
from servable.pb import health_pb2
from servable.transport.grpc_call import Answered, Call, refused
from servable.transport.grpc_calls import immediate
from servable.transport.grpc_stream import GrpcStream, Inlet, Method
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
_MALFORMED = InvalidArgument("The request is no HealthCheckRequest.")


class Health:
    """Answers Check and Watch, on the event loop's thread. `stop` ends all watches.

    Args:
        readiness: what is asked.
    """

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._watches: set[_Watch] = set()
        self._looking = False
        self._stopped = False

    def methods(self) -> dict[str, Method]:
        """Return path -> method."""
        return {f"/{SERVICE}/Check": immediate(self._check), f"/{SERVICE}/Watch": self._watch}

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
        self._stopped = True
        self._look()

    def _check(self, data: bytes, _: Call) -> Answered:
        name = _name(data)
        if name is None:
            return refused(_MALFORMED)
        status = self.status(name)
        if status == _Status.SERVICE_UNKNOWN:
            return refused(NotFound("unknown service", hint="Ask for a model, or for ''."))
        return Answered(_Status(status=status).SerializeToString())

    def _watch(self, stream: GrpcStream) -> Inlet:
        return _Watch(stream, self._begin)

    def _begin(self, watch: _Watch) -> None:
        watch.tell(self.status(watch.name))
        if self._stopped:
            watch.end()
            return
        self._watches.add(watch)
        if not self._looking:
            self._look_later()

    def _look_later(self) -> None:
        self._looking = True
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = False
        for watch in list(self._watches):
            watch.tell(self.status(watch.name))
            if self._stopped:
                watch.end()
        self._watches = {watch for watch in self._watches if watch.active}
        if self._watches:
            self._look_later()


class _Watch:
    """One watcher: it hears a state only when that is another than the last."""

    def __init__(self, stream: GrpcStream, begin: Callable[[_Watch], None]) -> None:
        self.name = ""
        self._stream = stream
        self._begin: Callable[[_Watch], None] | None = begin
        self._last: _State | None = None

    @property
    def active(self) -> bool:
        """Whether somebody watches still."""
        return self._stream.call.active

    def message(self, data: bytes) -> None:
        begin, self._begin = self._begin, None
        if begin is None:
            return
        name = _name(data)
        if name is None:
            self._stream.end(refused(_MALFORMED))
            return
        self.name = name
        begin(self)

    def half_close(self) -> None:
        pass

    def tell(self, status: _State) -> None:
        if status != self._last:
            self._last = status
            self._stream.send(_Status(status=status).SerializeToString())

    def end(self) -> None:
        self._stream.end(Answered(None))


def _name(data: bytes) -> str | None:
    try:
        name: str = health_pb2.HealthCheckRequest.FromString(data).service
    except DecodeError:
        return None
    return name
