"""Ways that are measured in turn, on a machine whose speed changes from moment to moment.

Neighbours take and give back half of a shared machine within seconds. So what is compared is
measured in the same rounds, a ratio is that of each round, and the median of them counts.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Measure = Callable[[float], float]
"""Takes seconds, returns requests a second."""

FINALISTS = 3
"""Settings of each way that are measured in all rounds."""

WARM_SECONDS = 1.0


@dataclass(frozen=True)
class Ratio:
    """How one way compares with another.

    Attributes:
        median, lowest, highest: of all rounds.
    """

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Rounds:
    """What was measured.

    Attributes:
        tried: way -> setting -> its rate in the one round that all of them had.
        rates: way -> setting -> its rate in each of the rounds after that.
    """

    tried: Mapping[str, Mapping[str, float]]
    rates: Mapping[str, Mapping[str, list[float]]]

    def best(self, way: str) -> str:
        """The setting with the highest median."""
        settings = self.rates[way]
        return max(settings, key=lambda setting: statistics.median(settings[setting]))

    def rate(self, way: str) -> float:
        """The median of that setting."""
        return statistics.median(self.rates[way][self.best(way)])

    def ratio(self, way: str, other: str) -> Ratio:
        """Two ways at their best settings."""
        one, two = self.rates[way][self.best(way)], self.rates[other][self.best(other)]
        found = [a / b if b else math.inf for a, b in zip(one, two, strict=True)]
        return Ratio(statistics.median(found), min(found), max(found))


def measure(ways: Mapping[str, Mapping[str, Measure]], rounds: int, moment: float) -> Rounds:
    """Try every setting of every way, then measure the best of each in so many rounds.

    Args:
        ways: way -> setting -> what measures it.
        rounds: how many.
        moment: seconds that each takes in one.
    """
    every = [(way, setting, call) for way, group in ways.items() for setting, call in group.items()]
    for _, _, call in every:
        call(min(moment, WARM_SECONDS))
    tried: dict[str, dict[str, float]] = {way: {} for way in ways}
    for way, setting, call in every:
        tried[way][setting] = call(moment)
    rates: dict[str, dict[str, list[float]]] = {
        way: {setting: [] for setting in sorted(group, key=group.__getitem__)[-FINALISTS:]}
        for way, group in tried.items()
    }
    turns = [(way, setting) for way, group in rates.items() for setting in group]
    for _ in range(rounds):
        for way, setting in turns:
            rates[way][setting].append(ways[way][setting](moment))
        turns.reverse()
    return Rounds(tried, rates)
