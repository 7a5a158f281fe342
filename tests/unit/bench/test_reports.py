"""Results as a page, as data, as a picture and in a terminal."""

from __future__ import annotations

import json
import platform
import re
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable import __version__
from servable.bench import (
    Comparison,
    Histogram,
    Level,
    Measurement,
    OutputDifference,
    Result,
    Round,
    Settings,
    plot,
)
from servable.bench.document import document
from servable.bench.html import chart, page, round_numbers
from servable.bench.messages import Batches, Protocol, Tally
from servable.bench.results import round_of
from servable.cli.bench_report import bars, print_result
from servable.errors import FailedPrecondition, InvalidArgument

BEGAN = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)


def tally(scale: int = 1, count: int = 100, *, batches: bool = True) -> Tally:
    made = Tally(rows=count * 4, received=count * 10, seconds=2.0, cpu_seconds=0.5, busiest=0.95)
    for number in range(count):
        made.latency.record(scale * 1_000_000 * (number + 1))
    made.errors["HTTP 429"] = 3
    made.texts["HTTP 429"] = "<full>"
    if batches:
        made.batches = Batches(told=8)
        made.batches.sizes.update({2: 2, 6: 6})
    return made


def measured(address: str, scale: int = 1, *, batches: bool = True) -> Measurement:
    one, two = tally(scale, batches=batches), tally(scale, batches=batches)
    return Measurement(address, one.then(two), (round_of(one), round_of(two)))


def result(*addresses: str, batches: bool = True, **given: Any) -> Result:
    both: tuple[Protocol, ...] = ("grpc", "rest")
    sides = [
        measured(address, scale + 1, batches=batches) for scale, address in enumerate(addresses)
    ]
    chosen = Settings(addresses[0], "<model>", clients=(1,), seed=7, **given)
    apart = Comparison(16, 15, 0, 1, "b refused 1", (OutputDifference("y", 15, 1, 0.5, 0.25, ""),))
    return Result(
        chosen, BEGAN, (1,) * len(sides), both[: len(sides)], 16, (4, 4), 99.0, 1,
        (Level(1, 0.0, tuple(sides)), Level(0, 50.0, tuple(sides))),
        apart if len(sides) > 1 else None,
        ("a <note>",), False, False,
    )  # fmt: skip


def test_rounds_are_added_up() -> None:
    found = measured("a")
    assert found.tally.latency.count == 200
    assert found.throughput == 50.0
    assert found.rows_per_second == 200.0
    assert found.cpu_per_request == 1.0 / 206
    assert found.generator_bound


def test_two_servers_are_put_in_proportion() -> None:
    level = result("a", "b").levels[0]
    throughput, p50, _ = level.ratios
    assert (throughput.median, throughput.lowest, throughput.highest) == (1.0, 1.0, 1.0)
    assert p50.median == pytest.approx(0.5, rel=0.02)
    assert result("a").levels[0].ratios == ()


def test_the_page_is_whole_escaped_and_loads_nothing() -> None:
    text = page(result("a", "b"))
    assert "&lt;model&gt;" in text
    assert "a &lt;note&gt;" in text
    assert "<model>" not in text
    assert not {"http:", "https:", "<script", "src="} & set(text.split())
    assert "//" not in text
    drawings = text.split("<svg")[1:]
    assert len(drawings) == 4
    for drawing in drawings:
        ElementTree.fromstring("<svg" + drawing.partition("</svg>")[0] + "</svg>")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e9, 1e9), st.floats(0, 1e12)), max_size=5),
    st.booleans(),
)
def test_any_points_can_be_drawn(points: list[tuple[float, float]], logarithmic: bool) -> None:
    drawing = chart({"<a>": sorted(points)}, logarithmic=logarithmic)
    assert "nan" not in drawing
    assert drawing.count("<svg") == (1 if any(y > 0 or not logarithmic for _, y in points) else 0)


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_marks_are_few_and_lie_between_the_ends(low: float, width: float) -> None:
    marks = round_numbers(low, low + width)
    assert len(marks) <= 7
    assert marks == sorted(marks)
    assert all(low <= mark <= low + width for mark in marks)


def test_marks_are_round_numbers() -> None:
    assert round_numbers(0, 658.6) == [0, 200, 400, 600]
    assert round_numbers(1, 99.9) == [20, 40, 60, 80]


def test_the_data_are_json_with_everything_in_them() -> None:
    found = json.loads(json.dumps(document(result("a", "b"))))
    one = found["levels"][0]["measurements"][0]
    assert one["requests"] == 200
    assert one["latency_ms"]["p50"] == pytest.approx(50, rel=0.02)
    assert one["errors"] == {"HTTP 429": 6}
    assert sum(count for _, _, count in one["histogram_ns"]) == 200
    assert one["batches"]["sizes"] == {"2": 4, "6": 12}
    assert found["levels"][1]["rate"] == 50.0
    assert found["levels"][0]["ratios"]["throughput"]["median"] == 1.0
    assert found["comparison"]["compared"] == 15
    assert found["comparison"]["why_fewer"] == "b refused 1"
    assert found["comparison"]["outputs"][0]["relative"] == 0.25


