"""Results as a page, as data, as a picture and in a terminal."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.bench import Histogram, Level, Measurement, OutputDifference, Result, plot
from servable.bench.document import document
from servable.bench.html import chart, page, round_numbers
from servable.bench.messages import Batches, Protocol, Tally
from servable.bench.results import round_of
from servable.cli.bench_report import bars, print_result
from servable.errors import FailedPrecondition


def tally(scale: int = 1, count: int = 100) -> Tally:
    made = Tally(rows=count * 4, received=count * 10, seconds=2.0, cpu_seconds=0.5, busiest=0.95)
    for number in range(count):
        made.latency.record(scale * 1_000_000 * (number + 1))
    made.errors["HTTP 429"] = 3
    made.texts["HTTP 429"] = "<full>"
    made.batches = Batches(told=8)
    made.batches.sizes.update({2: 2, 6: 6})
    return made


def measured(address: str, scale: int = 1) -> Measurement:
    one, two = tally(scale), tally(scale)
    return Measurement(address, one.then(two), (round_of(one), round_of(two)))


def result(*addresses: str) -> Result:
    both: tuple[Protocol, ...] = ("grpc", "rest")
    sides = [measured(address, scale + 1) for scale, address in enumerate(addresses)]
    return Result(
        "<model>", "serving_default", (1,) * len(sides), both[: len(sides)], 16, (4, 4), 99.0,
        1, (Level(1, 0.0, tuple(sides)), Level(0, 50.0, tuple(sides))),
        (OutputDifference("y", 16, 1, 0.5, 0.25, ""),) if len(sides) > 1 else (),
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
    assert (throughput.overall, throughput.lowest, throughput.highest) == (1.0, 1.0, 1.0)
    assert p50.overall == pytest.approx(0.5, rel=0.02)
    assert result("a").levels[0].ratios == ()


def test_the_page_is_whole_escaped_and_loads_nothing() -> None:
    text = page(result("a", "b"))
    assert "&lt;model&gt;" in text
    assert "a &lt;note&gt;" in text
    assert "<model>" not in text
    assert not {"http:", "https:", "<script", "src="} & set(text.split())
    assert "//" not in text
    drawings = text.split("<svg")[1:]
    assert len(drawings) == 3
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
    assert found["levels"][0]["ratios"]["throughput"]["overall"] == 1.0
    assert found["differences"][0]["relative"] == 0.25


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(result("a:1", "b:2"))
    out = capsys.readouterr().out
    assert "50 req/s" in out
    assert "1 client" in out
    assert "6 x HTTP 429: <full>" in out
    assert "8.0 (up to 6)" not in out
    assert "4.0 (up to 6)" in out
    assert "first / second" in out
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
    with pytest.raises(FailedPrecondition, match="can not be written"):
        plot.draw(result("a"), tmp_path / "x.unknown")
