"""A result as one HTML page with drawings in it; it loads nothing and runs nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from servable import __version__
from servable.bench.results import QUANTILES, Measurement, Result
from servable.bench.table import (
    DIFFERENCES,
    RATIOS,
    compared,
    difference_rows,
    headings,
    quantile_name,
    ratio_rows,
    rows,
)

_WIDTH, _HEIGHT = 640, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 40, 16, 40
_MOST_DECADES = 3
_LEAST = 1e-12  # what is closer is drawn as one
_COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1f2937; background: #fff; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .7rem; text-align: right; }
th { border-bottom: 1px solid #9ca3af; } td:first-child, th:first-child { text-align: left; }
svg { width: 100%; max-width: 640px; } svg text { font-size: 12px; fill: currentColor; }
.scroll { overflow-x: auto; } .note { color: #92400e; }
@media (prefers-color-scheme: dark) { body { color: #e5e7eb; background: #111827; }
  .note { color: #fbbf24; } }
"""

Points = Sequence[tuple[float, float]]


def page(result: Result) -> str:
    """Return the page: a table, throughput and latencies by load, and their distributions.

    Two servers are compared, and batches are drawn if a server told of them.
    """
    loads = [level.label for level in result.levels]
    several = len(result.protocols) > 1
    throughput: dict[str, Points] = {}
    latency: dict[str, Points] = {}
    spread: dict[str, Points] = {}
    batches: dict[str, Points] = {}
    for side in range(len(result.protocols)):
        for x, level in enumerate(result.levels):
            for measured in level.measurements[side : side + 1]:
                where = f" {measured.address}" if several else ""
                _add(throughput, f"requests/s{where}", x, measured.throughput)
                for share in QUANTILES:
                    value = measured.quantile(share) * 1e3
                    _add(latency, f"{quantile_name(share)}{where}", x, value)
                told = measured.tally.batches
                if told.sizes:
                    _add(batches, f"mean{where}", x, told.mean_size)
                    _add(batches, f"largest{where}", x, told.largest_size)
                spread[f"{level.label}{where}"] = distribution(measured)
    title = result.title
    notes = "".join(f"<p class=note>{escape(note)}</p>" for note in result.notes)
    parts = [
        f"<h1>{escape(title)}</h1><p>{escape(_described(result))}</p>{notes}",
        _table(headings(result), rows(result)),
        *_against(result),
        "<h2>Throughput, requests per second</h2>",
        chart(throughput, ticks=loads),
        "<h2>Latency, milliseconds</h2>",
        chart(latency, ticks=loads, logarithmic=True),
        "<h2>Latency that so many of 100 requests do not exceed, milliseconds</h2>",
        chart(spread, logarithmic=True),
    ]
    if batches:
        parts += ["<h2>Rows in a batch</h2>", chart(batches, ticks=loads)]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f'<meta name=viewport content="width=device-width"><style>{_STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def distribution(measured: Measurement) -> list[tuple[float, float]]:
    """Return `(percent of requests, milliseconds they do not exceed)`, ascending."""
    shares = [n / 100 for n in range(1, 100)] + [0.995, 0.999]
    return [(share * 100, measured.quantile(share) * 1e3) for share in shares]


