"""What `servable bench` prints."""

from __future__ import annotations

import math

import click

from servable.bench import Histogram, Level, Measurement, Result
from servable.bench.document import quantile_name
from servable.bench.results import QUANTILES
from servable.cli.tables import print_table

_BARS = 10
_BAR_WIDTH = 40


def print_result(result: Result) -> None:
    """Print tables, distributions, differences and notes."""
    print_table(_headings(result), _rows(result))
    for level in result.levels:
        for measured in level.measurements:
            _print_distribution(level, measured)
            _print_errors(level, measured)
    if len(result.protocols) > 1:
        _print_ratios(result)
        _print_differences(result)
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


def _headings(result: Result) -> list[str]:
    headings = ["load", "server", "requests/s", "rows/s", "mean ms"]
    headings += [quantile_name(share) for share in QUANTILES] + ["max", "errors"]
    if _told(result):
        headings.append("rows in a batch")
    return [*headings, "generator"]


def _rows(result: Result) -> list[list[str]]:
    rows = []
    for level in result.levels:
        for measured in level.measurements:
            row = [
                level.label,
                measured.address,
                f"{measured.throughput:,.1f}",
                f"{measured.rows_per_second:,.1f}",
                _ms(measured.mean),
                *(_ms(measured.quantile(share)) for share in QUANTILES),
                _ms(measured.longest),
                str(measured.tally.errors.total()),
            ]
            if _told(result):
                row.append(_batch(measured))
            row.append(f"{measured.cpu_per_request * 1e6:.0f} us, {measured.tally.busiest:.0%}")
            rows.append(row)
    return rows


def _told(result: Result) -> bool:
    return any(m.tally.batches.told for level in result.levels for m in level.measurements)


def _batch(measured: Measurement) -> str:
    sizes = measured.tally.batches.sizes
    if not sizes:
        return ""
    # A batch of n rows is told of by as many answers as it has requests: weigh it once.
    mean = sizes.total() / sum(count / size for size, count in sizes.items())
    return f"{mean:.1f} (up to {max(sizes)})"


def _print_distribution(level: Level, measured: Measurement) -> None:
    found = bars(measured.tally.latency, _BARS)
    if not found:
        return
    click.echo(f"{level.label}, {measured.address}: milliseconds")
    most = max(count for _, _, count in found)
    for low, high, count in found:
        bar = "█" * math.ceil(count / most * _BAR_WIDTH)
        click.echo(f"{_ms(low / 1e9):>9} - {_ms(high / 1e9):<9} {bar} {count or ''}".rstrip())
    click.echo()


def _print_errors(level: Level, measured: Measurement) -> None:
    for code, count in measured.tally.errors.most_common():
        text = measured.tally.texts.get(code, "")
        click.echo(
            f"{click.style('errors:', fg='red')} {level.label}, {measured.address}: "
            f"{count} x {code}{': ' if text else ''}{text}"
        )


def _print_ratios(result: Result) -> None:
    print_table(
        ["first / second", "throughput", "p50", "p99"],
        [
            [level.label]
            + [f"{r.overall:.2f} ({r.lowest:.2f} - {r.highest:.2f})" for r in level.ratios]
            for level in result.levels
            if level.ratios
        ],
    )


def _print_differences(result: Result) -> None:
    print_table(
        ["output", "answers", "unequal", "largest difference", "relative", "problem"],
        [
            [d.output, d.compared, d.unequal, f"{d.absolute:.3g}", f"{d.relative:.3g}", d.problem]
            for d in result.differences
        ],
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:,.0f}"
