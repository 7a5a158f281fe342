"""A moment without answers, in which a gRPC server can stop and lose no call.

When it stops, gRPC's library cancels the calls that have come and that it has not handed
over yet. There are some as long as clients send the next request upon each answer. So
answers are held back until no more calls come, which takes hardly longer than a round
trip; then the server stops, which tells clients not to send, and answers all it has.
"""

from __future__ import annotations

import threading
from time import monotonic

QUIET_SECONDS = 0.05
"""No call for as long as this: those that were on their way have been handed over."""

MOST_SECONDS = 0.5
"""How long answers are held back where calls do not depend on answers, and go on to come."""


class Hold:
    """Holds answers back. Thread-safe; begun and ended once, by the thread that stops.

    Attributes:
        on: whether answers wait; looked at once for each, without a lock.
        calls: how many have been handed over; counted by gRPC's one thread for that.
    """

    def __init__(self) -> None:
        self.on = False
        self.calls = 0
        self._over = threading.Event()

    def wait(self) -> None:
        """Return when answers may go."""
        self._over.wait()

    def begin(self) -> None:
        """Let answers wait, and return when no more calls come, or soon."""
        self.on = True
        end = monotonic() + MOST_SECONDS
        before = -1
        while self.calls != before and monotonic() < end:
            before = self.calls
            self._over.wait(QUIET_SECONDS)

    def end(self) -> None:
        """Let them go."""
        self.on = False
        self._over.set()
