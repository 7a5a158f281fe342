"""When requests are due in the open loop."""

from __future__ import annotations

import random
from collections.abc import Iterator


def poisson(rate: float, seed: int) -> Iterator[float]:
    """Yield the seconds after the start at which requests are due, ascending, without end.

    The gaps are independent and exponential, as of many users who do not know of each other.
    Several of these with different seeds together are one whose rate is their sum, which is
    how processes share a rate.

    Args:
        rate: requests in a second on average; more than 0.
        seed: the same seed gives the same times.
    """
    gaps = random.Random(seed)
    at = 0.0
    while True:
        at += gaps.expovariate(rate)
        yield at
