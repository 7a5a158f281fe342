"""PredictRequest and PredictResponse messages <-> arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from servable import tensor_proto
from servable.contracts import ModelSpec, ServableId
from servable.errors import InvalidArgument
from servable.pb import framework_pb2, serving_pb2
from servable.tensors import Array, Signature
from servable.wire.spec_proto import parse, read_spec, write_spec

MOST_SPREAD_BYTES = 2**28
"""Bytes of a tensor that its message only describes, by one value that is repeated. One that
a message holds in full may be as large as the message."""


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
    """Return the contents of a serialized PredictRequest.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    request = parse(serving_pb2.PredictRequest, data)
    spec = read_spec(request.model_spec) if request.HasField("model_spec") else None
    return PredictMessage(spec, _Inputs(request.inputs, len(data)), tuple(request.output_filter))


def write_response(
    id: ServableId,
    signature_name: str,
    signature: Signature,
    outputs: Mapping[str, Array],
    *,
    as_content: bool = False,
) -> bytes:
    """Return a serialized PredictResponse.

    Args:
        id: the version that answered.
        signature_name: the signature that was run.
        signature: says which dtype each output has where numpy's type does not tell.
        outputs: alias -> array.
        as_content: write `tensor_content` rather than a list of values, for every dtype.

    Raises:
        InvalidArgument: TensorFlow has no dtype for an array.
    """
    response = serving_pb2.PredictResponse()
    write_spec(response.model_spec, id, signature_name)
    for alias, array in outputs.items():
        # The signature tells quantised dtypes from plain ones; what was computed is the truth.
        dtype = signature.outputs[alias].dtype
        if dtype is not None and dtype.numpy != array.dtype:
            dtype = None
        response.outputs[alias].CopyFrom(
            tensor_proto.encode(array, dtype=dtype, as_content=as_content)
        )
    return response.SerializeToString()


class _Inputs(Mapping[str, Array]):
    def __init__(self, protos: Mapping[str, framework_pb2.TensorProto], size: int) -> None:
        self._protos = protos
        self._limit = max(MOST_SPREAD_BYTES, size)

    def __getitem__(self, alias: str) -> Array:
        # A protobuf map makes an entry for any key that it is asked for.
        if alias not in self._protos:
            raise KeyError(alias)
        try:
            return tensor_proto.decode(self._protos[alias], limit_bytes=self._limit)
        except InvalidArgument as error:
            raise InvalidArgument(
                f"tensor parsing error: {alias}", hint=f"Input {alias}: {error.message}."
            ) from None

    def __contains__(self, alias: object) -> bool:
        # The inherited test would decode the tensor.
        return alias in self._protos

    def __iter__(self) -> Iterator[str]:
        return iter(self._protos)

    def __len__(self) -> int:
        return len(self._protos)
