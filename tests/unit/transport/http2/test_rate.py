"""Bursts are let through, and what goes on for ever is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http2.rate import Rate


def test_a_burst_is_let_through_and_one_more_is_not() -> None:
    rate = Rate(3, 1)
    assert [rate.exceeded(100.0) for _ in range(4)] == [False, False, False, True]


def test_after_a_while_more_are_let_through() -> None:
    rate = Rate(2, 0.5)
    assert [rate.exceeded(now) for now in (10, 10, 12, 12, 100, 100, 100)] == [
        *(False, False, False, True),
        *(False, False, True),
    ]


@given(st.lists(st.floats(0, 10), max_size=100))
def test_no_more_are_let_through_than_the_burst_and_the_rate_together(pauses: list[float]) -> None:
    rate = Rate(5, 2)
    now = 50.0
    let = 0
    for pause in pauses:
        now += pause
        let += not rate.exceeded(now)
    assert let <= 5 + 2 * sum(pauses) + 1e-6
