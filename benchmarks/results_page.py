"""RESULTS.md, made of what the benchmarks wrote to `results/`.

python -m benchmarks.results_page
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE / "RESULTS.md"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A table in Markdown."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return [*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]


def ratios(data: dict[str, Any]) -> list[str]:
    """A line for each model, a column for each ratio."""
    rows = data["rows"]
    names = list(rows[0]["ratios"])
    batched = "batch" in rows[0]
    heads = ["model", *(["batch"] if batched else []), *names]
    return table(
        heads,
        [
            [
                row["model"],
                *([row["batch"]] if batched else []),
                *(f"{row['ratios'].get(name, float('nan')):.2f}" for name in names),
            ]
            for row in rows
        ],
    )


def serving(data: dict[str, Any]) -> list[str]:
    """Ratios, and what the protocols cost alone."""
    alone = [[name, f"{value:.2f}"] for name, value in data["protocols"].items()]
    rows = data["rows"]
    names, ways = list(rows[0]["ratios"]), list(rows[0]["rates"])
    return [
        f"{data['statistic']}; the range of all rounds where it was kept:",
        "",
        *table(["", *(row["model"] for row in rows)], [_ranged(rows, name) for name in names]),
        "",
        "Requests a second, and with how many clients or callers:",
        "",
        *table(
            ["", *(row["model"] for row in rows)],
            [
                [way, *(f"{row['rates'][way]:g} ({row['settings'][way]})" for row in rows)]
                for way in ways
            ],
        ),
        "",
        "A model that does nothing:",
        "",
        *table(["", "figure"], alone),
    ]


def _ranged(rows: Sequence[dict[str, Any]], name: str) -> list[str]:
    cells = []
    for row in rows:
        between = row.get("ranges", {}).get(name)
        ends = " ({:.2f} - {:.2f})".format(*between) if between else ""
        cells.append(f"{row['ratios'][name]:.2f}{ends}")
    return [name, *cells]


def codec(data: dict[str, Any]) -> list[str]:
    """A line for each task."""
    rows = [[row["task"], row["data"], f"{row['ratio']:.2f}"] for row in data["rows"]]
    return table(["task", "data", "times faster"], rows)


def parts(data: dict[str, Any]) -> list[str]:
    """A line for each part of the way of a request."""
    lines: list[str] = []
    for form, found in data["parts"].items():
        rows = [[name, f"{value:.1f}"] for name, value in found.items()]
        lines += ["", *table([form, "us of a CPU"], rows)]
    return lines[1:]


def memory(data: dict[str, Any]) -> list[str]:
    """Growth under load, and the peak of a large request."""
    grown = [[form, *map(str, found.values())] for form, found in data["growth"].items()]
    peaks = [[form, *map(str, found.values())] for form, found in data["peak"].items()]
    return [
        *table(["protocol", *next(iter(data["growth"].values()))], grown),
        "",
        *table(["one request", *next(iter(data["peak"].values()))], peaks),
    ]


def startup(data: dict[str, Any]) -> list[str]:
    """A line for each way to the first answer: medians, and against TensorFlow."""
    ways = data["ways"].values()
    rows = [
        [way["title"], f"{way['median_seconds']:.2f}", f"{way['median_peak_rss'] / 2**20:.0f}"]
        for way in ways
    ]
    return table(["way", "seconds", "MiB"], rows)


def lifecycle(data: dict[str, Any]) -> list[str]:
    """A line for each figure."""
    rows = [
        [part, figure["name"], f"{figure['value']:.4g}", figure["unit"]]
        for part, figures in data["parts"].items()
        for figure in figures
    ]
    return table(["part", "figure", "value", "unit"], rows)


def savedmodel(data: dict[str, Any]) -> list[str]:
    """What looking into a model takes of the time that others take."""
    rows = [["`show --all` / saved_model_cli", f"{data['show_ratio']:.3f}"]] * bool(
        data["show_ratio"]
    )
    rows += [["all variables / reading the file's bytes", f"{data['read_ratio']:.2f}"]]
    rows += [
        [f"peak of `show --all`, {name}, MiB", f"{mib:.0f}"]
        for name, mib in data["show_peak_mib"].items()
    ]
    return table(["", f"{data['megabytes']} MB"], rows)


STARTUP = "Fresh processes in turn, medians: time, and the most memory that they had."

SECTIONS: Sequence[tuple[str, str, str, Callable[[dict[str, Any]], list[str]]]] = (
    (
        "serving",
        "Requests a second, end to end",
        "Rates of whole requests, divided by rates of calls in process with no server at all. The "
        "load generator shares the two cores.",
        serving,
    ),
    (
        "noop_profile",
        "Where the time of a request goes that asks for nothing",
        "Samples of the event loop's stack, as shares of what a request costs of a CPU.",
        parts,
    ),
    (
        "runtime",
        "One call in process",
        "How many times less time a call takes here than elsewhere.",
        ratios,
    ),
    (
        "codec",
        "Reading requests and writing answers",
        "Against protobuf's own reading and writing, and orjson with numpy.",
        codec,
    ),
    ("lifecycle", "Loading, swapping and finding models", "", lifecycle),
    ("serving_memory", "Memory", "", memory),
    ("savedmodel", "Looking into a SavedModel of a gigabyte", "", savedmodel),
    ("startup", "From the start of a process to the first answer", STARTUP, startup),
)


def main() -> int:
    """Write the page."""
    lines = [
        "# Results",
        "",
        "Written by `python -m benchmarks.results_page` from the files in `results/`; do not edit. "
        "Figures of different machines, and absolute times at all, say little: look at ratios.",
    ]
    for name, title, about, section in SECTIONS:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            continue
        data = json.loads(path.read_text())
        when = str(data.get("date") or data.get("when", ""))[:10]
        lines += ["", f"## {title}", "", f"`make bench ARGS={name}`. {about}".strip(), ""]
        lines += [*section(data), "", f"{when}: {machine.line(data['machine'])}."]
    PAGE.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
