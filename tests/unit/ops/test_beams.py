"""Beam search over label sequences."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import InvalidArgument
from servable.ops.beams import beam_search


def probabilities(scores: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> dict[str, float]:
    """The probability of every label sequence, by listing every path through the scores."""
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    blank = scores.shape[1] - 1
    found: dict[str, float] = {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        labels = [label for label, _ in itertools.groupby(path) if label != blank]
        key = ",".join(map(str, labels))
        chance = math.prod(chances[at, label] for at, label in enumerate(path))
        found[key] = found.get(key, 0.0) + chance
    return found


@given(st.integers(1, 4), st.integers(2, 3), st.integers(0, 2**32 - 1))
def test_a_wide_beam_finds_the_exact_probabilities(time: int, classes: int, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(time, classes))
    expected = probabilities(scores)
    found = beam_search(scores, 1000, len(expected))
    assert [log for _, log in found] == sorted((log for _, log in found), reverse=True)
    for labels, log in found:
        assert math.exp(log) == pytest.approx(expected[",".join(map(str, labels))])


def test_more_sequences_than_there_are_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="Less leaves"):
        beam_search(np.zeros((1, 2)), 10, 3)


def test_no_time_at_all_gives_the_empty_sequence() -> None:
    assert beam_search(np.zeros((0, 3)), 5, 1) == [([], 0.0)]
