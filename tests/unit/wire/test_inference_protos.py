"""Serialized requests and answers of Classify, Regress and MultiInference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from servable import varint
from servable.contracts import ModelSpec, ServableId
from servable.errors import Internal, InvalidArgument, ResourceExhausted
from servable.pb import example_pb2, inference_pb2, serving_pb2
from servable.wire import examples, inference_proto

READERS: dict[str, Callable[[bytes], Any]] = {
    "ClassificationRequest": inference_proto.read_classify,
    "RegressionRequest": inference_proto.read_regress,
    "MultiInferenceRequest": inference_proto.read_multi_inference,
}
EVERY = pytest.mark.parametrize("name", READERS)


def field(number: int, content: bytes) -> bytes:
    return varint.encode(number << 3 | 2) + varint.encode(len(content)) + content


def given_examples(name: str, input_: bytes) -> Sequence[bytes]:
    return list(READERS[name](field(2, input_)).examples())


@pytest.mark.parametrize("name", ["ClassificationRequest", "RegressionRequest"])
def test_a_spec_is_read_with_presence_counting(name: str) -> None:
    kind = getattr(inference_pb2, name)
    read = READERS[name]
    assert read(b"").spec is None
    assert read(kind(model_spec={}).SerializeToString()).spec == ModelSpec("")
    request = kind(model_spec={"name": "m", "version": {}, "signature_name": "s"})
    assert read(request.SerializeToString()).spec == ModelSpec("m", 0, signature_name="s")


def test_tasks_are_read_in_order() -> None:
    request = inference_pb2.MultiInferenceRequest()
    request.tasks.add(method_name="a", model_spec={"name": "m", "version_label": "x"})
    request.tasks.add()
    message = inference_proto.read_multi_inference(request.SerializeToString())
    assert message.tasks == [(ModelSpec("m", label="x"), "a"), (ModelSpec(""), "")]
    assert message.examples() == []


@EVERY
def test_the_bytes_of_an_example_are_not_touched(name: str) -> None:
    # Not as any encoder would write it: an entry twice, unknown fields, a long length, garbage.
    odd = [
        b"\x0a\x82\x00ab",
        b"\xff\xff",
        b"",
        field(1, b"\x0a\x03\x0a\x01x" * 2) + b"\x98\x06\x07",
    ]
    inner = b"".join(field(1, item) for item in odd)
    assert given_examples(name, field(1, inner)) == odd
    assert given_examples(name, field(2, inner)) == odd


@EVERY
@pytest.mark.parametrize(
    ("input_", "expected"),
    [
        (b"", []),
        (field(1, b""), []),
        (field(2, b""), []),
        (field(2, field(2, b"context")), []),
        (field(2, field(2, b"c") + field(1, b"1") + field(1, b"")), [b"c1", b"c"]),
        (field(2, field(1, b"1") + field(2, b"c") + field(1, b"2")), [b"c1", b"c2"]),
        # What comes in pieces belongs together; of two kinds the last one counts.
        (field(2, field(2, b"c") + field(2, b"d") + field(1, b"1")), [b"cd1"]),
        (field(1, field(1, b"1")) + field(1, field(1, b"2")), [b"1", b"2"]),
        (field(2, field(1, b"1")) + field(2, field(2, b"c")), [b"c1"]),
        (field(1, field(1, b"1")) + field(2, field(1, b"2")), [b"2"]),
        (field(2, field(1, b"1")) + field(1, b""), []),
        # An example list has no context, and unknown fields are skipped.
        (field(1, field(2, b"c") + field(1, b"1")), [b"1"]),
        (field(9, b"x") + b"\x08\x01" + field(1, field(1, b"1") + field(7, b"y")), [b"1"]),
    ],
)
def test_examples_are_found_as_protobuf_finds_them(
    name: str, input_: bytes, expected: list[bytes]
) -> None:
    assert given_examples(name, input_) == expected


@EVERY
def test_an_input_in_pieces_is_one_input(name: str) -> None:
    pieces = (field(2, field(2, b"c")), field(2, field(1, b"1")))
    assert READERS[name](b"".join(field(2, piece) for piece in pieces)).examples() == [b"c1"]


@EVERY
@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x03\x0a\x01\xff", b"\x00", bytes(range(64))],
    ids=["varint", "cut off", "name is not utf-8", "field 0", "garbage"],
)
def test_bytes_that_are_no_message_are_the_callers_fault(name: str, data: bytes) -> None:
    with pytest.raises(InvalidArgument, match=f"not a serialized tensorflow.serving.{name}"):
        READERS[name](data)


@EVERY
@pytest.mark.parametrize(
    "input_",
    [b"\x0a\x05ab", field(1, b"\x0a\x05ab"), field(2, b"\x12\x05ab"), b"\xff" * 11, b"\x0b" * 200],
    ids=["cut off", "example", "context", "varint", "groups"],
)
def test_an_input_that_is_no_message_is_found_out_when_it_is_read(name: str, input_: bytes) -> None:
    message = READERS[name](field(2, input_))
    with pytest.raises(Internal, match=r"^Error parsing serialized input\.$") as caught:
        message.examples()
    assert "tensorflow.serving.Input" in caught.value.hint


def test_a_context_can_not_be_multiplied_without_end() -> None:
    context = field(2, bytes(2**20))
    request = field(2, field(2, context + field(1, b"") * 257))
    with pytest.raises(ResourceExhausted, match="more than 268435456"):
        inference_proto.read_classify(request).examples()
    request = field(2, field(2, context + field(1, b"") * 3))
    assert [len(e) for e in inference_proto.read_classify(request).examples()] == [2**20] * 3


NAMES = st.sampled_from(["a", "b", "é"])
FEATURES = (
    st.builds(
        example_pb2.Feature,
        bytes_list=st.none() | st.builds(example_pb2.BytesList, value=st.lists(st.binary())),
    )
    | st.builds(
        example_pb2.Feature,
        float_list=st.builds(
            example_pb2.FloatList, value=st.lists(st.floats(width=32, allow_nan=False))
        ),
    )
    | st.builds(
        example_pb2.Feature,
        int64_list=st.builds(
            example_pb2.Int64List, value=st.lists(st.integers(-(2**63), 2**63 - 1))
        ),
    )
)


def example_of(features: dict[str, example_pb2.Feature]) -> example_pb2.Example:
    message = example_pb2.Example()
    for name, feature in features.items():
        message.features.feature[name].CopyFrom(feature)
    return message


EXAMPLES = st.dictionaries(NAMES, FEATURES).map(example_of)


@given(st.lists(EXAMPLES), st.none() | EXAMPLES)
def test_examples_are_the_clients_own_bytes(
    items: list[example_pb2.Example], context: example_pb2.Example | None
) -> None:
    sent = [item.SerializeToString() for item in items]
    common = b"" if context is None else context.SerializeToString()
    kind = field(
        1 if context is None else 2, b"".join(field(1, s) for s in sent) + field(2, common)
    )
    got = inference_proto.read_classify(field(2, kind)).examples()

    assert got == [common + data for data in sent]
    for data, item in zip(got, items, strict=True):
        merged = example_pb2.Example()
        merged.CopyFrom(context or merged)
        merged.MergeFrom(item)  # of a key on both sides, the item's value remains
        assert example_pb2.Example.FromString(data) == merged


@given(st.binary(max_size=60))
def test_hostile_bytes_are_refused_or_read_as_protobuf_reads_them(data: bytes) -> None:
    try:
        given_ = inference_proto.read_classify(field(2, data)).examples()
    except Internal:
        return
    whole = inference_pb2.Input()
    try:
        whole.ParseFromString(data)
    except DecodeError:
        return  # protobuf also looks inside the examples, and this does not
    kind = whole.WhichOneof("kind")
    assert len(given_) == (len(getattr(whole, kind).examples) if kind else 0)


@given(
    st.dictionaries(st.text(), st.lists(st.binary())),
    st.dictionaries(st.text(), st.lists(st.floats(width=32, allow_nan=False))),
    st.dictionaries(st.text(), st.lists(st.integers(-(2**63), 2**63 - 1))),
)
def test_encoded_features_are_read_by_protobuf(
    texts: dict[str, list[bytes]], floats: dict[str, list[float]], ints: dict[str, list[int]]
) -> None:
    expected = example_pb2.Example()
    encoded: dict[bytes, bytes] = {}
    for name, data in texts.items():
        expected.features.feature[name].bytes_list.value[:] = data
        encoded[name.encode()] = examples.bytes_feature(data)
    for name, numbers in floats.items():
        expected.features.feature[name].float_list.value[:] = numbers
        expected.features.feature[name].float_list.SetInParent()
        encoded[name.encode()] = examples.float_feature(numbers)
    for name, integers in ints.items():
        expected.features.feature[name].int64_list.value[:] = integers
        expected.features.feature[name].int64_list.SetInParent()
        encoded[name.encode()] = examples.int64_feature(integers)
    for name in texts.keys() - floats.keys() - ints.keys():
        expected.features.feature[name].bytes_list.SetInParent()
    expected.features.SetInParent()
    assert example_pb2.Example.FromString(examples.encode(encoded)) == expected


LABELS = np.array([[b"car", "é".encode(), b""], [b"car", b"bus", b"bike"]], object)
SCORES = np.array([[0.2, 0.7, 0.0], [-0.0, np.inf, np.nan]], np.float32)
SPEC = serving_pb2.ModelSpec(name="m", version={"value": 7}, signature_name="s")


def same(data: bytes, message: Message) -> None:
    """Compare bytes: they tell NaN from NaN, and -0 from 0."""
    assert data == message.SerializeToString(deterministic=True)


@pytest.mark.parametrize(("labelled", "scored"), [(True, True), (True, False), (False, True)])
def test_classes_are_written_row_by_row(labelled: bool, scored: bool) -> None:
    expected = inference_pb2.ClassificationResult()
    for labels, scores in zip(LABELS, SCORES.tolist(), strict=True):
        row = expected.classifications.add()
        for label, score in zip(labels, scores, strict=True):
            row.classes.add(label=label.decode() if labelled else "", score=score if scored else 0)
    arrays = (LABELS if labelled else None, SCORES if scored else None)

    data = inference_proto.write_classify(ServableId("m", 7), "s", *arrays)
    same(data, inference_pb2.ClassificationResponse(result=expected, model_spec=SPEC))

    several = inference_proto.MultiInferenceResponse()
    several.add_classes(ServableId("m", 7), "s", *arrays)
    several.add_values(ServableId("m", 7), "s", SCORES[0])
    first = inference_pb2.InferenceResult(model_spec=SPEC, classification_result=expected)
    second = inference_pb2.InferenceResult(model_spec=SPEC)
    for score in SCORES[0].tolist():
        second.regression_result.regressions.add(value=score)
    same(several.write(), inference_pb2.MultiInferenceResponse(results=[first, second]))


def test_rows_without_classes_are_still_rows() -> None:
    data = inference_proto.write_classify(
        ServableId("m", 7), "s", None, np.zeros((2, 0), np.float32)
    )
    response = inference_pb2.ClassificationResponse.FromString(data)
    assert len(response.result.classifications) == 2


def test_labels_that_are_no_text_are_sent_as_they_are() -> None:
    labels = np.array([[b"\xff\x00"]], object)
    data = inference_proto.write_classify(ServableId("m", 7), "s", labels, None)
    assert field(1, field(1, field(1, field(1, b"\xff\x00")))) in data


def test_values_are_written_in_order() -> None:
    data = inference_proto.write_regress(ServableId("m", 7), "s", SCORES.reshape(-1))
    expected = inference_pb2.RegressionResponse(model_spec=SPEC)
    for score in SCORES.reshape(-1).tolist():
        expected.result.regressions.add(value=score)
    same(data, expected)
