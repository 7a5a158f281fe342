"""A worker's side of the agreement with the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from servable.core.agreement import Change, Verb
from servable.errors import Cancelled, Unavailable
from servable.workers.barrier import HOLD_SECONDS
from servable.workers.messages import Held, Made, Ready, ToSupervisor, Withdrawn

log = logging.getLogger(__name__)

TOGETHER_SECONDS = 10.0
"""How long `together` waits for others: files are read again a second later or so."""

_MOST_HELD_SECONDS = 2 * HOLD_SECONDS
"""The supervisor replaces who keeps others waiting for longer than half of this."""


class Member:
    """An `Agreement` that asks a supervisor. All methods may be called from any thread.

    Args:
        send: tells the supervisor something; must not block for long.
    """

    def __init__(self, send: Callable[[ToSupervisor], None]) -> None:
        self._send = send
        self._changed = threading.Condition()
        self._asked: set[Change] = set()
        self._granted: set[Change] = set()
        self._holds: dict[Change, float] = {}
        self._wake: Callable[[], None] = lambda: None
        self._closed = False

    # What the server calls; see `Agreement`

    def connect(self, wake: Callable[[], None]) -> None:
        """Name what to call when a change may be made."""
        self._wake = wake

    def may(self, change: Change, /) -> bool:
        """Say that this worker is ready for a change, and tell whether all are."""
        with self._changed:
            if change in self._granted:
                return True
            if self._closed:
                return change.verb is Verb.DROP
            if change not in self._asked:
                self._asked.add(change)
                self._send(Ready(change))
            return False

    def made(self, change: Change, /) -> None:
        """Say that a change was made here; requests that waited for it go on."""
        with self._changed:
            self._asked.discard(change)
            self._granted.discard(change)
            self._holds.pop(change, None)
            self._changed.notify_all()
            self._send(Made(change))

    def withdraw(self, change: Change, /) -> bool:
        """Take `may` back; false if it is too late."""
        with self._changed:
            if change in self._granted:
                return False
            if change in self._asked:
                self._asked.discard(change)
                self._send(Withdrawn(change))
            return True

    def wait(self, model: str) -> None:
        """Hold up a request while a change to its model is made; not for ever."""
        if not self._holds:
            return
        with self._changed:
            while (until := self._held_until(model)) is not None:
                left = until - time.monotonic()
                if left <= 0:
                    log.warning("a change took too long; requests go on as before")
                    self._holds.clear()
                    self._changed.notify_all()
                    return
                self._changed.wait(left)

    @contextmanager
    def together(self, change: Change, /) -> Iterator[None]:
        """Wait until a change may be made, and make it in the block.

        Raises:
            Unavailable: others were not ready for it in time.
            Cancelled: this worker stops.
        """
        deadline = time.monotonic() + TOGETHER_SECONDS
        while not self.may(change):
            with self._changed:
                left = deadline - time.monotonic()
                if left > 0 and not self._closed:
                    self._changed.wait_for(lambda: self._closed or change in self._granted, left)
                    continue
            if self.withdraw(change):
                if self._closed:
                    raise Cancelled("The server is stopping.")
                raise Unavailable(
                    "The other workers do not have the same configuration.",
                    hint="Each reads it for itself; it is tried again at the next look.",
                )
        try:
            yield
        finally:
            self.made(change)

    def close(self) -> None:
        """Serve nothing new, and let everything be dropped: this worker stops."""
        with self._changed:
            self._closed = True
            self._holds.clear()
            self._changed.notify_all()
        self._wake()

    # What the supervisor says

    def hold(self, change: Change) -> None:
        """Let new requests that notice a change wait from now on."""
        with self._changed:
            if change in self._asked:
                self._holds[change] = time.monotonic() + _MOST_HELD_SECONDS
            self._send(Held(change))

    def release(self, change: Change) -> None:
        """Let them go on; the change is not made now."""
        with self._changed:
            self._holds.pop(change, None)
            self._changed.notify_all()

    def switch(self, change: Change) -> None:
        """Have a change made."""
        with self._changed:
            if change in self._asked:
                self._granted.add(change)
            else:
                # It was withdrawn meanwhile; the supervisor finds that out.
                self._holds.pop(change, None)
            self._changed.notify_all()
        self._wake()

    def _held_until(self, model: str) -> float | None:
        untils = [u for change, u in self._holds.items() if change.model in ("", model)]
        return min(untils, default=None)
