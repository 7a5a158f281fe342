"""The number of rows that are computed at once is what answers most requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servable.batching.pace import LIMITS, Pace


def play(pace: Pace, rate: Callable[[int], float], rows: int = 40_000) -> list[int]:
    """Let a server with so many rows a second, by limit, run; return the limit at each run."""
    now, seen = 0.0, []
    while rows > 0:
        now += pace.limit / rate(pace.limit)
        seen.append(pace.limit)
        rows -= pace.limit
        pace.note(now, pace.limit, contended=True)
    return seen


def share(seen: list[int], limit: int) -> float:
    """Of the second half of all runs, those with this limit."""
    late = seen[len(seen) // 2 :]
    return late.count(limit) / len(late)


@pytest.mark.parametrize("best", LIMITS)
def test_the_fastest_limit_is_found_and_kept(best: int) -> None:
    def rate(limit: int) -> float:
        distance = abs(LIMITS.index(limit) - LIMITS.index(best))
        return 2000 / (1 + 0.3 * distance)

    assert share(play(Pace(64), rate), best) > 0.8


def test_a_model_that_gains_nothing_is_not_batched() -> None:
    assert share(play(Pace(64), lambda _: 2000.0), 1) > 0.8


def test_a_load_that_changes_is_followed() -> None:
    pace = Pace(64)
    play(pace, lambda limit: 500.0 * limit**0.5)
    assert pace.limit >= 32
    assert share(play(pace, lambda limit: 5000 / limit**0.5, 200_000), 1) > 0.8


def test_the_fastest_limit_is_found_behind_slower_ones() -> None:
    rates = dict(zip(LIMITS, (2000.0, 1500.0, 1700.0, 3000.0, 2500.0, 2000.0, 1000.0), strict=True))
    assert share(play(Pace(64), rates.__getitem__, 200_000), 8) > 0.8


def test_a_limit_is_never_exceeded() -> None:
    assert max(play(Pace(most=8), lambda limit: 1000.0 * limit)) == 8


def test_a_limit_is_tried_once_it_is_allowed() -> None:
    pace = Pace()
    assert max(play(pace, lambda limit: 1000.0 * limit)) == 1
    pace.allow(4)
    assert share(play(pace, lambda limit: 1000.0 * limit, 400_000), 4) > 0.8


def test_requests_that_come_one_at_a_time_teach_nothing() -> None:
    pace = Pace()
    for number in range(5000):
        pace.note(number * 0.01, 1, contended=False)
    assert pace.limit == 1
