"""Traces as TensorFlow's profiler reads them."""

from __future__ import annotations

from typing import Any

from servable.errors import Code
from servable.metrics.trace import Span
from servable.wire.profile_proto import write_space, write_summary

PS = 10**12


def span(**changes: Any) -> Span:
    values = {
        "thread": "rest_0",
        "api": "predict",
        "transport": "rest",
        "model": "m",
        "version": "3",
        "code": Code.OK,
        "queued": 0.5,
        "started": 11.0,
        "run_began": 12.0,
        "run_ended": 14.0,
        "ended": 15.0,
    }
    return Span(**{**values, **changes})


def events(space: Any) -> dict[str, list[tuple[str, int, int]]]:
    (plane,) = space.planes
    return {
        line.name: [
            (plane.event_metadata[e.metadata_id].name, e.offset_ps // PS, e.duration_ps // PS)
            for e in line.events
        ]
        for line in plane.lines
    }


def test_a_request_and_its_parts_are_events_on_the_line_of_their_thread() -> None:
    failed = span(thread="rest_1", run_began=0.0, run_ended=0.0, code=Code.NOT_FOUND, model="")

    space = write_space([span(), failed], 10.0, 5_000_000_000)

    assert events(space) == {
        "rest_0": [("rest predict m", 1, 4), ("decode", 1, 1), ("run", 2, 2), ("encode", 4, 1)],
        "rest_1": [("rest predict", 1, 4)],
    }
    (plane,) = space.planes
    assert {line.timestamp_ns for line in plane.lines} == {5_000_000_000}
    assert all(number == meta.id for number, meta in plane.event_metadata.items())
    stats = {
        plane.stat_metadata[stat.metadata_id].name: stat.str_value or stat.double_value
        for stat in plane.lines[0].events[0].stats
    }
    assert stats == {"status": "OK", "version": "3", "queued_us": 500_000.0}


def test_a_request_that_began_before_the_trace_moves_its_beginning() -> None:
    space = write_space([span(started=8.0)], 10.0, 5_000_000_000)

    assert events(space)["rest_0"][0] == ("rest predict m", 0, 7)
    assert space.planes[0].lines[0].timestamp_ns == 3_000_000_000


def test_a_trace_of_nothing_has_no_lines() -> None:
    assert events(write_space([], 10.0, 5)) == {}


def test_a_summary_counts_requests_by_what_they_asked_for() -> None:
    spans = [span(), span(), span(api="classify", code=Code.INTERNAL)]

    lines = write_summary(spans, 2.0, dropped=1).splitlines()

    assert lines == [
        "Requests: 4 in 2.000 s (2.0/s)",
        "Failed: 1",
        "Milliseconds: mean 4500.000, median 4500.000, most 4500.000",
        "  rest predict m: 2",
        "  rest classify m: 1",
    ]
    assert write_summary([], 0.0) == "Requests: 0 in 0.000 s (0.0/s)\n"
