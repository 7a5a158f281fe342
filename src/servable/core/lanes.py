"""Threads for slow work, so many at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Post = Callable[[Callable[[], None]], None]
"""Have something done on the manager's thread, soon."""


class Lane:
    """Runs jobs of one kind, each on a thread of its own, up to a limit.

    The threads are daemons: a load that hangs can not keep the process alive. All
    methods belong to the manager's thread.

    Args:
        kind: part of the threads' names.
        limit: how many jobs may run at once; 0 runs each in the caller.
        post: gets the follow-up of each job.
    """

    def __init__(self, kind: str, limit: int, post: Post) -> None:
        self._kind = kind
        self._limit = limit
        self._post = post
        self._running = 0

    @property
    def free(self) -> bool:
        """Whether a job would start at once."""
        return self._limit == 0 or self._running < self._limit

    def run(self, label: str, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do `work`, which must not raise, and post `then` with its result.

        To be called only while the lane is free.
        """
        if self._limit == 0:
            result = work()
            self._post(lambda: then(result))
            return

        def job() -> None:
            result = work()
            self._post(lambda: self._finish(thread, lambda: then(result)))

        thread = threading.Thread(target=job, name=f"{self._kind} {label}", daemon=True)
        thread.start()
        self._running += 1

    def _finish(self, thread: threading.Thread, then: Callable[[], None]) -> None:
        thread.join()
        self._running -= 1
        then()
