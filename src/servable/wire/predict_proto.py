"""PredictRequest and PredictResponse messages <-> arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from google.protobuf.message import DecodeError

from servable import tensor_proto, varint
from servable.contracts import ModelSpec, ServableId
from servable.errors import InvalidArgument
from servable.pb import framework_pb2, serving_pb2
from servable.tensor_wire import read, write
from servable.tensor_wire.read import Unusual
from servable.tensors import Array, Signature
from servable.wire.spec_proto import parse, read_spec, write_spec

MOST_SPREAD_BYTES = 2**28
"""Bytes of a tensor that its message only describes, by one value that is repeated. One that
a message holds in full may be as large as the message."""

# What fields begin with: of an entry of a map, of PredictResponse and of PredictRequest.
_KEY, _VALUE = b"\x0a", b"\x12"
_OUTPUTS, _ANSWERED = b"\x0a", b"\x12"
_ENTRY = (0x0A, 0x12)
_SPEC, _INPUTS, _FILTER = 0x0A, 0x12, 0x1A

_CACHED_BYTES = 2**9
"""A longer model_spec is none that clients send again and again."""


class PredictMessage(NamedTuple):
    """The contents of a PredictRequest.

    Attributes:
        spec: which model, or None if the message does not say.
        inputs: alias -> array, decoded when it is looked up, because the peer
            complains of a wrong alias before it looks at any value. A lookup raises
            InvalidArgument for a TensorProto that can not be decoded.
        output_filter: the outputs wanted; empty for all.
    """

    spec: ModelSpec | None
    inputs: Mapping[str, Array]
    output_filter: Sequence[str]


def read_request(data: bytes) -> PredictMessage:
    """Return the contents of a serialized PredictRequest, in bytes or a bytearray.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    try:
        return _read(data)
    except (Unusual, IndexError):
        pass
    request = parse(serving_pb2.PredictRequest, data)
    spec = read_spec(request.model_spec) if request.HasField("model_spec") else None
    limit = max(MOST_SPREAD_BYTES, len(data))
    inputs = {
        alias: partial(tensor_proto.decode, proto, limit_bytes=limit)
        for alias, proto in request.inputs.items()
    }
    return PredictMessage(spec, _Inputs(inputs), tuple(request.output_filter))


def write_response(
    id: ServableId,
    signature_name: str,
    signature: Signature,
    outputs: Mapping[str, Array],
    *,
    as_content: bool = False,
) -> bytes:
    """Return a serialized PredictResponse; see `response_pieces`."""
    return b"".join(response_pieces(id, signature_name, signature, outputs, as_content=as_content))


def response_pieces(
    id: ServableId,
    signature_name: str,
    signature: Signature,
    outputs: Mapping[str, Array],
    *,
    as_content: bool = False,
) -> list[write.Piece]:
    """Return a serialized PredictResponse, in pieces.

    Some may be views of the outputs, which must stay as they are.

    Args:
        id: the version that answered.
        signature_name: the signature that was run.
        signature: says which dtype each output has where numpy's type does not tell.
        outputs: alias -> array.
        as_content: write `tensor_content` rather than a list of values, for every dtype.

    Raises:
        InvalidArgument: TensorFlow has no dtype for an array.
        ResourceExhausted: the outputs are larger than any message.
    """
    response: list[write.Piece] = []
    for alias in sorted(outputs):
        array = outputs[alias]
        # The signature tells quantised dtypes from plain ones; what was computed is the truth.
        dtype = signature.outputs[alias].dtype
        if dtype is not None and dtype.numpy != array.dtype:
            dtype = None
        value = write.tensor(array, dtype=dtype, as_content=as_content)
        key = alias.encode()
        entry = [_KEY + varint.encode(len(key)) + key, *write.delimited(_VALUE, value)]
        response += write.delimited(_OUTPUTS, entry)
    response.append(_answered(id.name, id.version, signature_name))
    write.refuse_larger(write.size(response))
    return response


@lru_cache(2**8)
def _answered(name: str, version: int, signature_name: str) -> bytes:
    """Return the field `model_spec` of a response."""
    spec = serving_pb2.ModelSpec()
    write_spec(spec, ServableId(name, version), signature_name)
    return b"".join(write.delimited(_ANSWERED, [spec.SerializeToString()]))


def _read(data: bytes) -> PredictMessage:
    """Read the fields that requests usually have; arrays are views where they can be.

    Raises:
        Unusual: there are others, or protobuf may find the message at fault.
        IndexError: the data ends inside a field.
    """
    spec: ModelSpec | None = None
    inputs: dict[str, Callable[[], Array]] = {}
    output_filter: list[str] = []
    limit = max(MOST_SPREAD_BYTES, len(data))
    at, end = 0, len(data)
    while at < end:
        tag = data[at]
        size, start = read.length(data, at + 1)
        at = start + size
        if at > end:
            raise Unusual
        if tag == _INPUTS:
            key_size, key_at = read.length(data, start + 1)
            key_end = key_at + key_size
            value_size, value_at = read.length(data, key_end + 1)
            if (data[start], data[key_end]) != _ENTRY or value_at + value_size != at:
                raise Unusual
            inputs[_text(data[key_at:key_end])] = _tensor(data, value_at, at, limit)
        elif tag == _FILTER:
            output_filter.append(_text(data[start:at]))
        elif tag == _SPEC and spec is None and size <= _CACHED_BYTES:
            spec = _spec(bytes(data[start:at]))
        else:
            raise Unusual
    return PredictMessage(spec, _Inputs(inputs), tuple(output_filter))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unusual from None


@lru_cache(2**8)
def _spec(data: bytes) -> ModelSpec:
    try:
        return read_spec(serving_pb2.ModelSpec.FromString(data))
    except DecodeError:
        raise Unusual from None


def _tensor(data: bytes, start: int, end: int, limit: int) -> Callable[[], Array]:
    try:
        return read.tensor(data, start, end, limit)
    except (Unusual, IndexError):
        pass
    try:
        proto = framework_pb2.TensorProto.FromString(data[start:end])
    except DecodeError:
        raise Unusual from None
    return partial(tensor_proto.decode, proto, limit_bytes=limit)


class _Inputs(Mapping[str, Array]):
    def __init__(self, tensors: Mapping[str, Callable[[], Array]]) -> None:
        self._tensors = tensors

    def __getitem__(self, alias: str) -> Array:
        decode = self._tensors[alias]
        try:
            return decode()
        except InvalidArgument as error:
            raise InvalidArgument(
                f"tensor parsing error: {alias}", hint=f"Input {alias}: {error.message}."
            ) from None

    def __contains__(self, alias: object) -> bool:
        # The inherited test would decode the tensor.
        return alias in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)
