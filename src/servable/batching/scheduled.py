"""A servable that computes requests in batches as TensorFlow Serving's flags ask for.

What differs from the peer on purpose: rows of different shapes, where they are not to be
padded, go into different batches instead of failing all of one; and a batch that fails is
computed again, request by request, so that only those hear of it who are at fault.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter

import numpy as np

from servable.batching.gathering import ELSEWHERE, HERE
from servable.batching.merging import cut, merged
from servable.batching.padding import alike, rounded
from servable.batching.queues import BatchQueue, BatchThreads
from servable.batching.tasks import Task, total
from servable.config.batching import BatchingParameters
from servable.contracts import Servable
from servable.errors import InvalidArgument, ResourceExhausted
from servable.metrics.batches import BatchNote
from servable.tensors import Array, Signature

log = logging.getLogger(__name__)

MOST_QUEUES = 64
"""Bound on the choices of outputs that have a queue of their own."""

Compute = Callable[[Mapping[str, Array]], dict[str, Array]]


class ScheduledServable:
    """A `contracts.Servable` around another one. As thread-safe as that one is.

    Args:
        servable: computes.
        parameters: as `config.batching.checked` returned them.
        threads: run the batches.
    """

    def __init__(
        self, servable: Servable, parameters: BatchingParameters, threads: BatchThreads
    ) -> None:
        self._servable = servable
        self._parameters = parameters
        self._threads = threads
        self._queues: dict[tuple[str, frozenset[str]], BatchQueue] = {}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Signature name -> signature."""
        return self._servable.signatures

    def lane(
        self, _signature: str, _inputs: Mapping[str, Array], _fetches: Sequence[str]
    ) -> object:
        """Say that nobody should wait for an answer who has others to listen to."""
        return ELSEWHERE

    def run(
        self, signature: str, inputs: Mapping[str, Array], fetches: Sequence[str]
    ) -> dict[str, Array]:
        """Compute outputs, together with other requests; see `contracts.Servable`.

        Raises:
            InvalidArgument: the inputs have no rows, or too many.
            Unavailable: too many batches wait.
            ResourceExhausted: the client stopped waiting while the request was queued.
            FailedPrecondition: the outputs have no row for each of the inputs.
        """
        HERE.waits = True
        rows = _checked_rows(inputs, self._parameters.max_batch_size)
        tasks = [Task(piece, count) for piece, count in self._pieces(inputs, rows)]
        self._queue(signature, frozenset(fetches)).add(tasks)
        for task in tasks:
            task.wait()
        answers = [task.answer() for task in tasks]
        if len(answers) == 1:
            return {alias: answers[0][alias] for alias in fetches}
        return {alias: np.concatenate([each[alias] for each in answers]) for alias in fetches}

    def close(self) -> None:
        """Give the queues back; nobody may be waiting."""
        for queue in self._queues.values():
            self._threads.drop(queue)
        self._queues.clear()

    def _queue(self, signature: str, fetches: frozenset[str]) -> BatchQueue:
        found = self._queues.get((signature, fetches))
        if found is not None:
            return found
        if len(self._queues) >= MOST_QUEUES:
            raise ResourceExhausted("Too many different choices of outputs are asked for.")
        compute = partial(self._compute, signature, tuple(sorted(fetches)))
        with self._threads.changed:
            if (signature, fetches) not in self._queues:
                made = self._threads.queue(self._parameters, partial(self._run, compute))
                self._queues[signature, fetches] = made
            return self._queues[signature, fetches]

    def _compute(
        self, signature: str, fetches: Sequence[str], inputs: Mapping[str, Array]
    ) -> dict[str, Array]:
        return self._servable.run(signature, inputs, fetches)

    def _pieces(
        self, inputs: Mapping[str, Array], rows: int
    ) -> list[tuple[Mapping[str, Array], int]]:
        size = self._parameters.execution_size
        if not self._parameters.split_large or rows <= size:
            return [(inputs, rows)]
        return [
            (
                {alias: array[at : at + size] for alias, array in inputs.items()},
                min(size, rows - at),
            )
            for at in range(0, rows, size)
        ]

    def _run(self, compute: Compute, tasks: Sequence[Task], reason: str) -> None:
        """Compute a batch and wake its tasks, whatever happens."""
        try:
            waiting = self._still_wanted(tasks)
            for group in self._groups(waiting):
                self._run_group(compute, group, reason)
        finally:
            for task in tasks:
                task.wake()

    def _still_wanted(self, tasks: Sequence[Task]) -> list[Task]:
        """Those whose clients wait; the others are told that they came too late."""
        waiting = []
        for task in tasks:
            if task.wanted is None or task.wanted():
                waiting.append(task)
            else:
                task.error = ResourceExhausted(
                    "Run() timeout exceeded while waiting in batching queue"
                )
        return waiting

    def _groups(self, tasks: Sequence[Task]) -> list[list[Task]]:
        """Tasks that can be merged with one another."""
        groups: dict[object, list[Task]] = {}
        for task in tasks:
            kind: object = task.key
            if self._parameters.pad_variable_length:
                kind = tuple([(dtype, len(shape)) for dtype, shape in task.key])
            groups.setdefault(kind, []).append(task)
        return list(groups.values())

    def _run_group(self, compute: Compute, tasks: Sequence[Task], reason: str) -> None:
        began = perf_counter()
        rows = total(tasks)
        # Nothing pads a batch of no rows: there is none to repeat.
        padding = rounded(rows, self._parameters.allowed_batch_sizes) - rows if rows else 0
        for task in tasks:
            waited, first = began - task.since, task is tasks[0]
            task.note = BatchNote(waited, rows, len(tasks), padding, reason, first=first)
        try:
            parts = alike([task.inputs for task in tasks])
            outputs = compute(merged(parts, padding))
            cuts = cut(outputs, [task.rows for task in tasks], padding)
        except Exception as error:
            if len(tasks) == 1:
                tasks[0].error = error
                return
            log.debug("a batch failed, its requests run alone: %s", error)
            for task in tasks:
                self._run_group(compute, [task], reason)
            return
        for task, own in zip(tasks, cuts, strict=True):
            task.outputs = own


def _checked_rows(inputs: Mapping[str, Array], most: int) -> int:
    """Return the number of rows of a request; raises InvalidArgument with the peer's texts."""
    if not inputs:
        raise InvalidArgument("Batching Run() must have at least one input tensor")
    if not all(array.ndim for array in inputs.values()):
        raise InvalidArgument(
            "Batching Run() input tensors must have at least one dimension",
            hint="The server computes batches: each input needs an axis of rows.",
        )
    sizes = {array.shape[0] for array in inputs.values()}
    if len(sizes) > 1:
        raise InvalidArgument(
            "Batching Run() input tensors must have equal 0th-dimension size",
            hint=", ".join(f"{alias} has {array.shape[0]}" for alias, array in inputs.items()),
        )
    rows = sizes.pop()
    if rows > most:
        raise InvalidArgument(
            f"Task size {rows} is larger than maximum input batch size {most}",
            hint="Send fewer rows, or raise max_batch_size.",
        )
    return int(rows)