def chart(
    lines: Mapping[str, Points], *, ticks: Sequence[str] = (), logarithmic: bool = False
) -> str:
    """Return an SVG drawing of some lines.

    Args:
        lines: name -> points, by ascending x.
        ticks: what to write at x = 0, 1, ..., and no point is elsewhere; by default numbers.
        logarithmic: the y axis; values that are not positive are left out.
    """
    drawn = {
        name: [(x, y) for x, y in points if y > 0 or not logarithmic]
        for name, points in lines.items()
    }
    xs = [x for points in drawn.values() for x, _ in points]
    ys = [y for points in drawn.values() for _, y in points]
    if not xs:
        return "<p>Nothing was measured.</p>"
    left, right = (0, len(ticks) - 1) if ticks else (min(xs), max(xs))
    across = _Axis(left, right, _LEFT, _WIDTH - _RIGHT)
    up = _Axis(
        min(ys) if logarithmic else 0.0, max(ys), _HEIGHT - _BOTTOM, _TOP, logarithmic=logarithmic
    )
    marks = [(float(x), label) for x, label in enumerate(ticks)] or [
        (x, f"{x:g}") for x in round_numbers(left, right)
    ]
    texts = [
        f'<text x="{across.at(x):.1f}" y="{_HEIGHT - 20}" text-anchor="middle">'
        f"{escape(label)}</text>"
        for x, label in marks
    ]
    for y in up.marks():
        texts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up.at(y):.1f}" y2="{up.at(y):.1f}" '
            f'stroke="#9ca3af" stroke-opacity=".4"/><text x="{_LEFT - 6}" '
            f'y="{up.at(y) + 4:.1f}" text-anchor="end">{y:,.6g}</text>'
        )
    legend = []
    for number, (name, points) in enumerate(drawn.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        at = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in points)
        dots = "".join(
            f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3" fill="{colour}"/>'
            for x, y in points
            if ticks
        )
        texts.append(
            f'<polyline points="{at}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'
        )
        legend.append(f'<span style="color:{colour}">&#9632;</span> {escape(name)}')
    drawing = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(", ".join(drawn))}">{"".join(texts)}</svg>'
    )
    return f"{drawing}<p>{' &nbsp; '.join(legend)}</p>"


class _Axis:
    """From values to places."""

    def __init__(
        self, low: float, high: float, begin: float, end: float, *, logarithmic: bool = False
    ) -> None:
        self._log = logarithmic
        self._low, self._high = low, high
        self._from = math.log10(low) if logarithmic else low
        self._to = math.log10(high) if logarithmic else high
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        """Return where a value is; in the middle if there is only one."""
        place = math.log10(value) if self._log else value
        if self._to <= self._from:
            return (self._begin + self._end) / 2
        share = (place - self._from) / (self._to - self._from)
        return self._begin + share * (self._end - self._begin)

    def marks(self) -> list[float]:
        """Return the values to write beside the axis."""
        if not self._log:
            return round_numbers(self._low, self._high)
        exponents = range(math.floor(self._from), math.ceil(self._to) + 1)
        steps = (1, 2, 5) if self._to - self._from < _MOST_DECADES else (1,)
        marks = [step * 10.0**exponent for exponent in exponents for step in steps]
        return [m for m in marks if self._low <= m <= self._high] or [self._low]


def round_numbers(low: float, high: float) -> list[float]:
    """Return some multiples of 1, 2 or 5 times a power of ten, from `low` to `high`."""
    if high - low < _LEAST:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    step = next(power * n for n in (1, 2, 5, 10) if (high - low) / (power * n) <= 5 or n == 10)
    first = math.ceil(low / step)
    return [n * step for n in range(first, first + 7) if low <= n * step <= high] or [low]


def _add(lines: dict[str, Points], name: str, x: float, y: float) -> None:
    lines[name] = [*lines.get(name, ()), (x, y)]


def _described(result: Result) -> str:
    fewest, most = result.rows
    rows = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    asked = ", ".join(
        f"version {version} over {'gRPC' if protocol == 'grpc' else 'REST'}"
        for version, protocol in zip(result.versions, result.protocols, strict=True)
    )
    return (
        f"{asked}; {result.requests} different requests of {rows} rows, "
        f"{result.request_bytes:.0f} bytes each on average; {result.processes} load processes; "
        f"seed {result.settings.seed}; {result.began:%Y-%m-%d %H:%M} UTC; Servable {__version__}."
    )


def _against(result: Result) -> list[str]:
    if result.comparison is None:
        return []
    parts = ["<h2>The first server against the second</h2>", _table(RATIOS, ratio_rows(result))]
    parts.append(f"<p>{escape(compared(result.comparison))}</p>")
    if result.comparison.outputs:
        parts.append(_table(DIFFERENCES, difference_rows(result.comparison)))
    return parts


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    names = "".join(f"<th>{escape(text)}</th>" for text in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body
    )
    return f"<div class=scroll><table><tr>{names}</tr>{lines}</table></div>"
