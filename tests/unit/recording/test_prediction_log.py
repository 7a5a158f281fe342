"""PredictionLogs: what is found in a large request without reading it, and hostile bytes."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable import tensor_proto
from servable.contracts import ServableId
from servable.errors import Internal, InvalidArgument, ServableError
from servable.pb import logs_pb2, serving_pb2
from servable.recording.messages import Run, messages
from servable.recording.prediction_log import (
    Kind,
    encode,
    kind_of,
    parse,
    request_of,
    spec_in,
    with_metadata,
)
from servable.recording.summary import summarise
from servable.tensors import FLOAT, Signature, TensorSpec

X = TensorSpec("x:0", FLOAT, None)
BOTH = Signature({"x": X}, {"y": X, "z": X})


def request(name: str = "m", version: int | None = 7) -> serving_pb2.PredictRequest:
    made = serving_pb2.PredictRequest()
    made.model_spec.name = name
    if version is not None:
        made.model_spec.version.value = version
    made.inputs["x"].CopyFrom(tensor_proto.encode(np.ones(300, np.float32)))
    made.output_filter.append("y")
    return made


@pytest.mark.parametrize(
    "data",
    [
        request().SerializeToString(),
        # protobuf takes messages that follow each other for one
        request(version=None).SerializeToString() + request("", 7).SerializeToString(),
        b"",
    ],
)
def test_the_model_of_a_request_is_what_protobuf_reads(data: bytes) -> None:
    assert spec_in(data) == serving_pb2.PredictRequest.FromString(data).model_spec


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x01",
        b"\x0a",
        b"\x0a\x05abc",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x02\xff\xff",
        b"\xff" * 11,
    ],
)
def test_bytes_that_are_no_request_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="no PredictRequest"):
        spec_in(data)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(InvalidArgument):
        spec_in(data)
    assert summarise(data).size == len(data)


@pytest.mark.parametrize(
    "kind", [Kind.PREDICT, Kind.CLASSIFY, Kind.REGRESS, Kind.MULTI_INFERENCE, Kind.SESSION_RUN]
)
def test_a_record_is_put_together_as_protobuf_would(kind: Kind) -> None:
    metadata = logs_pb2.LogMetadata(timestamp_secs=3)
    log = parse(with_metadata(metadata, encode(kind, b"", b"")))
    assert kind_of(log) is kind
    assert log.log_metadata == metadata


def test_records_without_a_request_are_refused() -> None:
    for log in (logs_pb2.PredictionLog(), parse(encode(Kind.SESSION_RUN, b""))):
        with pytest.raises(InvalidArgument):
            request_of(log)


@pytest.mark.parametrize(("fetched", "filtered"), [(["y", "z"], []), (["z"], ["z"])])
def test_a_prediction_from_arrays_says_what_was_asked_and_answered(
    fetched: list[str], filtered: list[str]
) -> None:
    x = np.array([1.0, 2.0], np.float32)
    run = Run("sig", BOTH, {"x": x}, dict.fromkeys(fetched, x))
    asked, answered = messages(Kind.PREDICT, ServableId("m", 3), run)
    sent = serving_pb2.PredictRequest.FromString(asked)
    assert (sent.model_spec.name, sent.model_spec.version.value) == ("m", 3)
    assert sent.model_spec.signature_name == "sig"
    assert list(sent.output_filter) == filtered
    assert tensor_proto.decode(sent.inputs["x"]).tolist() == [1.0, 2.0]
    assert sorted(serving_pb2.PredictResponse.FromString(answered).outputs) == fetched


def test_arrays_that_tensorflow_does_not_know_are_refused_not_guessed() -> None:
    odd = np.array(["2026-01-01"], "datetime64[D]")
    with pytest.raises(ServableError):
        messages(Kind.PREDICT, ServableId("m", 3), Run("s", BOTH, {"x": odd}, {}))
    with pytest.raises(Internal):
        messages(Kind.MULTI_INFERENCE, ServableId("m", 3), Run("s", BOTH, {}, {}))
