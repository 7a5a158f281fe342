"""PredictRequests are read as protobuf reads them, with or without its help.

The oracle is protobuf's own parser with `tensor_proto.decode`, whose rules were recorded
from TensorFlow.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from servable import tensor_proto, tensors, varint
from servable.contracts import ModelSpec, ServableId
from servable.errors import InvalidArgument, ResourceExhausted
from servable.pb import serving_pb2
from servable.tensor_wire import elements, packed, write
from servable.tensors import Array, DType, Signature, TensorSpec
from servable.wire import predict_proto
from servable.wire.spec_proto import read_spec

DTYPES = [dtype for dtype in tensors.DTYPES if dtype.field]


@contextmanager
def small_limits() -> Iterator[None]:
    """Let a few bytes be treated as many are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "_FEW_BYTES", 0)
        patch.setattr(packed, "BLOCK_BYTES", 4)
        patch.setattr(elements, "_COPIED_BYTES", 0)
        yield


def plain(decode: Callable[[], Array]) -> Any:
    try:
        array = decode()
    except InvalidArgument as error:
        return error.hint or f"{error.message}."
    assert not array.flags.writeable
    assert array.flags.aligned
    values = array.reshape(-1)[:1000]
    return array.dtype, array.shape, values.tolist() if array.dtype.hasobject else values.tobytes()


def ours(data: bytes) -> Any:
    try:
        message = predict_proto.read_request(data)
    except InvalidArgument as error:
        return error.message
    inputs = message.inputs
    arrays = {alias: plain(lambda alias=alias: inputs[alias]) for alias in inputs}  # type: ignore[misc]  # a default binds the loop's variable
    return message.spec, tuple(message.output_filter), arrays


def by_protobuf(data: bytes) -> Any:
    try:
        request = serving_pb2.PredictRequest.FromString(data)
    except DecodeError as error:
        return f"The request is not a serialized tensorflow.serving.PredictRequest: {error}"
    spec = read_spec(request.model_spec) if request.HasField("model_spec") else None
    limit = max(predict_proto.MOST_SPREAD_BYTES, len(data))
    arrays = {}
    for alias, proto in request.inputs.items():
        value = plain(lambda proto=proto: tensor_proto.decode(proto, limit_bytes=limit))  # type: ignore[misc]  # as above
        arrays[alias] = f"Input {alias}: {value}" if isinstance(value, str) else value
    return spec, tuple(request.output_filter), arrays


def field(number: int, value: bytes) -> bytes:
    return varint.encode(number << 3 | 2) + varint.encode(len(value)) + value


def tensor(dtype: int, sizes: list[int], rest: bytes) -> bytes:
    dims = b"".join(field(2, b"\x08" + varint.encode(size)) for size in sizes)
    return b"\x08" + varint.encode(dtype) + field(2, dims) + rest


def request(*values: bytes) -> bytes:
    names = [b"x", b"y", b"z"]
    return b"".join(
        field(2, field(1, name) + field(2, value))
        for name, value in zip(names, values, strict=False)
    )


FLOATS = np.arange(4, dtype=np.float32).tobytes()

SPEC = field(1, b"m") + field(2, b"\x08\x07") + field(3, b"s")

USUAL: dict[str, bytes] = {
    "floats": request(tensor(1, [4], field(5, FLOATS))),
    "content": field(1, SPEC) + request(tensor(1, [2, 2], field(4, FLOATS))),
    "short integers": request(tensor(9, [3], field(10, b"\x01\x02\x03"))),
    "bools": request(tensor(10, [3], field(11, b"\x01\x00\x01"))),
    "uint64": request(tensor(23, [2], field(17, b"\x01\x02"))),
    "one value for all": request(tensor(1, [9], field(5, FLOATS[4:8]))),
    "no value": request(tensor(1, [9], b"")),
    "filter": field(3, b"a") + request(tensor(1, [], field(5, FLOATS[:4]))) + field(3, b"b"),
}

