"""How many rows to compute at once: measured, never assumed.

Whether a larger batch pays depends on the model, the processor, and on what a request costs
besides. So limits are tried against each other, in turns, while requests come faster than
they are answered; a limit must answer more rows in the same time to replace a lower one.
Limit 1 is one of them: then requests are computed side by side, as if there was no batching.
With two CPUs, two side by side may well be faster than two together, and eight together
faster than those; so a limit is not only compared with those next to it.

No method blocks, and none but `allow` is safe to call from two threads at once.
"""

from __future__ import annotations

LIMITS = (1, 2, 4, 8, 16, 32, 64)

WINDOW_ROWS = 24
WINDOW_SECONDS = 0.05
"""A turn lasts for at least so many rows, and so many seconds."""

SETTLING = 3
"""Runs after a change that do not count: sizes that are new to the engine cost it extra."""

TURNS = 4
"""Of a comparison: the old limit, the new one, and both again, since loads change."""

WORTH = 1.03
"""By what a limit must be faster than a lower one, which lets fewer requests wait."""

REST = 100
"""Windows without a comparison after one that found nothing better."""

IDLE_SECONDS = 0.02
"""A pause after which a window begins anew: it tells of the clients, not of the server."""


class Fixed:
    """A limit that stays.

    Attributes:
        limit: rows that may be computed at once.
        most: the same.
        measured: whether the limit is found by measuring.
        complete: whether all is known that there is to know.
    """

    measured = False

    def __init__(self, limit: int) -> None:
        self.limit = self.most = limit
        self.complete = True

    def allow(self, most: int) -> None:
        """Hear that so many rows may be computed at once."""

    def note(self, now: float, rows: int, *, contended: bool) -> None:
        """Hear of a run that ended."""


class Pace:
    """The limit of one signature of one model.

    Args:
        most: the highest limit to try at first.

    Attributes:
        limit: rows that may be computed at once at this moment; 1 is no batching.
        most: the highest limit to try.
        measured: whether the limit is found by measuring.
        complete: whether no higher one will be allowed.
    """

    measured = True

    def __init__(self, most: int = 1) -> None:
        self._limits: tuple[int, ...] = LIMITS[:1]
        self.most = 1
        self.complete = False
        self._place = 0
        self._rival = 1
        self._step = 1
        self._farther = 0
        self._turn = 0
        self._rest = 0
        self._rates = [0.0, 0.0]
        self._refused = 0
        self.limit = self._limits[0]
        self._settling = SETTLING
        self._began = self._last = 0.0
        self._rows = self._contended = 0
        self.allow(most)

    def allow(self, most: int) -> None:
        """Hear that so many rows may be computed at once; from any thread."""
        self.most = max(most, self.most)
        self._limits = tuple(limit for limit in LIMITS if limit <= self.most)

    def note(self, now: float, rows: int, *, contended: bool) -> None:
        """Hear of a run that ended.

        Args:
            now: a time in seconds, of a clock that never goes back.
            rows: what was computed.
            contended: whether requests waited, or ran at the same time.
        """
        if self._settling:
            self._settling -= 1
            self._begin(now)
            return
        if now - self._last > IDLE_SECONDS and not contended:
            self._begin(now)
            return
        self._last = now
        self._rows += rows
        self._contended += rows if contended else 0
        seconds = now - self._began
        if self._rows >= max(WINDOW_ROWS, 4 * self.limit) and seconds >= WINDOW_SECONDS:
            if self._contended * 2 >= self._rows:
                self._judge(self._rows / seconds)
            self._begin(now)

    def _begin(self, now: float) -> None:
        self._began = self._last = now
        self._rows = self._contended = 0

    def _judge(self, rate: float) -> None:
        if self._rest:
            self._rest -= 1
        elif len(self._limits) > 1:
            self._compare(rate)

    def _compare(self, rate: float) -> None:
        self._rates[self._turn % 2] += rate
        self._turn += 1
        if self._turn == TURNS:
            self._decide()
        self._take_turn()

    def _decide(self) -> None:
        old, new = self._rates
        needed = WORTH if self._rival > self._place else 1 / WORTH
        if new > old * needed:
            self._step = 1 if self._rival > self._place else -1
            self._place = self._rival
            self._refused = 0
        else:
            self._refused += 1
        rivals = self._rivals()
        if self._refused >= len(rivals):
            self._refused = 0
            self._rest = REST
            self._farther += 1
        self._rival = rivals[self._refused]
        self._turn = 0
        self._rates = [0.0, 0.0]

    def _rivals(self) -> list[int]:
        """The places to compare with: those beside it, and one of the others in turn."""
        others = [place for place in range(len(self._limits)) if place != self._place]
        near = [place for place in others if abs(place - self._place) == 1]
        near.sort(key=lambda place: (place - self._place) * self._step, reverse=True)
        far = [place for place in others if place not in near]
        return near + far[self._farther % len(far) :][:1] if far else near

    def _take_turn(self) -> None:
        challenged = self._turn % 2
        limit = self._limits[self._rival if challenged else self._place]
        if limit != self.limit:
            self.limit = limit
            self._settling = SETTLING
