"""Requests and answers of the Open Inference Protocol."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable.contracts import ServableId
from servable.errors import InvalidArgument, ServableError, Unimplemented
from servable.pb import oip_pb2
from servable.tensors import Array
from servable.wire import v2_json, v2_proto, v2_tensors
from servable.wire.v2_message import InferMessage

ID = ServableId("m", 3)


def text(*items: bytes) -> Array:
    array = np.empty(len(items), object)
    array[:] = items
    return array


SAMPLES = {
    "BOOL": np.array([True, False]),
    "UINT8": np.array([0, 255], np.uint8),
    "UINT16": np.array([0, 65535], np.uint16),
    "UINT32": np.array([0, 2**32 - 1], np.uint32),
    "UINT64": np.array([0, 2**64 - 1], np.uint64),
    "INT8": np.array([-128, 127], np.int8),
    "INT16": np.array([-(2**15), 2**15 - 1], np.int16),
    "INT32": np.array([-(2**31), 2**31 - 1], np.int32),
    "INT64": np.array([-(2**63), 2**63 - 1], np.int64),
    "FP16": np.array([1.5, -2], np.float16),
    "FP32": np.array([0.1, -3e38], np.float32),
    "FP64": np.array([0.1, 1e300], np.float64),
    "BF16": np.array([1.5, -2], ml_dtypes.bfloat16),
    "BYTES": text("ü".encode(), b""),
}


def body(document: Any, tail: bytes = b"") -> tuple[bytes, str]:
    head = json.dumps(document).encode()
    return head + tail, str(len(head)) if tail else ""


def read(document: Any, tail: bytes = b"") -> InferMessage:
    return v2_json.read_request(*body(document, tail))


def test_every_datatype_has_a_sample() -> None:
    assert SAMPLES.keys() == v2_tensors.DATATYPES.keys()


@pytest.mark.parametrize("datatype", SAMPLES)
def test_json_there_and_back(datatype: str) -> None:
    array = SAMPLES[datatype]
    asked = InferMessage("7", "", {}, {}, binary=False)
    answer = json.loads(v2_json.write_response(ID, asked, {"y": array}).data)
    assert {key: answer[key] for key in ("model_name", "model_version", "id")} == {
        "model_name": "m",
        "model_version": "3",
        "id": "7",
    }
    output = answer["outputs"][0]
    assert (output["name"], output["datatype"], output["shape"]) == ("y", datatype, [2])
    again = read({"inputs": [output]}).inputs["y"]
    assert again.dtype == array.dtype
    assert again.tolist() == array.tolist()


@pytest.mark.parametrize("datatype", SAMPLES)
def test_binary_there_and_back(datatype: str) -> None:
    array = np.tile(SAMPLES[datatype], (3, 1))
    asked = InferMessage("", "", {}, {}, binary=True)
    answer = v2_json.write_response(ID, asked, {"y": array, "z": array})
    again = v2_json.read_request(
        answer.data.replace(b'"outputs"', b'"inputs" '), str(answer.json_bytes)
    )
    for name in ("y", "z"):
        assert again.inputs[name].dtype == array.dtype
        assert again.inputs[name].tolist() == array.tolist()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32, np.bool_])
def test_large_contents_are_those_that_protobuf_writes(dtype: Any) -> None:
    array = (np.arange(70_000) * 7919 % 509 - 100).astype(dtype)
    asked = InferMessage("7", "", {}, {}, binary=False)
    data = v2_proto.write_infer(ID, asked, {"y": array})
    answer = oip_pb2.ModelInferResponse.FromString(data)
    [(_, values)] = answer.outputs[0].contents.ListFields()
    assert list(values) == array.tolist()
    assert answer.SerializeToString() == data


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("datatype", SAMPLES)
def test_messages_there_and_back(datatype: str, raw: bool) -> None:
    array = np.tile(SAMPLES[datatype], (3, 1))
    asked = InferMessage("7", "", {}, {}, binary=raw)
    answer = oip_pb2.ModelInferResponse.FromString(v2_proto.write_infer(ID, asked, {"y": array}))
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "3", "7")
    assert bool(answer.raw_output_contents) == (raw or datatype in ("FP16", "BF16"))
    request = oip_pb2.ModelInferRequest(
        model_name="m", raw_input_contents=answer.raw_output_contents
    )
    request.inputs.add().MergeFromString(answer.outputs[0].SerializeToString())
    again = v2_proto.read_infer(request.SerializeToString()).message
    assert again.inputs["y"].dtype == array.dtype
    assert again.inputs["y"].tolist() == array.tolist()
    assert again.binary == bool(answer.raw_output_contents)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
def test_floats_of_any_shape_survive_json(array: Array) -> None:
    asked = InferMessage("", "", {}, {}, binary=False)
    answer = v2_json.write_response(ID, asked, {"y": array}).data
    again = v2_json.read_request(answer.replace(b'"outputs"', b'"inputs"'), "").inputs["y"]
    assert again.shape == array.shape
    assert np.array_equal(again, array, equal_nan=True)


def test_binary_tensors_are_viewed_and_not_copied() -> None:
    document = {
        "inputs": [
            {
                "name": "x",
                "datatype": "UINT8",
                "shape": [2, 2],
                "parameters": {"binary_data_size": 4},
            }
        ]
    }
    data, length = body(document, b"\1\2\3\4")
    array = v2_json.read_request(data, length).inputs["x"]
    assert array.tolist() == [[1, 2], [3, 4]]
    assert np.shares_memory(array, np.frombuffer(data, np.uint8))


def test_nested_data_is_flattened() -> None:
    entry = {"name": "x", "datatype": "INT8", "shape": [2, 2], "data": [[1, 2], [3, 4]]}
    assert read({"inputs": [entry]}).inputs["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("parameters", "outputs", "binary"),
    [
        ({}, [{"name": "y"}], {"y": False}),
        ({"binary_data_output": True}, [{"name": "y"}], {"y": True}),
        (
            {"binary_data_output": True},
            [{"name": "y", "parameters": {"binary_data": False}}],
            {"y": False},
        ),
        (
            {},
            [{"name": "y", "parameters": {"binary_data": True}}, {"name": "z"}],
            {"y": True, "z": False},
        ),
    ],
)
def test_who_chooses_the_binary_form(parameters: Any, outputs: Any, binary: Any) -> None:
    assert read({"inputs": [], "parameters": parameters, "outputs": outputs}).outputs == binary


def entry(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1], "data": [1], **changes}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in entry().items() if name != key}


def sized(size: Any, **changes: Any) -> dict[str, Any]:
    return {**without("data"), "parameters": {"binary_data_size": size}, **changes}


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ([], "no JSON object"),
        ({"inputs": {}}, '"inputs" is no list'),
        ({"inputs": [1]}, "no object with a name"),
        ({"inputs": [{"name": 1}]}, "no object with a name"),
        ({"inputs": [entry(), entry()]}, "comes twice"),
        ({"inputs": [without("datatype")]}, "no datatype"),
        ({"inputs": [without("shape")]}, "no shape"),
        ({"inputs": [without("data")]}, "neither data nor"),
        ({"inputs": [entry(datatype="FP33")]}, "FP33' is not known"),
        ({"inputs": [entry(shape=[True])]}, "no list of numbers"),
        ({"inputs": [entry(shape=["1"])]}, "no list of numbers"),
        ({"inputs": [entry(shape=[-1])]}, "negative"),
        ({"inputs": [entry(shape=[2])]}, "1 elements where"),
        ({"inputs": [entry(shape=[2**40, 2**40])]}, "too many elements"),
        ({"inputs": [entry(shape=[1] * 40)]}, "dimensions"),
        ({"inputs": [entry(shape=[10**30])]}, "too many elements|no list of numbers"),
        ({"inputs": [entry(data=["a"])]}, "Input x: "),
        ({"inputs": [entry(data=[[1], [2, 3]])]}, "Input x: "),
        ({"inputs": [entry(data=None)]}, "Input x: "),
        ({"inputs": [entry(datatype="INT8", data=[128])]}, "out of range of INT8"),
        ({"inputs": [entry(datatype="UINT8", data=[-1])]}, "out of range of UINT8"),
        ({"inputs": [entry(datatype="INT32", data=[2**31])]}, "out of range of INT32"),
        ({"inputs": [entry(datatype="BOOL", data=[1])]}, "Input x: "),
        ({"inputs": [entry(datatype="BYTES", data=[1])]}, "Input x: "),
        ({"inputs": [sized(4)]}, "ends 4 bytes before"),
        ({"inputs": [sized(-4)]}, "no number of bytes"),
        ({"inputs": [sized(True)]}, "no number of bytes"),
        ({"inputs": [sized("4")]}, "no number of bytes"),
        ({"inputs": [sized(2**63)]}, "bytes before its last"),
        ({"inputs": [sized(10**30)]}, "no number of bytes"),
        ({"inputs": [], "parameters": []}, '"parameters" is no object'),
        ({"inputs": [], "parameters": {"signature_name": 1}}, "signature_name is no string"),
        ({"inputs": [], "parameters": {"binary_data_output": 1}}, "neither true nor false"),
        ({"inputs": [], "outputs": [{"name": "y"}, {"name": "y"}]}, "comes twice"),
        ({"inputs": [], "id": 1}, '"id" is no string'),
    ],
)
def test_what_is_no_request_is_refused(document: Any, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        read(document)


@pytest.mark.parametrize(
    "document",
    [
        {"inputs": [], "parameters": {"sequence_id": 3}},
        {"inputs": [entry(parameters={"shared_memory_region": "r"})]},
        {"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": 3}}]},
        {"inputs": [], "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]},
    ],
)
def test_what_is_not_served_is_said_so(document: Any) -> None:
    with pytest.raises(Unimplemented):
        read(document)


@pytest.mark.parametrize(
    ("tail", "length", "error"),
    [
        (b"\0" * 3, None, "ends 1 bytes before"),
        (b"\0" * 5, None, "1 bytes are left over"),
        (b"\0" * 4, "x", "is 'x'"),
        (b"\0" * 4, "-1", "is '-1'"),
        (b"\0" * 4, "9999", "is '9999'"),
        (b"\0" * 4, "9" * 99, "is '9999"),
        (b"\0" * 4, "0", "JSON Parse error"),
    ],
)
def test_lengths_must_agree(tail: bytes, length: str | None, error: str) -> None:
    data, said = body({"inputs": [sized(4)]}, tail)
    with pytest.raises(InvalidArgument, match=error):
        v2_json.read_request(data, said if length is None else length)


@pytest.mark.parametrize(
    ("data", "shape", "error"),
    [
        (b"", [1], "too few for 1"),
        (b"\1\0\0\0", [1], "0 of a tensor of BYTES is cut off"),
        (b"\xff\xff\xff\xff", [1], "0 of a tensor of BYTES is cut off"),
        (b"\1\0\0\0a\1\0\0", [1], "left over"),
        (b"\1\0\0\0a\1\0\0", [2], "1 of a tensor of BYTES is cut off"),
        (b"\0\0\0\0", [2**60], "too few"),
        (b"", [0, 2**62, 2**62], "can not be held"),
        (b"", [0, 2**64 - 1], "can not be held"),
    ],
)
def test_damaged_bytes_are_refused(data: bytes, shape: list[int], error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        v2_tensors.from_binary(data, v2_tensors.dtype_of("BYTES"), shape)


@given(st.binary(max_size=60), st.integers(0, 4))
def test_no_bytes_do_more_than_refuse(data: bytes, count: int) -> None:
    with contextlib.suppress(InvalidArgument):
        array = v2_tensors.from_binary(data, v2_tensors.dtype_of("BYTES"), [count])
        assert bytes(v2_tensors.to_binary(array)) == data


def test_bytes_that_are_no_text_need_the_binary_form() -> None:
    asked = InferMessage("", "", {}, {}, binary=False)
    with pytest.raises(InvalidArgument, match="no text") as caught:
        v2_json.write_response(ID, asked, {"y": text(b"\xff")})
    assert "binary_data" in caught.value.hint


def test_a_dtype_without_a_name_is_refused() -> None:
    asked = InferMessage("", "", {}, {}, binary=True)
    for write in (v2_json.write_response, v2_proto.write_infer):
        with pytest.raises(InvalidArgument, match="no datatype for complex64"):
            write(ID, asked, {"y": np.zeros(1, np.complex64)})


def message(**changes: Any) -> oip_pb2.ModelInferRequest:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1], "contents": {"fp32_contents": [1]}}
    tensor |= changes
    return oip_pb2.ModelInferRequest(model_name="m", inputs=[tensor])


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (message(datatype="X"), "not known"),
        (message(shape=[2]), "1 elements where"),
        (message(shape=[-1]), "negative"),
        (message(shape=[2**62, 4]), "too many elements"),
        (message(datatype="FP16"), "no field"),
        (message(datatype="INT64"), "fp32_contents instead of int64_contents"),
        (
            message(datatype="INT8", contents={"int_contents": [200]}),
            "out of range of INT8",
        ),
        (message(datatype="UINT8", contents={"uint_contents": [256]}), "out of range of UINT8"),
    ],
)
def test_wrong_tensors_in_messages_are_refused(request_: Any, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        v2_proto.read_infer(request_.SerializeToString())


def test_raw_contents_must_be_as_many_as_inputs() -> None:
    request = message()
    request.raw_input_contents.extend([b"\0" * 4] * 2)
    with pytest.raises(InvalidArgument, match="1 inputs and 2 raw_input_contents"):
        v2_proto.read_infer(request.SerializeToString())


def test_parameters_of_messages() -> None:
    request = message()
    request.parameters["signature_name"].string_param = "other"
    request.parameters["priority"].int64_param = 3
    request.parameters["nothing"].SetInParent()
    assert v2_proto.read_infer(request.SerializeToString()).message.signature_name == "other"
    request.parameters["sequence_id"].int64_param = 1
    with pytest.raises(Unimplemented, match="sequences"):
        v2_proto.read_infer(request.SerializeToString())


@given(st.binary(max_size=100), st.integers(0, 60))
def test_no_message_does_more_than_refuse(noise: bytes, at: int) -> None:
    good = message().SerializeToString()
    for data in (noise, good[:at] + noise + good[at:]):
        with contextlib.suppress(ServableError):
            v2_proto.read_infer(data)
    head = json.dumps({"inputs": [sized(4)]}).encode()
    with contextlib.suppress(ServableError):
        v2_json.read_request(head[:at] + noise + head[at:], str(at))
