"""What a row costs at each number of rows, where one thread computes them all.

There, whatever the model takes less is won, so the number of rows to compute at once is the one
at which a row takes least. It is measured with the requests themselves: a moment apart from
them would be another. Used under its lane's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from servable.batching.pace import LIMITS

TURN_SECONDS = 15e-6
"""What it costs each request on top to be gathered with others (measured: 15 to 25 us)."""

WORTH = 1.03
"""By what a row must be cheaper at a larger number, which lets fewer requests wait."""

LATEST = 5
"""Times that a number is tried before it is judged: by the median of so many, the latest. Luck
and bad luck are both common on a busy machine. The least that one took misleads: one row that
happens to meet warm caches, or units that are awake, is as quick as one of many."""

TRY_EVERY = 32
"""One batch in so many tries another number than the best."""

REST = 4096
"""Requests that are not gathered after a look that found no number better than 1."""

TINY_SECONDS = 20 * TURN_SECONDS
"""Only rows that take less are left ungathered: for others it costs too little to stop looking."""


class Costs:
    """Chooses how many rows to compute at once."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._latest: dict[int, deque[float]] = {}
        self._count = 0
        self._rest = 0

    @property
    def rests(self) -> bool:
        """Whether requests are computed one by one, without a look at others."""
        return self._rest > 0

    def gather(self) -> bool:
        """Whether to gather one more request with others; it is counted."""
        if not self._rest:
            return True
        self._rest -= 1
        if not self._rest:
            for latest in self._latest.values():
                if len(latest) == LATEST:
                    latest.popleft()
        return False

    def limit(self, most: int) -> int:
        """Return how many rows to compute at once, of at most so many."""
        sizes = [size for size in LIMITS if size <= most]
        for size in sizes:
            if len(self._latest.get(size, ())) < LATEST:
                return size
        self._count += 1
        if self._count % TRY_EVERY == 0:
            return sizes[self._count // TRY_EVERY % len(sizes)]
        best = self._best(sizes)
        # Few requests may gain nothing where many would.
        tiny = self._seconds[1] < TINY_SECONDS
        if tiny and len(sizes) > 1 and self._best(sorted(self._seconds)) == 1:
            self._rest = REST
        return best

    def _best(self, sizes: Sequence[int]) -> int:
        best = 1
        for size in sizes:
            if self._seconds[size] * WORTH < self._seconds[best]:
                best = size
        return best

    def note(self, rows: int, requests: int, seconds: float) -> None:
        """Take note of a batch; one of a number of rows that is not tried says nothing."""
        if rows not in LIMITS:
            return
        each = (seconds + (TURN_SECONDS * requests if requests > 1 else 0.0)) / rows
        latest = self._latest.setdefault(rows, deque(maxlen=LATEST))
        latest.append(each)
        self._seconds[rows] = sorted(latest)[len(latest) // 2]
