"""Python values as tf.Example messages, and as the JSON that stands for them."""

from __future__ import annotations

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.client import make_example
from servable.client.examples import input_message, request_body
from servable.errors import InvalidArgument
from servable.pb import example_pb2


@pytest.mark.parametrize(
    ("value", "kind", "stored"),
    [
        (1, "int64_list", [1]),
        (True, "int64_list", [1]),
        (1.5, "float_list", [1.5]),
        ([1, 2.5], "float_list", [1.0, 2.5]),
        ("é", "bytes_list", ["é".encode()]),
        (b"\x00\xff\x00", "bytes_list", [b"\x00\xff\x00"]),
        (["a", b"b"], "bytes_list", [b"a", b"b"]),
        (np.arange(4).reshape(2, 2), "int64_list", [0, 1, 2, 3]),
        (np.array([255], np.uint8), "int64_list", [255]),
        (np.array([1.5], ml_dtypes.bfloat16), "float_list", [1.5]),
        (np.zeros(0, np.float32), "float_list", []),
        (np.array(["a"], dtype=object), "bytes_list", [b"a"]),
    ],
)
def test_a_value_becomes_the_feature_of_its_kind(value: Any, kind: str, stored: list[Any]) -> None:
    feature = make_example({"x": value}).features.feature["x"]

    assert list(getattr(feature, kind).value) == stored
    if stored:
        assert feature.WhichOneof("kind") == kind


def test_an_empty_list_is_a_feature_of_no_kind() -> None:
    assert make_example({"x": []}).features.feature["x"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"x": 1j}, "feature 'x' of the example is of complex128"),
        ({"x": 2**63}, "uint64"),
        ({"x": None}, "holds a NoneType"),
        ({"x": [[1], [2, 3]]}, "is no tensor"),
        (b"\xff\xff", "not a serialized tf.Example"),
        (3, "the example is a int"),
        ({1: 2.0}, "has a feature whose name is 1"),
        ({"x": [1, "a"]}, "mixes 1 with other kinds"),
        ({"x": 2**70}, "is beyond 64 bits"),
    ],
)
def test_what_no_feature_can_hold_is_refused_by_name(value: Any, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint):
        make_example(value)


@pytest.mark.parametrize("one", [{"x": 1}, b"", "text", None, 1])
def test_what_is_no_list_of_examples_is_noticed(one: Any) -> None:
    with pytest.raises(InvalidArgument, match="not a list"):
        input_message(one, None)


def test_a_message_and_its_bytes_are_sent_as_they_are() -> None:
    message = make_example({"x": 1.0})

    sent = input_message([message, message.SerializeToString()], {})

    assert list(sent.example_list_with_context.examples) == [message, message]
    assert sent.WhichOneof("kind") == "example_list_with_context"


FEATURES = st.dictionaries(
    st.text(max_size=3),
    st.one_of(
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3),
        st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=3),
        st.lists(st.binary(max_size=3), min_size=1, max_size=3),
    ),
    max_size=3,
)


@given(FEATURES)
def test_serialized_examples_survive(features: dict[str, Any]) -> None:
    message = make_example(features)
    again = example_pb2.Example.FromString(message.SerializeToString())
    assert make_example(again.SerializeToString()) == message


def test_json_keeps_the_kinds_of_numbers_apart() -> None:
    document = request_body("s", [{"f": 1.0, "i": 1, "b": b"\xff"}], {"n": float("nan")})

    assert b'"f": [1.0], "i": [1]' in document
    assert b'"n": [NaN]' in document
    assert json.loads(document)["examples"][0]["b"] == [{"b64": "/w=="}]
    assert json.loads(document)["signature_name"] == "s"
