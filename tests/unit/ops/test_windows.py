"""Where windows stand, for convolutions and pooling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import InvalidArgument, ResourceExhausted
from servable.ops.windows import Axis, Sliding, blocks, pad


def sliding(padding: str, stride: int, dilation: int, around: tuple[int, int]) -> Sliding:
    return Sliding(1, False, (stride,), (dilation,), padding, (around,))


@st.composite
def axes(draw: st.DrawFn, most_dilation: int = 4) -> Axis:
    around = draw(st.tuples(st.integers(0, 5), st.integers(0, 5)))
    padding = draw(st.sampled_from(["SAME", "VALID", "EXPLICIT"]))
    how = sliding(padding, draw(st.integers(1, 4)), draw(st.integers(1, most_dilation)), around)
    try:
        (axis,) = how.over((draw(st.integers(0, 12)),), (draw(st.integers(1, 6)),))
    except InvalidArgument:
        axis = Axis(0, 1, 1, 1, 0, 0)
    return axis


@given(axes())
def test_a_place_and_an_offset_meet_the_input_where_arithmetic_says(axis: Axis) -> None:
    for offset in range(axis.window):
        places, under = axis.inside(offset)
        met = dict(
            zip(range(*places.indices(axis.places)), range(*under.indices(axis.size)), strict=True)
        )
        for place in range(axis.places):
            at = place * axis.stride + offset * axis.dilation - axis.before
            assert met.get(place) == (at if 0 <= at < axis.size else None)


@given(axes())
def test_offsets_that_meet_nothing_are_left_out(axis: Axis) -> None:
    for offset in set(range(axis.window)) - set(axis.meeting()):
        assert axis.inside(offset) == (slice(0, 0), slice(0, 0))


@given(axes(most_dilation=1))
def test_counts_are_numbers_of_elements_under_the_window(axis: Axis) -> None:
    expected = [0] * axis.places
    for offset in range(axis.window):
        for place in range(*axis.inside(offset)[0].indices(axis.places)):
            expected[place] += 1
    assert np.maximum(axis.counts(), 0).tolist() == expected


@given(axes())
def test_the_padded_input_holds_every_element_of_every_window(axis: Axis) -> None:
    x = np.arange(1, axis.size + 1).reshape(1, -1, 1)
    padded = pad(x, [axis])[0, :, 0]
    for offset in range(axis.window) if axis.places else ():
        seen = padded[axis.under(offset)]
        assert len(seen) == axis.places
        places, under = axis.inside(offset)
        assert seen[places].tolist() == x[0, under, 0].tolist()
        assert np.count_nonzero(seen) == len(seen[places])


@pytest.mark.parametrize(
    ("size", "window", "stride", "places"),
    [(5, 3, 1, 3), (5, 3, 2, 2), (2, 3, 1, 0), (1, 4, 2, 0), (1, 3, 1, None), (0, 1, 1, 0)],
)
def test_places_without_padding(size: int, window: int, stride: int, places: int | None) -> None:
    how = sliding("VALID", stride, 1, (0, 0))
    if places is None:
        with pytest.raises(InvalidArgument, match="output size would be negative"):
            how.over((size,), (window,))
    else:
        assert how.over((size,), (window,))[0].places == places


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 1 << 40))
def test_blocks_cover_every_row_once(batch: int, rows: int, row_bytes: int) -> None:
    seen = np.zeros((batch, rows), int)
    for images, part in blocks(batch, rows, row_bytes):
        seen[images, part] += 1
    assert (seen == 1).all()


def test_padding_that_would_fill_memory_is_refused() -> None:
    axis = Axis(1, 2, 1, 1 << 40, 1 << 39, 1)
    with pytest.raises(ResourceExhausted):
        pad(np.zeros((1, 1, 1)), [axis])
