"""Requests for the same outputs of the same signature of one version, in the order they came."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from time import perf_counter

from servable.batching.costs import Costs
from servable.batching.gathering import HERE
from servable.batching.merging import cut, merged
from servable.batching.pace import LIMITS, Fixed, Pace
from servable.batching.study import Answered, Apart, Study
from servable.batching.tasks import Task, key_of, rows_of, total
from servable.batching.trials import Trials
from servable.contracts import Servable
from servable.errors import Cancelled
from servable.metrics.batches import BatchNote
from servable.metrics.requests import CURRENT, Observation
from servable.tensors import Array

log = logging.getLogger(__name__)

MOST_SHAPES = 1024
"""Bound on the shapes of rows that are remembered."""


class Lane:
    """Computes requests together: what queues while it is busy goes next.

    Args:
        servable: computes. The lane is as thread-safe as that is.
        name: what log lines call it.
        signature, fetches: what is computed.
        pace: says how many rows go together.
        trials: says whether any may.
        apart: runs what is not for any request.
    """

    def __init__(
        self,
        servable: Servable,
        name: str,
        signature: str,
        fetches: tuple[str, ...],
        pace: Pace | Fixed,
        trials: Trials,
        apart: Apart,
    ) -> None:
        self._servable = servable
        self._name = name
        self._signature = signature
        self._fetches = fetches
        self._lock = threading.Lock()
        self._queue: deque[Task] = deque()
        self._running = 0
        self._trials = trials
        self._proper: set[object] = set()
        self._pace = pace
        self._costs = Costs()
        self._study = Study(servable, name, signature, trials, pace, apart)

    @property
    def closed(self) -> bool:
        """Whether merging was seen to change answers; then nobody may come any more."""
        return bool(self._trials.failure)

    @property
    def rests(self) -> bool:
        """Whether requests that one thread answers are better off without the lane."""
        return self._costs.rests

    def close(self) -> None:
        """Return when the servable is not used any more but by requests."""
        self._study.close()

    def merges(self, rows: int) -> bool:
        """Whether to compute a request of so many rows with others that one thread answers."""
        if not rows or self._pace.most == 1 or not self._trials.trusted:
            return False
        if not self._pace.measured:
            return True
        with self._lock:
            return self._costs.gather()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Compute the outputs of a request, maybe together with others.

        Raises:
            Cancelled: the client stopped waiting while the request was queued.
            ServableError: what the servable raises.
        """
        rows = rows_of(inputs)
        together = HERE.size
        merge = not together and rows and self._pace.limit > 1 and self._trials.trusted
        with self._lock:
            alone = not (merge and self._running)
            if alone:
                self._running += 1
            else:
                task = Task(inputs, rows)
                self._queue.append(task)
        if alone:
            return self._run_alone(inputs, rows, others=together > 1)
        task.wait()
        if task.leads:
            self._lead(task)
        return task.answer()

    def compute(self, tasks: Sequence[Task], end: float) -> None:
        """Compute requests that came together, as many at once as pays; raises nothing.

        After `end`, by `perf_counter`, no further batch is begun; the other tasks get nothing.
        """
        waiting = deque(tasks)
        while waiting and perf_counter() <= end:
            leader = waiting.popleft()
            most = self._pace.most
            with self._lock:
                self._running += 1
                if self._pace.measured:
                    most = self._costs.limit(min(most, leader.rows + total(waiting)))
            batch, waiting = self._choose(leader, waiting, most)
            began = perf_counter()
            try:
                self._compute(batch)
            finally:
                seconds = perf_counter() - began
                with self._lock:
                    self._costs.note(total(batch), len(batch), seconds)
                    self._end(total(batch), contended=len(tasks) > 1)
            (first, *others) = batch
            if not others and first.outputs is not None and not self._study.over:
                self._study.offer(Answered(first.inputs, first.outputs))

    def _end(self, rows: int, *, contended: bool) -> bool:
        """A run has ended; let the next start. Holding the lock.

        Returns:
            Whether other requests were there at the same time.
        """
        contended = contended or self._running > 1 or bool(self._queue)
        if rows and self._trials.trusted:
            self._pace.note(perf_counter(), rows, contended=contended)
        self._running -= 1
        if self._queue and not self._running:
            leader = self._queue.popleft()
            leader.leads = True
            self._running += 1
            leader.wake()
        return contended

    def _run_alone(
        self, inputs: Mapping[str, Array], rows: int, *, others: bool
    ) -> dict[str, Array]:
        contended = False
        try:
            outputs = self._servable.run(self._signature, inputs, self._fetches)
            if others or self._queue:
                self._note_proper(key_of(inputs), rows, outputs)
        finally:
            with self._lock:
                contended = self._end(rows, contended=others)
        if contended and rows and not self._study.over:
            self._study.offer(Answered(inputs, outputs))
        return outputs

    def _lead(self, leader: Task) -> None:
        """Compute for all that wait, as many as go together."""
        with self._lock:
            batch, self._queue = self._choose(leader, self._queue, self._pace.limit)
        try:
            self._compute(batch)
        finally:
            with self._lock:
                self._end(total(batch), contended=len(batch) > 1)
            for task in batch:
                if task is not leader:
                    task.wake()

    def _choose(
        self, leader: Task, queue: deque[Task], limit: int
    ) -> tuple[list[Task], deque[Task]]:
        """Return the next batch, up to a limit, which the leader is part of, and who waits on.

        Tasks whose clients have left get their error.
        """
        # A shape that the model refuses alone may look fine to it together.
        if not queue or limit == 1 or leader.key not in self._proper:
            return [leader], queue
        fitting = [task for task in queue if task.key == leader.key]
        # Few different sizes: the engine prepares itself for each that it meets.
        there = min(limit, leader.rows + total(fitting))
        room = max(size for size in LIMITS if size <= there) - leader.rows
        batch = [leader]
        for task in fitting:
            if task.rows > room:
                continue
            if task.wanted is not None and not task.wanted():
                task.error = Cancelled("The client does not wait for an answer any more.")
                task.wake()
            else:
                batch.append(task)
                room -= task.rows
        taken = {id(task) for task in batch}
        return batch, deque(task for task in queue if id(task) not in taken and task.error is None)

    def _compute(self, batch: Sequence[Task]) -> None:
        """Give each task its outputs or its error, and what the parts of computing took."""
        seen = CURRENT.observation
        CURRENT.observation = whole = Observation("", "")
        try:
            self._compute_whole(batch)
        finally:
            CURRENT.observation = seen
            for task in batch:
                task.island = whole.island_seconds

    def _compute_whole(self, batch: Sequence[Task]) -> None:
        began = perf_counter()
        if len(batch) > 1:
            try:
                together = merged([task.inputs for task in batch])
                outputs = self._servable.run(self._signature, together, self._fetches)
                cuts = cut(outputs, [task.rows for task in batch])
            except Exception as error:
                # One of them may be at fault; the others must not hear of it.
                log.debug("%s: a batch failed, its requests run alone: %s", self._name, error)
            else:
                took = perf_counter() - began
                rows = total(batch)
                for task, own in zip(batch, cuts, strict=True):
                    task.outputs, task.took = own, took
                    first = task is batch[0]
                    task.note = BatchNote(began - task.since, rows, len(batch), first=first)
                return
        self._compute_each(batch)

    def _compute_each(self, batch: Iterable[Task]) -> None:
        for task in batch:
            began = perf_counter()
            try:
                task.outputs = self._servable.run(self._signature, task.inputs, self._fetches)
            except Exception as error:
                task.error = error  # raised again where the request is
            else:
                self._note_proper(task.key, task.rows, task.outputs)
            task.took = perf_counter() - began
            task.note = BatchNote(began - task.since, task.rows, 1)

    def _note_proper(self, key: object, rows: int, outputs: Mapping[str, Array]) -> None:
        """Requests of this shape were seen to have a row of every output for each of theirs."""
        if all(array.ndim and len(array) == rows for array in outputs.values()):
            if len(self._proper) >= MOST_SHAPES:
                self._proper.clear()
            self._proper.add(key)
