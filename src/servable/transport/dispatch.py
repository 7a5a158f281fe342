"""Where requests are answered: on the event loop's thread if they are quick, else in a pool."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Hashable
from time import perf_counter, thread_time
from typing import Generic, TypeVar

from servable.batching.gathering import HERE, answer_together
from servable.batching.steps import Steps, complete
from servable.cpus import cpu_budget
from servable.transport.pool import RequestPool
from servable.transport.quick import BESIDE_OTHERS, BY_ITSELF, Quick, inline_seconds

log = logging.getLogger(__name__)

T = TypeVar("T")

_COMPUTES = 0.3
"""Of its share of the time, what a request's thread must have been busy: an engine may have
threads of its own."""


class Dispatcher(Generic[T]):
    """Runs requests, and hands their answers to the event loop. For the loop's thread.

    Quick requests that have come at the same time are computed together where their model
    batches naturally.

    Args:
        pool: for what is not known to be quick.
        call_soon: calls something on the event loop's thread; from any thread.
        call_next: the same, from that thread: once what has come has been read.
    """

    def __init__(
        self,
        pool: RequestPool,
        call_soon: Callable[[Callable[[], object]], object],
        call_next: Callable[[Callable[[], object]], object],
    ) -> None:
        self._pool = pool
        self._quick = Quick(inline_seconds(cpu_budget()))
        self._call_soon = call_soon
        self._call_next = call_next
        self._ready: list[tuple[Hashable, Steps[None]]] = []
        self._answered: deque[tuple[Callable[[T], None], T, Hashable, float]] = deque()
        self._called = False
        self._thread = 0

    def submit(self, kind: Hashable, steps: Steps[T], deliver: Callable[[T], None]) -> None:
        """Have a request answered, and `deliver` called with the answer, on the loop's thread.

        Args:
            kind: requests of the same kind take about as long; None for those that may not.
            steps: what answers; raises nothing, and may block.
            deliver: does not block.
        """
        if kind is not None and self._quick(kind):
            if not self._ready:
                self._call_next(self._run_ready)
            self._ready.append((kind, self._delivered(steps, deliver)))
            return
        self._pool.submit(self._run_apart, kind, steps, deliver, perf_counter())

    def _run_ready(self) -> None:
        """Answer all quick requests that have come."""
        self._thread = threading.get_ident()
        ready, self._ready = self._ready, []
        jobs = answer_together([steps for _, steps in ready], self._pool.submit)
        for (kind, _), job in zip(ready, jobs, strict=True):
            if job.waits:
                self._quick.forget(kind)
            elif job.seconds:  # else its turn did not come
                own = job.merged or len(jobs) == 1
                self._quick.note_inline(kind, job.seconds, BY_ITSELF if own else BESIDE_OTHERS)

    def _delivered(self, steps: Steps[T], deliver: Callable[[T], None]) -> Steps[None]:
        answered = yield from steps
        if threading.get_ident() == self._thread:
            deliver(answered)
        else:
            # It went on elsewhere, which says nothing of how long it would have taken here.
            self._hand_over(deliver, answered, None, math.inf)

    def _run_apart(
        self,
        kind: Hashable,
        steps: Steps[T],
        deliver: Callable[[T], None],
        began: float,
    ) -> None:
        """Answer a request on a thread of the pool. One call wakes the loop for many."""
        HERE.waits = False
        busy = -thread_time()
        answer = complete(steps)
        busy += thread_time()
        seconds = math.inf if HERE.waits else perf_counter() - began
        share = seconds / max(1, self._pool.unfinished)
        # Of many that compute side by side each takes long, and would not by itself. One that
        # waits for something else would.
        if busy > _COMPUTES * share:
            seconds = max(share, busy)
        self._hand_over(deliver, answer, kind, seconds)

    def _hand_over(
        self, deliver: Callable[[T], None], answer: T, kind: Hashable, seconds: float
    ) -> None:
        self._answered.append((deliver, answer, kind, seconds))
        if not self._called:
            self._called = True
            self._call_soon(self._deliver)

    def _deliver(self) -> None:
        # Before the first is taken: who finds it set relies on being delivered.
        self._called = False
        while self._answered:
            deliver, answered, kind, seconds = self._answered.popleft()
            if kind is not None:
                self._quick.note_threaded(kind, seconds)
            try:
                deliver(answered)
            except Exception:
                log.exception("an answer could not be delivered")
