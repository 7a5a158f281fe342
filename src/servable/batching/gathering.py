"""Requests that one thread answers together.

Each runs up to where it needs the model. When all have come so far, or have ended, the model
computes for those that may be merged, and each goes on with its own rows. No thread waits for
another and none is woken: requests that take microseconds could not bear that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from servable.batching.steps import Run, Steps, complete
from servable.batching.tasks import Task, rows_of
from servable.contracts import lane_of
from servable.metrics.requests import CURRENT, Observation

log = logging.getLogger(__name__)

MOST_AT_ONCE = 64
"""Requests that are answered together; more go in several turns."""


class Lane(Protocol):
    """What computes requests together."""

    def compute(self, tasks: Sequence[Task]) -> None:
        """Give each task its outputs or its error; raises nothing."""


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


class _Job:
    """One request under way: the run it waits for, and what was observed of it so far."""

    __slots__ = ("run", "seen", "steps", "task")

    def __init__(self, steps: Steps[object]) -> None:
        self.steps = steps
        self.seen: Observation | None = None
        self.run: Run | None = None
        self.task: Task | None = None

    def begin(self) -> None:
        """Move to the first run, or to the end."""
        self.go_on(lambda: next(self.steps))

    def go_on(self, move: Callable[[], Run]) -> None:
        """Move to the next run, or to the end."""
        self.run = None
        try:
            self.run = move()
        except StopIteration:
            pass
        except Exception:
            log.exception("a request raised where it must not")
        self.seen, CURRENT.observation = CURRENT.observation, None

    def compute(self) -> None:
        """Ask for the run, of which the task has what was computed ahead; then go on."""
        run, steps = self.run, self.steps
        if run is None:
            return
        CURRENT.observation = self.seen
        HERE.task, self.task = self.task, None
        try:
            outputs = run.now()
        except Exception as error:
            raised = error
            self.go_on(lambda: steps.throw(raised))
        else:
            self.go_on(lambda: steps.send(outputs))
        finally:
            HERE.task = None


def answer_together(requests: Sequence[Steps[object]]) -> None:
    """Drive requests to their ends on this thread; one that is alone costs nothing extra."""
    for start in range(0, len(requests), MOST_AT_ONCE):
        some = requests[start : start + MOST_AT_ONCE]
        HERE.size = len(some)
        try:
            if len(some) == 1:
                complete(some[0])
            else:
                _answer(some)
        finally:
            HERE.size = 0


def _answer(requests: Sequence[Steps[object]]) -> None:
    jobs = [_Job(steps) for steps in requests]
    for job in jobs:
        job.begin()
    while waiting := [job for job in jobs if job.run is not None]:
        _compute_ahead(waiting)
        for job in waiting:
            job.compute()


def _compute_ahead(jobs: Sequence[_Job]) -> None:
    """Compute what may be merged, and leave it with the jobs."""
    lanes: dict[int, tuple[Lane, list[Task]]] = {}
    for job in jobs:
        run = job.run
        if run is None:
            continue
        found = lane_of(run.servable, run.signature, run.inputs, run.fetches)
        if found is not None:
            lane = cast(Lane, found)
            job.task = Task(run.inputs, rows_of(run.inputs), job.seen, early=True)
            lanes.setdefault(id(lane), (lane, []))[1].append(job.task)
    for lane, tasks in lanes.values():
        lane.compute(tasks)
