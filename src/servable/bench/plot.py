"""A result as a picture, if matplotlib is installed; it is no dependency of this package."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from servable.bench.document import quantile_name
from servable.bench.html import distribution
from servable.bench.results import QUANTILES, Result
from servable.errors import FailedPrecondition


def check_installed() -> None:
    """Raise FailedPrecondition if there is nothing to draw with."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise FailedPrecondition(
            "--plot needs matplotlib, which is not installed",
            hint="pip install matplotlib; or use --html, which needs nothing.",
        ) from error


def draw(result: Result, path: Path) -> None:
    """Write throughput, latencies and their distributions as a picture.

    Args:
        path: its suffix is the format: .png, .svg or .pdf.

    Raises:
        FailedPrecondition: matplotlib is not installed, or does not write such a file.
    """
    check_installed()
    figures: Any = importlib.import_module("matplotlib.figure")  # no window system is needed
    figure = figures.Figure(figsize=(15, 4.5), layout="constrained")
    rates, latencies, spread = figure.subplots(1, 3)
    loads = [level.label for level in result.levels]
    for side in range(len(result.protocols)):
        found = [m for level in result.levels for m in level.measurements[side : side + 1]]
        labels = loads[: len(found)]
        where = f" {found[0].address}" if len(result.protocols) > 1 and found else ""
        style = "o-" if side == 0 else "s--"
        rates.plot(labels, [m.throughput for m in found], style, label=f"requests/s{where}")
        for share in QUANTILES:
            values = [m.quantile(share) * 1e3 for m in found]
            latencies.plot(labels, values, style, label=f"{quantile_name(share)}{where}")
        for label, measured in zip(labels, found, strict=True):
            xs, ys = zip(*distribution(measured), strict=True)
            spread.plot(xs, ys, style[1:], label=f"{label}{where}")
    for axes, title in (
        (rates, "requests per second"),
        (latencies, "latency, ms"),
        (spread, "latency, ms, by percent of requests"),
    ):
        axes.set_title(title)
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    rates.set_ylim(bottom=0)
    latencies.set_yscale("log")
    spread.set_yscale("log")
    figure.suptitle(f"{result.model}, {result.signature}")
    try:
        figure.savefig(path)
    except (ValueError, OSError) as error:
        raise FailedPrecondition(f"{path} can not be written: {error}") from error
