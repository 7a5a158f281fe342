"""What is found out about a model before its requests are computed together.

Answers are compared, and each number of rows is computed once: an engine prepares itself for a
size that is new to it, which takes longer than hundreds of requests. Both happen apart from
the requests, so that none of them waits.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from servable.batching.merging import merged
from servable.batching.pace import LIMITS, Fixed, Pace
from servable.batching.tasks import key_of
from servable.batching.trials import Trials
from servable.contracts import Servable
from servable.errors import ServableError
from servable.tensors import Array

log = logging.getLogger(__name__)

SAMPLE_BYTES = 2**24
"""Requests up to this size are kept until another comes that they can be compared with."""

PREPARED_BYTES = 2**26
"""Bound on the inputs of a size that is computed to be prepared for it."""

PREPARED_SECONDS = 1.0
"""A size that takes longer is the last: waiting for it would be worse than computing apart."""

JUDGED_SECONDS = 0.02
"""What takes less is judged by the requests themselves: beside them, moments are no measure."""

NO_GAIN = 0.97
"""Times the least that a request took at a smaller size: a size that is no better is not used."""

TIMES = 3
ENOUGH_SECONDS = 0.1
"""A size is timed so often, or for so long: others compute meanwhile."""

SMALL_SECONDS = 0.005
"""A model whose requests take longer is judged once, at the first size that is no better. What
can be won there is little, and every size costs memory and moments of other requests."""

LOOKS = 4
AGAIN_SECONDS = 2.5
"""Sizes that seemed to be of no use are looked at again, so often in all, after 10, 40 and 160
seconds: beside a hundred requests it is luck what one of them takes."""

Apart = Callable[[Callable[[], None]], None]
"""Runs something apart from the requests."""


def in_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread of its own."""
    threading.Thread(target=work, name="batch-study", daemon=True).start()


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was computed alone, and its answer."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]

    @property
    def key(self) -> object:
        """What requests must have in common to be merged."""
        return key_of(self.inputs)

    @property
    def nbytes(self) -> int:
        """The size of its inputs."""
        return sum(array.nbytes for array in self.inputs.values())


class Study:
    """Finds out about one lane. `offer` may be called from any thread, `close` from another.

    Args:
        servable: computes.
        name, signature: what log lines say.
        trials: compares answers.
        pace: hears which sizes have been prepared.
        apart: runs the work.
        clock: tells seconds.
    """

    def __init__(
        self,
        servable: Servable,
        name: str,
        signature: str,
        trials: Trials,
        pace: Pace | Fixed,
        apart: Apart,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._servable = servable
        self._name = name
        self._signature = signature
        self._trials = trials
        self._pace = pace
        self._apart = apart
        self._clock = clock
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False
        self._idle = threading.Event()
        self._idle.set()
        self._sample: Answered | None = None
        self._looks = 0
        self._next = -math.inf

    @property
    def over(self) -> bool:
        """Whether there is nothing to find out any more."""
        return bool(self._trials.failure) or (self._trials.trusted and self._pace.complete)

    def offer(self, answered: Answered) -> None:
        """Take a request that was computed alone while there were others."""
        if self._clock() < self._next or answered.nbytes > SAMPLE_BYTES:
            return
        with self._lock:
            sample = self._sample
            if self._busy or self._closed or self.over:
                return
            if not self._trials.trusted and (sample is None or sample.key != answered.key):
                self._sample = answered
                return
            self._sample = None
            self._busy = True
            self._idle.clear()
        try:
            self._apart(lambda: self._work([sample or answered, answered]))
        except RuntimeError as error:  # the system has no thread to spare
            log.warning("%s: batches can not be studied: %s", self._name, error)
            self._busy = False
            self._idle.set()

    def close(self) -> None:
        """Return when nothing is being found out, and nothing will be."""
        with self._lock:
            self._closed = True
        self._idle.wait()

    def _work(self, both: Sequence[Answered]) -> None:
        try:
            if not self._trials.trusted:
                self._trials.compare(
                    self._servable,
                    self._signature,
                    [one.inputs for one in both],
                    [one.outputs for one in both],
                )
                if self._trials.failure:
                    log.info(
                        "%s: requests to %s are not batched: %s",
                        self._name,
                        self._signature,
                        self._trials.failure,
                    )
            if self._trials.trusted and not self._pace.complete:
                self._prepare(both[1])
        finally:
            self._busy = False
            self._idle.set()

    def _prepare(self, sample: Answered) -> None:
        """Compute with each number of rows that may go together, as long as that may pay."""
        self._looks += 1
        self._next = self._clock() + AGAIN_SECONDS * 4**self._looks
        rows = len(next(iter(sample.inputs.values())))
        least = math.inf
        doubted = judged = False
        for limit in LIMITS:
            count = limit // rows
            if self._closed or sample.nbytes * count > PREPARED_BYTES:
                break
            if count:
                try:
                    seconds = self._seconds(sample, count)
                except ServableError as error:
                    log.debug("%s: not %d rows at once: %s", self._name, limit, error)
                    break
                if seconds > PREPARED_SECONDS:
                    break
                worse = seconds > JUDGED_SECONDS and seconds / count > NO_GAIN * least
                if worse and (doubted or least > SMALL_SECONDS):
                    judged = least <= SMALL_SECONDS
                    break
                doubted, least = worse, min(least, seconds / count)
            # One that is no better is used if the next is: maybe something came in between.
            if not doubted:
                self._pace.allow(limit)
        self._pace.complete = not (judged or doubted) or self._looks >= LOOKS

    def _seconds(self, sample: Answered, count: int) -> float:
        """Compute so many requests together, and return what that took at best.

        The first time, in which the engine prepares itself, does not count.
        """
        together = merged([sample.inputs] * count)
        best, spent = math.inf, 0.0
        for number in range(1 + TIMES):
            began = self._clock()
            self._servable.run(self._signature, together, tuple(sample.outputs))
            seconds = self._clock() - began
            if number:
                best, spent = min(best, seconds), spent + seconds
            if spent > ENOUGH_SECONDS:
                break
        return best
