"""Histograms of latencies: what they promise about quantiles, memory and sums."""

from __future__ import annotations

import math
import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from servable.bench import Histogram

NANOSECONDS = st.integers(0, 2**42)
MANY = st.lists(NANOSECONDS, max_size=60)
SHARES = st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0])


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@settings(deadline=None)
@given(st.lists(NANOSECONDS, min_size=1, max_size=60), SHARES)
def test_a_quantile_is_within_one_percent_of_the_value_of_that_rank(
    values: list[int], share: float
) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert abs(recorded(values).quantile(share) - exact) <= 0.01 * exact


@settings(deadline=None)
@given(MANY, MANY)
def test_the_sum_of_two_is_what_recording_both_would_have_made(
    one: list[int], two: list[int]
) -> None:
    sum = recorded(one) + recorded(two)
    assert sum == recorded(one + two)
    assert sum == recorded(two) + recorded(one)
    assert sum.count == len(one + two)


@settings(deadline=None)
@given(MANY, MANY, MANY)
def test_it_does_not_matter_which_processes_are_added_first(
    one: list[int], two: list[int], three: list[int]
) -> None:
    a, b, c = recorded(one), recorded(two), recorded(three)
    assert (a + b) + c == a + (b + c)
    assert a + Histogram() == a


@settings(deadline=None)
@given(MANY)
def test_count_mean_and_extremes_are_exact(values: list[int]) -> None:
    histogram = recorded(values)
    assert histogram.count == len(values)
    assert histogram.total == sum(values)
    assert (histogram.smallest, histogram.largest) == (
        (min(values), max(values)) if values else (0, 0)
    )
    assert sum(count for _, _, count in histogram.buckets()) == len(values)


@settings(deadline=None)
@given(NANOSECONDS)
def test_every_value_lies_in_its_bucket_and_buckets_are_narrow(value: int) -> None:
    ((low, high, _),) = recorded([value]).buckets()
    assert low <= value < high
    assert high - low <= max(1, low / 100)


def test_memory_is_bounded_whatever_is_recorded() -> None:
    histogram = recorded([(1 << power) + step for power in range(100) for step in range(1000)])
    histogram.record(-5)
    assert len(list(histogram.buckets())) < 5000
    assert histogram.smallest == 0


def test_nothing_recorded_reads_as_zero() -> None:
    assert (Histogram().quantile(0.5), Histogram().mean) == (0.0, 0.0)


def test_it_travels_between_processes() -> None:
    histogram = recorded([5, 7_000_000, 12])
    assert pickle.loads(pickle.dumps(histogram)) == histogram
