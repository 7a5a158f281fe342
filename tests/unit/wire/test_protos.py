"""Serialized requests and answers of the gRPC API."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from servable import tensor_proto, tensors
from servable.contracts import ModelSpec, ServableId
from servable.errors import DataLoss, InvalidArgument, ServableError
from servable.pb import framework_pb2, saved_model_pb2, serving_pb2
from servable.tensors import Array, DType, Signature, TensorSpec
from servable.wire import metadata_proto, predict_proto, status_proto

REQUESTS = (predict_proto, metadata_proto, status_proto)


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ({"name": "m"}, ModelSpec("m")),
        ({}, ModelSpec("")),
        ({"name": "m", "signature_name": "s"}, ModelSpec("m", signature_name="s")),
        ({"name": "m", "version": {"value": 3}}, ModelSpec("m", version=3)),
        ({"name": "m", "version": {}}, ModelSpec("m", version=0)),
        ({"name": "m", "version": {"value": -5}}, ModelSpec("m", version=-5)),
        ({"name": "m", "version_label": "x"}, ModelSpec("m", label="x")),
        ({"name": "m", "version_label": ""}, ModelSpec("m", label="")),
    ],
)
def test_a_spec_is_read_with_presence_counting(text: dict[str, object], spec: ModelSpec) -> None:
    request = serving_pb2.PredictRequest(model_spec=text)
    assert predict_proto.read_request(request.SerializeToString()).spec == spec
    status = serving_pb2.GetModelStatusRequest(model_spec=text)
    assert status_proto.read_request(status.SerializeToString()) == spec
    metadata = serving_pb2.GetModelMetadataRequest(model_spec=text, metadata_field=["a", "b"])
    assert metadata_proto.read_request(metadata.SerializeToString()) == (spec, ("a", "b"))


def test_a_missing_spec_is_none() -> None:
    assert predict_proto.read_request(b"").spec is None
    assert metadata_proto.read_request(b"") == (None, ())
    assert status_proto.read_request(b"") is None


@pytest.mark.parametrize(
    "data",
    [b"\xff\xff\xff", b"\x0a\x05ab", b"\x0a\x03\x0a\x01\xff", b"\x00", bytes(range(64))],
    ids=["varint", "cut off", "name is not utf-8", "field 0", "garbage"],
)
def test_bytes_that_are_no_message_are_the_callers_fault(data: bytes) -> None:
    for kind in REQUESTS:
        with pytest.raises(InvalidArgument, match="not a serialized tensorflow"):
            kind.read_request(data)


def test_inputs_are_decoded_when_they_are_looked_up() -> None:
    request = serving_pb2.PredictRequest(output_filter=["y", "y"])
    request.inputs["good"].CopyFrom(tensor_proto.encode(np.array([1.5, 2], np.float32)))
    request.inputs["bad"].dtype = framework_pb2.DT_INVALID
    message = predict_proto.read_request(request.SerializeToString())

    assert message.output_filter == ("y", "y")
    assert (len(message.inputs), sorted(message.inputs)) == (2, ["bad", "good"])
    assert "bad" in message.inputs
    assert "other" not in message.inputs
    assert message.inputs["good"].tolist() == [1.5, 2]
    with pytest.raises(InvalidArgument, match=r"^tensor parsing error: bad$") as caught:
        message.inputs["bad"]
    assert "bad" in caught.value.hint
    with pytest.raises(KeyError):
        message.inputs["other"]
    assert len(message.inputs) == 2


def test_a_small_message_can_not_claim_a_huge_tensor() -> None:
    request = serving_pb2.PredictRequest()
    request.inputs["x"].dtype = framework_pb2.DT_DOUBLE
    request.inputs["x"].tensor_shape.dim.add(size=10**9)
    with pytest.raises(InvalidArgument, match="tensor parsing error: x"):
        predict_proto.read_request(request.SerializeToString()).inputs["x"]


def answered(dtype: DType | None, array: Array) -> framework_pb2.TensorProto:
    signature = Signature({}, {"y": TensorSpec("y:0", dtype, None)})
    data = predict_proto.write_response(ServableId("m", 7), "s", signature, {"y": array})
    response = serving_pb2.PredictResponse.FromString(data)
    assert response.model_spec == serving_pb2.ModelSpec(
        name="m", version={"value": 7}, signature_name="s"
    )
    return response.outputs["y"]


@pytest.mark.parametrize("dtype", [d for d in tensors.DTYPES if d.field], ids=repr)
@pytest.mark.parametrize("shape", [(), (2,), (2, 1), (0,), (2, 0)])
def test_every_dtype_comes_back(dtype: DType, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, dtype.numpy)
    if dtype is tensors.STRING:
        array[...] = b"a\x00\xff"
    elif array.size:
        array.reshape(-1)[0] = 1

    proto = answered(dtype, array)

    assert proto.dtype == dtype.enum
    assert proto.HasField("tensor_shape")
    back = tensor_proto.decode(proto)
    assert back.shape == shape
    assert back.tolist() == array.tolist()


def test_an_answer_of_another_dtype_than_the_signature_says_is_sent_as_it_is() -> None:
    for said in (tensors.FLOAT, None):
        assert answered(said, np.array([1], np.int64)).dtype == framework_pb2.DT_INT64


@dataclass
class Status:
    id: ServableId
    state: str
    error: ServableError | None = None


def test_status_is_written_in_order_and_always_with_a_status() -> None:
    data = status_proto.write_response(
        [
            Status(ServableId("m", 2), "AVAILABLE"),
            Status(ServableId("m", -1), "END", DataLoss("damaged")),
        ]
    )
    first, second = serving_pb2.GetModelStatusResponse.FromString(data).model_version_status

    assert (first.version, first.state, first.HasField("status")) == (2, 30, True)
    assert (first.status.error_code, first.status.error_message) == (0, "")
    assert (second.version, second.state) == (-1, 50)
    assert (second.status.error_code, second.status.error_message) == (15, "damaged")


@pytest.mark.parametrize("state", ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"])
def test_every_state_has_a_number(state: str) -> None:
    data = status_proto.write_response([Status(ServableId("m", 1), state)])
    [entry] = serving_pb2.GetModelStatusResponse.FromString(data).model_version_status
    assert serving_pb2.ModelVersionStatus.State.Name(entry.state) == state


def test_metadata_carries_stored_signatures_with_fields_that_nobody_here_knows() -> None:
    stored = saved_model_pb2.SignatureDef(method_name="m").SerializeToString() + b"\xf8\x01\x07"
    data = metadata_proto.write_response(
        ServableId("m", 3), {"s": Signature({}, {}, stored=stored), "t": Signature({}, {})}
    )
    response = serving_pb2.GetModelMetadataResponse.FromString(data)

    assert response.model_spec == serving_pb2.ModelSpec(name="m", version={"value": 3})
    [(key, packed)] = response.metadata.items()
    assert key == "signature_def"
    assert packed.type_url == "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    signatures = serving_pb2.SignatureDefMap.FromString(packed.value).signature_def
    assert sorted(signatures) == ["s", "t"]
    assert signatures["s"].SerializeToString() == stored


def test_a_few_bytes_do_not_become_gigabytes() -> None:
    request = serving_pb2.PredictRequest()
    request.inputs["x"].dtype = framework_pb2.DT_FLOAT
    request.inputs["x"].tensor_shape.dim.add(size=2**29)
    request.inputs["x"].float_val.append(1)
    message = predict_proto.read_request(request.SerializeToString())
    with pytest.raises(InvalidArgument, match="tensor parsing error: x") as caught:
        message.inputs["x"]
    assert "is larger than 268435456 bytes" in caught.value.hint
