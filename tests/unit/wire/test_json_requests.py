"""JSON bodies of predict requests: what they become, and what is said about bad ones."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

from servable import tensors
from servable.errors import InvalidArgument, ServableError, Unimplemented
from servable.tensors import Array, DType, Signature, TensorSpec
from servable.wire import json_predict
from servable.wire.json_predict import Layout, PredictBody

FLOAT, INT32, STRING = tensors.FLOAT, tensors.INT32, tensors.STRING


@pytest.fixture(params=[0, 2**60], ids=["fast path tried", "never tried"], autouse=True)
def fast_from_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every body to both paths."""
    monkeypatch.setattr(json_predict, "FAST_FROM_BYTES", request.param)


def signature(**inputs: DType | None) -> Signature:
    return Signature({a: TensorSpec(f"{a}:0", d, None) for a, d in inputs.items()}, {})


def decode(body: str | bytes, **inputs: DType | None) -> tuple[Layout, dict[str, Array]]:
    text = body.encode() if isinstance(body, str) else body
    return PredictBody(text).decode(signature(**inputs))


def refusal(body: str | bytes, **inputs: DType | None) -> ServableError:
    with pytest.raises(ServableError) as caught:
        decode(body, **inputs)
    return caught.value


def same(array: Array, expected: Any, dtype: DType = FLOAT) -> bool:
    wanted = np.array(expected, dtype.numpy)
    assert (array.dtype, array.shape) == (dtype.numpy, wanted.shape)
    return bool(array.tolist() == wanted.tolist())


# Shapes


@pytest.mark.parametrize(
    ("instances", "shape"),
    [
        ("[1]", (1,)),
        ("[1, 2, 3]", (3,)),
        ("[[1, 2], [3, 4], [5, 6]]", (3, 2)),
        ("[[[1], [2]]]", (1, 2, 1)),
        ("[[], []]", (2, 0)),
        ("[[[], []]]", (1, 2, 0)),
        ("[" * 20 + "7" + "]" * 20, (1,) * 20),
    ],
)
def test_rows_gain_a_batch_dimension(instances: str, shape: tuple[int, ...]) -> None:
    layout, arrays = decode(f'{{"instances": {instances}}}', x=INT32)
    assert layout is Layout.ROWS
    assert arrays["x"].shape == shape


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("1", ()),
        ("[]", (0,)),
        ("[1, 2, 3]", (3,)),
        ("[[[1, 2], [3, 4], [5, 6]]]", (1, 3, 2)),
        ("[[], []]", (2, 0)),
    ],
)
@pytest.mark.parametrize("form", ['{{"inputs": {}}}', '{{"inputs": {{"x": {}}}}}'])
def test_columns_keep_their_shape(form: str, value: str, shape: tuple[int, ...]) -> None:
    layout, arrays = decode(form.format(value), x=INT32)
    assert layout is Layout.COLUMNS
    assert arrays["x"].shape == shape


def test_rows_of_named_inputs_are_stacked_for_each_input() -> None:
    body = """{"instances": [
        {"i": [[1, 2], [3, 4], [5, 6]], "s": ["a", {"b64": "AAE="}], "d": [1], "f": [NaN, Inf]},
        {"d": [-Infinity], "f": [0.5, 3], "s": ["c", "d"], "i": [[7, 8], [9, 10], [11, 12]]}
    ]}"""
    _, arrays = decode(body, i=INT32, s=STRING, f=FLOAT, d=tensors.DOUBLE)

    assert same(arrays["i"], [[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]], INT32)
    assert same(arrays["s"], [[b"a", b"\x00\x01"], [b"c", b"d"]], STRING)
    assert arrays["f"].dtype == np.float32
    np.testing.assert_array_equal(arrays["f"], [[np.nan, np.inf], [0.5, 3]])
    np.testing.assert_array_equal(arrays["d"], [[1], [-np.inf]])


