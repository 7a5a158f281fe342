"""Latencies in bounded memory: counts in buckets whose width grows with the value."""

from __future__ import annotations

from collections.abc import Iterator

_BITS = 7
_STEPS = 1 << _BITS
"""Buckets between a power of two and the next; half a bucket is at most 1/256 of its value."""

_MOST_BITS = 43
"""2**43 ns are more than two hours; what takes longer counts as that."""

_MOST = (1 << _MOST_BITS) - 1


class Histogram:
    """How often which number of nanoseconds was seen.

    Below 128 ns every number has a bucket of its own; above that a bucket is 1/128 of its
    value wide, so that a quantile is off by less than half a percent. There are at most
    4736 buckets, whatever is recorded. Histograms of several processes are added with `+`,
    in any order. For one thread at a time.

    Attributes:
        count: how many values were recorded.
        total: their sum, exact.
        smallest, largest: the extremes, exact; 0 while there are none.
    """

    __slots__ = ("_counts", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.total = 0
        self.smallest = 0
        self.largest = 0

    def record(self, nanoseconds: int) -> None:
        """Count one value; a negative one counts as 0."""
        value = max(nanoseconds, 0)
        if value > self.largest:
            self.largest = value
        if value < self.smallest or not self.count:
            self.smallest = value
        self.count += 1
        self.total += value
        bucket = _bucket(min(value, _MOST))
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def __add__(self, other: Histogram) -> Histogram:
        """Return what recording the values of both would have made."""
        sum = Histogram()
        sum.count = self.count + other.count
        sum.total = self.total + other.total
        sum.largest = max(self.largest, other.largest)
        sum.smallest = min((h.smallest for h in (self, other) if h.count), default=0)
        sum._counts = dict(self._counts)
        for bucket, count in other._counts.items():
            sum._counts[bucket] = sum._counts.get(bucket, 0) + count
        return sum

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (self.total, self.smallest, self.largest, self._counts) == (
            other.total,
            other.smallest,
            other.largest,
            other._counts,
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def mean(self) -> float:
        """The arithmetic mean in nanoseconds, exact; 0 while there are no values."""
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """Return the nanoseconds that this share of the values does not exceed.

        It is off by less than half a percent from the value of that rank (the smallest value
        with at least `share * count` values up to it); 0 while there are no values.
        """
        rank = min(max(1, -int(-share * self.count // 1)), self.count)
        seen = 0
        for low, high, count in self.buckets():
            seen += count
            if seen >= rank:
                return min(max((low + high - 1) / 2, self.smallest), self.largest)
        return 0.0

    def buckets(self) -> Iterator[tuple[int, int, int]]:
        """Yield `(from, below, count)` of every bucket that is not empty, ascending."""
        for bucket in sorted(self._counts):
            low = _lower_edge(bucket)
            yield low, _lower_edge(bucket + 1), self._counts[bucket]


def _bucket(value: int) -> int:
    shift = max(0, value.bit_length() - _BITS - 1)
    return (shift << _BITS) + (value >> shift)


def _lower_edge(bucket: int) -> int:
    shift = max(0, (bucket >> _BITS) - 1)
    return (bucket - (shift << _BITS)) << shift
