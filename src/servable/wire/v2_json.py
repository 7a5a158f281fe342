"""Inference requests and answers of the Open Inference Protocol over HTTP.

A body is JSON, behind which the binary forms of tensors may follow, one after the other;
then a header says how long the JSON is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from servable.contracts import ServableId
from servable.errors import InvalidArgument
from servable.tensors import Array
from servable.wire import json_parse, json_values, v2_tensors
from servable.wire.json_debug import Json
from servable.wire.v2_message import (
    InferMessage,
    Parameter,
    check_tensor,
    flag,
    signature_name,
    unique,
)

HEADER = b"inference-header-content-length"
"""The HTTP header that says how many bytes of a body are JSON."""

_LENGTH = re.compile(r"[0-9]{1,18}")
_SCALARS = (bool, int, float, str)


class InferBody(NamedTuple):
    """The body of an answer; `json_bytes` of it are JSON, None if all of it is."""

    data: bytes
    json_bytes: int | None


def read_request(body: bytes, json_bytes: str) -> InferMessage:
    """Return the contents of a request.

    Args:
        body: all of it.
        json_bytes: the header that says how many bytes of it are JSON; "" if there is none.

    Raises:
        InvalidArgument: it is no such request.
        Unimplemented: it asks for something that this server can not do.
    """
    length = _json_length(body, json_bytes)
    root = read_object(body[:length])
    parameters = _parameters(root)
    pieces = _Pieces(memoryview(body)[length:])
    entries = [_entry(entry, "input") for entry in _list(root, "inputs")]
    unique("input", [_name(entry) for entry in entries])
    inputs = {_name(entry): _input(entry, pieces) for entry in entries}
    pieces.end()
    binary = flag(parameters, "binary_data_output", default=False)
    wanted = [_entry(entry, "output") for entry in _list(root, "outputs")]
    unique("output", [_name(entry) for entry in wanted])
    outputs = {_name(entry): _output(entry, binary) for entry in wanted}
    id = root.get("id", "")
    if not isinstance(id, str):
        raise InvalidArgument('"id" is no string.')
    return InferMessage(id, signature_name(parameters), inputs, outputs, binary)


def write_response(
    id: ServableId, request: InferMessage, outputs: Mapping[str, Array]
) -> InferBody:
    """Return the answer to a request.

    Raises:
        InvalidArgument: an output has no form in the protocol.
    """
    entries: list[dict[str, Any]] = []
    pieces: list[bytes | memoryview] = []
    for name, array in outputs.items():
        entry: dict[str, Any] = {
            "name": name,
            "datatype": v2_tensors.datatype(array),
            "shape": list(array.shape),
        }
        if request.outputs.get(name, request.binary):
            piece = v2_tensors.to_binary(array)
            pieces.append(piece)
            entry["parameters"] = {"binary_data_size": len(piece)}
        else:
            entry["data"] = v2_tensors.to_json(name, array)
        entries.append(entry)
    document = {"model_name": id.name, "model_version": str(id.version), "outputs": entries}
    if request.id:
        document["id"] = request.id
    head = json_values.dumps(document)
    return InferBody(b"".join((head, *pieces)), len(head) if pieces else None)


def read_object(body: bytes) -> dict[str, Json]:
    """Return the members of a JSON object.

    Raises:
        InvalidArgument: the body is none.
    """
    root = json_parse.parse(body)
    if not isinstance(root, dict):
        raise InvalidArgument("The request is no JSON object.")
    return root


class _Pieces:
    """What follows the JSON, taken piece by piece."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, size: Json) -> memoryview:
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise InvalidArgument("binary_data_size is no number of bytes.")
        piece = self._data[self._at : self._at + size]
        if len(piece) != size:
            raise InvalidArgument(
                f"The body ends {size - len(piece)} bytes before its last binary tensor.",
                hint=f"Say how long the JSON is with {HEADER.decode().title()}, and send all of "
                "the tensors behind it.",
            )
        self._at += size
        return piece

    def end(self) -> None:
        left = len(self._data) - self._at
        if left:
            raise InvalidArgument(f"{left} bytes are left over behind the last binary tensor.")


def _json_length(body: bytes, said: str) -> int:
    if not said:
        return len(body)
    said = said.strip()
    if not _LENGTH.fullmatch(said) or int(said) > len(body):
        raise InvalidArgument(
            f"{HEADER.decode().title()} is {said[:40]!r}, and the body has {len(body)} bytes."
        )
    return int(said)


def _list(root: Mapping[str, Json], key: str) -> list[Json]:
    value = root.get(key, [])
    if not isinstance(value, list):
        raise InvalidArgument(f'"{key}" is no list.')
    return value


def _entry(value: Json, kind: str) -> dict[str, Json]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise InvalidArgument(
            f"An {kind} is no object with a name.",
            hint='Send {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}.',
        )
    return value


def _name(entry: Mapping[str, Json]) -> str:
    return str(entry["name"])


def _parameters(holder: Mapping[str, Json]) -> dict[str, Parameter]:
    value = holder.get("parameters", {})
    if not isinstance(value, dict):
        raise InvalidArgument('"parameters" is no object.')
    return {key: item for key, item in value.items() if isinstance(item, _SCALARS)}


def _input(entry: Mapping[str, Json], pieces: _Pieces) -> Array:
    name = _name(entry)
    parameters = _parameters(entry)
    check_tensor(name, parameters)
    datatype = entry.get("datatype")
    if not isinstance(datatype, str):
        raise InvalidArgument(f"Input {name} has no datatype.")
    shape = _shape(entry)
    try:
        dtype = v2_tensors.dtype_of(datatype)
        if "binary_data_size" in parameters:
            piece = pieces.take(parameters["binary_data_size"])
            return v2_tensors.from_binary(piece, dtype, shape)
        if "data" not in entry:
            raise InvalidArgument("There is neither data nor binary_data_size.")
        return v2_tensors.from_json(entry["data"], dtype, shape)
    except InvalidArgument as error:
        raise InvalidArgument(f"Input {name}: {error.message}", hint=error.hint) from None


def _shape(entry: Mapping[str, Json]) -> list[int]:
    value = entry.get("shape")
    if not isinstance(value, list):
        raise InvalidArgument(f"Input {_name(entry)} has no shape.")
    sizes = [size for size in value if isinstance(size, int) and not isinstance(size, bool)]
    if len(sizes) < len(value):
        raise InvalidArgument(f"The shape of input {_name(entry)} is no list of numbers.")
    return sizes


def _output(entry: Mapping[str, Json], default: bool) -> bool:
    parameters = _parameters(entry)
    check_tensor(_name(entry), parameters)
    return flag(parameters, "binary_data", default)
