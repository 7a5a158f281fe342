"""On one thread, as many rows go together as the model takes least for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from servable.batching.costs import REST, TRY_EVERY, Costs
from servable.batching.pace import LIMITS

MICROSECOND = 1e-6


def played(seconds: Callable[[int], float], most: int = 64, batches: int = 2000) -> Counter[int]:
    """Return how often each number of rows was chosen, once all had been tried."""
    costs = Costs()
    chosen: Counter[int] = Counter()
    for number in range(batches):
        rows = costs.limit(most)
        if number >= batches // 2:
            chosen[rows] += 1
        costs.note(rows, rows, seconds(rows))
    return chosen


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        (lambda rows: (50 + 10 * rows) * MICROSECOND, 64),
        (lambda rows: (8 - min(rows, 8) / 2 + max(0, rows - 8)) * rows * 10 * MICROSECOND, 8),
        (lambda rows: rows * 1000 * MICROSECOND, 1),
        (lambda rows: (2 + rows) * MICROSECOND, 1),
    ],
    ids=["a fixed cost", "the best at eight", "no gain", "too little to gain"],
)
def test_the_cheapest_number_is_found(seconds: Callable[[int], float], best: int) -> None:
    chosen = played(seconds)
    assert chosen[best] > chosen.total() * (1 - 2 / TRY_EVERY)


def test_no_more_are_chosen_than_there_are() -> None:
    assert max(played(lambda rows: 50 * MICROSECOND + rows * MICROSECOND, most=7)) == 4


def test_moments_in_which_the_machine_was_busy_do_not_count() -> None:
    calls = 0

    def seconds(rows: int) -> float:
        nonlocal calls
        calls += 1
        return (50 + 10 * rows) * MICROSECOND * (20 if calls % 3 == 0 else 1)

    chosen = played(seconds)
    assert chosen[64] + chosen[32] > 0.9 * chosen.total()


def test_one_row_that_is_quick_by_chance_does_not_mislead() -> None:
    calls = 0

    def seconds(rows: int) -> float:
        nonlocal calls
        calls += 1
        return (0.1e-3 if rows == 1 and calls % 4 == 0 else 2e-3) + 0.4e-3 * rows

    chosen = played(seconds)
    assert chosen[1] + chosen[2] < 0.1 * chosen.total()


def test_numbers_that_never_come_again_do_not_matter() -> None:
    costs = Costs()
    costs.note(4, 4, 4 * MICROSECOND)
    for _ in range(20 * REST):
        if costs.gather():
            rows = costs.limit(2)
            costs.note(rows, rows, rows * MICROSECOND)


def test_rows_that_take_long_are_gathered_whatever_it_gains() -> None:
    costs = Costs()
    for _ in range(1000):
        assert costs.gather()
        rows = costs.limit(64)
        costs.note(rows, rows, rows * 1e-3)


def test_a_model_that_changes_its_mind_is_followed() -> None:
    costs = Costs()
    for rate in (1.0, -1.0):
        last = 0
        for _ in range(20_000):
            last = rows = costs.limit(64)
            costs.note(rows, rows, rows * 1e-3 * rows ** (-0.5 * rate))
        assert last == (64 if rate > 0 else 1)


def test_numbers_that_are_not_tried_say_nothing() -> None:
    costs = Costs()
    costs.note(3, 3, 1e-9)
    assert costs.limit(64) == 1


def test_what_gains_nothing_is_not_gathered_for_long_and_then_looked_at_again() -> None:
    costs = Costs()

    def look() -> Counter[int]:
        tried: Counter[int] = Counter()
        while not costs.rests:
            assert costs.gather()
            rows = costs.limit(64)
            tried[rows] += 1
            costs.note(rows, rows, rows * MICROSECOND)
        return tried

    look()
    assert [costs.gather() for _ in range(REST)] == [False] * REST
    assert look() == Counter([*LIMITS, 1])


def test_what_gains_by_numbers_is_gathered_always() -> None:
    costs = Costs()
    for _ in range(1000):
        assert costs.gather()
        rows = costs.limit(64)
        costs.note(rows, rows, (50 + rows) * MICROSECOND)


def test_what_gains_in_large_numbers_is_gathered_though_few_come() -> None:
    costs = Costs()
    for most in [64] * 100 + [2] * 100:
        assert costs.gather()
        rows = costs.limit(most)
        costs.note(rows, rows, (20 + rows) * MICROSECOND * (3 if rows == 2 else 1))
