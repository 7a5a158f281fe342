"""Several ways to one answer, each in fresh processes, measured in turn and compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich.progress import Progress
from rich.table import Table

TOLERANCE = 1e-5
MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """One fresh process: seconds to its first answer, its peak memory in bytes, the answer."""

    seconds: float
    peak_rss: int | None
    answer: list[list[float]]


@dataclass(frozen=True)
class Way:
    """One way to the answer."""

    name: str
    title: str
    measure: Callable[[], Sample]


@dataclass(frozen=True)
class Result:
    """The counted samples of one way."""

    name: str
    title: str
    seconds: list[float]
    peak_rss: list[int]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def peak(self) -> float | None:
        return statistics.median(self.peak_rss) if self.peak_rss else None


class Broken(Exception):
    """A way gave no answer, or another one than the rest."""


def collect(ways: Sequence[Way], repeats: int) -> list[Result]:
    """Measure every way once, uncounted, then `repeats` times in turn.

    The first round fills the file cache for everybody, and is where answers are compared.

    Raises:
        Broken: two ways answered differently.
    """
    with Progress(transient=True) as progress:
        task = progress.add_task("first round, not counted", total=(repeats + 1) * len(ways))

        def measure(way: Way) -> Sample:
            sample = way.measure()
            progress.advance(task)
            return sample

        agree(ways, [measure(way) for way in ways])
        rounds = []
        for count in range(repeats):
            progress.update(task, description=f"round {count + 1} of {repeats}")
            rounds.append([measure(way) for way in ways])
    return [
        Result(
            way.name,
            way.title,
            [sample.seconds for sample in samples],
            [sample.peak_rss for sample in samples if sample.peak_rss is not None],
        )
        for way, samples in zip(ways, zip(*rounds, strict=True), strict=True)
    ]


def agree(ways: Sequence[Way], samples: Sequence[Sample]) -> None:
    """Raise Broken if two ways answered differently: their times would mean nothing."""
    for way, sample in zip(ways, samples, strict=True):
        if not np.allclose(sample.answer, samples[0].answer, rtol=0, atol=TOLERANCE):
            raise Broken(f"{way.title} answers differently from {ways[0].title}")


def ratios(results: Sequence[Result], reference: str) -> dict[str, dict[str, float | None]]:
    """How many times less time and memory than the reference each other way takes."""
    by_name = {result.name: result for result in results}
    if reference not in by_name:
        return {}
    most = by_name.pop(reference)
    return {
        name: {
            "time": most.median / result.median,
            "memory": most.peak / result.peak if most.peak and result.peak else None,
        }
        for name, result in by_name.items()
    }


def table(title: str, results: Sequence[Result], reference: str) -> Table:
    """Lay the results out for a person."""
    view = Table(title=title)
    view.add_column("", no_wrap=True)
    for column in ("median", "range", "peak RSS", "faster", "smaller"):
        view.add_column(column, justify="right", no_wrap=True)
    compared = ratios(results, reference)
    for result in results:
        ratio = compared.get(result.name, {})
        view.add_row(
            result.title,
            f"{result.median:.2f} s",
            f"{min(result.seconds):.2f}-{max(result.seconds):.2f} s",
            f"{result.peak / MIB:.0f} MiB" if result.peak else "unknown",
            *(f"{ratio[of]:.1f}x" if ratio.get(of) else "" for of in ("time", "memory")),
        )
    return view


def figures(results: Sequence[Result], reference: str) -> dict[str, object]:
    """Every sample, the medians and the ratios, for a JSON file."""
    return {
        "ways": {
            result.name: asdict(result)
            | {"median_seconds": result.median, "median_peak_rss": result.peak}
            for result in results
        },
        f"{reference}_divided_by": ratios(results, reference),
    }
