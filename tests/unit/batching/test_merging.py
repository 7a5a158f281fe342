"""Rows of requests, put together and cut apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from servable.batching.merging import cut, merged
from servable.batching.padding import alike, rounded
from servable.errors import FailedPrecondition, InvalidArgument
from servable.tensors import Array


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.integers(0, 4),
    st.sampled_from([np.float32, np.int64, np.bool_, np.uint8]),
)
def test_each_request_gets_its_own_rows_back(
    rows: list[int], padding: int, dtype: type[np.generic]
) -> None:
    parts = [
        {"x": (np.arange(n * 3).reshape(n, 3) + 7 * i).astype(dtype)} for i, n in enumerate(rows)
    ]
    together = merged(parts, padding)
    assert together["x"].shape == (sum(rows) + padding, 3)
    for part, own in zip(parts, cut(together, rows, padding), strict=True):
        np.testing.assert_array_equal(part["x"], own["x"])


def test_strings_are_merged_as_they_are() -> None:
    parts = [{"s": np.array([b"a\0", b""], object)}, {"s": np.array([b"\xff"], object)}]
    assert merged(parts)["s"].tolist() == [b"a\0", b"", b"\xff"]


def test_padding_repeats_the_first_row_of_the_last_request() -> None:
    parts = [{"x": np.array([[1, 1]])}, {"x": np.array([[2, 2], [3, 3]])}]
    assert merged(parts, 2)["x"].tolist() == [[1, 1], [2, 2], [3, 3], [2, 2], [2, 2]]


def test_padding_is_never_taken_from_a_request_without_rows() -> None:
    parts = [{"x": np.array([[1, 1]])}, {"x": np.zeros((0, 2), np.int64)}]
    assert merged(parts, 2)["x"].tolist() == [[1, 1]] * 3


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (np.float32(3), "Batched output tensor has 0 dimensions"),
        (np.zeros((2, 3)), "Batched output tensor's 0th dimension does not equal the sum"),
    ],
)
def test_outputs_that_are_no_rows_are_refused(output: Array, text: str) -> None:
    with pytest.raises(FailedPrecondition, match=text):
        cut({"y": np.asarray(output)}, [1, 2])


@pytest.mark.parametrize(
    ("rows", "allowed", "size"),
    [(2, (2, 4), 2), (2, (1, 3, 4), 3), (5, (2, 4), 5), (3, (), 3), (4, (1, 3, 4), 4)],
)
def test_batches_are_made_up_to_the_next_allowed_size(
    rows: int, allowed: tuple[int, ...], size: int
) -> None:
    assert rounded(rows, allowed) == size


def test_rows_of_different_shapes_are_padded_with_their_first_element() -> None:
    small = np.array([[[1, 2], [3, 4]]], np.float32)
    large = np.array([[[5, 6, 7], [8, 9, 10], [11, 12, 13]]], np.float32)
    one, other = alike([{"x": small}, {"x": large}])
    assert one["x"].tolist() == [[[1, 2, 1], [3, 4, 1], [1, 1, 1]]]
    assert other["x"].tolist() == large.tolist()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=4), st.data())
def test_padding_keeps_what_was_there(shapes: list[tuple[int, int]], data: st.DataObject) -> None:
    parts = [
        {"x": data.draw(arrays(np.int32, (2, *shape), elements=st.integers(-9, 9)))}
        for shape in shapes
    ]
    for part, padded in zip(parts, alike(parts), strict=True):
        _, height, width = part["x"].shape
        np.testing.assert_array_equal(padded["x"][:, :height, :width], part["x"])


@pytest.mark.parametrize(
    ("arrays_", "text"),
    [
        ([np.zeros((1, 0)), np.zeros((1, 2))], "Got empty tensor in batch of non-empty tensors."),
        (
            [np.zeros((1,) * 7), np.zeros((1,) * 6 + (2,))],
            "Only tensors with rank from 1 to 6 can be padded.",
        ),
    ],
)
def test_what_can_not_be_padded_is_refused(arrays_: list[Array], text: str) -> None:
    with pytest.raises(InvalidArgument, match=text):
        alike([{"x": array} for array in arrays_])
