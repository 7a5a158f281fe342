"""The process around the workers: starts, watches, replaces and stops them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from servable.cpus import cpu_budget
from servable.errors import Code, ServableError, Unavailable
from servable.server.config import Model
from servable.workers.barrier import Barrier, Order, Verdict
from servable.workers.counting import Counting
from servable.workers.messages import (
    Ask,
    Came,
    Failed,
    Held,
    Hold,
    Job,
    Listen,
    Listening,
    Made,
    Numbers,
    Ready,
    Release,
    Stop,
    Switch,
    ToSupervisor,
    Withdrawn,
)
from servable.workers.peer import Peer

log = logging.getLogger(__name__)

LEAST_PATIENCE_SECONDS = 300.0
"""How much longer than the first a worker may take to load a version."""

MOST_FAILED_STARTS = 3
"""How often workers may end before one of them listens."""

_TICK_SECONDS = 0.1
_SETTLED_SECONDS = 30.0  # who has served for so long starts again at once
_MOST_PAUSE_SECONDS = 10.0
_LATE_SECONDS = 5.0  # beyond the grace, for a worker that stops


class CanNotStart(ServableError):
    """No worker can serve, for a reason that it gave.

    Attributes:
        configured: whether what it was told to serve is in order.
    """

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message, hint=failed.hint)
        self.code: Code = failed.code  # type: ignore[misc]  # that of the worker's error
        self.configured = failed.configured


@dataclass(slots=True)
class _Slot:
    """A worker, or the pause before its successor."""

    number: int
    peer: Peer | None = None
    start_at: float = 0.0
    failures: int = 0
    listening_since: float | None = None


class Supervisor:
    """Keeps a number of workers alive that serve the same models on the same ports.

    Used by one thread.

    Args:
        job: what each serves, as worker 1 would be told it.
        count: how many workers.
        announce: gets the models when the first worker listens; called once.
    """

    def __init__(self, job: Job, count: int, announce: Callable[[Sequence[Model]], None]) -> None:
        self._job = job
        self._announce = announce
        self._announced = False
        self._threads = max(1, cpu_budget() // count)
        self._slots = [_Slot(number) for number in range(1, count + 1)]
        patience = max(job.config.loading.patience_seconds, LEAST_PATIENCE_SECONDS)
        self._barrier = Barrier(patience)
        self._counting: Counting[Peer] = Counting()
        self._heard: queue.SimpleQueue[tuple[Peer, ToSupervisor | None]] = queue.SimpleQueue()
        self._failed_starts = 0

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set, and then until all workers have stopped.

        Raises:
            CanNotStart: what should be served, or the ports, are not as they should be.
            Unavailable: workers end again and again before any of them can serve.
        """
        try:
            while not stop.is_set():
                self._start_due()
                self._listen_for(_TICK_SECONDS)
                self._give(self._barrier.passed(time.monotonic()))
            log.info("stopping; running requests have %g s", self._job.config.grace_seconds)
            self._stop()
        finally:
            for slot in self._slots:
                if slot.peer is not None:
                    slot.peer.kill()
                    slot.peer.end()

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.peer is None and now >= slot.start_at:
                job = Job(self._job.config, slot.number, self._job.log_level, self._job.log_format)
                slot.peer = Peer(job, self._threads, lambda *heard: self._heard.put(heard))
                log.debug("worker %d: process %d", slot.number, slot.peer.pid)

    def _listen_for(self, seconds: float) -> None:
        """Deal with everything that workers say, for at least one moment."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                peer, message = self._heard.get(timeout=left)
            except queue.Empty:
                break
            slot = self._slots[peer.number - 1]
            if slot.peer is not peer:
                continue
            if message is None:
                self._ended(slot, peer)
            else:
                self._take(slot, peer, message)
        for peer, counted in self._counting.due(time.monotonic()):
            peer.tell(counted)

    def _take(self, slot: _Slot, peer: Peer, message: ToSupervisor) -> None:
        now = time.monotonic()
        match message:
            case Came():
                self._give(self._barrier.came(peer, now))
            case Ready(change):
                self._give(self._barrier.ready(peer, change, now))
            case Withdrawn(change):
                self._give(self._barrier.withdrew(peer, change, now))
            case Held(change):
                self._give(self._barrier.held(peer, change, now))
            case Made(change):
                self._give(self._barrier.made(peer, change, now))
            case Ask(question):
                others = [s.peer for s in self._slots if s.peer not in (None, peer)]
                serving = [p for p in others if p is not None and p in self._barrier.in_service]
                for other, count in self._counting.ask(peer, question, serving, now):
                    other.tell(count)
            case Numbers(question, snapshot):
                self._counting.answer(peer, question, snapshot)
            case Listening(models):
                self._now_listens(slot, models, now)
            case Failed():
                self._failed(slot, message)

    def _now_listens(self, slot: _Slot, models: Sequence[Model], now: float) -> None:
        slot.listening_since = now
        self._failed_starts = 0
        if not self._announced:
            self._announced = True
            self._announce(models)
        log.info("worker %d of %d takes requests", slot.number, len(self._slots))

    def _failed(self, slot: _Slot, failed: Failed) -> None:
        if not self._announced:
            raise CanNotStart(failed)
        log.error("worker %d: %s: %s", slot.number, failed.code.name, failed.message)

    def _ended(self, slot: _Slot, peer: Peer) -> None:
        code = peer.end()
        now = time.monotonic()
        since, slot.peer, slot.listening_since = slot.listening_since, None, None
        self._counting.forget(peer)
        self._give(self._barrier.left(peer, now))
        slot.failures += 1
        if since is None:
            self._failed_starts += 1
        elif now - since >= _SETTLED_SECONDS:
            slot.failures = 0
        if self._failed_starts >= MOST_FAILED_STARTS and not self._barrier.in_service:
            raise Unavailable(
                f"worker processes end before they serve ({_how(code)})",
                hint="The log above may say why; so may --workers 1.",
            )
        pause = min(0.1 * 2**slot.failures, _MOST_PAUSE_SECONDS) if slot.failures else 0.0
        slot.start_at = now + pause
        log.error("worker %d %s; another one is started in %.1f s", slot.number, _how(code), pause)

    def _give(self, orders: Sequence[Order]) -> None:
        for order in orders:
            peer = order.worker
            if not isinstance(peer, Peer):
                continue
            change = order.change
            match order.verdict:
                case Verdict.HOLD if change is not None:
                    peer.tell(Hold(change))
                case Verdict.RELEASE if change is not None:
                    peer.tell(Release(change))
                case Verdict.SWITCH if change is not None:
                    peer.tell(Switch(change))
                case Verdict.LISTEN:
                    peer.tell(Listen())
                case Verdict.REPLACE:
                    log.error("worker %d keeps the others waiting, and is ended", peer.number)
                    peer.kill()

    def _stop(self) -> None:
        deadline = time.monotonic() + self._job.config.grace_seconds + _LATE_SECONDS
        for slot in self._slots:
            if slot.peer is not None:
                slot.peer.tell(Stop())
        while any(slot.peer for slot in self._slots) and time.monotonic() < deadline:
            try:
                peer, message = self._heard.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                continue
            slot = self._slots[peer.number - 1]
            if message is None and slot.peer is peer:
                slot.peer = None
                code = peer.end()
                if code:
                    log.error("worker %d %s while it stopped", slot.number, _how(code))


def _how(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
