"""A result as a picture, if matplotlib is installed; it is no dependency of this package."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

from servable.bench.html import distribution
from servable.bench.results import QUANTILES, Result
from servable.bench.table import quantile_name
from servable.errors import FailedPrecondition, InvalidArgument


def check_installed() -> None:
    """Raise FailedPrecondition if there is nothing to draw with."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise FailedPrecondition(
            "--plot needs matplotlib, which is not installed",
            hint="pip install matplotlib; or use --html, which needs nothing.",
        ) from error


def check_drawable(path: Path) -> None:
    """Refuse what no picture can be written to.

    Raises:
        FailedPrecondition: matplotlib is not installed.
        InvalidArgument: it draws nothing of this suffix.
    """
    check_installed()
    canvas: Any = importlib.import_module("matplotlib.backend_bases").FigureCanvasBase
    known = sorted(canvas.get_supported_filetypes())
    if path.suffix.removeprefix(".").lower() not in known:
        raise InvalidArgument(
            f"{path} has no suffix of a picture",
            hint="Known: " + ", ".join("." + suffix for suffix in known),
        )


def draw(result: Result, path: Path) -> None:
    """Write throughput, latencies, their distributions and batches as a picture.

    Batches are drawn if a server told of them.

    Args:
        path: its suffix is the format, such as .png, .svg or .pdf.

    Raises:
        FailedPrecondition: matplotlib is not installed, or does not write such a file.
    """
    check_installed()
    figures: Any = importlib.import_module("matplotlib.figure")  # no window system is needed
    count = 4 if result.batches_told else 3
    figure = figures.Figure(figsize=(5 * count, 4.5), layout="constrained")
    rates, latencies, spread, *others = figure.subplots(1, count)
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
        for batches in others:
            told = [m.tally.batches for m in found]
            # A load without batches leaves a gap in the line.
            for name, sizes in (
                ("mean", [b.mean_size or math.nan for b in told]),
                ("largest", [b.largest_size or math.nan for b in told]),
            ):
                batches.plot(labels, sizes, style, label=f"{name}{where}")
            batches.set_ylim(bottom=0)
    titles = (
        "requests per second",
        "latency, ms",
        "latency, ms, by percent of requests",
        "rows in a batch",
    )
    for axes, title in zip((rates, latencies, spread, *others), titles, strict=False):
        axes.set_title(title)
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    rates.set_ylim(bottom=0)
    for batches in others:
        batches.set_xlim(rates.get_xlim())  # also where the first load had no batches
    latencies.set_yscale("log")
    spread.set_yscale("log")
    figure.suptitle(result.title)
    try:
        figure.savefig(path)
    except (ValueError, OSError) as error:
        raise FailedPrecondition(f"{path} can not be written: {error}") from error
