"""`tensorflow.ProfilerService`: TensorFlow's profiler looks at the requests of this server.

What it gets are spans of requests: threads of the server, and on them what they answered. The
peer writes a trace to the path that a request names; this one writes no file for a stranger, and
sends the trace to the client, which keeps it in its own log folder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from servable.errors import InvalidArgument, ResourceExhausted, ServableError
from servable.metrics.trace import Trace, Tracing
from servable.pb import profiler_pb2
from servable.transport.grpc_call import Answered, Call, refused
from servable.transport.grpc_calls import Plain
from servable.wire.profile_proto import EVENTS_PER_SPAN, write_space, write_summary

SERVICE = "tensorflow.ProfilerService"

MAX_SECONDS = 120.0
"""A longer trace ends then."""

MAX_SPANS = 20_000
"""Requests of one trace; the first ones are kept."""

MAX_WATCHING = 2
"""Traces at the same time; they cost those who are traced."""

THREADS = MAX_WATCHING + 2

_TOOL = "xplane.pb"

M = TypeVar("M", bound=Message)


class Profiler:
    """Answers Profile, Monitor and Terminate. `stop` ends what is being traced.

    Its methods wait while traces are made: give them THREADS, or nothing ends one early.

    Args:
        tracing: where traces come from.
    """

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._free = threading.Semaphore(MAX_WATCHING)
        self._lock = threading.Lock()
        self._sessions: dict[threading.Event, str] = {}
        self._stopped = False

    def methods(self) -> dict[str, Plain]:
        """Return path -> what answers it."""
        methods = {"Profile": self._profile, "Monitor": self._monitor, "Terminate": self._end}
        return {
            f"/{SERVICE}/{name}": partial(_answered, method) for name, method in methods.items()
        }

    def stop(self) -> None:
        """End all traces at once; they are answered with what they have."""
        self._stopped = True
        self._signal(lambda _: True)

    def _profile(self, data: bytes, call: Call) -> bytes:
        request = _read(profiler_pb2.ProfileRequest, data)
        most = min(MAX_SPANS, request.max_events // EVENTS_PER_SPAN or MAX_SPANS)
        started, started_ns = time.perf_counter(), time.time_ns()
        with self._watching(most) as trace:
            self._wait(request.duration_ms, request.session_id, call)
        spans = trace.spans()
        response = profiler_pb2.ProfileResponse(empty_trace=not spans)
        space = write_space(spans, started, started_ns)
        if trace.dropped:
            space.warnings.append(f"{trace.dropped} further requests are left out.")
        if request.emit_xspace:
            response.xspace.CopyFrom(space)
        else:
            response.tool_data.add(name=_TOOL, data=space.SerializeToString())
        return response.SerializeToString()

    def _monitor(self, data: bytes, call: Call) -> bytes:
        request = _read(profiler_pb2.MonitorRequest, data)
        started = time.perf_counter()
        with self._watching(MAX_SPANS) as trace:
            self._wait(request.duration_ms, "", call)
        text = write_summary(trace.spans(), time.perf_counter() - started, trace.dropped)
        if request.timestamp:
            text = f"Timestamp: {time.strftime('%H:%M:%S')}\n{text}"
        return profiler_pb2.MonitorResponse(data=text).SerializeToString()

    def _end(self, data: bytes, _: Call) -> bytes:
        wanted = _read(profiler_pb2.TerminateRequest, data).session_id
        self._signal(lambda session: session == wanted)
        return profiler_pb2.TerminateResponse().SerializeToString()

    @contextmanager
    def _watching(self, most: int) -> Iterator[Trace]:
        if not self._free.acquire(blocking=False):
            raise ResourceExhausted(
                "Too many traces are being made.", hint="Ask again when they have ended."
            )
        trace = self._tracing.begin(most)
        try:
            yield trace
        finally:
            self._tracing.end(trace)
            self._free.release()

    def _wait(self, milliseconds: int, session: str, call: Call) -> None:
        """Return when the time is over, the session is ended, or nobody listens any more."""
        over = threading.Event()
        with self._lock:
            self._sessions[over] = session
        try:
            if call.add_callback(over.set) and not self._stopped:
                over.wait(min(milliseconds / 1000, MAX_SECONDS))
        finally:
            with self._lock:
                del self._sessions[over]

    def _signal(self, chosen: Callable[[str], bool]) -> None:
        with self._lock:
            for over, session in self._sessions.items():
                if chosen(session):
                    over.set()


def _answered(method: Callable[[bytes, Call], bytes], data: bytes, call: Call) -> Answered:
    try:
        return Answered(method(data, call))
    except ServableError as error:
        return refused(error)


def _read(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError:
        raise InvalidArgument(f"The request is no {kind.DESCRIPTOR.name}.") from None