UNUSUAL: dict[str, bytes] = {
    "nothing": b"",
    "floats not packed": request(tensor(1, [2], b"\x2d\x00\x00\x80\x3f\x2d\x00\x00\x00\x40")),
    "floats packed and not": request(
        tensor(1, [3], b"\x2d\x00\x00\x80\x3f" + field(5, FLOATS[:8]))
    ),
    "two runs of floats": request(tensor(1, [4], field(5, FLOATS[:8]) + field(5, FLOATS[8:]))),
    "two runs of integers": request(
        tensor(3, [4], field(7, b"\x01\x80\x02") + field(7, b"\x03\x04"))
    ),
    "integers not packed": request(tensor(3, [2], b"\x38\x05\x38\x85\x01")),
    "negative integers": request(tensor(3, [2], field(7, b"\xff" * 9 + b"\x01\x00"))),
    "a number of eleven bytes": request(tensor(3, [1], field(7, b"\xff" * 10 + b"\x01"))),
    "a number that does not end": request(tensor(3, [1], field(7, b"\x01\xff"))),
    "half a float": request(tensor(1, [1], field(5, FLOATS[:6]))),
    "two contents": request(tensor(1, [1], field(4, FLOATS[:4]) + field(4, FLOATS[4:8]))),
    "empty content": request(tensor(1, [1], field(4, b""))),
    "content and values": request(tensor(1, [1], field(4, FLOATS[4:8]) + field(5, FLOATS[:4]))),
    "values of another dtype": request(tensor(1, [1], field(7, b"\x01"))),
    "bad values of another dtype": request(tensor(1, [1], field(7, b"\x81"))),
    "values before dtype": request(field(5, FLOATS) + tensor(1, [4], b"")),
    "shape before dtype": request(tensor(1, [4], field(5, FLOATS))[2:] + b"\x08\x01"),
    "dtype twice": request(b"\x08\x02" + tensor(1, [4], field(5, FLOATS))),
    "dtype in two bytes": request(b"\x08\x81\x00" + tensor(1, [4], field(5, FLOATS))[2:]),
    "dtype taken back": request(tensor(1, [4], b"\x08\x00" + field(5, FLOATS))),
    "dtype taken back behind": request(tensor(1, [4], field(5, FLOATS) + b"\x08\x00")),
    "dtype again": request(tensor(1, [4], b"\x08\x01" + field(5, FLOATS))),
    "content taken back": request(tensor(1, [1], field(4, FLOATS[:4]) + b"\x22\x00")),
    "shape again, of unknown rank": request(
        tensor(1, [4], field(5, FLOATS) + b"\x12\x02\x18\x01")
    ),
    "no dtype": request(field(5, FLOATS)),
    "no shape": request(b"\x08\x01" + field(5, FLOATS)),
    "unknown rank": request(b"\x08\x01\x12\x02\x18\x01" + field(5, FLOATS)),
    "named sizes": request(
        b"\x08\x01" + field(2, field(2, b"\x08\x04" + field(2, b"n"))) + field(5, FLOATS)
    ),
    "shape twice": request(tensor(1, [2], field(2, field(2, b"\x08\x02")) + field(5, FLOATS))),
    "version number": request(tensor(1, [4], b"\x18\x01" + field(5, FLOATS))),
    "a long shape": request(tensor(1, [1] * 32, field(5, FLOATS))),
    "too long a shape": request(tensor(1, [1] * 70, field(5, FLOATS))),
    "a billion elements": request(tensor(1, [10**9], field(5, FLOATS[4:8]))),
    "too many elements": request(tensor(1, [2**62, 4], field(5, FLOATS[4:8]))),
    "more values than elements": request(tensor(9, [1], field(10, b"\x01\x02\x03"))),
    "a negative size": request(tensor(1, [2**64 - 1], field(5, FLOATS))),
    "integers of four bits": request(tensor(29, [2], field(7, b"\x07\x11"))),
    "a bool of two bytes": request(tensor(10, [2], field(11, b"\x80\x00\x80\x01"))),
    "strings": request(tensor(7, [2], field(8, b"a\0b") + field(8, b""))),
    "strings in content": request(tensor(7, [2], field(4, b"\x01\x02abc"))),
    "an unknown field": request(tensor(1, [4], field(5, FLOATS) + field(99, b"?"))),
    "a group": request(tensor(1, [4], b"\x9b\x06\x9c\x06" + field(5, FLOATS))),
    "an open group": request(tensor(1, [4], b"\x9b\x06" + field(5, FLOATS))),
    "an unknown field outside": field(99, b"?") + USUAL["floats"],
    "a group outside": b"\x9b\x06\x9c\x06" + USUAL["floats"],
    "client id": field(6, b"me") + USUAL["floats"],
    "the same key again": USUAL["floats"] + request(tensor(3, [1], field(7, b"\x01"))),
    "no key": field(2, field(2, tensor(1, [4], field(5, FLOATS)))),
    "no value in an entry": field(2, field(1, b"x")),
    "an empty entry": field(2, b""),
    "value before key": field(2, field(2, tensor(1, [4], field(5, FLOATS))) + field(1, b"x")),
    "two values in an entry": field(
        2, field(1, b"x") + field(2, tensor(1, [4], b"")) + field(2, field(5, FLOATS))
    ),
    "two keys in an entry": field(
        2, field(1, b"a") + field(1, b"x") + field(2, tensor(1, [], b""))
    ),
    "a key that is no text": field(2, field(1, b"\xff") + field(2, tensor(1, [], b""))),
    "a surrogate as a key": field(2, field(1, b"\xed\xa0\x80") + field(2, tensor(1, [], b""))),
    "a filter that is no text": field(3, b"\xff"),
    "two specs": field(1, SPEC) + field(1, field(4, b"label")),
    "a spec that is no text": field(1, field(1, b"\xff")),
    "a long spec": field(1, field(1, b"m" * 600)),
    "a length in five bytes": b"\x1a\x81\x80\x80\x80\x00a",
    "a length in six bytes": b"\x1a\x81\x80\x80\x80\x80\x00a",
    "a length that is too large": b"\x1a\xff\xff\xff\xff\x0f",
    "a tag in two bytes": b"\x9a\x00\x01a",
}  # fmt: skip


