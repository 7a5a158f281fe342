"""Arrays in the bodies of answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable import tensors
from servable.errors import InvalidArgument
from servable.tensors import Array, DType
from servable.wire import json_columns, json_rows


def strings(*values: Any) -> Array:
    return np.array(values, object)


def array(values: Any, dtype: DType = tensors.FLOAT) -> Array:
    return np.array(values, dtype.numpy)


@pytest.mark.parametrize(
    ("outputs", "rows", "columns"),
    [
        ({"y": array([2.5, 3, 4.5])}, [2.5, 3.0, 4.5], [2.5, 3.0, 4.5]),
        ({"y": array([[2.5, 3], [3.5, 4]])}, [[2.5, 3.0], [3.5, 4.0]], [[2.5, 3.0], [3.5, 4.0]]),
        ({"y": array([1, 2, 3, 4, 5], tensors.INT32)}, [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]),
        ({"y": np.zeros((0, 3))}, [], []),
        ({"y": np.zeros((2, 0))}, [[], []], [[], []]),
        (
            {"a": array([[1], [2]]), "b": array([8, 9], tensors.INT64)},
            [{"a": [1.0], "b": 8}, {"a": [2.0], "b": 9}],
            {"a": [[1.0], [2.0]], "b": [8, 9]},
        ),
        (
            {"s": strings(b"x", b"y"), "t": array([True, False], tensors.BOOL)},
            [{"s": "x", "t": True}, {"s": "y", "t": False}],
            {"s": ["x", "y"], "t": [True, False]},
        ),
        ({"a": np.zeros((0, 2)), "b": np.zeros(0, np.int32)}, [], {"a": [], "b": []}),
    ],
)
def test_both_layouts(outputs: Mapping[str, Array], rows: Any, columns: Any) -> None:
    assert json.loads(json_rows.encode(outputs)) == {"predictions": rows}
    assert json.loads(json_columns.encode(outputs)) == {"outputs": columns}


@pytest.mark.parametrize(
    ("dtype", "values", "text"),
    [
        (tensors.FLOAT, [0.5, 3, 0.2, 1 / 3, 5.55557e5], "[0.5,3.0,0.2,0.33333334,555557.0]"),
        (tensors.DOUBLE, [0.1, 1 / 3, -0.0], "[0.1,0.3333333333333333,-0.0]"),
        (tensors.INT32, [2**31 - 1, -(2**31)], "[2147483647,-2147483648]"),
        (tensors.INT16, [-32768], "[-32768]"),
        (tensors.INT8, [-128, 127], "[-128,127]"),
        (tensors.UINT8, [255], "[255]"),
        (tensors.INT64, [2**63 - 1, -(2**63)], "[9223372036854775807,-9223372036854775808]"),
        (tensors.UINT32, [2**32 - 1], "[4294967295]"),
        (tensors.UINT64, [2**64 - 1], "[18446744073709551615]"),
        (tensors.BOOL, [True, False], "[true,false]"),
        (tensors.STRING, [b"a", b""], '["a",""]'),
    ],
)
def test_every_dtype_that_json_has(dtype: DType, values: list[Any], text: str) -> None:
    wanted = f'{{"outputs":{text}}}'.encode()
    assert json_columns.encode({"y": array(values, dtype)}) == wanted
    scalar = array(values[0], dtype)
    assert json.loads(json_columns.encode({"y": scalar})) == {"outputs": json.loads(text)[0]}
    both = json.loads(json_rows.encode({"y": array(values, dtype), "z": array(values, dtype)}))
    assert both == {"predictions": [{"y": v, "z": v} for v in json.loads(text)]}


@pytest.mark.parametrize(
    "dtype", [tensors.HALF, tensors.BFLOAT16, tensors.UINT16, tensors.COMPLEX64, tensors.COMPLEX128]
)
def test_every_dtype_that_json_has_not(dtype: DType) -> None:
    for encode in (json_rows.encode, json_columns.encode):
        with pytest.raises(InvalidArgument) as caught:
            encode({"y": array([1], dtype)})
        text = f"Failed to write JSON value for tensor type: {dtype.name}"
        assert caught.value.message == text
    assert json_rows.encode({"y": np.zeros(0, dtype.numpy)}) == b'{"predictions":[]}'


def test_what_is_not_finite_is_a_bare_word() -> None:
    values = array([np.nan, np.inf, 3, -np.inf])
    words = b"[NaN,Infinity,3.0,-Infinity]"

    assert json_rows.encode({"y": values}) == b'{"predictions":' + words + b"}"
    assert json_columns.encode({"y": values}) == b'{"outputs":' + words + b"}"
    assert json_columns.encode({"y": values[0]}) == b'{"outputs":NaN}'
    assert json_rows.encode({"y": values[:2], "s": strings(b"null", b"null")}) == (
        b'{"predictions":[{"y":NaN,"s":"null"},{"y":Infinity,"s":"null"}]}'
    )
    assert json_rows.encode({"y": values[:3].reshape(1, 3).astype(np.float64)}) == (
        b'{"predictions":[[NaN,Infinity,3.0]]}'
    )


@given(
    hnp.arrays(st.sampled_from([np.float32, np.float64]), hnp.array_shapes(min_dims=0, min_side=0))
)
def test_floats_come_back_bit_for_bit(values: Array) -> None:
    text = json_columns.encode({"y": values})
    back = np.array(json.loads(text)["outputs"], values.dtype).reshape(values.shape)
    np.testing.assert_array_equal(back, values)
    finite = values[np.isfinite(values)]
    assert back[np.isfinite(values)].tobytes() == finite.tobytes()


def test_the_digits_are_those_of_the_dtype_not_of_a_double() -> None:
    assert json_columns.encode({"y": array([0.1, math.nan])}) == b'{"outputs":[0.1,NaN]}'


@pytest.mark.parametrize(
    ("alias", "values", "predictions"),
    [
        (
            "str_tensor_bytes",
            [b"hello", b"world", b"tf", b"serving"],
            [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}, {"b64": "dGY="}, {"b64": "c2VydmluZw=="}],
        ),
        ("bytes", [b"hello"], ["hello"]),
        ("s", [b'"\\/\b\f\n\r\t\x00\x1f'], ['"\\/\b\f\n\r\t\x00\x1f']),
        ("s", ["größe 日".encode()], ["größe 日"]),
    ],
)
def test_strings(alias: str, values: list[bytes], predictions: list[Any]) -> None:
    outputs = {alias: strings(*values)}
    assert json.loads(json_rows.encode(outputs)) == {"predictions": predictions}
    assert json.loads(json_columns.encode(outputs)) == {"outputs": predictions}
    outputs["n"] = np.zeros(len(values), np.int32)
    rows = json.loads(json_rows.encode(outputs))["predictions"]
    assert rows == [{alias: prediction, "n": 0} for prediction in predictions]


def test_bytes_that_are_no_text_pass_through_raw() -> None:
    body = json_columns.encode({"s": strings(b'\xff"', b"ok")})
    assert body == b'{"outputs":["\xff\\"","ok"]}'


def test_a_bytes_output_of_another_dtype_is_plain() -> None:
    assert json_rows.encode({"n_bytes": array([1.0])}) == b'{"predictions":[1.0]}'


def test_an_array_need_not_be_contiguous() -> None:
    values = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    assert json.loads(json_rows.encode({"y": values}))["predictions"] == values.tolist()


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"y": array(1.0)}, "Tensor name: y has no shape information "),
        ({"x": array([1.0]), "y": array(1.0)}, "Tensor name: y has no shape information "),
        (
            {"x": np.zeros((2, 3)), "y": np.zeros((1, 3))},
            "Tensor name: y has inconsistent batch size: 1 expecting: 2",
        ),
        (
            {"x": np.zeros((0, 2)), "y": np.zeros((1, 2))},
            "Tensor name: y has inconsistent batch size: 1 expecting: 0",
        ),
    ],
)
def test_outputs_that_are_no_rows(outputs: Mapping[str, Array], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        json_rows.encode(outputs)
    assert caught.value.message == message


def test_no_outputs_are_no_columns_either() -> None:
    with pytest.raises(InvalidArgument, match="Cannot convert empty tensor map to JSON"):
        json_columns.encode({})
