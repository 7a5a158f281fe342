"""Copies of requests, run by another version behind the back of those who asked.

Nothing here may slow a request down or let it fail: copies wait in a bounded queue for one
thread, and what does not fit is dropped. The thread gives way: a copy waits for a moment
without requests, up to a limit. It has no lower priority for the operating system, because
engines start threads of their own when they are first used, which would inherit it and
keep it when the version is asked in earnest.
"""

from __future__ import annotations

import copy
import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from servable.contracts import ModelProvider, Servable
from servable.errors import FailedPrecondition, NotFound, ServableError
from servable.metrics.traffic import TrafficMetrics
from servable.tensors import Array
from servable.traffic.choice import Random
from servable.traffic.compare import Gap, compare
from servable.traffic.copies import Run, kept, size
from servable.traffic.report import OutputReport, PairReport, ShadowReport
from servable.traffic.rules import ShadowRule

log = logging.getLogger(__name__)

YIELD_SECONDS = 0.05
"""How long a copy waits for a moment without requests."""

_LOOK_SECONDS = 0.002
_MAX_PAIRS = 32
_MAX_TEXT = 500


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class _Copy:
    """A run to be repeated.

    Attributes:
        version: the one that answered.
        shadow: the one that was to repeat it when it was copied; for what is counted.
        size: bytes that it keeps in memory.
    """

    version: int
    shadow: int
    run: Run
    size: int


