"""JSON values as tensors of the dtype that a signature names."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable import tensors
from servable.cli.values import cast, from_json
from servable.errors import InvalidArgument
from servable.tensors import Array, DType, TensorSpec


def spec(dtype: DType | None) -> TensorSpec:
    return TensorSpec("x:0", dtype, (None,))


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([1, 2.5], tensors.FLOAT, np.array([1, 2.5], np.float32)),
        (1, tensors.INT64, np.array(1, np.int64)),
        ([[255]], tensors.UINT8, np.array([[255]], np.uint8)),
        ([2**64 - 1], tensors.UINT64, np.array([2**64 - 1], np.uint64)),
        ([True], tensors.BOOL, np.array([True])),
        ([1.5], tensors.BFLOAT16, np.array([1.5], ml_dtypes.bfloat16)),
        ([1], tensors.COMPLEX64, np.array([1], np.complex64)),
        ([], tensors.INT32, np.array([], np.int32)),
        ([1], None, np.array([1])),
    ],
    ids=lambda value: str(value) if isinstance(value, DType | list) else None,
)
def test_a_value_takes_the_signatures_dtype(
    value: Any, dtype: DType | None, expected: Array
) -> None:
    array = from_json(value, spec(dtype))

    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("é", "é".encode()), (["a", {"b64": "AP8="}], [b"a", b"\x00\xff"]), ([], [])],
)
def test_strings_are_text_or_base64(value: Any, expected: Any) -> None:
    assert from_json(value, spec(tensors.STRING)).tolist() == expected


@pytest.mark.parametrize(
    ("value", "dtype", "complaint"),
    [
        ([1.5], tensors.INT32, "floating-point"),
        ([300], tensors.UINT8, "from 300 to 300"),
        ([-1], tensors.UINT32, "from -1 to -1"),
        ([1], tensors.BOOL, "wants bool"),
        ([True], tensors.FLOAT, "true and false"),
        (["a"], tensors.FLOAT, "text"),
        ([None], tensors.FLOAT, "not made of numbers"),
        ([2**70], tensors.INT64, "not made of numbers"),
        ([[1], [1, 2]], tensors.FLOAT, "ragged"),
        ([1], tensors.STRING, "strings"),
        ([["a"], ["b", "c"]], tensors.STRING, "strings"),
        ([{"b64": "?"}], tensors.STRING, "base64"),
        ([{"b64": "AA==", "x": 1}], tensors.STRING, "strings"),
    ],
)
def test_a_value_that_would_be_changed_is_refused(value: Any, dtype: DType, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        from_json(value, spec(dtype))


@given(st.lists(st.integers(-(2**63), 2**64 - 1)), st.sampled_from(tensors.DTYPES))
def test_whole_numbers_never_wrap(values: list[int], dtype: DType) -> None:
    if dtype.numpy.kind not in "iu":
        return
    try:
        array = from_json(values, spec(dtype))
    except InvalidArgument:
        return

    assert array.tolist() == values


def test_text_from_a_numpy_file_becomes_bytes() -> None:
    assert cast(np.array(["a", "é"]), spec(tensors.STRING)).tolist() == [b"a", "é".encode()]