def test_columns_of_named_inputs_may_have_any_shapes_and_strangers_are_ignored() -> None:
    body = '{"inputs": {"s": {"b64": "aGk"}, "x": [[1.5]], "more": [[1], 2], "i": 3}}'
    _, arrays = decode(body, x=FLOAT, i=INT32, s=STRING)

    assert same(arrays["x"], [[1.5]])
    assert same(arrays["i"], 3, INT32)
    assert arrays["s"].shape == ()
    assert arrays["s"][()] == b"hi"


def test_one_input_may_be_named_in_rows_too() -> None:
    assert same(decode('{"instances": [{"x": 1}, {"x": 2}]}', x=FLOAT)[1]["x"], [1, 2])


def test_a_base64_object_is_a_value_in_either_layout() -> None:
    assert same(decode('{"instances": [{"b64": "aGk="}]}', b64=STRING)[1]["b64"], [b"hi"], STRING)
    assert decode('{"inputs": {"b64": "aGk="}}', b64=STRING)[1]["b64"][()] == b"hi"


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"instances": [1]}', ""),
        ('{"signature_name": "predict_images", "instances": [[1, 2]]}', "predict_images"),
        ('{"instances": [1], "signature_name": ""}', ""),
        ('{"signature_name": "n\\u00e4me", "instances": [NaN]}', "näme"),
    ],
)
def test_the_signature_name_is_read(body: str, name: str) -> None:
    assert PredictBody(body.encode()).signature_name == name


def test_unknown_members_and_what_follows_the_body_are_ignored() -> None:
    body = '{"comment": [[1], "]"], "instances": [[1], [2]], "deep": {"a": [2]}} trailing'
    assert same(decode(body, x=FLOAT)[1]["x"], [[1], [2]])


# Values


@pytest.mark.parametrize(
    ("dtype", "json_text", "values"),
    [
        (FLOAT, "[1, 2.0, 3, 4, 5.003, 0.007, 0.0]", [1, 2, 3, 4, 5.003, 0.007, 0]),
        (tensors.DOUBLE, "[1, 2.0, 5.003, 1e300]", [1, 2, 5.003, 1e300]),
        (FLOAT, "[1435774380, 1435774380.0]", [1435774380.0, 1435774380.0]),
        (FLOAT, "[18446744073709551615, 18446744073709551616]", [2.0**64, 2.0**64]),
        (tensors.DOUBLE, "[9007199254740993]", [9007199254740992.0]),
        (INT32, "[2147483647, -2147483648]", [2**31 - 1, -(2**31)]),
        (tensors.INT64, "[9223372036854775807, -9223372036854775808, 9007199254740993]",
         [2**63 - 1, -(2**63), 2**53 + 1]),
        (tensors.UINT32, "[4294967295, 0]", [2**32 - 1, 0]),
        (tensors.UINT64, "[18446744073709551615, 9223372036854775808]", [2**64 - 1, 2**63]),
        (tensors.INT8, "[127, 300, -129]", [127, 44, 127]),
        (tensors.UINT8, "[255, 256, -1]", [255, 0, 255]),
        (tensors.INT16, "[32768]", [-32768]),
        (tensors.BOOL, "[true, false]", [True, False]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("layout", ["instances", "inputs"])
@pytest.mark.parametrize("pretty", [False, True], ids=["plain", "beside a word for infinity"])
def test_numbers_of_every_dtype(
    dtype: DType, json_text: str, values: list[float], layout: str, pretty: bool
) -> None:
    # A bare Infinity anywhere keeps the body away from the fast parser.
    extra = ', "x": Infinity' if pretty else ""
    _, arrays = decode(f'{{"{layout}": {json_text}{extra}}}', x=dtype)

    array = arrays["x"]
    assert array.dtype == dtype.numpy
    assert array.tolist() == np.array(values).astype(dtype.numpy).tolist()


def test_a_float_that_is_too_large_or_small_becomes_infinite_or_zero() -> None:
    body = '{"inputs": [1.7976931348623157e308, -1e39, 2.2250738585072014e-308, -1e-300]}'
    values = decode(body, x=FLOAT)[1]["x"].tolist()
    assert values[:2] == [math.inf, -math.inf]
    assert [math.copysign(1, v) if v == 0 else v for v in values[2:]] == [1, -1]


def test_strings_keep_every_byte() -> None:
    body = b'{"instances": ["a\\u0000b", "\xff\xfe", "\xc3\xa9", {"b64": "/wD+"}]}'
    assert decode(body, x=STRING)[1]["x"].tolist() == [
        b"a\x00b",
        b"\xff\xfe",
        "é".encode(),
        b"\xff\x00\xfe",
    ]


@pytest.mark.parametrize("text", ["aGk=", "aGk", " aG\\nk= ", ""])
def test_base64_needs_no_padding_and_may_have_blanks(text: str) -> None:
    value = decode(f'{{"inputs": {{"b64": "{text}"}}}}', x=STRING)[1]["x"][()]
    assert value == (b"hi" if text else b"")


# Refusals of the body as a whole


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[1, 2]", "JSON Value: [1, 2] Is not object"),
        ("5", "JSON Value: 5 Is not object"),
        (
            '{"signature_name": 100}',
            'JSON Value: {\n    "signature_name": 100\n} not formatted correctly. '
            "'signature_name' key must be a string value.",
        ),
        (
            '{"signature_name": null, "instances": [1]}',
            'JSON Value: {\n    "signature_name": null,\n    "instances": [1]\n} not formatted '
            "correctly. 'signature_name' key must be a string value.",
        ),
    ],
)
def test_a_body_that_is_no_request(body: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        PredictBody(body.encode())
    assert caught.value.message == message


def test_a_bottomless_signature_name_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="key must be a string value"):
        PredictBody(b'{"signature_name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            '{"instances": [1], "inputs": 1}',
            'JSON Value: {\n    "instances": [1],\n    "inputs": 1\n} Not formatted correctly '
            "expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        (
            '{"instances": {"x": 1}}',
            'JSON Value: {\n    "instances": {\n        "x": 1\n    }\n} '
            "Expecting 'instances' to be an list/array",
        ),
        (
            '{"instances": []}',
            "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
        ),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"signature_name": "a"}', "Missing 'inputs' or 'instances' key"),
    ],
)
def test_a_body_without_usable_tensors(body: str, message: str) -> None:
    assert refusal(body, x=FLOAT).message == message


