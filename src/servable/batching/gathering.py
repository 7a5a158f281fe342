"""Requests that one thread answers together.

Each runs up to where it needs the model. When all have come so far, or have ended, the model
computes for those that may be merged, and each goes on with its own rows. No thread waits for
another and none is woken: requests that take microseconds could not bear that.

A turn is short, since the thread has others to listen to. Requests that are not done when it
is over, and those of servables that wait for more to come, go on elsewhere.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Protocol, cast

from servable.batching.steps import Run, Steps
from servable.batching.tasks import Task, rows_of
from servable.contracts import lane_of
from servable.metrics.requests import CURRENT, Observation

log = logging.getLogger(__name__)

MOST_AT_ONCE = 64
"""Requests that are answered together; more go in several turns."""

TURN_SECONDS = 0.05
"""After so long no further request is begun, or computed."""

ELSEWHERE = object()
"""The lane of servables that wait for more requests to come."""

Elsewhere = Callable[[Callable[[], None]], object]
"""Has something called on another thread."""


class Lane(Protocol):
    """What computes requests together."""

    def compute(self, tasks: Sequence[Task], end: float) -> None:
        """Give each task its outputs or its error; raises nothing.

        After `end`, by `perf_counter`, no further batch is begun; the other tasks get nothing.
        """


class _Here(threading.local):
    """Of this thread.

    Attributes:
        size: how many requests are being answered together; 0 where each has a thread.
        task: what was computed ahead for the run that is being asked for.
        waits: whether a servable was asked that waits for more requests to come.
    """

    size = 0
    task: Task | None = None
    waits = False


HERE = _Here()


class Job:
    """One request under way. Used by one thread at a time.

    Args:
        steps: what answers it; raises nothing.

    Attributes:
        merged: whether it was computed together with others.
        seconds: what it has taken of the thread, its share of what was merged included.
        moved: whether it went on elsewhere; then that is all that it took before.
        waits: whether that was since its servable waits for more requests to come.
    """

    __slots__ = (
        *("_seen", "_since", "_started"),
        *("merged", "moved", "run", "seconds", "steps", "task", "waits"),
    )

    def __init__(self, steps: Steps[None]) -> None:
        self.steps = steps
        self.seconds = 0.0
        self.merged = self.moved = self.waits = False
        self.run: Run | None = None
        self.task: Task | None = None
        self._seen: Observation | None = None
        self._started = False
        self._since = 0.0

    def move(self, elsewhere: Elsewhere) -> None:
        """Do all that is left on another thread."""
        task = self.task
        if task is not None and task.note is not None:
            self.seconds += task.took / task.note.requests
        self.moved = True
        elsewhere(self.finish)

    @property
    def observation(self) -> Observation | None:
        """What was observed of it so far."""
        return self._seen

    def begin(self) -> None:
        """Move to the first run, or to the end."""
        self._started = True
        self._go_on(self.steps.send, None)

    def compute(self) -> None:
        """Ask for the run, of which the task has what was computed ahead; then go on."""
        run, steps, task = self.run, self.steps, self.task
        if run is None:
            return
        seen = CURRENT.observation = self._seen
        HERE.task, self.task = task, None
        ahead = task.took if task is not None else 0.0
        if task is not None and task.note is not None and not self.moved:
            self.seconds += ahead / task.note.requests
            self.merged = self.merged or task.note.requests > 1
        if seen is not None:
            # Meanwhile others had their turn: it was queued, as if it had come later.
            waited = perf_counter() - self._since - ahead
            seen.started += waited
            seen.queued += waited
        began = perf_counter()
        try:
            outputs = run.now()
        except Exception as error:
            self._go_on(steps.throw, error, began)
        else:
            self._go_on(steps.send, outputs, began)
        finally:
            HERE.task = None

    def finish(self) -> None:
        """Do all that is left, on this thread."""
        if not self._started:
            self.begin()
        while self.run is not None:
            self.compute()

    def _go_on(self, move: Callable[[Any], Run], given: object, began: float | None = None) -> None:
        began = perf_counter() if began is None else began
        self.run = None
        try:
            self.run = move(given)
        except StopIteration:
            pass
        except Exception:
            log.exception("a request raised where it must not")
        self._seen, CURRENT.observation = CURRENT.observation, None
        self._since = perf_counter()
        if not self.moved:
            self.seconds += self._since - began


def answer_together(requests: Sequence[Steps[None]], elsewhere: Elsewhere) -> list[Job]:
    """Drive requests to their ends, as far as a turn goes; the rest goes on elsewhere.

    Returns:
        For each request how it went.
    """
    jobs = [Job(steps) for steps in requests]
    end = perf_counter() + TURN_SECONDS
    for start in range(0, len(jobs), MOST_AT_ONCE):
        some = jobs[start : start + MOST_AT_ONCE]
        HERE.size = len(some)
        try:
            _answer(some, end, elsewhere)
        finally:
            HERE.size = 0
    return jobs


def _answer(jobs: Sequence[Job], end: float, elsewhere: Elsewhere) -> None:
    for job in jobs:
        if perf_counter() > end:
            job.move(elsewhere)
        else:
            job.begin()
    while waiting := [job for job in jobs if job.run is not None and not job.moved]:
        _compute_ahead(waiting, end, elsewhere)
        for job in waiting:
            if job.moved:
                continue
            if perf_counter() > end:
                job.move(elsewhere)
            else:
                job.compute()


def _compute_ahead(jobs: Sequence[Job], end: float, elsewhere: Elsewhere) -> None:
    """Compute what may be merged, and leave it with the jobs."""
    lanes: dict[int, tuple[Lane, list[Task]]] = {}
    for job in jobs:
        run = job.run
        if run is None:
            continue
        try:
            found = lane_of(run.servable, run.signature, run.inputs, run.fetches)
        except Exception:  # nothing of one may keep the others from their answers
            log.exception("a request could not be looked at to be merged")
            continue
        if found is ELSEWHERE:
            job.waits = True
            job.move(elsewhere)
        elif found is not None and len(jobs) > 1:
            lane = cast(Lane, found)
            job.task = Task(run.inputs, rows_of(run.inputs), job.observation, early=True)
            lanes.setdefault(id(lane), (lane, []))[1].append(job.task)
    for lane, tasks in lanes.values():
        lane.compute(tasks, end)
    for job in jobs:
        if job.task is not None and job.task.outputs is None and job.task.error is None:
            job.task = None
