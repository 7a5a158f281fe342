"""Which requests are answered so fast that handing them to another thread costs more.

Waking a thread, and being woken by it again, takes longer than a small model computes. So a
request is answered where it was read if those like it were quick, time after time. Those that
turn out to be slow hold up others for a moment, and are not tried again for long.
"""

from __future__ import annotations

from collections.abc import Hashable

TRY_SECONDS = 0.02
"""A request that took longer on a thread is not tried: waiting included, but for others that
computed at the same time (`dispatch`)."""

TRIES = 4
"""Requests that must have been quick on a thread before one is answered where it was read."""

LONG_SECONDS = 0.25
"""One request that holds up others for as long is one too many."""

MOST_LONG = 3
"""After so many of them, none of their kind is tried again."""

FIRST_PENALTY = 32
LAST_PENALTY = 2**14
"""Requests that go to a thread after those before were slow; twice as many each time."""

FORGIVEN = 1000
"""Requests in a row that were quick, after which the penalty is half as high."""

MOST_KINDS = 1024
"""Kinds of requests that are remembered. Strangers can make up any number."""


BY_ITSELF = 2.0
BESIDE_OTHERS = 0.5
"""Times the limit that a request may take: more if it was the only one at hand, or was computed
together with others, which threads would seldom let happen; less if others waited meanwhile that
threads could have computed beside it. Measured with a transformer of 1.2 ms and two CPUs: threads
answered 1.3 to 1.5 times as many requests as one by one; 8 and more together on the loop's thread
1.2 to 1.6 times as many as threads that merged."""

_WEIGHT = 0.05  # of the latest request in the running mean
_CLIPPED = 4.0  # times the limit: what an outlier, such as a busy machine makes, counts at most


def inline_seconds(cpus: int) -> float:
    """Return what a request may take, on average, to be answered where it was read.

    Measured on two CPUs: handing a request over and back costs some 0.3 ms of one of them, and
    more the more threads wait; computing CNNs of 0.3 ms on the loop's thread answers twice as
    many requests as on threads. With more CPUs there are more that could compute meanwhile.
    """
    return min(0.002, max(0.0005, 0.004 / cpus))


class _Kind:
    __slots__ = ("credit", "good", "long", "penalty", "seconds")

    def __init__(self) -> None:
        self.credit = -TRIES  # requests still to be seen on a thread, as a negative number
        self.penalty = FIRST_PENALTY
        self.seconds = 0.0
        self.good = 0
        self.long = 0


class Quick:
    """Remembers how long requests took, by kind. For one thread; no method blocks.

    Args:
        limit: seconds that a request may take on average to count as quick.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._kinds: dict[Hashable, _Kind] = {}

    def __call__(self, kind: Hashable) -> bool:
        """Whether to answer a request of this kind at once."""
        known = self._kinds.get(kind)
        return known is not None and known.credit >= 0 and known.long < MOST_LONG

    def forget(self, kind: Hashable) -> None:
        """Begin anew with requests of a kind."""
        self._kinds.pop(kind, None)

    def note_threaded(self, kind: Hashable, seconds: float) -> None:
        """Take note of a request that was answered on another thread."""
        known = self._kinds.get(kind)
        if known is None:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            known = self._kinds[kind] = _Kind()
        # When others queue, it says nothing of a request how long it took in all. So what was
        # tried once is tried again in any case.
        if known.credit < 0 and (seconds < TRY_SECONDS or known.penalty > FIRST_PENALTY):
            known.credit += 1

    def note_inline(self, kind: Hashable, seconds: float, allowed: float = 1.0) -> None:
        """Take note of a request that was answered where it was read.

        Args:
            kind: of requests.
            seconds: its share of what was computed together.
            allowed: times the limit that it may have taken.
        """
        known = self._kinds.get(kind)
        if known is None:
            return
        counted = min(seconds / allowed, _CLIPPED * self._limit)
        known.seconds += (counted - known.seconds) * _WEIGHT
        if seconds > LONG_SECONDS:
            known.long += 1
            known.penalty = LAST_PENALTY
        if known.seconds > self._limit or seconds > LONG_SECONDS:
            known.credit = -known.penalty
            known.penalty = min(2 * known.penalty, LAST_PENALTY)
            known.seconds = 0.0
            known.good = 0
        else:
            known.good += 1
            if known.good % FORGIVEN == 0:
                known.penalty = max(FIRST_PENALTY, known.penalty // 2)