# Refusals of rows


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        ("[[1,2],[3,4],[5,6,7]]", "Failed to process element: 2 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Expecting tensor size: 2 but got: 3"),
        ("[[1,2],[3,4],[[5,6]]]", "Failed to process element: 2 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Expecting shape [2] but got: [1,2]"),
        ("[1,[1]]", "Failed to process element: 1 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Expecting shape [] but got: [1]"),
        ("[[1],1]", "Failed to process element: 1 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Expecting shape [1] but got: []"),
        ("[[1,2],[3,4,5],[6]]", "Failed to process element: 1 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Expecting tensor size: 2 but got: 3"),
        ("[[[1,2],[3]]]", "Failed to process element: 0 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ("[[1,[2]]]", "Failed to process element: 0 of 'instances' list. Error: "
         "INVALID_ARGUMENT: Encountered list at unexpected level: 1 expected < 1"),
        ("[[[1],2]]", "Failed to process element: 0 of 'instances' list. Error: "
         "INVALID_ARGUMENT: JSON Value: 2 found at incorrect level: 2 in the JSON DOM. "
         "Expected at level: 2"),
        ('["x","y"]', "Failed to process element: 0 of 'instances' list. Error: "
         'INVALID_ARGUMENT: JSON Value: "x" Type: String is not of expected type: float'),
        ("[1,true]", "Failed to process element: 1 of 'instances' list. Error: "
         "INVALID_ARGUMENT: JSON Value: true Type: True is not of expected type: float"),
        ("[null]", "Failed to process element: 0 of 'instances' list. Error: "
         "INVALID_ARGUMENT: JSON Value: null Type: Null is not of expected type: float"),
        ('[{"b64": "aGk="}]', "Failed to process element: 0 of 'instances' list. Error: "
         'INVALID_ARGUMENT: JSON Value: {\n    "b64": "aGk="\n} Type: Object is not of '
         "expected type: float"),
        ('[1, {"x": 2}]', "Expecting value/list but got object at item 1 of input list"),
        ('[{"x": 2}, 1]', "Expecting object but got list at item 1 of input list"),
        ('[{"x": 2}, [1]]', "Expecting object but got list at item 1 of input list"),
        ('[{"x": 1}, {"z": 2}]', "Failed to process element: 1 key: z of 'instances' list. Error: "
         "INVALID_ARGUMENT: JSON object: does not have named input: z"),
        ('[{"x": 1, "z": 2}]', "Failed to process element: 0 key: z of 'instances' list. Error: "
         "INVALID_ARGUMENT: JSON object: does not have named input: z"),
        ('[{}]', "Failed to process element: 0 of 'instances' list. JSON object: {} keys must be "
         "equal to: x"),
        ('[{"x": "a"}]', "Failed to process element: 0 key: x of 'instances' list. Error: "
         'INVALID_ARGUMENT: JSON Value: "a" Type: String is not of expected type: float'),
        ('[{"x": [1]}, {"x": [[1]]}]', "Failed to process element: 1 key: x of 'instances' list. "
         "Error: INVALID_ARGUMENT: Expecting shape [1] but got: [1,1]"),
        ('[{"x": [1]}, {"x": [1, 2]}]', "Failed to process element: 1 key: x of 'instances' list. "
         "Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2"),
    ],
)  # fmt: skip
def test_rows_of_one_input_that_are_refused(instances: str, message: str) -> None:
    error = refusal(f'{{"instances": {instances}}}', x=FLOAT)
    assert isinstance(error, InvalidArgument)
    assert error.message == message