def test_the_data_say_with_what_they_can_be_measured_again() -> None:
    found = document(result("a", duration=5.0, warmup=1.0, batch_size=4))
    assert found["servable"] == __version__
    assert found["began"] == "2026-01-02T03:04:05+00:00"
    wanted = found["settings"]
    assert (wanted["seed"], wanted["duration_s"], wanted["warmup_s"]) == (7, 5.0, 1.0)
    assert (wanted["batch_size"], wanted["clients"], wanted["rates"]) == (4, [1], None)
    assert (wanted["requests"], wanted["values"], wanted["rounds"]) == (None, "made up", 1)
    assert found["machine"]["cpus"] >= found["machine"]["cpus_usable"] >= 1
    assert found["comparison"] is None


def test_the_data_have_neither_the_machines_name_nor_paths() -> None:
    recorded = document(result("a", traffic=Path("/some/where/records"), requests=9))
    assert recorded["settings"]["values"] == "recorded"
    assert recorded["settings"]["batch_size"] is None
    assert recorded["settings"]["signature"] is None
    assert (recorded["settings"]["requests"], recorded["settings"]["duration_s"]) == (9, None)
    text = json.dumps(recorded)
    assert "/some/where" not in text
    assert platform.node() not in json.dumps(recorded["machine"])


def test_the_page_and_the_terminal_have_the_same_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_result(result("a"))
    printed, written = capsys.readouterr().out, page(result("a"))
    for text in ("rows in a batch", "4.0 (up to 6)", "generator", "p99.9", "95%"):
        assert text in printed
        assert text in written


def test_terminal_and_page_set_two_servers_against_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_result(result("a", "b"))
    printed, written = capsys.readouterr().out, page(result("a", "b"))
    apart = "Answers to 15 of 16 different requests were compared (b refused 1); 1 are unequal."
    for text in (apart, "first / second", "1.00 (1.00 - 1.00)", "largest difference", "0.25"):
        assert text in printed
        assert text in written
    assert "first / second" not in page(result("a"))


def test_batches_are_drawn_only_where_a_server_told_of_them() -> None:
    drawn = page(result("a", "b"))
    assert "<h2>Rows in a batch</h2>" in drawn
    assert 'aria-label="mean a, largest a, mean b, largest b"' in drawn
    nothing = page(result("a", batches=False))
    assert "batch" not in nothing
    assert nothing.count("<svg") == 3


def test_a_load_without_batches_does_not_move_the_others() -> None:
    ticks = ("1 client", "8 clients", "32 clients")
    (one,) = re.findall(r'<circle cx="([\d.]+)"', chart({"mean": [(2, 5.0)]}, ticks=ticks))
    every = chart({"mean": [(0, 1.0), (1, 2.0), (2, 5.0)]}, ticks=ticks)
    assert one == re.findall(r'<circle cx="([\d.]+)"', every)[2]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)), min_size=1, max_size=9),
)
def test_a_ratio_lies_within_its_range(pairs: list[tuple[float, float]]) -> None:
    sides = [
        Measurement(str(side), Tally(), tuple(Round(pair[side], pair[side], 0.0) for pair in pairs))
        for side in (0, 1)
    ]
    throughput, p50, p99 = Level(1, 0.0, tuple(sides)).ratios
    assert throughput.lowest <= throughput.median <= throughput.highest
    assert p50.median == throughput.median
    assert (p99.lowest, p99.median, p99.highest) == (0.0, 0.0, 0.0)


def test_one_slow_round_of_three_does_not_make_the_ratio() -> None:
    first = Measurement("a", Tally(), tuple(Round(n, 1.0, 1.0) for n in (100.0, 98.0, 10.0)))
    second = Measurement("b", Tally(), (Round(100.0, 1.0, 1.0),) * 3)
    ratio = Level(1, 0.0, (first, second)).ratios[0]
    assert (ratio.lowest, ratio.median, ratio.highest) == (0.1, 0.98, 1.0)


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(result("a:1", "b:2"))
    out = capsys.readouterr().out
    assert "50 req/s" in out
    assert "1 client" in out
    assert "6 x HTTP 429: <full>" in out
    assert "8.0 (up to 6)" not in out
    assert "4.0 (up to 6)" in out
    assert "first / second" in out
    assert "Answers to 15 of 16 different requests were compared (b refused 1); 1 are" in out
    assert "a <note>" in out


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**42), min_size=1, max_size=50), st.integers(1, 20))
def test_the_bars_hold_every_value_and_meet(values: list[int], count: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    found = bars(histogram, count)
    assert len(found) == count
    assert sum(bar[2] for bar in found) == len(values)
    assert all(a[1] == b[0] for a, b in pairwise(found))


def test_without_matplotlib_a_picture_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(FailedPrecondition) as refusal:
        plot.draw(result("a"), tmp_path / "x.png")
    assert "pip install matplotlib" in refusal.value.hint


def test_a_picture_is_drawn_if_matplotlib_is_there(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "x.png"
    plot.draw(result("a", "b"), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    for batches in (True, False):
        drawing = tmp_path / "x.svg"
        plot.draw(result("a", batches=batches), drawing)
        # Text is drawn as shapes, but each one is named in a comment.
        assert ("<!-- rows in a batch -->" in drawing.read_text()) == batches
    with pytest.raises(FailedPrecondition, match="can not be written"):
        plot.draw(result("a"), tmp_path / "x.unknown")
    plot.check_drawable(tmp_path / "x.PNG")
    for name in ("x.unknown", "x"):
        with pytest.raises(InvalidArgument, match="no suffix of a picture"):
            plot.check_drawable(tmp_path / name)
