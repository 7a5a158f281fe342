"""Numbers of all workers are collected for the one that was asked, and nobody waits for ever."""

from __future__ import annotations

from servable.metrics.merge import Snapshot
from servable.workers.counting import ANSWER_SECONDS, MOST_OPEN, Counting
from servable.workers.messages import Count, Counted

B: Snapshot = {"x": [((), 1.0)]}
C: Snapshot = {"x": [((), 2.0)]}


def test_the_answer_has_the_numbers_of_all_others() -> None:
    counting: Counting[str] = Counting()
    asked = dict(counting.ask("a", 7, ["b", "c"], 0.0))
    assert set(asked) == {"b", "c"}

    counting.answer("b", asked["b"].question, B)
    assert not counting.due(0.0)
    counting.answer("c", asked["c"].question, C)

    assert counting.due(0.0) == [("a", Counted(7, [B, C]))]
    assert not counting.due(99.0)


def test_who_is_late_or_has_died_is_left_out() -> None:
    counting: Counting[str] = Counting()
    counting.ask("a", 7, ["b"], 0.0)
    assert counting.due(ANSWER_SECONDS) == [("a", Counted(7, []))]

    counting.ask("a", 8, ["b"], 0.0)
    counting.forget("b")
    assert counting.due(0.0) == [("a", Counted(8, []))]

    counting.ask("a", 9, ["b"], 0.0)
    counting.forget("a")
    assert not counting.due(99.0)


def test_beyond_a_number_of_open_questions_nobody_is_asked() -> None:
    counting: Counting[str] = Counting()
    for question in range(MOST_OPEN):
        assert counting.ask("a", question, ["b"], 0.0) == [("b", Count(question))]

    assert not counting.ask("a", 999, ["b"], 0.0)
    assert counting.due(0.0) == [("a", Counted(999, []))]
