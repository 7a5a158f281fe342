"""JSON inside error texts."""

from __future__ import annotations

import math

import pytest

from servable.wire.json_debug import Json, debug_string, type_name


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}"),
        ([], "[]"),
        ([1, [2.5, "a"], None, True, False], '[1, [2.5, "a"], null, true, false]'),
        ({"a": [1, 2], "b": {}}, '{\n    "a": [1, 2],\n    "b": {}\n}'),
        ({"a": {"b": 1}}, '{\n    "a": {\n        "b": 1\n    }\n}'),
        ([{"a": 1}], '[{\n        "a": 1\n    }]'),
        ('q"\\/\b\x1f\x7fé', '"q\\"\\\\/\\b\\u001F\x7fé"'),
        (18446744073709551615, "18446744073709551615"),
    ],
)
def test_values_are_printed_with_arrays_on_one_line(value: Json, text: str) -> None:
    assert debug_string(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-2.5, "-2.5"),
        (0.1, "0.1"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (1e-7, "1e-7"),
        (1e20, "100000000000000000000.0"),
        (1e21, "1e21"),
        (1.25e30, "1.25e30"),
        (123456.789, "123456.789"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_a_float_is_printed_in_the_fewest_digits(number: float, text: str) -> None:
    assert debug_string(number) == text


def test_text_is_cut_after_256_bytes() -> None:
    assert debug_string("x" * 300) == '"' + "x" * 255
    assert debug_string("é" * 300) == '"' + "é" * 127
    assert len(debug_string(list(range(1_000_000)))) == 256


def test_a_bottomless_value_can_be_printed() -> None:
    value: Json = []
    for _ in range(100_000):
        value = [value]
    assert debug_string(value) == "[" * 256


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "Null"),
        (True, "True"),
        (False, "False"),
        (1, "Number"),
        (1.0, "Number"),
        ("", "String"),
        ([], "Array"),
        ({}, "Object"),
    ],
)
def test_types_have_the_peers_names(value: Json, name: str) -> None:
    assert type_name(value) == name
