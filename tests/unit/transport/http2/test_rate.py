"""Bursts are let through, and what goes on for ever is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.transport.http2.frames import ConnectionFaultError, Fault
from servable.transport.http2.rate import Rate


def let_through(rate: Rate, now: float) -> bool:
    try:
        rate.count(now)
    except ConnectionFaultError:
        return False
    return True


def test_a_burst_is_let_through_and_one_more_is_not() -> None:
    rate = Rate(3, 1, "too many")
    for _ in range(3):
        rate.count(100.0)
    with pytest.raises(ConnectionFaultError, match="too many") as caught:
        rate.count(100.0)
    assert caught.value.fault is Fault.ENHANCE_YOUR_CALM


def test_after_a_while_more_are_let_through() -> None:
    rate = Rate(2, 0.5, "")
    assert [let_through(rate, now) for now in (10, 10, 10, 14, 100, 100, 100)] == [
        *(True, True, False, True),
        *(True, True, False),
    ]


@given(st.lists(st.floats(0, 10), max_size=100))
def test_no_more_are_let_through_than_the_burst_and_the_rate_together(pauses: list[float]) -> None:
    rate = Rate(5, 2, "")
    now = 50.0
    let = 0
    for pause in pauses:
        now += pause
        let += let_through(rate, now)
    assert let <= 5 + 2 * sum(pauses) + 1e-6
