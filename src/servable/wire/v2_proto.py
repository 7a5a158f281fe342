"""Messages of the Open Inference Protocol over gRPC <-> arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from servable import tensors, varint
from servable.contracts import ServableId
from servable.errors import InvalidArgument
from servable.pb import oip_pb2
from servable.tensor_wire import write
from servable.tensors import Array, DType
from servable.wire import v2_tensors
from servable.wire.spec_proto import parse
from servable.wire.v2_message import (
    InferMessage,
    Parameter,
    check_tensor,
    signature_name,
    unique,
)

_FIELDS: Mapping[DType, str] = {
    tensors.BOOL: "bool_contents",
    **dict.fromkeys((tensors.INT8, tensors.INT16, tensors.INT32), "int_contents"),
    tensors.INT64: "int64_contents",
    **dict.fromkeys((tensors.UINT8, tensors.UINT16, tensors.UINT32), "uint_contents"),
    tensors.UINT64: "uint64_contents",
    tensors.FLOAT: "fp32_contents",
    tensors.DOUBLE: "fp64_contents",
    tensors.STRING: "bytes_contents",
}
"""Where the elements are, one by one; other datatypes have the binary form only."""

_TAGS = {
    field.name: varint.encode(field.number << 3 | 2)
    for field in oip_pb2.InferTensorContents.DESCRIPTOR.fields
}
"""What a field with elements begins with, if they are packed."""

_FEW = 2**6  # up to here protobuf writes elements in less time

# What fields begin with: of a ModelInferResponse, and of one of its outputs.
_OUTPUT, _RAW_OUTPUT, _CONTENTS = b"\x2a", b"\x32", b"\x2a"

_ELEMENTS: Mapping[str, Any] = {
    "bool_contents": np.bool_,
    "int_contents": np.int32,
    "int64_contents": np.int64,
    "uint_contents": np.uint32,
    "uint64_contents": np.uint64,
    "fp32_contents": np.float32,
    "fp64_contents": np.float64,
}


class InferCall(NamedTuple):
    """A ModelInferRequest: which model, in which version ("" for the newest), and the rest."""

    name: str
    version: str
    message: InferMessage


def read_infer(data: bytes) -> InferCall:
    """Return the contents of a serialized ModelInferRequest.

    The answer is in the binary form if the request is, or brings no data at all.

    Raises:
        InvalidArgument: the bytes are no such message, or a tensor is wrong.
        Unimplemented: it asks for something that this server can not do.
    """
    request = parse(oip_pb2.ModelInferRequest, data)
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidArgument(
            f"There are {len(request.inputs)} inputs and {len(raw)} raw_input_contents.",
            hint="Send one for each input, in the same order, or none.",
        )
    unique("input", [tensor.name for tensor in request.inputs])
    unique("output", [tensor.name for tensor in request.outputs])
    inputs: dict[str, Array] = {}
    for index, tensor in enumerate(request.inputs):
        check_tensor(tensor.name, _parameters(tensor.parameters))
        inputs[tensor.name] = _input(tensor, raw[index] if raw else None)
    for output in request.outputs:
        check_tensor(output.name, _parameters(output.parameters))
    binary = bool(raw) or not request.inputs
    message = InferMessage(
        request.id,
        signature_name(_parameters(request.parameters)),
        inputs,
        dict.fromkeys((output.name for output in request.outputs), binary),
        binary,
    )
    return InferCall(request.model_name, request.model_version, message)


def write_infer(id: ServableId, request: InferMessage, outputs: Mapping[str, Array]) -> bytes:
    """Return a serialized ModelInferResponse.

    Raises:
        InvalidArgument: an output has no form in the protocol.
        ResourceExhausted: the outputs are larger than any message.
    """
    # A message has all of its tensors in one form.
    binary = request.binary or any(
        v2_tensors.dtype_of(v2_tensors.datatype(array)) not in _FIELDS for array in outputs.values()
    )
    head = oip_pb2.ModelInferResponse(model_name=id.name, model_version=str(id.version))
    head.id = request.id
    response: list[write.Piece] = [head.SerializeToString()]
    for name, array in outputs.items():
        response += write.delimited(_OUTPUT, _output(name, array, as_contents=not binary))
    if binary:
        for array in outputs.values():
            response += write.delimited(_RAW_OUTPUT, [v2_tensors.to_binary(array)])
    write.refuse_larger(write.size(response))
    return b"".join(response)


def _output(name: str, array: Array, *, as_contents: bool) -> list[write.Piece]:
    datatype = v2_tensors.datatype(array)
    tensor = oip_pb2.ModelInferResponse.InferOutputTensor(
        name=name, datatype=datatype, shape=array.shape
    )
    if not as_contents:
        return [tensor.SerializeToString()]
    field = _FIELDS[v2_tensors.dtype_of(datatype)]
    if array.size <= _FEW or array.dtype.hasobject:
        getattr(tensor.contents, field).extend(array.reshape(-1).tolist())
        return [tensor.SerializeToString()]
    contents = write.values(_TAGS[field], array.reshape(-1))
    return [tensor.SerializeToString(), *write.delimited(_CONTENTS, contents)]


def _input(tensor: oip_pb2.ModelInferRequest.InferInputTensor, raw: bytes | None) -> Array:
    try:
        dtype = v2_tensors.dtype_of(tensor.datatype)
        if raw is not None:
            return v2_tensors.from_binary(raw, dtype, tensor.shape)
        return v2_tensors.narrowed(_values(tensor.contents, dtype), dtype, tensor.shape)
    except InvalidArgument as error:
        raise InvalidArgument(f"Input {tensor.name}: {error.message}", hint=error.hint) from None


def _values(contents: oip_pb2.InferTensorContents, dtype: DType) -> Array:
    field = _FIELDS.get(dtype)
    if field is None:
        raise InvalidArgument(
            "Elements of this datatype have no field.", hint="Send raw_input_contents."
        )
    filled = [name.name for name, _ in contents.ListFields() if name.name != field]
    if filled:
        raise InvalidArgument(f"The contents are in {filled[0]} instead of {field}.")
    values = getattr(contents, field)
    if dtype is tensors.STRING:
        array = np.empty(len(values), object)
        array[:] = list(values)
        return array
    return np.array(values, _ELEMENTS[field])


def _parameters(message: Mapping[str, oip_pb2.InferParameter]) -> dict[str, Parameter]:
    chosen = ((key, value, value.WhichOneof("parameter_choice")) for key, value in message.items())
    return {key: getattr(value, choice) for key, value, choice in chosen if choice is not None}
