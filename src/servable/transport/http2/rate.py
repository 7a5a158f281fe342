"""Things that a client may do now and then, but not all the time."""

from __future__ import annotations


class Rate:
    """Counts events that may come in bursts.

    Args:
        burst: events that may come at once.
        per_second: events that may come for ever.
    """

    def __init__(self, burst: int, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._last = 0.0

    def exceeded(self, now: float) -> bool:
        """Count one more event; return whether that is one too many."""
        self._left = min(self._burst, self._left + (now - self._last) * self._per_second)
        self._last = now
        self._left -= 1
        return self._left < 0
