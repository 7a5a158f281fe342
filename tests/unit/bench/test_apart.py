"""Two servers' answers, compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.bench.apart import Answer, compare, not_compared
from servable.tensors import Array

TOLERANCE = 1e-3
TWO = ("a:1", "b:2")
Y = np.array([0.25, 1], np.float32)


def one_of(array: Array) -> Answer:
    return {"y": array}


def strings(*values: bytes) -> Array:
    made = np.empty(len(values), object)
    made[:] = values
    return made


@pytest.mark.parametrize(
    ("ours", "theirs", "unequal"),
    [
        (np.array([1, 100], np.float32), np.array([1, 100], np.float32), 0),
        (
            np.array([1.05, 100], np.float32),
            np.array([1, 100], np.float32),
            0,
        ),
        (np.array([1.2, 100], np.float32), np.array([1, 100], np.float32), 1),
        (np.array([np.nan], np.float32), np.array([np.nan], np.float32), 0),
        (np.array([np.nan], np.float32), np.array([1], np.float32), 1),
        (np.array([1 + 1j], np.complex64), np.array([1 + 1.0001j], np.complex64), 0),
        (
            np.array([1, 10**6], np.int64),
            np.array([2, 10**6], np.int64),
            1,
        ),
        (np.array([True]), np.array([False]), 1),
        (strings(b"a"), strings(b"a"), 0),
        (strings(b"a"), strings(b"b"), 1),
        (np.array([1], np.float32), np.array([1, 1], np.float32), 1),
        (np.array([1], np.float32), np.array([1], np.float64), 1),
    ],
)
def test_only_floats_may_differ_a_little(ours: Array, theirs: Array, unequal: int) -> None:
    found = compare([one_of(ours)], [one_of(theirs)], TWO, 1, TOLERANCE)
    assert (found.compared, found.unequal, found.why_fewer) == (1, unequal, "")
    assert found.outputs[0].unequal == unequal
    assert found.same == (not unequal)


def test_an_answer_is_unequal_once_however_many_of_its_outputs_are() -> None:
    same = {"x": np.zeros(1), "y": np.zeros(1)}
    other = {"x": np.ones(1), "y": np.ones(1)}
    found = compare([same, same], [same, other], TWO, 2, TOLERANCE)
    assert (found.compared, found.unequal) == (2, 1)
    assert [(o.output, o.compared, o.unequal) for o in found.outputs] == [("x", 2, 1), ("y", 2, 1)]


def test_what_was_not_compared_is_said_with_why() -> None:
    answer = one_of(np.zeros(1))
    found = compare([answer, None, answer, None], [answer] * 3 + [None], TWO, 9, TOLERANCE)
    assert (found.requests, found.compared, found.unequal) == (9, 2, 0)
    assert found.why_fewer == "only the first 4 are; a:1 refused 2; b:2 refused 1"
    assert found.refused_by_one == 1
    assert not found.same


def test_what_both_refuse_is_no_difference() -> None:
    assert compare([None], [None], TWO, 1, TOLERANCE).same


def test_servers_that_get_other_requests_are_not_apart() -> None:
    found = not_compared(7)
    assert (found.requests, found.compared, found.same) == (7, 0, True)
    assert "do not get the same requests" in found.why_fewer


FLOATS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3)


@settings(deadline=None)
@given(FLOATS, FLOATS)
def test_the_largest_difference_is_the_same_from_either_side(
    one: list[float], two: list[float]
) -> None:
    a, b = (np.array(values, np.float32) for values in (one, two))
    (there,) = compare([one_of(a)], [one_of(b)], TWO, 1, 0.0).outputs
    (back,) = compare([one_of(b)], [one_of(a)], TWO, 1, 0.0).outputs
    exact = max(abs(float(p) - float(q)) for p, q in zip(a, b, strict=True))
    assert there.absolute == back.absolute == exact
    assert there.unequal == (exact > 0)


@pytest.mark.parametrize(
    ("ours", "theirs", "absolute", "relative", "problem"),
    [
        (Y, np.array([0.25, 2], np.float32), 1.0, 0.5, ""),
        (Y, Y[:1], 0.0, 0.0, "shape [2], not [1]"),
        (Y, Y.astype(np.float64), 0.0, 0.0, "dtype float32, not float64"),
        (np.array([b"a"], object), np.array([b"b"], object), 1.0, 1.0, ""),
        (np.array([np.nan]), np.array([np.nan]), 0.0, 0.0, ""),
        (np.array([np.nan]), np.array([1.0]), np.inf, np.inf, "NaN or infinite on one side only"),
    ],
)
def test_how_far_answers_are_apart(
    ours: Array, theirs: Array, absolute: float, relative: float, problem: str
) -> None:
    answers = [one_of(ours), one_of(theirs)], [one_of(theirs), one_of(theirs)]
    (found,) = compare(*answers, TWO, 2, 0.0).outputs
    assert (found.absolute, found.relative, found.problem) == (absolute, relative, problem)
    assert (found.compared, found.unequal) == (2, 1 if absolute or problem else 0)


def test_an_output_that_one_side_lacks_is_told_whichever_side_it_is() -> None:
    found = compare([{"y": Y, "mine": Y}], [{"y": Y, "theirs": Y}], TWO, 1, 0.0)
    assert found.unequal == 1
    assert [(d.output, bool(d.problem)) for d in found.outputs] == [
        ("mine", True),
        ("theirs", True),
        ("y", False),
    ]
