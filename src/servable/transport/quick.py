"""Which requests are answered so fast that handing them to another thread costs more.

Waking a thread, and being woken by it again, takes longer than a small model computes. So a
request is answered where it was read if those like it were quick, time after time. One that
turns out to be slow holds up others once, and those like it are not tried again for long.
"""

from __future__ import annotations

from collections.abc import Hashable

INLINE_SECONDS = 0.001
"""What a request may take to be answered where it was read. On the machine that this was
measured on, handing it over and back takes a quarter of that with nothing else to do, and more
than all of it with eight clients."""

TRY_SECONDS = 0.02
"""A request that took longer on a thread, waiting included, is not tried."""

TRIES = 4
"""Requests that must have been quick on a thread before one is answered where it was read."""

FIRST_PENALTY = 32
LAST_PENALTY = 2**16
"""Requests that go to a thread after one was slow; twice as many after each further one."""

MOST_KINDS = 1024
"""Kinds of requests that are remembered. Strangers can make up any number."""

_WEIGHT = 0.1


class _Kind:
    __slots__ = ("credit", "penalty", "seconds")

    def __init__(self) -> None:
        self.credit = -TRIES  # requests still to be seen on a thread, as a negative number
        self.penalty = FIRST_PENALTY
        self.seconds = 0.0


class Quick:
    """Remembers how long requests took, by kind. For one thread; no method blocks."""

    def __init__(self) -> None:
        self._kinds: dict[Hashable, _Kind] = {}

    def __call__(self, kind: Hashable) -> bool:
        """Whether to answer a request of this kind at once."""
        known = self._kinds.get(kind)
        return known is not None and known.credit >= 0

    def note_threaded(self, kind: Hashable, seconds: float) -> None:
        """Take note of a request that was answered on another thread."""
        known = self._kinds.get(kind)
        if known is None:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            known = self._kinds[kind] = _Kind()
        if seconds < TRY_SECONDS and known.credit < 0:
            known.credit += 1

    def note_inline(self, kind: Hashable, seconds: float) -> None:
        """Take note of a request that was answered where it was read."""
        known = self._kinds.get(kind)
        if known is None:
            return
        known.seconds += (seconds - known.seconds) * _WEIGHT
        if known.seconds > INLINE_SECONDS or seconds > TRY_SECONDS:
            known.credit = -known.penalty
            known.penalty = min(2 * known.penalty, LAST_PENALTY)
            known.seconds = 0.0