class Shadow:
    """Runs copies of requests to one model. All methods may be called from any thread.

    Args:
        name: the model.
        rule: which version runs them, how many, and what is tolerated.
        models: where that version is.
        metrics: count what comes of it.
        busy: tells whether requests are being answered.
        random_number: where chance comes from.
    """

    def __init__(
        self,
        name: str,
        rule: ShadowRule,
        models: ModelProvider,
        metrics: TrafficMetrics,
        *,
        busy: Callable[[], bool] = _never,
        random_number: Random = random.random,
    ) -> None:
        self.rule = rule
        self._name = name
        self._models = models
        self._metrics = metrics
        self._busy = busy
        self._random = random_number
        self._share = rule.percent / 100.0
        self._changed = threading.Condition()
        self._waiting: deque[_Copy] = deque()
        self._bytes = 0
        self._began: float | None = None
        self._dropped = 0
        self._unavailable = 0
        self._pairs: dict[tuple[int, int], PairReport] = {}
        self._failing = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def wants(self, version: int) -> bool:
        """Draw lots for a request that `version` answers. Takes no lock."""
        target = self._target()
        return target is not None and target != version and self._random() < self._share

    def offer(self, version: int, runs: Sequence[Run]) -> None:
        """Have what `version` computed computed again soon, or drop it. Never waits or raises."""
        try:
            target = self._target()
            if target is not None:
                for run in runs:
                    self._offer(version, target, run)
        except Exception:
            # Only a fault of ours comes here. The request was answered well.
            log.exception("%s: a request could not be copied", self._name)

    def stop(self) -> None:
        """Drop what waits, and have the thread end when its model has; returns at once."""
        self._stopped.set()
        with self._changed:
            self._waiting.clear()
            self._changed.notify()

    def report(self) -> ShadowReport:
        """Return what came of it so far."""
        target = self._target()
        states = [] if target is None else self._models.status(self._name, target)
        with self._changed:
            began = self._began
            return ShadowReport(
                rule=self.rule,
                version=target,
                available=any(status.state == "AVAILABLE" for status in states),
                waiting=len(self._waiting),
                kept_bytes=self._bytes,
                running_seconds=0.0 if began is None else perf_counter() - began,
                dropped=self._dropped,
                unavailable=self._unavailable,
                pairs=copy.deepcopy(list(self._pairs.values())),
            )

    def _target(self) -> int | None:
        return self.rule.which.now(self._models.labels(self._name))

    def _offer(self, version: int, target: int, run: Run) -> None:
        # Looked at first without the lock: a full queue must cost next to nothing.
        if len(self._waiting) < self.rule.max_queue:
            own = kept(run)
            if self._taken(_Copy(version, target, own, size(own))):
                return
        with self._changed:
            self._dropped += 1
        self._metrics.note_copy(self._name, target, version, "dropped")

    def _taken(self, item: _Copy) -> bool:
        """Put a copy into the queue if it fits."""
        with self._changed:
            fits = (
                len(self._waiting) < self.rule.max_queue
                and self._bytes + item.size <= self.rule.max_bytes
            )
            if fits and not self._stopped.is_set():
                self._waiting.append(item)
                self._bytes += item.size
                if self._thread is None:
                    thread = threading.Thread(
                        target=self._work, name=f"shadow {self._name}", daemon=True
                    )
                    thread.start()
                    self._thread = thread
                self._changed.notify()
                return True
        return False

    # The thread

    def _work(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._give_way()
                if not self._stopped.is_set():
                    self._repeat(item)
            except Exception:
                # Only a fault of ours comes here. Other copies must be run.
                log.exception("%s: a copy of a request could not be compared", self._name)
            finally:
                with self._changed:
                    self._bytes -= item.size
                    self._began = None
            del item  # or it would be kept in memory until the next one comes

    def _next(self) -> _Copy | None:
        """Return the next copy, once there is one; None when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped.is_set())
            return None if self._stopped.is_set() else self._waiting.popleft()

    def _give_way(self) -> None:
        until = perf_counter() + YIELD_SECONDS
        while self._busy() and perf_counter() < until and not self._stopped.wait(_LOOK_SECONDS):
            pass

    def _repeat(self, item: _Copy) -> None:
        target = self._target()
        try:
            if target is None or target == item.version:
                raise NotFound("The label is not given, or was given to who answered.")
            handle = self._models.acquire(self._name, target)
        except NotFound:
            with self._changed:
                self._unavailable += 1
            self._metrics.note_copy(self._name, item.shadow, item.version, "unavailable")
            return
        began = perf_counter()
        with self._changed:
            self._began = began
        try:
            with handle:
                outputs = _run(handle.servable, item.run)
        except (Exception, SystemExit) as error:
            self._note_failed(item, target, error)
            return
        seconds = perf_counter() - began
        self._note(item, target, seconds, compare(item.run.outputs, outputs, self.rule.tolerance))

    def _note_failed(self, item: _Copy, shadow: int, error: BaseException) -> None:
        # A model may raise whatever it likes; what it raises for a copy goes to nobody else.
        text = error.status_text if isinstance(error, ServableError) else repr(error)
        with self._changed:
            pair = self._pair(item.version, shadow)
            pair.failed += 1
            pair.last_error = text[:_MAX_TEXT]
        self._metrics.note_copy(self._name, shadow, item.version, "failed")
        if not self._failing:
            log.warning(
                "%s: the shadow, version %d, fails: %s", self._name, shadow, text[:_MAX_TEXT]
            )
        self._failing = True

    def _note(self, item: _Copy, shadow: int, seconds: float, gaps: Mapping[str, Gap]) -> None:
        if self._failing:
            log.info("%s: the shadow, version %d, answers again", self._name, shadow)
        self._failing = False
        with self._changed:
            pair = self._pair(item.version, shadow)
            pair.compared += 1
            pair.answer_seconds += item.run.seconds
            pair.shadow_seconds += seconds
            for alias, gap in gaps.items():
                _add(pair.outputs.setdefault(alias, OutputReport()), gap)
        self._metrics.note_copy(self._name, shadow, item.version, "compared")
        self._metrics.note_compared(
            self._name,
            shadow,
            item.version,
            rows=sum(gap.rows for gap in gaps.values()),
            differ=sum(gap.differ for gap in gaps.values()),
            largest=max((gap.absolute for gap in gaps.values()), default=0.0),
            seconds=(item.run.seconds, seconds),
        )

    def _pair(self, version: int, shadow: int) -> PairReport:
        pair = self._pairs.pop((version, shadow), None) or PairReport(version, shadow)
        self._pairs[version, shadow] = pair  # the latest last
        while len(self._pairs) > _MAX_PAIRS:
            del self._pairs[next(iter(self._pairs))]
        return pair


def _run(servable: Servable, run: Run) -> dict[str, Array]:
    """Run a servable as another one was run.

    Raises:
        FailedPrecondition: it has no such signature, or one of other inputs or outputs.
        ServableError: it refuses the values.
    """
    signature = servable.signatures.get(run.signature)
    if signature is None:
        raise FailedPrecondition(f'It has no signature "{run.signature}".')
    feeds = {**signature.defaults, **run.inputs}
    if feeds.keys() != signature.inputs.keys():
        raise FailedPrecondition(
            f"Its inputs are {sorted(signature.inputs)}, not {sorted(run.inputs)}."
        )
    for alias, spec in signature.inputs.items():
        if spec.dtype is not None and spec.dtype.numpy != feeds[alias].dtype:
            raise FailedPrecondition(
                f"Its input {alias} is {spec.dtype}, not {feeds[alias].dtype}."
            )
    fetches = [alias for alias in run.outputs if alias in signature.outputs]
    return servable.run(run.signature, feeds, fetches)


def _add(total: OutputReport, gap: Gap) -> None:
    total.rows += gap.rows
    total.differ += gap.differ
    total.max_absolute = max(total.max_absolute, gap.absolute)
    total.max_relative = max(total.max_relative, gap.relative)
    total.broken += gap.broken
    total.ranked += gap.ranked
    total.reranked += gap.reranked
    total.problem = gap.problem or total.problem
