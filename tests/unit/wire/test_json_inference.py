"""JSON bodies of classify and regress requests, and their answers."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import InvalidArgument, ResourceExhausted
from servable.pb import example_pb2
from servable.wire import json_inference
from servable.wire.json_inference import encode_classes, encode_values


def features(data: bytes) -> dict[str, tuple[str | None, list[Any]]]:
    """Name -> kind and values of a serialized tf.Example."""
    message = example_pb2.Example.FromString(data)
    found: dict[str, tuple[str | None, list[Any]]] = {}
    for name, feature in message.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = (kind, list(getattr(feature, kind).value) if kind else [])
    return found


def read(body: str | bytes) -> list[dict[str, tuple[str | None, list[Any]]]]:
    text = body.encode() if isinstance(body, str) else body
    return [features(data) for data in json_inference.read(text).examples]


@pytest.mark.parametrize(
    ("value", "kind", "values"),
    [
        ("1", "int64_list", [1]),
        ("[20, -9223372036854775808]", "int64_list", [20, -(2**63)]),
        ("9223372036854775807", "int64_list", [2**63 - 1]),
        ("[1, true, false]", "int64_list", [1, 1, 0]),
        ("true", "int64_list", [1]),
        ("1.0", "float_list", [1.0]),
        ("[8.0, 1e2]", "float_list", [8.0, 100.0]),
        ("[NaN, Infinity, -Infinity]", "float_list", [math.nan, math.inf, -math.inf]),
        ("[1e300, -1e300, 1e-300]", "float_list", [math.inf, -math.inf, 0.0]),
        ("18446744073709551616", "float_list", [2.0**64]),
        ("-9223372036854775809", "float_list", [-(2.0**63)]),
        ('"é"', "bytes_list", ["é".encode()]),
        ('["foo", {"b64": "aGk="}, ""]', "bytes_list", [b"foo", b"hi", b""]),
        ('{"b64": "/w=="}', "bytes_list", [b"\xff"]),
        ("[]", None, []),
    ],
)
def test_the_kind_of_a_feature_is_that_of_its_values(
    value: str, kind: str | None, values: list[Any]
) -> None:
    [example] = read(f'{{"examples": [{{"f": {value}}}]}}')
    np.testing.assert_equal(example, {"f": (kind, values)})


def test_bytes_that_are_no_text_are_kept() -> None:
    assert read(b'{"examples": [{"f": "\xff"}]}') == [{"f": ("bytes_list", [b"\xff"])}]
    # protobuf takes no such name; the model, which reads the bytes itself, does.
    [data] = json_inference.read(b'{"examples": [{"\xff": 1}]}').examples
    assert b"\x0a\x01\xff" in data


def test_the_context_goes_in_front_of_each_example() -> None:
    body = '{"context": {"a": 1, "b": "x"}, "examples": [{}, {"a": 2.5}], "other": 0}'
    assert read(body) == [
        {"a": ("int64_list", [1]), "b": ("bytes_list", [b"x"])},
        {"a": ("float_list", [2.5]), "b": ("bytes_list", [b"x"])},
    ]
    assert read('{"context": {}, "examples": [{}]}') == [{}]


def test_a_context_can_not_be_multiplied_without_end() -> None:
    body = {"context": {"f": "x" * 2**20}, "examples": [{}] * 257}
    with pytest.raises(ResourceExhausted, match="257 examples"):
        json_inference.read(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "name"),
    [('{"examples": [{}]}', ""), ('{"signature_name": "s", "examples": [{}]}', "s")],
)
def test_a_signature_can_be_named(body: str, name: str) -> None:
    assert json_inference.read(body.encode()).signature_name == name


MISSING = "When method is classify, key 'examples' is expected and was not found"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "JSON Parse error: The document is empty"),
        ('{"examples" [1]}', "JSON Parse error: Missing a colon after a name of object member. "
         "at offset: 12"),
        ("[]", "JSON Value: [] Is not object"),
        (
            '{"signature_name": 5, "context": []}',
            'JSON Value: {\n    "signature_name": 5,\n    "context": []\n} not formatted '
            "correctly. 'signature_name' key must be a string value.",
        ),
        ('{"context": [1]}', "Example must be JSON object but got JSON Array"),
        ("{}", "JSON Value: {} " + MISSING),
        (
            '{"instances": [1]}',
            'JSON Value: {\n    "instances": [1]\n} ' + MISSING,
        ),
        (
            '{"examples": {"x": 1}}',
            'JSON Value: {\n    "examples": {\n        "x": 1\n    }\n} '
            "Expecting 'examples' value to be an list/array",
        ),
        (
            '{"examples": []}',
            'JSON Value: {\n    "examples": []\n} \'examples\' value is an empty array',
        ),
        ('{"examples": [[1]]}', "Example must be JSON object but got JSON Array"),
        ('{"examples": [{}, "x"]}', "Example must be JSON object but got JSON String"),
        ('{"examples": [null]}', "Example must be JSON object but got JSON Null"),
        (
            '{"examples": [{"f": null}]}',
            "Feature: f has element with unexpected JSON type: Null",
        ),
        (
            '{"examples": [{"f": [1, [2]]}]}',
            "Feature: f has element with unexpected JSON type: Array",
        ),
        (
            '{"examples": [{"f": ["a", {"b65": "aGk="}]}]}',
            "Feature: f has element with unexpected JSON type: Object",
        ),
        (
            '{"examples": [{"f": {"b64": "a"}}]}',
            "Unable to base64 decode",
        ),
        *(
            (
                f'{{"examples": [{{"f": {values}}}]}}',
                f"Unexpected element type in feature: f expecting type: {kind}",
            )
            for values, kind in (
                ("[10, 10.0]", "int64"),
                ("[10.0, 10]", "float"),
                ("[true, 1.5]", "int64"),
                ('[1.5, "a"]', "float"),
                ('["a", 1]', "bytes"),
                ('[{"b64": "aGk="}, 1.0]', "bytes"),
            )
        ),
        (
            '{"examples": [{"f": 18446744073709551603}]}',
            "Feature: f has uint64_t element. Only int64_t is supported.",
        ),
    ],
)  # fmt: skip
def test_what_a_body_can_get_wrong(body: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        json_inference.read(body.encode())
    assert caught.value.message == message


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), min_size=1, max_size=4))
def test_any_json_is_read_or_refused(rows: list[dict[str, Any]]) -> None:
    try:
        body = json_inference.read(json.dumps({"examples": rows}).encode())
    except InvalidArgument:
        return
    assert [set(features(data)) for data in body.examples] == [set(row) for row in rows]


SCORES = np.array([[0.2, 0.7], [3, -0.5]], np.float32)
LABELS = np.array([[b"car", "é".encode()], [b'"', b""]], object)


@pytest.mark.parametrize(
    ("labels", "scores", "text"),
    [
        (LABELS, SCORES, '[[["car",0.2],["é",0.7]],[["\\"",3.0],["",-0.5]]]'),
        (LABELS, None, '[[["car",0.0],["é",0.0]],[["\\"",0.0],["",0.0]]]'),
        (None, SCORES, '[[["",0.2],["",0.7]],[["",3.0],["",-0.5]]]'),
        (
            None,
            np.array([[np.nan, np.inf, -np.inf, 0.1]], np.float32),
            '[[["",NaN],["",Infinity],["",-Infinity],["",0.1]]]',
        ),
        (None, np.zeros((2, 0), np.float32), "[[],[]]"),
    ],
)
def test_classes_are_pairs_of_label_and_score(labels: Any, scores: Any, text: str) -> None:
    assert encode_classes(labels, scores).decode() == f'{{"results":{text}}}'


def test_a_label_that_is_no_text_is_passed_through() -> None:
    labels = np.array([[b"\xff"]], object)
    assert encode_classes(labels, None) == b'{"results":[[["\xff",0.0]]]}'


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.2, 0.9, 1], "[0.2,0.9,1.0]"),
        ([0.2, math.inf, 1, -math.inf, math.nan], "[0.2,Infinity,1.0,-Infinity,NaN]"),
    ],
)
def test_values_are_one_list(values: list[float], text: str) -> None:
    assert encode_values(np.array(values, np.float32)).decode() == f'{{"results":{text}}}'


def test_an_answer_about_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"^Cannot convert empty ClassificationResults to"):
        encode_classes(None, np.zeros((0, 2), np.float32))
    with pytest.raises(InvalidArgument, match=r"^Cannot convert empty RegressionResults to JSON$"):
        encode_values(np.zeros(0, np.float32))