@pytest.mark.parametrize(
    ("instances", "message"),
    [
        (
            "[1, 2]",
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            '[{"b64": "aGk="}]',
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            '[{"b": 1}]',
            "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"b\": 1\n} "
            "keys must be equal to: a,b",
        ),
        (
            '[{"b": 1, "a": 1}, {"b64": "aGk="}]',
            "Expecting object but got list at item 1 of input list",
        ),
    ],
)
def test_rows_of_several_inputs_that_are_refused(instances: str, message: str) -> None:
    assert refusal(f'{{"instances": {instances}}}', b=FLOAT, a=FLOAT).message == message


# Refusals of columns


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[[1,2],[3]]",
         "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ("[[1,2],[3,4,5],[6]]",
         "Encountered list at unexpected size: 3 at level: 1 expected size: 2"),
        ("[1,[2]]", "Encountered list at unexpected level: 1 expected < 1"),
        ("[[],[1]]", "Encountered list at unexpected size: 1 at level: 1 expected size: 0"),
        ("[[1,2],[3,[4]]]", "Encountered list at unexpected level: 2 expected < 2"),
        ("[[1],2]", "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. "
         "Expected at level: 2"),
        ("null", "JSON Value: null Type: Null is not of expected type: int32"),
        ("[1.0]", "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ("[1e2]", "JSON Value: 100.0 Type: Number is not of expected type: int32"),
        ("[2147483648]", "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        ("[true]", "JSON Value: true Type: True is not of expected type: int32"),
        ("[false]", "JSON Value: false Type: False is not of expected type: int32"),
        ('{"z": 1}', "Missing named input: x in 'inputs' object."),
        ('{"b64": "aGk="}', 'JSON Value: {\n    "b64": "aGk="\n} Type: Object is not of '
         "expected type: int32"),
    ],
)  # fmt: skip
def test_columns_that_are_refused(value: str, message: str) -> None:
    assert refusal(f'{{"inputs": {value}}}', x=INT32).message == message


def test_columns_of_several_inputs_need_names() -> None:
    for value in ("[1]", '{"b64": "aGk="}'):
        assert refusal(f'{{"inputs": {value}}}', a=STRING, b=STRING).message == (
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )


