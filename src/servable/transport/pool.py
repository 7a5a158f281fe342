"""Threads for requests, and a bound on how many requests may wait for one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import ParamSpec, TypeVar

from servable.errors import ResourceExhausted
from servable.metrics.requests import CURRENT

P = ParamSpec("P")
T = TypeVar("T")


class RequestPool(ThreadPoolExecutor):
    """A pool of threads that knows how much it has to do.

    The methods may be called from any thread.

    Args:
        threads: requests that run at the same time.
        max_queued: requests that may wait for a thread.
        name: what its threads are called.
    """

    def __init__(self, threads: int, max_queued: int, name: str) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self._most = threads + max_queued
        self._counting = threading.Lock()
        self._unfinished = 0

    @property
    def unfinished(self) -> int:
        """Requests that run or wait."""
        return self._unfinished

    @property
    def full(self) -> bool:
        """Whether one more request would be one too many."""
        return self._unfinished >= self._most

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` on a thread, if need be after others. Does not look at the bound.

        While it runs, `CURRENT.queued` of its thread says for how long it waited.
        """
        submitted = perf_counter()

        def run() -> T:
            CURRENT.queued = perf_counter() - submitted
            return fn(*args, **kwargs)

        future = super().submit(run)
        with self._counting:
            self._unfinished += 1
        future.add_done_callback(self._finished)
        return future

    def _finished(self, _: Future[T]) -> None:
        with self._counting:
            self._unfinished -= 1


def too_busy() -> ResourceExhausted:
    """Return what a client is told whose request would be one too many."""
    return ResourceExhausted(
        "Too many requests are waiting for this server.",
        hint="Send it again a little later, or to another replica.",
    )
