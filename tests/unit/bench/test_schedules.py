"""When requests are due, and how a load is divided."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.bench.arrivals import poisson
from servable.bench.load import arrivals
from servable.bench.messages import Load
from servable.bench.sharing import share

RATES = st.floats(0.1, 1e6)
SEEDS = st.integers(0, 2**40)
LOADS = st.builds(
    Load,
    target=st.just(0),
    clients=st.integers(1, 200),
    connections=st.integers(1, 50),
    rate=st.floats(0, 1e5),
    seconds=st.just(1.0),
    requests=st.none() | st.integers(1, 1000),
    seed=SEEDS,
    first=st.integers(0, 5),
)


@settings(deadline=None)
@given(RATES, SEEDS)
def test_arrivals_come_one_after_the_other_and_the_same_for_the_same_seed(
    rate: float, seed: int
) -> None:
    times = list(islice(poisson(rate, seed), 50))
    assert times == list(islice(poisson(rate, seed), 50))
    assert times[0] >= 0
    assert all(a <= b for a, b in pairwise(times))


@settings(deadline=None)
@given(SEEDS)
def test_another_seed_gives_other_times(seed: int) -> None:
    assert next(poisson(1.0, seed)) != next(poisson(1.0, seed + 1))


@pytest.mark.parametrize("rate", [0.5, 200.0, 50_000.0])
def test_arrivals_have_the_mean_and_the_spread_of_a_poisson_process(rate: float) -> None:
    times = [0.0, *islice(poisson(rate, 7), 20_000)]
    gaps = [(b - a) * rate for a, b in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(1, rel=0.03)
    assert variance == pytest.approx(1, rel=0.06)


@settings(deadline=None)
@given(LOADS, st.integers(1, 64))
def test_the_parts_of_a_load_are_together_the_whole(load: Load, count: int) -> None:
    parts = share(load, count)
    assert 1 <= len(parts) <= count
    assert sum(part.clients for part in parts) == load.clients
    assert sum(part.rate for part in parts) == pytest.approx(load.rate)
    if load.requests is not None:
        assert sum(part.requests or 0 for part in parts) == load.requests
        assert all(part.requests for part in parts)
    assert all(part.clients and part.connections for part in parts)
    assert len({part.seed for part in parts}) == len(parts)


@settings(deadline=None)
@given(LOADS, st.integers(1, 8))
def test_a_share_of_the_arrivals_ends_with_the_time_or_the_number(load: Load, count: int) -> None:
    for part in share(load, count):
        if 0 < part.rate < 1000:
            times = list(arrivals(part))
            assert all(at < 1.0 for at in times)
            assert part.requests is None or len(times) <= part.requests
