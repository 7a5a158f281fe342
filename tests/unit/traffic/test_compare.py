"""Two answers side by side: which rows differ, and by how much."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from servable import tensors
from servable.tensors import Array
from servable.traffic.compare import Gap, compare

NAN, INF = np.nan, np.inf


def f32(*values: object) -> Array:
    return np.array(values, np.float32)


def strings(*values: bytes) -> Array:
    return np.array(values, object)


def gap(answer: Array, other: Array, tolerance: float = 0.0) -> Gap:
    return compare({"y": answer}, {"y": other}, tolerance)["y"]


@pytest.mark.parametrize(
    ("answer", "other", "tolerance", "expected"),
    [
        (f32(1, 2), f32(1, 2), 0.0, Gap(2)),
        (f32(1, 2), f32(1, 4), 0.0, Gap(2, 1, 2.0, 0.5)),
        (f32(0.5), f32(0.75), 0.25, Gap(1, 0, 0.25, 1 / 3)),  # up to 1 it is absolute,
        (f32(100), f32(108), 0.1, Gap(1, 0, 8.0, 8 / 108)),  # beyond that relative
        (f32(100), f32(112), 0.1, Gap(1, 1, 12.0, 12 / 112)),
        (f32(NAN, 1), f32(NAN, 1), 0.0, Gap(2)),
        (f32(INF, -INF), f32(INF, -INF), 0.0, Gap(2)),
        (f32(INF, 1, 1), f32(1, NAN, 1), 9.0, Gap(3, 2, broken=2)),
        (f32(INF), f32(-INF), 9.0, Gap(1, 1, broken=1)),
        (np.float32(1), np.float32(2), 0.0, Gap(1, 1, 1.0, 0.5)),
        (f32(), f32(), 0.0, Gap(0)),
        (np.zeros((3, 0)), np.zeros((3, 0)), 0.0, Gap(3)),
        (np.array([True, False]), np.array([True, True]), 9.0, Gap(2, 1)),
        (strings(b"a", b"b"), strings(b"a", b"c"), 9.0, Gap(2, 1)),
        (np.array([1, 5], np.uint8), np.array([2, 5], np.uint8), 0.0, Gap(2, 1, 1.0, 0.5)),
        (np.array([1j]), np.array([3j]), 0.0, Gap(1, 1, 2.0, 2 / 3)),
        (f32([1, 2], [2, 1]), f32([1, 2], [1, 2]), 9.0, Gap(2, 0, 1.0, 0.5, 0, 2, 1)),
        (f32([1], [2]), f32([1], [2]), 0.0, Gap(2)),  # one column has no order
        (f32(1, 2), f32([1, 2]), 0.0, Gap(2, 2, problem="shape [1, 2], not [2]")),
        (f32(1), np.array([1.0]), 0.0, Gap(1, 1, problem="dtype float64, not float32")),
    ],
)
def test_gaps(answer: Array, other: Array, tolerance: float, expected: Gap) -> None:
    found = gap(answer, other, tolerance)

    assert found.relative == pytest.approx(expected.relative)
    assert replace(found, relative=0) == replace(expected, relative=0)


def test_integers_beyond_what_a_float_holds_differ_all_the_same() -> None:
    answer = np.array([2**53, 5], np.int64)

    found = gap(answer, answer + 1)

    assert (found.differ, found.absolute) == (2, 1.0)


def test_rows_of_scores_are_looked_at_for_another_winner() -> None:
    answer = f32([0.9, 0.1], [0.6, 0.4], [0.5, 0.5])
    other = f32([0.8, 0.2], [0.4, 0.6], [0.5, 0.5])

    found = gap(answer, other, tolerance=1.0)

    assert (found.ranked, found.reranked, found.differ) == (3, 1, 0)


@pytest.mark.parametrize("dtype", [d for d in tensors.DTYPES if d.numpy.kind != "O"])
def test_every_dtype_can_be_compared(dtype: tensors.DType) -> None:
    answer = np.array([0, 1, 1]).astype(dtype.numpy)
    other = np.array([0, 1, 0]).astype(dtype.numpy)

    assert (gap(answer, answer).differ, gap(answer, other).differ) == (0, 1)


def test_an_output_that_is_missing_differs_in_all_rows() -> None:
    assert compare({"y": f32(1, 2)}, {}, 1.0) == {"y": Gap(2, 2, problem="is missing")}


FLOATS = arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, min_side=0, max_side=4))


@given(FLOATS)
@settings(deadline=None)
def test_what_is_equal_agrees_whatever_it_is(answer: Array) -> None:
    found = gap(answer, answer.copy())

    assert (found.differ, found.absolute, found.relative, found.reranked) == (0, 0.0, 0.0, 0)


@given(FLOATS, st.randoms(use_true_random=False), st.floats(0, 10))
@settings(deadline=None)
def test_gaps_are_finite_and_counts_are_within_the_rows(
    answer: Array, chance: Random, tolerance: float
) -> None:
    with np.errstate(all="ignore"):
        other = np.asarray(answer * np.float32(chance.random()), np.float32)

    found = gap(answer, other, tolerance)

    assert np.isfinite([found.absolute, found.relative]).all()
    assert 0 <= found.broken <= found.differ <= found.rows
    assert 0 <= found.reranked <= found.ranked <= found.rows
