"""Which names are versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.sources.versions import parse_version, sort_out


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("1", 1),
        ("0", 0),
        ("00000123", 123),
        ("20170111173521", 20170111173521),
        ("-1", -1),
        ("+5", 5),
        (" 7\n", 7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
        ("9" * 255, None),
        ("1.0", None),
        ("0.1", None),
        ("v1", None),
        ("1_tmp", None),
        ("1_000", None),
        ("0x10", None),
        ("1e3", None),
        ("- 1", None),
        ("--1", None),
        ("1 2", None),
        ("", None),
        (" ", None),
        ("tmp", None),
        ("2.denied", None),
        ("\u0661", None),
        ("\u00a01", None),
    ],
)
def test_a_version_is_a_whole_decimal_int64(name: str, number: int | None) -> None:
    assert parse_version(name) == number


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 20))
def test_every_int64_is_a_version_with_any_number_of_leading_zeros(number: int, zeros: int) -> None:
    sign = "-" if number < 0 else ""
    assert parse_version(f"{sign}{'0' * zeros}{abs(number)}") == number


@given(st.text(max_size=30))
def test_any_name_is_either_a_version_or_not(name: str) -> None:
    number = parse_version(name)
    assert number is None or int(name) == number


def test_of_names_with_the_same_number_the_last_one_counts() -> None:
    children = sort_out(["001", "1", "00001", "2", "tmp"])
    assert children.versions == {1: "1", 2: "2"}
    assert children.doubles == ("00001", "001")
    assert children.others == ("tmp",)
