"""What was measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from servable.bench.messages import Protocol, Tally
from servable.bench.settings import Settings

QUANTILES = (0.5, 0.9, 0.99, 0.999)
BUSY = 0.9
"""Share of a core from which on a load process may have been what was measured."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a measurement.

    Attributes:
        throughput: requests answered well in a second.
        p50, p99: seconds.
    """

    throughput: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """One load on one server, all rounds together.

    Attributes:
        address: the server.
        tally: what was counted; see there.
        rounds: each round by itself, in order.
        unreadable: why a sampled answer could not be decoded; "" if all could.
    """

    address: str
    tally: Tally
    rounds: tuple[Round, ...]
    unreadable: str = ""

    @property
    def throughput(self) -> float:
        """Requests answered well in a second."""
        return self.tally.latency.count / self.tally.seconds if self.tally.seconds else 0.0

    @property
    def rows_per_second(self) -> float:
        """Rows answered well in a second."""
        return self.tally.rows / self.tally.seconds if self.tally.seconds else 0.0

    @property
    def mean(self) -> float:
        """Mean latency in seconds."""
        return self.tally.latency.mean / 1e9

    @property
    def longest(self) -> float:
        """The longest latency in seconds."""
        return self.tally.latency.largest / 1e9

    @property
    def cpu_per_request(self) -> float:
        """Seconds of processor time that the load processes took for each request."""
        return self.tally.cpu_seconds / self.tally.ended if self.tally.ended else 0.0

    @property
    def generator_bound(self) -> bool:
        """Whether a load process was so busy that it may have limited what was measured."""
        return self.tally.busiest > BUSY

    def quantile(self, share: float) -> float:
        """Return a quantile of the latency in seconds."""
        return self.tally.latency.quantile(share) / 1e9


@dataclass(frozen=True, slots=True)
class Ratio:
    """The first server's number over the second's.

    Attributes:
        name: of what.
        median: of the rounds' ratios, each round divided by the one beside it; 0 if no
            round of both has a number.
        lowest, highest: the smallest and the largest of these ratios.
    """

    name: str
    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One load, and what each server made of it.

    Attributes:
        clients: closed loop: how many; 0 in the open loop.
        rate: open loop: requests due in a second; 0 in the closed loop.
        measurements: one for each server.
    """

    clients: int
    rate: float
    measurements: tuple[Measurement, ...]

    @property
    def label(self) -> str:
        """The load in words."""
        if self.rate:
            return f"{self.rate:g} req/s"
        return f"{self.clients} client{'s' if self.clients != 1 else ''}"

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """The first server against the second; () if there is one."""
        if len(self.measurements) < 2:
            return ()
        one, two = self.measurements[:2]
        pairs = list(zip(one.rounds, two.rounds, strict=False))
        return (
            _ratio("throughput", [(a.throughput, b.throughput) for a, b in pairs]),
            _ratio("p50", [(a.p50, b.p50) for a, b in pairs]),
            _ratio("p99", [(a.p99, b.p99) for a, b in pairs]),
        )


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How far two servers' answers to the same requests are apart in one output.

    Attributes:
        output: its alias.
        compared: how many answers.
        unequal: how many of them differ by more than the tolerance.
        absolute, relative: the largest difference of two elements, and that over the largest
            magnitude in the second server's output; 1 for strings that are not the same.
        problem: why some could not be compared: another shape, dtype, or no such output.
    """

    output: str
    compared: int
    unequal: int
    absolute: float
    relative: float
    problem: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two servers' answers to the same requests, which were asked before anything was measured.

    Attributes:
        requests: how many different requests there are.
        compared: to how many of them both servers' answers were compared.
        refused_by_one: how many one server answered and the other refused.
        unequal: how many of the answers that were compared differ in some output.
        why_fewer: why not every request's answers were compared; "" if they were.
        outputs: the answers by output.
    """

    requests: int
    compared: int
    refused_by_one: int
    unequal: int
    why_fewer: str
    outputs: tuple[OutputDifference, ...]

    @property
    def same(self) -> bool:
        """Whether nothing that was compared differs."""
        return not (self.unequal or self.refused_by_one)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A whole run.

    Attributes:
        settings: what was wanted.
        began: when, in UTC.
        versions: which version each server says is asked.
        protocols: how each was spoken to.
        requests: how many different requests were sent in turn.
        rows: rows in each, the fewest and the most.
        request_bytes: the mean size of a request's body.
        processes: how many made the load.
        levels: what was measured, in order.
        comparison: of two servers' answers; None for one server.
        notes: what should be known to read the numbers.
        interrupted: whether it was stopped early; what was measured so far is there.
        lost: whether a server went away.
    """

    settings: Settings
    began: datetime
    versions: tuple[int, ...]
    protocols: tuple[Protocol, ...]
    requests: int
    rows: tuple[int, int]
    request_bytes: float
    processes: int
    levels: tuple[Level, ...]
    comparison: Comparison | None
    notes: tuple[str, ...]
    interrupted: bool
    lost: bool

    @property
    def batches_told(self) -> bool:
        """Whether any server told of batches beside its answers."""
        return any(m.tally.batches.told for level in self.levels for m in level.measurements)

    @property
    def title(self) -> str:
        """Model and signature; recorded requests have their own signatures."""
        recorded = self.settings.traffic is not None
        what = "recorded requests" if recorded else self.settings.signature
        return f"{self.settings.model}, {what}"

    @property
    def answered(self) -> bool:
        """Whether every server answered some request well at every load."""
        return bool(self.levels) and all(
            m.tally.latency.count for level in self.levels for m in level.measurements
        )


def round_of(tally: Tally) -> Round:
    """Return what is kept of a round."""
    rate = tally.latency.count / tally.seconds if tally.seconds else 0.0
    return Round(rate, tally.latency.quantile(0.5) / 1e9, tally.latency.quantile(0.99) / 1e9)


def _ratio(name: str, rounds: list[tuple[float, float]]) -> Ratio:
    single = [a / b for a, b in rounds if a and b] or [0.0]
    return Ratio(name, median(single), min(single), max(single))
