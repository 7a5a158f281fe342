"""Counters, gauges and histograms, each a family with one member for each set of label values."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from servable.metrics.table import Metric

Samples = npt.NDArray[np.float64]
Labels = tuple[str, ...]


class Number:
    """A counter or a gauge. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        """Count on; a gauge may go down."""
        with self._lock:
            self.value += amount

    def set(self, value: float) -> None:
        """Make a gauge show `value`."""
        self.value = value


class Histogram:
    """How many samples fell into each bucket, and their sum. May be used from any thread."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._lock = threading.Lock()
        self._bounds = np.array(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0

    def add(self, samples: Samples) -> None:
        """Count samples, float64 of shape [n]; one equal to a bound belongs below it."""
        buckets = np.searchsorted(self._bounds, samples)
        counted = np.bincount(buckets, minlength=len(self._counts))
        total = float(samples.sum())
        with self._lock:
            self._counts += counted
            self._sum += total

    def add_counted(self, cumulative: Sequence[int], total: float) -> None:
        """Add what another histogram of the same bounds returned from `read`."""
        counts = np.array(cumulative, np.int64)
        counts[1:] -= counts[:-1].copy()
        with self._lock:
            self._counts += counts
            self._sum += total

    def read(self) -> tuple[list[int], float]:
        """Return cumulative counts, the last of them of all samples, and the sum."""
        with self._lock:
            return np.cumsum(self._counts).tolist(), self._sum


Member = TypeVar("Member", bound="Number | Histogram")


class Family(Generic[Member]):
    """The members of one metric. May be used from any thread.

    Args:
        metric: what it is the family of.
        make: makes a member that is at zero.
    """

    def __init__(self, metric: Metric, make: Callable[[], Member]) -> None:
        self.metric = metric
        self._lock = threading.Lock()
        self._make = make
        self._members: dict[Labels, Member] = {}

    def at(self, *labels: str) -> Member:
        """Return the member with these label values; it begins at zero."""
        with self._lock:
            found = self._members.get(labels)
            if found is None:
                found = self._members[labels] = self._make()
            return found

    def forget(self, *labels: str) -> None:
        """Drop the members whose first label values are these."""
        with self._lock:
            for known in [k for k in self._members if k[: len(labels)] == labels]:
                del self._members[known]

    def members(self) -> Iterator[tuple[Labels, Member]]:
        """Yield label values and member, in the order of the label values."""
        with self._lock:
            members = sorted(self._members.items(), key=lambda pair: pair[0])
        yield from members


AnyFamily = Family[Number] | Family[Histogram]


def numbers(metric: Metric) -> Family[Number]:
    """Return an empty family of counters or gauges."""
    return Family(metric, Number)


def histograms(metric: Metric) -> Family[Histogram]:
    """Return an empty family of histograms."""
    return Family(metric, partial(Histogram, metric.buckets))
