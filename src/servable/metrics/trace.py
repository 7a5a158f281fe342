"""Traces of requests: what the server was at during a while that somebody watches it."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from servable.errors import Code


@dataclass(frozen=True, slots=True)
class Span:
    """One request. Times are those of `time.perf_counter`, in seconds.

    Attributes:
        thread: the name of the thread that answered it.
        api, transport, model, version: what was asked for; "" where that is not known.
        code: how it ended.
        queued: how long it had waited for the thread before it started.
        started, ended: the request on its thread.
        run_began, run_ended: from the first run of a model to the end of the last; 0.0 if
            there was none.
    """

    thread: str
    api: str
    transport: str
    model: str
    version: str
    code: Code
    queued: float
    started: float
    run_began: float
    run_ended: float
    ended: float


class Trace:
    """Collects spans while it is switched on; any number of threads may add them.

    Args:
        most: spans that are kept; the first ones are.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._spans: deque[Span] = deque()
        self.dropped = 0

    def add(self, span: Span) -> None:
        """Keep a span, unless there are too many."""
        if len(self._spans) < self._most:
            self._spans.append(span)
        else:
            self.dropped += 1

    def spans(self) -> list[Span]:
        """Return what was collected so far, in the order in which requests ended."""
        return list(self._spans.copy())


class Tracing:
    """The traces that are being made at the moment. Thread-safe.

    Attributes:
        active: them; looked at once for each request, without a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.active: tuple[Trace, ...] = ()

    def begin(self, most: int) -> Trace:
        """Return a trace that gets every request which ends from now on."""
        trace = Trace(most)
        with self._lock:
            self.active = (*self.active, trace)
        return trace

    def add(self, span: Span) -> None:
        """Give a request that just ended to all of them."""
        for trace in self.active:
            trace.add(span)

    def end(self, trace: Trace) -> None:
        """Let no more requests into a trace."""
        with self._lock:
            self.active = tuple(one for one in self.active if one is not trace)
