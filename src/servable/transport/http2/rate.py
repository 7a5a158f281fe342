"""Things that a client may do now and then, but not all the time."""

from __future__ import annotations

from servable.transport.http2.frames import ConnectionFaultError, Fault


class Rate:
    """Counts events that may come in bursts.

    Args:
        burst: events that may come at once.
        per_second: events that may come for ever.
        text: what is wrong with more, in words.
    """

    def __init__(self, burst: int, per_second: float, text: str) -> None:
        self._text = text
        self._burst = burst
        self._per_second = per_second
        self._left = float(burst)
        self._last = 0.0

    def count(self, now: float) -> None:
        """Count one more event; raises ConnectionFaultError if that is one too many."""
        self._left = min(self._burst, self._left + (now - self._last) * self._per_second)
        self._last = now
        self._left -= 1
        if self._left < 0:
            raise ConnectionFaultError(Fault.ENHANCE_YOUR_CALM, self._text)
