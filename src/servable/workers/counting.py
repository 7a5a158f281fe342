"""Collecting what workers have counted, for one of them that was asked for the sum."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from servable.metrics.merge import Snapshot
from servable.workers.messages import Count, Counted

ANSWER_SECONDS = 1.0
"""How long workers may take; the sum is made without those that take longer."""

MOST_OPEN = 64
"""Questions that are open at the same time; a page that asks beyond shows its own numbers."""

WorkerT = TypeVar("WorkerT", bound=Hashable)


@dataclass(slots=True)
class _Open(Generic[WorkerT]):
    asker: WorkerT
    question: int
    missing: set[WorkerT]
    until: float
    snapshots: list[Snapshot] = field(default_factory=list)


class Counting(Generic[WorkerT]):
    """Keeps the questions that are open. Used by one thread."""

    def __init__(self) -> None:
        self._open: dict[int, _Open[WorkerT]] = {}
        self._numbers = itertools.count()

    def ask(
        self, asker: WorkerT, question: int, others: Collection[WorkerT], now: float
    ) -> Sequence[tuple[WorkerT, Count]]:
        """Take a worker's question, and return what to tell the others."""
        number = next(self._numbers)
        full = len(self._open) >= MOST_OPEN
        asked = set() if full else set(others)
        self._open[number] = _Open(asker, question, asked, now + ANSWER_SECONDS)
        return [(other, Count(number)) for other in asked]

    def answer(self, worker: WorkerT, number: int, snapshot: Snapshot) -> None:
        """Take one worker's numbers."""
        found = self._open.get(number)
        if found is not None and worker in found.missing:
            found.missing.discard(worker)
            found.snapshots.append(snapshot)

    def forget(self, worker: WorkerT) -> None:
        """Wait no longer for a worker that has ended."""
        for number, found in list(self._open.items()):
            found.missing.discard(worker)
            if found.asker == worker:
                del self._open[number]

    def due(self, now: float) -> Sequence[tuple[WorkerT, Counted]]:
        """Return the answers that are complete or late, and close their questions."""
        done = {n: o for n, o in self._open.items() if not o.missing or now >= o.until}
        for number in done:
            del self._open[number]
        return [(o.asker, Counted(o.question, o.snapshots)) for o in done.values()]
