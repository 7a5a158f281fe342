"""Plain bytes of tensors."""

from __future__ import annotations

import numpy as np
import pytest

from servable import tensors
from servable.errors import InvalidArgument
from servable.wire import dense


@pytest.mark.parametrize(
    ("text", "shape"),
    [("", ()), ("3", (3,)), ("1,2,3", (1, 2, 3)), (" 1, 2 ,", (1, 2)), ("0", (0,)), ("007", (7,))],
)
def test_shapes(text: str, shape: tuple[int, ...]) -> None:
    assert dense.read_shape(text) == shape


@pytest.mark.parametrize(
    "text", ["-1", "1,,2", ",", "x", "1.0", "0x1", "9" * 20, "1," * 600, "\u0661", "1;2"]
)
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="no list of sizes") as caught:
        dense.read_shape(text)
    assert "X-Tensor-Shape" in caught.value.hint
    assert len(caught.value.message) < 100


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("float32", tensors.FLOAT),
        ("float", tensors.FLOAT),
        (" DT_FLOAT ", tensors.FLOAT),
        ("float64", tensors.DOUBLE),
        ("double", tensors.DOUBLE),
        ("bool", tensors.BOOL),
        ("int8", tensors.INT8),
        ("qint8", tensors.QINT8),
        ("bfloat16", tensors.BFLOAT16),
        ("complex64", tensors.COMPLEX64),
    ],
)
def test_dtypes_have_several_names(text: str, dtype: object) -> None:
    assert dense.read_dtype(text) is dtype


@pytest.mark.parametrize("text", ["", "string", "object", "resource", "f4", "float33", "x" * 999])
def test_what_is_no_dtype_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not known"):
        dense.read_dtype(text)


def test_a_view_shares_the_bytes_and_an_odd_address_does_not() -> None:
    data = bytes(17)
    even = dense.view(memoryview(data)[:16], tensors.FLOAT, (4,))
    assert np.shares_memory(even, np.frombuffer(data, np.uint8))
    odd = dense.view(memoryview(data)[1:], tensors.FLOAT, (4,))
    assert odd.flags.aligned
    assert odd.tolist() == [0] * 4


@pytest.mark.parametrize(
    ("size", "shape", "text"),
    [
        (4, (2,), "takes 8"),
        (4, (), None),
        (0, (0, 5), None),
        (4, (-1,), "negative"),
        (4, (2**40, 2**40), "too many elements"),
        (4, (1,) * 33, "dimensions"),
        (0, (0, 2**62, 2**62), "can not be held"),
    ],
)
def test_shape_and_length_must_agree(size: int, shape: tuple[int, ...], text: str | None) -> None:
    if text is None:
        assert dense.view(bytes(size), tensors.FLOAT, shape).shape == shape
        return
    with pytest.raises(InvalidArgument, match=text):
        dense.view(bytes(size), tensors.FLOAT, shape)


def test_elements_are_little_endian_and_in_order() -> None:
    array = np.arange(4, dtype=">i2").reshape(2, 2).T
    assert bytes(dense.elements(array)) == np.array([0, 2, 1, 3], "<i2").tobytes()
    assert bytes(dense.elements(np.array(True))) == b"\x01"
    with pytest.raises(InvalidArgument, match="Strings have no form"):
        dense.elements(np.array([b"x"], object))
