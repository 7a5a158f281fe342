"""Carrying out loads and unloads, step by step, without ever waiting.

Nothing here decides what should be loaded; that is the policy's part. A version
whose load or unload was requested is *moving*. Each call of `advance` takes every
moving version as far as it can go now: starts a job if a thread is free, waits for
the next attempt's time, or for the last handle. So neither a retry's pause nor a
long request occupies a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from servable.contracts import ServableId
from servable.core.agreement import Agreement, Change, Verb
from servable.core.clock import Clock
from servable.core.events import EventBus
from servable.core.handle import ServingMap
from servable.core.harness import Harness
from servable.core.lanes import Lane
from servable.core.memory import MemoryBudget
from servable.core.states import HarnessState, VersionState
from servable.errors import Cancelled, Code, ResourceExhausted, ServableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a failed load is tried again.

    Attributes:
        most: attempts after the first.
        pause_seconds: between attempts.
        final: codes of failures that no further attempt can mend.
    """

    most: int
    pause_seconds: float
    final: frozenset[Code] = frozenset()


class Lifecycle:
    """Moves harnesses through their states. All methods belong to the manager's thread."""

    def __init__(
        self,
        *,
        serving: ServingMap,
        bus: EventBus,
        clock: Clock,
        loads: Lane,
        unloads: Lane,
        memory: MemoryBudget,
        retries: Retries,
        agreement: Agreement,
    ) -> None:
        self._serving = serving
        self._bus = bus
        self._clock = clock
        self._loads = loads
        self._unloads = unloads
        self._memory = memory
        self._retries = retries
        self._agreement = agreement
        self._moving: dict[ServableId, Harness] = {}

    @property
    def moving(self) -> Iterable[ServableId]:
        """The versions whose load or unload is under way."""
        return self._moving.keys()

    def request_load(self, harness: Harness) -> None:
        """Have a new version loaded. Those requested first come first."""
        harness.move(HarnessState.LOAD_REQUESTED)
        harness.requested_at = self._clock.monotonic()
        self._moving[harness.id] = harness

    def request_unload(self, harness: Harness) -> None:
        """Take a ready version out of service; it is unloaded after its last handle."""
        harness.move(HarnessState.UNLOAD_REQUESTED)
        self._moving[harness.id] = harness
        self._quiesce(harness)

    def advance(self) -> bool:
        """Take every moving version one step on; tell whether any was."""
        steps: dict[HarnessState, Callable[[Harness], bool]] = {
            HarnessState.LOAD_REQUESTED: self._approve,
            HarnessState.LOADING: self._attempt,
            HarnessState.UNLOAD_REQUESTED: self._quiesce,
            HarnessState.QUIESCING: self._drain,
            HarnessState.QUIESCED: self._unload,
        }
        moved = False
        for harness in list(self._moving.values()):
            step = steps.get(harness.state)
            if step is not None and not harness.busy:
                moved |= step(harness)
        return moved

    def _approve(self, harness: Harness) -> bool:
        """See that there is a thread and memory for a load."""
        if not harness.aspired:
            return self._end(harness, harness.error or _cancelled())
        if not self._loads.free or self._clock.monotonic() < harness.retry_at:
            return False
        if self._memory.limited and harness.estimate_bytes is None:
            return self._run(self._loads, harness, harness.estimate, self._estimated)
        if not self._memory.reserve(harness.id, harness.estimate_bytes or 0):
            # What moves now may be about to give memory back.
            if any(
                other.state is not HarnessState.LOAD_REQUESTED for other in self._others(harness)
            ):
                return False
            return self._end(
                harness,
                ResourceExhausted(
                    f"Insufficient resources to load servable {harness.id}",
                    hint=f"It needs {harness.estimate_bytes} bytes.",
                ),
            )
        harness.move(HarnessState.LOAD_APPROVED)
        harness.move(HarnessState.LOADING)
        log.info("%s: loading", harness)
        self._bus.publish(harness.id, VersionState.LOADING)
        return self._attempt(harness)

    def _estimated(self, harness: Harness, error: ServableError | None) -> None:
        if error is not None:
            self._failed(harness, error)

    def _attempt(self, harness: Harness) -> bool:
        """Start an attempt to load, offer what it made, or clean up if that is not wanted."""
        if harness.loaded:
            if harness.aspired or not self._agreement.withdraw(Change.of(Verb.SERVE, harness.id)):
                return self._offer(harness)
            if not self._unloads.free:
                return False
            return self._run(self._unloads, harness, harness.unload, self._unloaded_unused)
        if not harness.aspired:
            return self._end(harness, harness.error or _cancelled())
        if not self._loads.free or self._clock.monotonic() < harness.retry_at:
            return False
        return self._run(self._loads, harness, harness.load, self._attempted)

    def _attempted(self, harness: Harness, error: ServableError | None) -> None:
        if error is not None:
            self._failed(harness, error)
        elif harness.aspired:
            self._offer(harness)

    def _offer(self, harness: Harness) -> bool:
        """Have requests find a loaded version, unless others do not have it yet."""
        change = Change.of(Verb.SERVE, harness.id)
        if not self._agreement.may(change):
            return False
        harness.move(HarnessState.READY)
        self._serving.add(harness.ready)
        self._rest(harness)
        # Only now: who reads AVAILABLE may send a request.
        self._bus.publish(harness.id, VersionState.AVAILABLE)
        self._agreement.made(change)
        elapsed = self._clock.monotonic() - harness.requested_at
        log.info("%s: available in %.2f s", harness, elapsed)
        return True

    def _unloaded_unused(self, harness: Harness, error: ServableError | None) -> None:
        self._end(harness, error or _cancelled())

    def _failed(self, harness: Harness, error: ServableError) -> None:
        harness.error = error
        harness.failures += 1
        used_up = harness.failures > self._retries.most
        if used_up or error.code in self._retries.final or not harness.aspired:
            self._end(harness, error)
            return
        pause = max(self._retries.pause_seconds, 0.0)
        harness.retry_at = self._clock.monotonic() + pause
        if harness.state is HarnessState.LOADING:
            self._bus.publish(harness.id, VersionState.LOADING, error)
        log.warning(
            "%s: attempt %d of %d failed, the next follows in %g s: %s",
            harness,
            harness.failures,
            self._retries.most + 1,
            pause,
            error.status_text,
        )

    def _quiesce(self, harness: Harness) -> bool:
        """Have requests find a version no more, unless others are not ready to drop it."""
        change = Change.of(Verb.DROP, harness.id)
        if not self._agreement.may(change):
            return False
        harness.move(HarnessState.QUIESCING)
        log.info("%s: unloading", harness)
        self._bus.publish(harness.id, VersionState.UNLOADING)
        self._serving.remove(harness.ready)
        harness.ready.close()
        self._agreement.made(change)
        return True

    def _drain(self, harness: Harness) -> bool:
        if not harness.ready.drained:
            return False
        harness.move(HarnessState.QUIESCED)
        return True

    def _unload(self, harness: Harness) -> bool:
        if not self._unloads.free:
            return False
        harness.move(HarnessState.UNLOADING)
        return self._run(self._unloads, harness, harness.unload, self._unloaded)

    def _unloaded(self, harness: Harness, error: ServableError | None) -> None:
        if error is not None:
            self._end(harness, error)
            return
        harness.move(HarnessState.DISABLED)
        self._memory.release(harness.id)
        self._rest(harness)
        self._bus.publish(harness.id, VersionState.END)
        log.info("%s: unloaded", harness)

    def _end(self, harness: Harness, error: ServableError) -> bool:
        """Let a version end badly, or without having been needed."""
        harness.fail(error)
        self._memory.release(harness.id)
        self._rest(harness)
        self._bus.publish(harness.id, VersionState.END, error)
        log.log(
            logging.INFO if isinstance(error, Cancelled) else logging.ERROR,
            "%s: ended: %s",
            harness,
            error.status_text,
        )
        return True

    def _run(
        self,
        lane: Lane,
        harness: Harness,
        work: Callable[[], ServableError | None],
        then: Callable[[Harness, ServableError | None], None],
    ) -> bool:
        def follow_up(error: ServableError | None) -> None:
            harness.busy = False
            then(harness, error)

        lane.run(str(harness), work, follow_up)
        harness.busy = True
        return True

    def _rest(self, harness: Harness) -> None:
        self._moving.pop(harness.id, None)

    def _others(self, harness: Harness) -> list[Harness]:
        return [other for other in self._moving.values() if other is not harness]


def _cancelled() -> Cancelled:
    return Cancelled("Loading of servable cancelled")
