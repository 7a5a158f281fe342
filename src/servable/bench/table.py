"""The tables of a result, for a terminal and for a page."""

from __future__ import annotations

from servable.bench.results import QUANTILES, Comparison, Measurement, Result

RATIOS = ("first / second", "throughput", "p50", "p99")
"""What stands above `ratio_rows`."""

DIFFERENCES = ("output", "answers", "unequal", "largest difference", "relative", "problem")
"""What stands above `difference_rows`."""


def quantile_name(share: float) -> str:
    """Return `p99.9` for 0.999."""
    return f"p{share * 100:g}"


def headings(result: Result) -> list[str]:
    """Return what stands above the columns; batches have one if a server told of any."""
    names = ["load", "server", "requests/s", "rows/s", "mean ms"]
    names += [quantile_name(share) for share in QUANTILES] + ["max", "errors"]
    if result.batches_told:
        names.append("rows in a batch")
    return [*names, "generator"]


def rows(result: Result) -> list[list[str]]:
    """Return a row for each load on each server, as long as `headings`."""
    return [
        _row(level.label, measured, batches=result.batches_told)
        for level in result.levels
        for measured in level.measurements
    ]


def ratio_rows(result: Result) -> list[list[str]]:
    """Return a row for each load that two servers were given: median (lowest - highest)."""
    return [
        [level.label] + [f"{r.median:.2f} ({r.lowest:.2f} - {r.highest:.2f})" for r in level.ratios]
        for level in result.levels
        if level.ratios
    ]


def compared(comparison: Comparison) -> str:
    """Say how many answers of two servers were compared, and how many are unequal."""
    why = f" ({comparison.why_fewer})" if comparison.why_fewer else ""
    return (
        f"Answers to {comparison.compared} of {comparison.requests} different requests were "
        f"compared{why}; {comparison.unequal} are unequal."
    )


def difference_rows(comparison: Comparison) -> list[list[str]]:
    """Return a row for each output that was compared."""
    return [
        [o.output, f"{o.compared}", f"{o.unequal}", f"{o.absolute:.3g}", f"{o.relative:.3g}",
         o.problem]
        for o in comparison.outputs
    ]  # fmt: skip


def milliseconds(seconds: float) -> str:
    """Return a time with three digits, in milliseconds."""
    return f"{seconds * 1e3:.3g}" if seconds < 1 else f"{seconds * 1e3:,.0f}"


def _row(label: str, measured: Measurement, *, batches: bool) -> list[str]:
    row = [
        label,
        measured.address,
        f"{measured.throughput:,.1f}",
        f"{measured.rows_per_second:,.1f}",
        milliseconds(measured.mean),
        *(milliseconds(measured.quantile(share)) for share in QUANTILES),
        milliseconds(measured.longest),
        str(measured.tally.errors.total()),
    ]
    if batches:
        row.append(_batches(measured))
    return [*row, f"{measured.cpu_per_request * 1e6:.0f} us, {measured.tally.busiest:.0%}"]


def _batches(measured: Measurement) -> str:
    told = measured.tally.batches
    return f"{told.mean_size:.1f} (up to {told.largest_size})" if told.sizes else ""