@pytest.mark.parametrize(
    ("dtype", "value", "shown", "type_"),
    [
        (tensors.INT64, "9223372036854775808", "9223372036854775808", "Number"),
        (tensors.UINT32, "-1", "-1", "Number"),
        (tensors.UINT32, "4294967296", "4294967296", "Number"),
        (tensors.UINT64, "-1", "-1", "Number"),
        (tensors.UINT64, "18446744073709551616", "18446744073709552000.0", "Number"),
        (tensors.INT8, "2147483648", "2147483648", "Number"),
        (tensors.BOOL, "1", "1", "Number"),
        (tensors.BOOL, "0.0", "0.0", "Number"),
        (tensors.STRING, "1", "1", "Number"),
        (tensors.STRING, "true", "true", "True"),
        (tensors.FLOAT, "false", "false", "False"),
        (tensors.DOUBLE, '"1.0"', '"1.0"', "String"),
        (tensors.FLOAT, '{"a": []}', '{\n    "a": []\n}', "Object"),
    ],
)
def test_an_element_of_another_type(dtype: DType, value: str, shown: str, type_: str) -> None:
    assert refusal(f'{{"inputs": [{value}]}}', x=dtype).message == (
        f"JSON Value: {shown} Type: {type_} is not of expected type: {dtype.name}"
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"b64": "a"}', "Unable to base64 decode"),
        ('{"b64": "a*=="}', "Unable to base64 decode"),
        ('{"b64": "a-_="}', "Unable to base64 decode"),
        (
            '{"b64": 5}',
            'JSON Value: {\n    "b64": 5\n} not formatted correctly for base64 data',
        ),
        (
            '{"b64": "aGk=", "more": 1}',
            'JSON Value: {\n    "b64": "aGk=",\n    "more": 1\n} not formatted correctly for '
            "base64 data",
        ),
    ],
)
def test_base64_that_is_refused(value: str, message: str) -> None:
    assert refusal(f'{{"inputs": [{value}]}}', x=STRING).message == message


@pytest.mark.parametrize(
    "dtype", [tensors.HALF, tensors.BFLOAT16, tensors.UINT16, tensors.COMPLEX64, tensors.QINT8]
)
def test_dtypes_without_a_form_in_json(dtype: DType) -> None:
    text = f"Conversion of JSON Value: 1.5 to type: {dtype.name}"
    column = refusal('{"inputs": [1.5]}', x=dtype)
    assert (type(column), column.message) == (Unimplemented, text)

    row = refusal('{"instances": [1.5]}', x=dtype)
    assert isinstance(row, InvalidArgument)
    assert row.message == (
        f"Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: {text}"
    )


def test_a_signature_without_dtype_is_refused() -> None:
    assert (
        refusal('{"inputs": 1}', x=None).message == "Conversion of JSON Value: 1 to type: INVALID"
    )


@pytest.mark.parametrize("layout", ["instances", "inputs"])
@pytest.mark.parametrize("depth", [40, 100, 10_000])
def test_nesting_deeper_than_any_tensor_is_refused(layout: str, depth: int) -> None:
    value = "[" * depth + "1" + "]" * depth
    error = refusal(f'{{"{layout}": [{value}]}}', x=FLOAT)
    assert "is nested deeper than 31 levels" in error.message


@pytest.mark.parametrize("filler", ["[0]", "[]"])
def test_a_few_bytes_can_not_promise_a_huge_tensor(filler: str) -> None:
    first = "[" + ", ".join([filler] * 5000) + "]"
    body = f'{{"inputs": [{first}{", []" * 5000}]}}'
    tracemalloc.start()
    try:
        assert "unexpected size: 0" in refusal(body, x=FLOAT).message
        assert tracemalloc.get_traced_memory()[1] < 100 * len(body)
    finally:
        tracemalloc.stop()


def test_input_names_are_told_once_a_body_was_found_unusual() -> None:
    for body in ('{"inputs": {"a": 1, "b": 2}}', '{"instances": [{"a": 1, "b": 2}]}'):
        parsed = PredictBody(body.encode())
        with pytest.raises(InvalidArgument):
            parsed.decode(signature(x=FLOAT))
        assert parsed.input_names() == ["a", "b"]
    assert PredictBody(b'{"instances": [1]}').input_names() == ()
