"""What `servable bench` prints."""

from __future__ import annotations

import math

import click

from servable.bench import Histogram, Level, Measurement, Result
from servable.bench.table import (
    DIFFERENCES,
    RATIOS,
    compared,
    difference_rows,
    headings,
    milliseconds,
    ratio_rows,
    rows,
)
from servable.cli.tables import print_table

_BARS = 10
_BAR_WIDTH = 40


def print_result(result: Result) -> None:
    """Print tables, distributions, differences and notes."""
    print_table(headings(result), rows(result))
    for level in result.levels:
        for measured in level.measurements:
            _print_distribution(level, measured)
            _print_errors(level, measured)
    if result.comparison is not None:
        print_table(RATIOS, ratio_rows(result))
        click.echo(compared(result.comparison))
        if result.comparison.outputs:
            print_table(DIFFERENCES, difference_rows(result.comparison))
    for note in result.notes:
        click.echo(f"{click.style('note:', fg='yellow')} {note}")


def bars(histogram: Histogram, count: int) -> list[tuple[float, float, int]]:
    """Return a distribution in a few bars: `(from, below, values)` in nanoseconds.

    The bars are equally wide on a logarithmic scale, from the smallest value to the largest;
    a value is in the bar that the middle of its bucket is in.
    """
    if not histogram.count:
        return []
    low, high = max(1, histogram.smallest), max(2, histogram.largest + 1)
    step = (math.log(high) - math.log(low)) / count
    values = [0] * count
    for begin, end, found in histogram.buckets():
        middle = min(max((begin + end) / 2, low), high)
        values[min(count - 1, int((math.log(middle) - math.log(low)) / step))] += found
    edges = [low * math.exp(step * n) for n in range(count + 1)]
    return list(zip(edges, edges[1:], values, strict=False))


def _print_distribution(level: Level, measured: Measurement) -> None:
    found = bars(measured.tally.latency, _BARS)
    if not found:
        return
    click.echo(f"{level.label}, {measured.address}: milliseconds")
    most = max(count for _, _, count in found)
    for low, high, count in found:
        bar = "█" * math.ceil(count / most * _BAR_WIDTH)
        edges = f"{milliseconds(low / 1e9):>9} - {milliseconds(high / 1e9):<9}"
        click.echo(f"{edges} {bar} {count or ''}".rstrip())
    click.echo()


def _print_errors(level: Level, measured: Measurement) -> None:
    for code, count in measured.tally.errors.most_common():
        text = measured.tally.texts.get(code, "")
        click.echo(
            f"{click.style('errors:', fg='red')} {level.label}, {measured.address}: "
            f"{count} x {code}{': ' if text else ''}{text}"
        )
