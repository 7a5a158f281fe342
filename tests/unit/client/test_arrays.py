"""What callers may pass as an input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from servable.client.arrays import tensors
from servable.errors import InvalidArgument


def test_numbers_keep_their_dtype() -> None:
    assert tensors({"x": [np.float16(1)]})["x"].dtype == np.float16


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "é"], [b"a", "é".encode()]),
        ([b"a", b"b\x00"], [b"a", b"b\x00"]),
        (np.array([b"a", b"bc"]), [b"a", b"bc"]),
        ("a", b"a"),
    ],
    ids=["str", "bytes with a zero at the end", "numpy bytes", "one text"],
)
def test_text_becomes_bytes(value: Any, expected: Any) -> None:
    assert tensors({"x": value})["x"].tolist() == expected


@pytest.mark.parametrize(
    "value", [[[1], [2, 3]], [object()], [None], [b"a", 1]], ids=["ragged", "object", "none", "mix"]
)
def test_what_is_no_tensor_is_named(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="'x'"):
        tensors({"x": value})
