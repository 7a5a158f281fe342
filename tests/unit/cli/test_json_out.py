"""Arrays as JSON for a person or a pipe."""

from __future__ import annotations

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from servable.cli.json_out import plain, render
from servable.tensors import Array


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0.2, 1e-5, 3], np.float32), "[0.2, 1e-05, 3.0]"),
        (np.array(0.1, np.float16), "0.1"),
        (np.array([1.5], ml_dtypes.bfloat16), "[1.5]"),
        (np.array([np.nan, np.inf]), "[NaN, Infinity]"),
        (np.array([[True]]), "[[true]]"),
        (np.array([2**63 - 1]), "[9223372036854775807]"),
        (np.array(["é".encode(), b"\xff"], dtype=object), '["é", {"b64": "/w=="}]'),
        (np.array([1 + 2j]), "[[1.0, 2.0]]"),
        (np.zeros((2, 0), np.float32), "[[], []]"),
    ],
)
def test_values_are_written_with_no_more_digits_than_they_have(array: Array, expected: str) -> None:
    assert render({"y": plain(array)}, pretty=False) == f'{{"y": {expected}}}'


@pytest.mark.parametrize(
    "document",
    [{}, {"outputs": {}}, {"v": 1, "outputs": {"a": [[1.0, 2.0], []], "b": ["x"], "c": 3}}],
)
def test_the_pretty_form_says_the_same(document: dict[str, Any]) -> None:
    assert json.loads(render(document, pretty=True)) == document


def test_the_pretty_form_keeps_rows_on_one_line() -> None:
    assert render({"a": [[1, 2], [3, 4]]}, pretty=True) == (
        '{\n  "a": [\n    [1, 2],\n    [3, 4]\n  ]\n}'
    )
