"""What a .tflite file says about its signatures.

The file is a flatbuffer: tables whose fields are found through offsets. Only what the
signatures need is read, and every offset is checked, because a stranger may have made the
file. Field numbers are those of TensorFlow Lite's schema, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from servable import tensors
from servable.errors import InvalidArgument
from servable.tensors import DType, Shape, Signature, TensorSpec

MAX_ITEMS = 100_000
"""More tensors, inputs or signatures than any model has."""

_TYPES: dict[int, DType] = {
    0: tensors.FLOAT, 1: tensors.HALF, 2: tensors.INT32, 3: tensors.UINT8, 4: tensors.INT64,
    5: tensors.STRING, 6: tensors.BOOL, 7: tensors.INT16, 8: tensors.COMPLEX64, 9: tensors.INT8,
    10: tensors.DOUBLE, 11: tensors.COMPLEX128, 12: tensors.UINT64, 15: tensors.UINT32,
    16: tensors.UINT16,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A signature of a file.

    Attributes:
        signature: aliases and specs; a spec's name is the tensor's.
        inputs, outputs: alias -> number of the tensor in the subgraph.
        subgraph: the number of the subgraph that computes it.
        stored: whether the file names it; else it was made of the main subgraph's tensors.
    """

    signature: Signature
    inputs: dict[str, int]
    outputs: dict[str, int]
    subgraph: int
    stored: bool


def read_signatures(data: bytes) -> dict[str, Entry]:
    """Return the signatures of a file by name.

    A file without any gets `serving_default` over its main subgraph, whose aliases are
    the tensors' names without a trailing `:0`, as TensorFlow Serving makes it.

    Raises:
        InvalidArgument: the file is broken, with TensorFlow Serving's texts.
    """
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise InvalidArgument("Cannot build FlatBufferModel from buffer.")
    try:
        model = _Table(data, _uint(data, 0))
        graphs = list(model.tables(2))
        found = {
            entry[0]: entry[1] for entry in (_stored(graphs, item) for item in model.tables(7))
        }
        return found or {"serving_default": _generated(graphs[0])}
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise InvalidArgument(
            "Cannot build FlatBufferModel from buffer.", hint=f"The file is damaged: {error}"
        ) from error


class _Table:
    """A table of the flatbuffer at an offset."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        (distance,) = struct.unpack_from("<i", data, _checked(data, at))
        self._fields = _checked(data, at - distance)
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    def field(self, number: int) -> int | None:
        """Where a field is; None if it has its default."""
        place = 4 + 2 * number
        if place + 2 > self._size:
            return None
        offset = struct.unpack_from("<H", self._data, self._fields + place)[0]
        return _checked(self._data, self._at + offset) if offset else None

    def byte(self, number: int) -> int:
        """An unsigned byte, 0 by default."""
        at = self.field(number)
        return 0 if at is None else self._data[at]

    def uint(self, number: int) -> int:
        """An unsigned integer, 0 by default."""
        at = self.field(number)
        return 0 if at is None else _uint(self._data, at)

    def ints(self, number: int) -> tuple[int, ...] | None:
        """A list of integers; None if there is none."""
        start, count = self._vector(number)
        if start is None:
            return None
        return struct.unpack_from(f"<{count}i", self._data, start)

    def tables(self, number: int) -> Iterator[_Table]:
        """A list of tables."""
        start, count = self._vector(number)
        for index in range(count):
            at = (start or 0) + 4 * index
            yield _Table(self._data, at + _uint(self._data, at))

    def text(self, number: int) -> str:
        """A string, "" by default."""
        at = self.field(number)
        if at is None:
            return ""
        at += _uint(self._data, at)
        length = _uint(self._data, at)
        _checked(self._data, at + 4 + length - 1)
        return self._data[at + 4 : at + 4 + length].decode()

    def _vector(self, number: int) -> tuple[int | None, int]:
        at = self.field(number)
        if at is None:
            return None, 0
        at += _uint(self._data, at)
        count = _uint(self._data, at)
        if count > MAX_ITEMS:
            raise IndexError(f"a list of {count}")
        return at + 4, count


def _checked(data: bytes, at: int) -> int:
    if not 0 <= at < len(data):
        raise IndexError(f"offset {at} of {len(data)} bytes")
    return at


def _uint(data: bytes, at: int) -> int:
    number: int = struct.unpack_from("<I", data, _checked(data, at))[0]
    return number


def _stored(graphs: list[_Table], item: _Table) -> tuple[str, Entry]:
    subgraph = item.uint(4)
    specs = _specs(graphs[subgraph])
    sides = [{m.text(0): m.uint(1) for m in item.tables(side)} for side in (0, 1)]
    return item.text(2), _entry(specs, sides[0], sides[1], subgraph, stored=True)


def _generated(graph: _Table) -> Entry:
    specs = _specs(graph)
    sides = [
        {specs[i].name.removesuffix(":0"): i for i in graph.ints(side) or ()} for side in (1, 2)
    ]
    return _entry(specs, sides[0], sides[1], 0, stored=False)


def _entry(
    specs: list[TensorSpec], inputs: dict[str, int], outputs: dict[str, int], subgraph: int,
    *, stored: bool,
) -> Entry:  # fmt: skip
    signature = Signature(
        {alias: specs[inputs[alias]] for alias in sorted(inputs)},
        {alias: specs[outputs[alias]] for alias in sorted(outputs)},
    )
    for spec in (*signature.inputs.values(), *signature.outputs.values()):
        if spec.dtype is None:
            raise InvalidArgument(f"Unknown TfLite type of tensor {spec.name}")
    return Entry(signature, inputs, outputs, subgraph, stored)


def _specs(graph: _Table) -> list[TensorSpec]:
    return [
        TensorSpec(tensor.text(3), _TYPES.get(tensor.byte(1)), _shape(tensor))
        for tensor in graph.tables(0)
    ]


def _shape(tensor: _Table) -> Shape:
    # The second says -1 where the size is open; the first then says 1.
    sizes = tensor.ints(7) or tensor.ints(0) or ()
    return tuple(None if size < 0 else size for size in sizes)
