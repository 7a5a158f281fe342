"""Arrays in the JSON of the columnar format, and back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable import tensors
from servable.client.rest_json import outputs_of, parse, request_body
from servable.errors import Internal, Unimplemented
from servable.tensors import Array, DType, Shape, Signature, TensorSpec


def signature(**outputs: DType) -> Signature:
    specs = {alias: TensorSpec("", dtype, None) for alias, dtype in sorted(outputs.items())}
    return Signature(inputs={}, outputs=specs)


def sent(array: Array) -> Any:
    return json.loads(request_body("", {"x": array}))["inputs"]["x"]


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)))
def test_floats_survive_the_way_there_and_back(array: Array) -> None:
    if 0 in array.shape[:-1]:  # lists can not tell the shapes (0, 3) and (0,) apart
        with pytest.raises(Unimplemented, match="which the REST API cannot say"):
            request_body("", {"x": array})
        return
    body = request_body("", {"x": array})
    answer = {"outputs": parse(body)["inputs"]["x"]}

    back = outputs_of(answer, signature(y=tensors.FLOAT), ())["y"]

    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("value", "known", "shape"),
    [
        ([[], []], (None, None, 3), (2, 0, 3)),
        ([], (None, 8, None), (0, 8, 0)),
        ([], (None,), (0,)),
        ([[], []], None, (2, 0)),
        ([[1.0]], (None, None, 3), (1, 1)),
    ],
)
@pytest.mark.parametrize("dtype", [tensors.FLOAT, tensors.STRING])
def test_sizes_behind_a_size_of_0_come_from_the_signature(
    value: Any, known: Shape, shape: tuple[int, ...], dtype: DType
) -> None:
    outputs = {"y": TensorSpec("", dtype, known)}
    if dtype is tensors.STRING:
        value = [["text"]] if value == [[1.0]] else value
    assert outputs_of({"outputs": value}, Signature({}, outputs), ())["y"].shape == shape


@given(st.lists(st.binary(max_size=6), max_size=4))
def test_strings_are_sent_as_base64_and_read_in_any_form(values: list[bytes]) -> None:
    array = np.empty(len(values), dtype=object)
    array[:] = values

    back = outputs_of({"outputs": sent(array)}, signature(y=tensors.STRING), ())["y"]

    assert back.tolist() == values


def test_not_a_number_and_infinities_are_bare_tokens() -> None:
    body = request_body("", {"x": np.array([np.nan, -np.inf, np.inf], np.float32)})

    assert b"[NaN, -Infinity, Infinity]" in body


@pytest.mark.parametrize(
    ("array", "written"),
    [
        (np.array(2.5, np.float32), 2.5),
        (np.array([[1, 2]], np.dtype(">i4")), [[1, 2]]),
        (np.asarray([[1, 2], [3, 4]], np.int64).T, [[1, 3], [2, 4]]),
        (np.array([True, False]), [True, False]),
        (np.array([1.5], ml_dtypes.bfloat16), [1.5]),
        (np.array([2**64 - 1], np.uint64), [2**64 - 1]),
        (np.zeros((2, 0), np.float32), [[], []]),
    ],
    ids=["scalar", "big-endian", "transposed", "bool", "bfloat16", "uint64", "empty rows"],
)
def test_every_layout_and_dtype_is_written_by_value(array: Array, written: Any) -> None:
    assert sent(array) == written


def test_complex_numbers_are_refused_with_the_way_out() -> None:
    with pytest.raises(Unimplemented, match="complex64") as caught:
        request_body("", {"x": np.array([1j], np.complex64)})

    assert "gRPC" in caught.value.hint


def test_several_outputs_are_named_and_can_be_picked() -> None:
    answer = {"outputs": {"a": [1], "b": [2.5]}}
    both = signature(a=tensors.INT64, b=tensors.FLOAT)

    assert set(outputs_of(answer, both, ())) == {"a", "b"}
    assert outputs_of(answer, both, ["b"])["b"].dtype == np.float32
    assert set(outputs_of(answer, both, ["b"])) == {"b"}


def test_strings_that_are_not_utf8_come_back_as_the_bytes_they_were() -> None:
    answer = parse(b'{"outputs": ["\xff\xfe", "ok"]}')

    assert outputs_of(answer, signature(y=tensors.STRING), ())["y"].tolist() == [b"\xff\xfe", b"ok"]


@pytest.mark.parametrize(
    "document",
    [{}, {"outputs": {"a": [1]}}, {"outputs": [1, 2]}, {"outputs": {"a": [1], "b": [[1], [2, 3]]}}],
    ids=["nothing", "one missing", "not named", "ragged"],
)
def test_an_answer_that_does_not_fit_the_signature_is_reported(document: dict[str, Any]) -> None:
    with pytest.raises(Internal, match="does not fit"):
        outputs_of(document, signature(a=tensors.INT64, b=tensors.FLOAT), ())


@given(st.binary(max_size=40))
@example(b"\xef\xbb\xbf{}")
@example(b"[" * 100_000)
def test_any_bytes_are_parsed_or_refused_as_an_answer(body: bytes) -> None:
    with suppress(Internal):
        parse(body)
