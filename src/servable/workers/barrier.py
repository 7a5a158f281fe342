"""When several workers change what requests find: all together, or not yet.

A pure state machine. It is told what workers say and what the time is, and answers with
what they are to be told; it has no pipe, no thread and no clock.

Workers *in service* take requests, and have all made the same changes. One change is made
at a time. When each of them is ready for it, they are told to *hold* new requests that
notice it; when all hold them, to *switch*: make the change, and let the requests go on.
So no request that begins after some answer told of the change finds the state before it.

A worker that has just started is *coming*. It makes, by itself, the changes that those in
service have made before, and no other. When it has caught up, between two changes, it is
told to *listen* and is in service from then on.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field

from servable.core.agreement import Change, Verb

Worker = Hashable

HOLD_SECONDS = 5.0
"""How long a worker may take to say that it holds requests. They wait meanwhile."""


class Verdict(enum.Enum):
    """What a worker is told."""

    HOLD = "hold"
    RELEASE = "release"
    SWITCH = "switch"
    LISTEN = "listen"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Order:
    """Something to tell one worker. REPLACE is for who looks after it, not for itself."""

    worker: Worker
    verdict: Verdict
    change: Change | None = None


@dataclass(slots=True)
class _State:
    """What requests find in one worker, or in all that are in service."""

    versions: set[tuple[str, str]] = field(default_factory=set)
    configuration: str | None = None

    def make(self, change: Change) -> None:
        version = (change.model, change.detail)
        match change.verb:
            case Verb.SERVE:
                self.versions.add(version)
            case Verb.DROP:
                self.versions.discard(version)
            case Verb.CONFIGURE:
                self.configuration = change.detail

    def has_made(self, change: Change) -> bool:
        """Whether making the change would leave everything as it is."""
        version = (change.model, change.detail)
        match change.verb:
            case Verb.SERVE:
                return version in self.versions
            case Verb.DROP:
                return version not in self.versions
            case Verb.CONFIGURE:
                return self.configuration == change.detail


class Barrier:
    """Keeps workers together. Used by one thread.

    Every method returns the orders that follow, in the order in which they are to be given.

    Args:
        patience_seconds: how long workers in service may take until all of them are ready
            for a change for which one of them is: to load a version that another has loaded,
            for example.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience = patience_seconds
        self._serving: set[Worker] = set()
        self._coming: dict[Worker, _State] = {}
        self._together = _State()
        self._ready: dict[Change, dict[Worker, float]] = {}
        self._current: Change | None = None
        self._unheld: set[Worker] = set()
        self._held_since = 0.0
        self._nobody_since: float | None = None

    @property
    def in_service(self) -> Collection[Worker]:
        """The workers that take requests."""
        return frozenset(self._serving)

    @property
    def versions(self) -> Collection[tuple[str, str]]:
        """Model and version of everything that requests find."""
        return frozenset(self._together.versions)

    def came(self, worker: Worker, now: float) -> Sequence[Order]:
        """A worker has started, and has made no change yet."""
        self._coming[worker] = _State()
        return self._go_on(now)

    def left(self, worker: Worker, now: float) -> Sequence[Order]:
        """A worker has ended. Idempotent."""
        self._coming.pop(worker, None)
        if worker in self._serving:
            self._serving.discard(worker)
            if not self._serving:
                self._nobody_since = now
        self._unheld.discard(worker)
        for change in list(self._ready):
            self._take_back(change, worker)
        if self._current is not None and not self._serving:
            self._current = None
        return self._go_on(now)

    def ready(self, worker: Worker, change: Change, now: float) -> Sequence[Order]:
        """A worker could make a change, and waits."""
        self._ready.setdefault(change, {})[worker] = now
        return self._go_on(now)

    def withdrew(self, worker: Worker, change: Change, now: float) -> Sequence[Order]:
        """A worker is not ready for a change any more."""
        if worker not in self._ready.get(change, ()):
            # It was told to make it, at the same time. Now it is not like the others.
            return [Order(worker, Verdict.REPLACE)]
        self._take_back(change, worker)
        if change != self._current or worker not in self._serving:
            return self._go_on(now)
        self._current = None
        self._unheld.clear()
        orders = [Order(other, Verdict.RELEASE, change) for other in self._serving]
        return [*orders, *self._go_on(now)]

    def held(self, worker: Worker, change: Change, now: float) -> Sequence[Order]:
        """A worker holds new requests that notice a change."""
        if change == self._current:
            self._unheld.discard(worker)
        return self._go_on(now)

    def made(self, worker: Worker, change: Change, now: float) -> Sequence[Order]:
        """A worker has made a change that it was told to make."""
        if worker in self._coming:
            self._coming[worker].make(change)
        return self._go_on(now)

    def passed(self, now: float) -> Sequence[Order]:
        """Time has passed: name the workers that keep the others waiting for too long."""
        if self._current is not None:
            late = self._unheld if now - self._held_since >= HOLD_SECONDS else set()
            return [Order(worker, Verdict.REPLACE) for worker in late]
        if self._nobody_since is not None and now - self._nobody_since >= self._patience:
            # What was served can not be had back. Better something else than nothing.
            self._nobody_since = None
            configured = (s for s in self._coming.values() if s.configuration is not None)
            self._together = copy.deepcopy(next(configured, _State()))
            return self._go_on(now)
        late = set()
        for change, ready in self._ready.items():
            waiting = {w: since for w, since in ready.items() if w in self._serving}
            if waiting and now - min(waiting.values()) >= self._patience:
                # Who fails to load is replaced; and who drops what all others want to keep.
                late |= (
                    waiting.keys() if change.verb is Verb.DROP else self._serving - waiting.keys()
                )
        return [Order(worker, Verdict.REPLACE) for worker in late]

    def _go_on(self, now: float) -> Sequence[Order]:
        orders: list[Order] = []
        while step := self._step(now):
            orders += step
        return orders

    def _step(self, now: float) -> Sequence[Order]:
        if self._current is not None:
            return [] if self._unheld else self._switch(self._current)
        return self._catch_up() or self._let_in(now) or self._begin(now)

    def _switch(self, change: Change) -> Sequence[Order]:
        self._current = None
        self._together.make(change)
        for worker in self._serving:
            self._take_back(change, worker)
        return [Order(worker, Verdict.SWITCH, change) for worker in self._serving]

    def _catch_up(self) -> Sequence[Order]:
        """Have workers make what has been made already."""
        orders = []
        for change, ready in list(self._ready.items()):
            repeated = self._together.has_made(change)
            first = change.verb is Verb.CONFIGURE and not self._serving
            for worker in list(ready):
                if repeated or (first and worker in self._coming):
                    self._take_back(change, worker)
                    orders.append(Order(worker, Verdict.SWITCH, change))
                    if first:
                        self._together.make(change)
        return orders

    def _let_in(self, now: float) -> Sequence[Order]:
        for worker, state in self._coming.items():
            configured = self._serving or state.configuration is not None
            if configured and state == self._together:
                del self._coming[worker]
                self._serving.add(worker)
                self._nobody_since = None
                for ready in self._ready.values():
                    if worker in ready:
                        ready[worker] = now
                return [Order(worker, Verdict.LISTEN)]
        return []

    def _begin(self, now: float) -> Sequence[Order]:
        for change, ready in self._ready.items():
            if self._serving and self._serving <= ready.keys():
                self._current, self._held_since = change, now
                self._unheld = set(self._serving)
                return [Order(worker, Verdict.HOLD, change) for worker in self._serving]
        return []

    def _take_back(self, change: Change, worker: Worker) -> None:
        ready = self._ready.get(change, {})
        ready.pop(worker, None)
        if not ready:
            self._ready.pop(change, None)