@pytest.mark.parametrize("name", USUAL | UNUSUAL)
@pytest.mark.parametrize("small", [False, True])
def test_every_form_is_read_as_protobuf_reads_it(name: str, small: bool) -> None:
    data = (USUAL | UNUSUAL)[name]
    expected = by_protobuf(data)
    if not small:
        assert ours(data) == expected
        return
    with small_limits():
        assert ours(data) == expected


@pytest.mark.parametrize("name", USUAL)
def test_the_usual_forms_are_read_without_protobuf(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict_proto, "parse", None)
    monkeypatch.setattr(tensor_proto, "decode", None)
    assert not isinstance(ours(USUAL[name]), str)


@pytest.mark.parametrize("name", USUAL | UNUSUAL)
def test_a_request_may_end_anywhere(name: str) -> None:
    data = (USUAL | UNUSUAL)[name]
    for end in range(len(data)):
        assert ours(data[:end]) == by_protobuf(data[:end])


@st.composite
def valid(draw: st.DrawFn) -> bytes:
    message = serving_pb2.PredictRequest()
    if draw(st.booleans()):
        message.model_spec.name = draw(st.sampled_from(["", "m", "ß"]))
        if draw(st.booleans()):
            message.model_spec.version.value = draw(st.integers(-2, 300))
    message.output_filter.extend(draw(st.lists(st.sampled_from(["y", ""]), max_size=2)))
    for alias in draw(st.lists(st.sampled_from(["", "x", "é"]), max_size=2, unique=True)):
        dtype = draw(st.sampled_from(DTYPES))
        values = draw(st.lists(st.integers(0, 7) | st.integers(-128, 127), max_size=6))
        if dtype is tensors.STRING:
            array = np.empty(len(values), object)
            array[:] = [b"\x80" * (value & 3) for value in values]
        else:
            array = np.array(values, np.int8).astype(dtype.numpy)
        proto = tensor_proto.encode(array, dtype=dtype, as_content=draw(st.booleans()))
        if draw(st.integers(0, 3)) == 0:
            proto.tensor_shape.dim[0].size = draw(st.sampled_from([0, 1, 7, 200, 2**31, 2**62]))
        message.inputs[alias].CopyFrom(proto)
    return message.SerializeToString()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(valid() | st.sampled_from(list((USUAL | UNUSUAL).values()))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 6))
        match draw(st.integers(0, 3)):
            case 0 if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at : at + length]
            case 2:
                data[at:at] = data[at : at + 4 * length]
            case _:
                data[at:at] = draw(st.binary(max_size=3))
    return bytes(data)


