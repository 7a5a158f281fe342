from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.bench.batch_note import BatchNote, parse


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("queue_us=80;size=8;padded=1;reason=full", BatchNote(80, 8, 1, "full")),
        (" size = 4", None),
        ("size=4", BatchNote(0, 4, 0, "")),
        ("reason=timeout; size=2; queue_us=7", BatchNote(7, 2, 0, "timeout")),
        ("size=2;later=x;;", BatchNote(0, 2, 0, "")),
        ("", None),
        ("size=0", None),
        ("queue_us=80", None),
        ("size=-1", None),
        ("size=1.5", None),
        ("size=٣", None),
        ("size=" + "9" * 100, None),
        ("size=1;reason=" + "x" * 100, BatchNote(0, 1, 0, "x" * 40)),
        ("size=1;" + "x" * 1000, None),
    ],
)
def test_a_note_is_read_or_there_is_none(text: str, note: BatchNote | None) -> None:
    assert parse(text) == note


@settings(deadline=None)
@given(st.text(max_size=300))
def test_nothing_that_a_server_says_is_an_error(text: str) -> None:
    parse(text)
