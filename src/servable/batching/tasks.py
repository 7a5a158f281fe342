"""One request's part of a batch."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from servable.metrics.batches import BatchNote
from servable.metrics.requests import CURRENT, Observation
from servable.tensors import Array


class Task:
    """Rows of one request that wait to be computed.

    Attributes:
        inputs: alias -> array, all of `rows` rows.
        key: what tasks must have in common to be merged.
        wanted: whether the client still waits; None where nobody knows.
        since: when it began to wait, by `perf_counter`.
        leads: whether the thread that waits shall form and run the next batch.
        outputs, error: what came of it, once one of them is set.
        note: the batch that it was in.
        took: seconds that computing that took; 0.0 where the note says all.
        island: seconds of that in compiled parts of the model.
        early: whether it is computed before the servable is asked for it.
    """

    __slots__ = (
        "_woken",
        "early",
        "error",
        "inputs",
        "island",
        "key",
        "leads",
        "note",
        "outputs",
        "rows",
        "since",
        "took",
        "wanted",
    )

    def __init__(
        self,
        inputs: Mapping[str, Array],
        rows: int,
        seen: Observation | None = None,
        *,
        early: bool = False,
    ) -> None:
        self.early = early
        self.inputs = inputs
        self.rows = rows
        self.key = key_of(inputs)
        seen = seen or CURRENT.observation
        self.wanted = seen.wanted if seen is not None else None
        self.since = perf_counter()
        self.leads = False
        self.outputs: dict[str, Array] | None = None
        self.error: Exception | None = None
        self.note: BatchNote | None = None
        self.took = 0.0
        self.island = 0.0
        # A lock is the cheapest thing that a thread can wait for.
        self._woken = threading.Lock()
        self._woken.acquire()

    def wait(self) -> None:
        """Return when the task was computed, has failed, or leads."""
        self._woken.acquire()

    def wake(self) -> None:
        """Let the thread that waits go on."""
        self._woken.release()

    def answer(self) -> dict[str, Array]:
        """Return the outputs, on the thread of the request; its observation hears of the batch.

        Raises:
            Exception: what computing them raised.
        """
        seen = CURRENT.observation
        note = self.note
        if note is not None and self.took:
            # It also waits for its turn to go on.
            waited = perf_counter() - self.since - self.took
            ahead = self.took if self.early else 0.0
            note = BatchNote(waited, note.rows, note.requests, first=note.first, ahead=ahead)
        if seen is not None:
            seen.batch = note
            if note is not None and note.first:
                seen.batches = (*seen.batches, note)
            seen.island_seconds += self.island
        if self.error is not None:
            raise self.error
        if self.outputs is None:
            raise RuntimeError("a task was woken before anything came of it")
        return self.outputs


def key_of(inputs: Mapping[str, Array]) -> tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]:
    """Return what requests must have in common to be merged: dtypes and shapes of a row."""
    return tuple([(array.dtype, array.shape[1:]) for array in inputs.values()])


def rows_of(inputs: Mapping[str, Array]) -> int:
    """Return the number of rows that all inputs have; 0 if they have none, or not the same."""
    rows = {array.shape[0] if array.ndim else 0 for array in inputs.values()}
    return rows.pop() if len(rows) == 1 else 0


def total(tasks: Sequence[Task]) -> int:
    """Return the rows of all tasks together."""
    return sum(task.rows for task in tasks)
