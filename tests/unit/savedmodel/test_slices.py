"""Texts and keys that name a piece of a tensor."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servable.savedmodel import slices
from servable.savedmodel.errors import SliceSpecInvalid


# Keys as TensorFlow 2.21 wrote them into a variables.index.
@pytest.mark.parametrize(
    ("name", "extents", "key"),
    [
        ("rows", ((0, 3), (0, 6)), b"\x00rows\x00\x01\x01\x02\x80\x83\x80\x86"),
        ("b/üx", ((0, 70), (0, -1)), b"\x00b/\xc3\xbcx\x00\x01\x01\x02\x80\xc0F\x80\x7f"),
        (
            "b/üx",
            ((70, 8200), (0, -1)),
            b"\x00b/\xc3\xbcx\x00\x01\x01\x02\xc0F\xe0 \x08\x80\x7f",
        ),
        (
            "b/üx",
            ((8270, 11730), (0, 2)),
            b"\x00b/\xc3\xbcx\x00\x01\x01\x02\xe0 N\xe0-\xd2\x80\x82",
        ),
    ],
)
def test_the_key_of_a_slice_is_tensorflows(name: str, extents: slices.Extents, key: bytes) -> None:
    assert slices.data_key(name, extents) == key


extents = st.lists(
    st.tuples(st.integers(0, 2**63 - 1), st.integers(-1, 2**63 - 1)), max_size=3
).map(tuple)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


@settings(deadline=None)
@given(names, extents, names, extents)
def test_keys_sort_as_names_ranks_and_extents_do(
    name: str, first: slices.Extents, other: str, second: slices.Extents
) -> None:
    def rank(name: str, extents: slices.Extents) -> tuple[bytes, int, slices.Extents]:
        return name.encode(), len(extents), extents

    keys = slices.data_key(name, first), slices.data_key(other, second)
    assert (keys[0] < keys[1]) == (rank(name, first) < rank(other, second))
    assert (keys[0] == keys[1]) == (rank(name, first) == rank(other, second))


@pytest.mark.parametrize(
    ("spec", "shape", "region"),
    [
        ("4 3 0,2:-", (4, 3), ((0, 2), (0, 3))),
        ("4 3 -:-", (4, 3), ((0, 4), (0, 3))),
        ("4 3 3,1:1,2", (4, 3), ((3, 4), (1, 3))),
        ("5 -", (5,), ((0, 5),)),
        ("0 3 -:-", (0, 3), ((0, 0), (0, 3))),
    ],
)
def test_a_specification_names_a_shape_and_a_region(
    spec: str, shape: tuple[int, ...], region: slices.Region
) -> None:
    assert slices.parse_spec(spec) == (shape, region)


@pytest.mark.parametrize(
    "spec",
    [
        "x 2 -:-",
        "20 2 -",
        "20 2 0,5",
        "20 2 0,99:-",
        "20 2 0,5:0,1:-",
        "20  2 -:-",
        "20 2",
        "20 2 ",
        " -",
        "+20 2 -:-",
        "-20 2 -:-",
        "2_0 2 -:-",
        "²0 2 -:-",
        "20 2 a,b:-",
        "20 2 3:-",
        "20 2 -1,5:-",
        "20 2 1,-1:-",
        "20 2 5,0:-",
        "20 2 5,:-",
        "9" * 5000 + " -",
    ],
)
def test_a_malformed_specification_is_refused(spec: str) -> None:
    with pytest.raises(SliceSpecInvalid, match="Need dimensions and a slice specification"):
        slices.parse_spec(spec)


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789 ,:-+x"), max_size=30))
def test_any_text_is_understood_or_refused(spec: str) -> None:
    try:
        shape, region = slices.parse_spec(spec)
    except SliceSpecInvalid:
        return
    assert all(0 <= a <= b <= size for (a, b), size in zip(region, shape, strict=True))