@settings(deadline=None, max_examples=600)
@given(mutated(), st.booleans())
@example(request(tensor(3, [3], field(7, b"\x80\x80\x00"))), True)
@example(request(tensor(9, [3], field(10, b"\x80\x01\x80"))), True)
def test_damaged_requests_are_taken_or_refused_as_protobuf_does(data: bytes, small: bool) -> None:
    expected = by_protobuf(data)
    if not small:
        assert ours(data) == expected
        return
    with small_limits():
        assert ours(data) == expected


@pytest.mark.parametrize("number", [4, 5])
def test_a_large_aligned_tensor_is_a_view_of_the_request(number: int) -> None:
    array = np.arange(100_000, dtype=np.float32)
    value = tensor(1, [100_000], field(number, array.tobytes()))
    views = 0
    for padding in range(8):
        data = field(3, b"a" * padding) + request(value)
        read = predict_proto.read_request(data).inputs["x"]
        np.testing.assert_array_equal(read, array)
        assert read.flags.aligned
        views += np.shares_memory(read, np.frombuffer(data, np.uint8))
    assert views == 2


def answer(outputs: dict[str, Array], dtype: DType | None = None, **how: bool) -> bytes:
    signature = Signature({}, {alias: TensorSpec(alias, dtype, None) for alias in outputs})
    return predict_proto.write_response(ServableId("m", 7), "s", signature, outputs, **how)


def test_an_answer_is_byte_for_byte_what_protobuf_writes() -> None:
    outputs = {
        "é": np.arange(70_000, dtype=np.int32).reshape(7, -1) - 100,
        "a": np.array(1.5),
        "b": np.array([b"\0", b"a" * 300], object),
    }
    for as_content in (False, True):
        data = answer(outputs, as_content=as_content)
        response = serving_pb2.PredictResponse.FromString(data)
        assert response.SerializeToString(deterministic=True) == data
        assert response.model_spec == serving_pb2.ModelSpec(
            name="m", version={"value": 7}, signature_name="s"
        )
        for alias, array in outputs.items():
            read = tensor_proto.decode(response.outputs[alias])
            np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.bool_])
def test_an_answer_takes_twice_its_size_while_it_is_written(dtype: Any) -> None:
    array = (np.arange(2**20) % 251).astype(dtype)
    tracemalloc.start()
    try:
        data = answer({"y": array})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * len(data) + 2**22


def test_an_answer_without_outputs_names_the_model() -> None:
    assert serving_pb2.PredictResponse.FromString(answer({})).model_spec.name == "m"


def test_an_answer_that_no_message_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "MOST_MESSAGE_BYTES", 1000)
    with pytest.raises(ResourceExhausted):
        answer({"a": np.zeros(150), "b": np.zeros(150, np.float32)})


def test_a_spec_that_was_seen_before_is_read_the_same() -> None:
    data = field(1, SPEC)
    specs = [predict_proto.read_request(data).spec for _ in range(2)]
    assert specs == [ModelSpec("m", version=7, signature_name="s")] * 2


def test_arrays_in_unusual_messages_are_decoded_when_they_are_looked_up() -> None:
    message = predict_proto.read_request(UNUSUAL["client id"])
    assert list(message.inputs) == ["x"]
    assert message.inputs["x"].tolist() == [0.0, 1.0, 2.0, 3.0]
