"""Natural batching: what has queued while the engine was busy goes next, together.

There is no timer, so a request to an idle server waits for nothing, and there are no threads:
the request that has waited longest computes for all that wait with it. Who finishes wakes
the next. How many rows go together is measured (`pace`), and only what was seen to give the
same answers is computed together (`trials`, `contracts.RowByRow`).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from servable.batching.merging import cut, merged
from servable.batching.pace import LIMITS, Fixed, Pace
from servable.batching.tasks import Task, key_of, rows_of, total
from servable.batching.trials import ENOUGH, Trials
from servable.contracts import RowByRow, Servable
from servable.errors import Cancelled
from servable.metrics.batches import BatchNote
from servable.tensors import Array, Signature

log = logging.getLogger(__name__)

SAMPLE_BYTES = 2**24
"""Requests up to this size are kept until another comes that they can be compared with."""

MOST_SHAPES = 1024
"""Bound on the shapes of rows that are remembered."""

MOST_LANES = 64
"""Bound on the choices of outputs, and of the inputs' ranks, that have a queue of their own."""

_Key = tuple[str, tuple[str, ...], tuple[int, ...]]
"""Signature, outputs, the rank of each input."""


class NaturallyBatched:
    """A `contracts.Servable` around another one. As thread-safe as that one is.

    Args:
        servable: computes.
        name: what log lines call it.
        rows: how many rows to compute at once: None for as many as are measured to pay.
        trusted: merge whatever the graph is, and do not compare answers.
    """

    def __init__(
        self, servable: Servable, name: str, *, rows: int | None = None, trusted: bool = False
    ) -> None:
        self._servable = servable
        self._name = name
        self._rows = rows
        self._trusted = trusted
        self._lanes: dict[_Key, _Lane | None] = {}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""
        return self._servable.signatures

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute outputs, maybe together with other requests; see `contracts.Servable`.

        Raises:
            Cancelled: the client stopped waiting while the request was queued.
        """
        # What keeps rows apart at one rank may not at another: the last axis of a vector is
        # that of its rows.
        key = (signature, tuple(fetches), tuple([array.ndim for array in inputs.values()]))
        lane = self._lanes[key] if key in self._lanes else self._open(key, inputs)
        if lane is None or lane.closed:
            return self._servable.run(signature, inputs, fetches)
        return lane.run(inputs)

    def _open(self, key: _Key, inputs: Mapping[str, Array]) -> _Lane | None:
        """A lane for these outputs of a signature; None if its requests must stay apart."""
        if len(self._lanes) >= MOST_LANES or not self._has_its_ranks(key[0], inputs):
            return None
        reason = self._apart(key[0])
        if reason:
            log.debug("%s: %s is not batched: %s", self._name, key[0], reason)
        lane = None
        if not reason:
            pace = Pace() if self._rows is None else Fixed(self._rows)
            trials = Trials(0 if self._trusted else ENOUGH)
            lane = _Lane(self._servable, self._name, *key[:2], pace, trials)
        return self._lanes.setdefault(key, lane)

    def _has_its_ranks(self, name: str, inputs: Mapping[str, Array]) -> bool:
        """Whether inputs have as many axes as their signature says, where it does."""
        signature = self.signatures.get(name)
        specs = signature.inputs if signature is not None else {}
        return all(
            spec.shape is None or alias not in inputs or len(spec.shape) == inputs[alias].ndim
            for alias, spec in specs.items()
        )

    def _apart(self, name: str) -> str:
        """Say why requests to a signature are computed one by one."""
        signature = self.signatures.get(name)
        if signature is None or not signature.inputs:
            return "it has no inputs"
        for spec in signature.inputs.values():
            if spec.shape is not None and (not spec.shape or spec.shape[0] is not None):
                return "its inputs have a fixed number of rows"
        if self._trusted:
            return ""
        if not isinstance(self._servable, RowByRow):
            return "nothing is known of it"
        return self._servable.mixing(name)


class _Lane:
    """Requests for the same outputs of the same signature.

    Attributes:
        closed: whether merging was seen to change answers; then nobody may come any more.
    """

    def __init__(
        self,
        servable: Servable,
        name: str,
        signature: str,
        fetches: tuple[str, ...],
        pace: Pace | Fixed,
        trials: Trials,
    ) -> None:
        self._servable = servable
        self._name = name
        self._signature = signature
        self._fetches = fetches
        self._lock = threading.Lock()
        self._queue: deque[Task] = deque()
        self._running = 0
        self._trials = trials
        self._sample: _Answered | None = None
        self._trying = False
        self._proper: set[object] = set()
        self._pace = pace
        self.closed = False

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        rows = rows_of(inputs)
        with self._lock:
            alone = not (rows and self._running and self._pace.limit > 1 and self._trials.trusted)
            if alone:
                self._running += 1
            else:
                task = Task(inputs, rows)
                self._queue.append(task)
        if alone:
            return self._run_alone(inputs, rows)
        task.wait()
        if task.leads:
            self._lead(task)
        return task.answer()

    def _end(self, rows: int, requests: int) -> bool:
        """A run has ended; let the next start. Holding the lock.

        Returns:
            Whether other requests were there at the same time.
        """
        contended = self._running > 1 or requests > 1 or bool(self._queue)
        if rows and self._trials.trusted:
            self._pace.note(perf_counter(), rows, contended=contended)
        self._running -= 1
        if self._queue and not self._running:
            leader = self._queue.popleft()
            leader.leads = True
            self._running += 1
            leader.wake()
        return contended

    def _run_alone(self, inputs: Mapping[str, Array], rows: int) -> dict[str, Array]:
        contended = False
        try:
            outputs = self._servable.run(self._signature, inputs, self._fetches)
            if self._queue:
                self._note_proper(key_of(inputs), rows, outputs)
        finally:
            with self._lock:
                contended = self._end(rows, 1)
        if contended and rows and not self._trials.trusted:
            self._try(_Answered(inputs, outputs))
        return outputs

    def _lead(self, leader: Task) -> None:
        """Compute for all that wait, as many as go together."""
        with self._lock:
            batch = self._take(leader)
        began = perf_counter()
        rows = total(batch)
        try:
            self._compute(batch)
        finally:
            with self._lock:
                self._end(rows, len(batch))
            for task in batch:
                task.note = BatchNote(began - task.since, rows, len(batch))
                if task is not leader:
                    task.wake()

    def _take(self, leader: Task) -> list[Task]:
        """The next batch, which the leader is part of. Holding the lock."""
        # A shape that the model refuses alone may look fine to it together.
        if not self._queue or self._pace.limit == 1 or leader.key not in self._proper:
            return [leader]
        fitting = [task for task in self._queue if task.key == leader.key]
        # Few different sizes: the engine prepares itself for each that it meets.
        there = min(self._pace.limit, leader.rows + total(fitting))
        room = max(limit for limit in LIMITS if limit <= there) - leader.rows
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
        self._queue = deque(
            task for task in self._queue if id(task) not in taken and task.error is None
        )
        return batch

    def _compute(self, batch: Sequence[Task]) -> None:
        """Give each task its outputs or its error."""
        if len(batch) > 1:
            try:
                together = merged([task.inputs for task in batch])
                outputs = self._servable.run(self._signature, together, self._fetches)
                cuts = cut(outputs, [task.rows for task in batch])
            except Exception as error:
                # One of them may be at fault; the others must not hear of it.
                log.debug("%s: a batch failed, its requests run alone: %s", self._name, error)
            else:
                for task, own in zip(batch, cuts, strict=True):
                    task.outputs = own
                return
        for task in batch:
            try:
                task.outputs = self._servable.run(self._signature, task.inputs, self._fetches)
            except Exception as error:
                task.error = error  # raised again where the request is
            else:
                self._note_proper(task.key, task.rows, task.outputs)

    def _note_proper(self, key: object, rows: int, outputs: Mapping[str, Array]) -> None:
        """Requests of this shape were seen to have a row of every output for each of theirs."""
        if all(array.ndim and len(array) == rows for array in outputs.values()):
            if len(self._proper) >= MOST_SHAPES:
                self._proper.clear()
            self._proper.add(key)

    def _try(self, answered: _Answered) -> None:
        """Compare answers that were computed apart with those computed together."""
        if sum(array.nbytes for array in answered.inputs.values()) > SAMPLE_BYTES:
            return
        with self._lock:
            sample = self._sample
            if self._trying or self.closed:
                return
            if sample is None or sample.key != answered.key:
                self._sample = answered
                return
            self._sample = None
            self._trying = True
        try:
            both = (sample, answered)
            self._trials.compare(
                self._servable,
                self._signature,
                [one.inputs for one in both],
                [one.outputs for one in both],
            )
        finally:
            self._trying = False
        if self._trials.failure:
            self.closed = True
            log.info(
                "%s: requests to %s are not batched: %s",
                self._name,
                self._signature,
                self._trials.failure,
            )


@dataclass(frozen=True, slots=True)
class _Answered:
    """A request that was computed alone, and its answer."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]

    @property
    def key(self) -> object:
        return key_of(self.inputs)
