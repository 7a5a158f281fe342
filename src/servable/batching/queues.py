"""Batches that wait for more requests, and the threads that run them: the peer's scheduler.

A queue holds batches of one signature of one version. Requests join its last batch, the
*open* one, until it is full; a batch may run when it is full or when its first request has
waited for as long as the parameters say. Threads are shared by all queues, which take turns.
Rules and texts are those of the behaviour reference, 6.3.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter

from servable.batching.tasks import Task, total
from servable.config.batching import BatchingParameters
from servable.errors import Unavailable

log = logging.getLogger(__name__)

Run = Callable[[Sequence[Task], str], None]
"""Computes a batch, and wakes its tasks; hears what ended the wait."""

FULL, TIMEOUT = "full", "timeout"


class _Batch:
    __slots__ = ("due", "rows", "tasks")

    def __init__(self, due: float) -> None:
        self.tasks: list[Task] = []
        self.rows = 0
        self.due = due


class BatchQueue:
    """The batches of one signature; made by `BatchThreads.queue`. Thread-safe."""

    def __init__(self, threads: BatchThreads, parameters: BatchingParameters, run: Run) -> None:
        self._threads = threads
        self._parameters = parameters
        self._size = parameters.execution_size
        self.run = run
        self.batches: deque[_Batch] = deque()

    def add(self, tasks: Sequence[Task]) -> None:
        """Queue the pieces of one request, all or none.

        Args:
            tasks: without splitting, one.

        Raises:
            Unavailable: too many batches wait.
        """
        with self._threads.changed:
            if self._parameters.split_large:
                self._check_room(total(tasks))
            for task in tasks:
                self._join(task)
            self._threads.changed.notify_all()

    def ready(self, now: float) -> str:
        """Why the first batch may run; "" if it may not. Holding the threads' lock."""
        first = self.batches[0]
        if first.rows >= self._size or len(self.batches) > 1:
            return FULL
        return TIMEOUT if first.due <= now else ""

    def _join(self, task: Task) -> None:
        batches = self.batches
        if not batches or batches[-1].rows + task.rows > self._size:
            most = self._parameters.max_enqueued_batches
            if len(batches) >= most and not self._parameters.split_large:
                raise Unavailable(
                    "The batch scheduling queue to which this task was submitted is full; "
                    f"currently {len(batches)} batches enqueued and max_enqueued_batches "
                    f"is {most}",
                    hint="Send the request again a little later.",
                )
            batches.append(_Batch(perf_counter() + self._parameters.timeout_micros / 1e6))
        batches[-1].tasks.append(task)
        batches[-1].rows += task.rows

    def _check_room(self, rows: int) -> None:
        most = self._parameters.max_enqueued_batches
        enqueued = len(self.batches)
        opened = self.batches[-1].rows if self.batches else 0
        room = (most - enqueued) * self._size + (self._size - opened if enqueued else 0)
        if rows > room:
            raise Unavailable(
                "The batch scheduling queue to which this task was submitted is full; task size "
                f"is {rows} but scheduling capacity is only {room} (num_enqueued_batches="
                f"{enqueued}, max_enqueued_batches={most}, open_batch_size={opened}, "
                f"max_execution_batch_size={self._size})",
                hint=(
                    "Send the request again a little later."
                    if rows <= most * self._size
                    else f"Send {most * self._size} rows at most, or raise max_enqueued_batches."
                ),
            )


class BatchThreads:
    """Threads that run batches; they begin with the first queue, and end with the last.

    Args:
        count: batches that run at the same time.

    Attributes:
        changed: notified when there may be more to do; its lock guards all queues.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.changed = threading.Condition()
        self._queues: deque[BatchQueue] = deque()
        self._threads: set[threading.Thread] = set()

    def queue(self, parameters: BatchingParameters, run: Run) -> BatchQueue:
        """Return a new queue."""
        made = BatchQueue(self, parameters, run)
        with self.changed:
            self._queues.append(made)
            while len(self._threads) < self._count:
                thread = threading.Thread(
                    target=self._work, name=f"batch_{len(self._threads)}", daemon=True
                )
                self._threads.add(thread)
                thread.start()
        return made

    def drop(self, queue: BatchQueue) -> None:
        """Forget a queue, in which nothing waits any more."""
        with self.changed:
            self._queues.remove(queue)
            self.changed.notify_all()

    def _work(self) -> None:
        while True:
            with self.changed:
                found = self._next()
            if found is None:
                return
            run, tasks, reason = found
            try:
                run(tasks, reason)
            except Exception:
                # Whoever runs a batch has told its tasks; this thread must go on.
                log.exception("a batch failed")

    def _next(self) -> tuple[Run, Sequence[Task], str] | None:
        """Wait for a batch that may run, and take it; None if there are no queues any more.

        Holding the lock.
        """
        while self._queues:
            now = perf_counter()
            due = [queue.batches[0].due for queue in self._queues if queue.batches]
            for _ in range(len(self._queues)):
                queue = self._queues[0]
                self._queues.rotate(-1)
                reason = queue.ready(now) if queue.batches else ""
                if reason:
                    return queue.run, queue.batches.popleft().tasks, reason
            self.changed.wait(min(due) - now if due else None)
        self._threads.discard(threading.current_thread())
        return None
