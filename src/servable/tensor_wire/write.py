"""Arrays -> serialized TensorProtos.

The bytes are those of protobuf's deterministic serialization, without a Python object for
each element and, where the wire has the array's own memory, without a copy of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from servable import tensors, varint
from servable.errors import InvalidArgument, ResourceExhausted
from servable.pb.framework_pb2 import TensorProto
from servable.tensor_wire import packed
from servable.tensors import Array, DType

Piece: TypeAlias = bytes | memoryview

MOST_MESSAGE_BYTES = 2**31 - 2**20
"""protobuf's own limit, less room for what else a message holds."""

_FIELDS = {
    "float_val": 5,
    "double_val": 6,
    "int_val": 7,
    "scomplex_val": 9,
    "int64_val": 10,
    "bool_val": 11,
    "dcomplex_val": 12,
    "half_val": 13,
    "uint32_val": 16,
    "uint64_val": 17,
    "float8_val": 18,
}

TAGS = {name: varint.encode(number << 3 | 2) for name, number in _FIELDS.items()}
"""What a field that holds numeric elements begins with, if they are packed."""

CONTENT_TAG = b"\x22"

RAW_FIELDS = frozenset({"float_val", "double_val", "scomplex_val", "dcomplex_val", "float8_val"})
"""Those whose form on the wire is the array's own memory."""


_STRINGS_AT_ONCE = 2**12

_FEW = 2**9
"""Up to here protobuf writes integers in less time than numpy."""

_COPIED_BYTES = 2**12
"""Up to here a copy takes less time than a view."""


def delimited(tag: bytes, pieces: Sequence[Piece]) -> list[Piece]:
    """Return a field that holds these bytes: a string, a message or a packed list."""
    return [tag + varint.encode(size(pieces)), *pieces]


def size(pieces: Sequence[Piece]) -> int:
    """Return how many bytes there are in all; each item of a view is one byte here."""
    return sum(map(len, pieces))


def tensor(array: Array, *, dtype: DType | None = None, as_content: bool = False) -> list[Piece]:
    """Return `array` as a serialized TensorProto with its shape set, in pieces.

    Some pieces may be views of the array, which must stay as it is until they are joined.

    Args:
        array: any array of a type that TensorFlow knows; strings are object arrays
            of bytes or str, or numpy bytes and str arrays.
        dtype: which dtype to write where numpy's type does not tell (a quantised
            one); by default the plain dtype of the array.
        as_content: write `tensor_content` instead of one value for each element.

    Raises:
        ResourceExhausted: the array is larger than any message.
        InvalidArgument: TensorFlow has no such dtype, `dtype` names another numpy
            type than the array has, or an object is neither bytes nor str.
    """
    dtype = _dtype_of(array) if dtype is None else dtype
    if dtype is tensors.STRING:
        fields = _strings(array, as_content)
    else:
        fields = _numbers(array, dtype, as_content)
    return [_head(dtype.enum, array.shape), *fields]


def values(tag: bytes, flat: Array) -> list[Piece]:
    """Return a packed field; its pieces may be views of the array.

    Args:
        tag: what the field begins with.
        flat: integers, bools, floats or pairs of them, of one dimension.

    Raises:
        ResourceExhausted: the array is larger than any message.
    """
    if flat.dtype.kind not in "iub":
        return delimited(tag, [_memory(flat)])
    pieces, written = list[Piece](), 0
    for piece in packed.encoded(np.ascontiguousarray(flat)):
        written += len(piece)
        refuse_larger(written)
        pieces.append(piece)
    return delimited(tag, pieces)


def refuse_larger(message_bytes: int) -> None:
    """Refuse what no message can hold.

    Raises:
        ResourceExhausted: it is too large.
    """
    if message_bytes > MOST_MESSAGE_BYTES:
        raise ResourceExhausted(
            f"{message_bytes} bytes of tensors do not fit a message, which may have"
            f" {MOST_MESSAGE_BYTES}",
            hint="Send fewer rows at once, or fetch fewer outputs.",
        )


def _dtype_of(array: Array) -> DType:
    try:
        return tensors.from_numpy(array.dtype)
    except KeyError:
        raise InvalidArgument(f"TensorFlow has no dtype for numpy's {array.dtype}") from None


@lru_cache(2**10)
def _head(dtype: int, shape: tuple[int, ...]) -> bytes:
    """Return the fields before the elements. A scalar's shape is empty, and still set."""
    dims = b"".join(map(_dim, shape))
    return b"\x08%c\x12%b%b" % (dtype, varint.encode(len(dims)), dims)


def _dim(length: int) -> bytes:
    if not length:
        return b"\x12\x00"
    number = varint.encode(length)
    return b"\x12%c\x08%b" % (1 + len(number), number)


def _numbers(array: Array, dtype: DType, as_content: bool) -> list[Piece]:
    if array.dtype != dtype.numpy or not dtype.field:
        if array.dtype.newbyteorder("=") != dtype.numpy or not dtype.field:
            raise InvalidArgument(f"an array of {array.dtype} can not be written as {dtype.name}")
        array = array.astype(dtype.numpy)
    if not array.size:
        return []
    refuse_larger(array.nbytes)
    if as_content:
        return delimited(CONTENT_TAG, [_memory(array)])
    flat = _elements(array, dtype)
    if flat.size <= _FEW and flat.dtype.kind in "iub":
        return [TensorProto(**{dtype.field: flat.tolist()}).SerializeToString()]
    return values(TAGS[dtype.field], flat)


def _memory(array: Array) -> Piece:
    """Return the elements in order, of an array with native bytes."""
    if array.nbytes <= _COPIED_BYTES:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _elements(array: Array, dtype: DType) -> Array:
    """Return the elements as what stands for them in the field of their dtype."""
    if dtype.field == "half_val":
        return np.ascontiguousarray(array).view(np.uint16).reshape(-1)  # bit patterns
    if dtype.field == "int_val" and dtype.numpy.kind == "V":  # integers of four bits
        return array.reshape(-1).astype(np.int8)
    return array.reshape(-1)


def _strings(array: Array, as_content: bool) -> list[Piece]:
    items = array.reshape(-1).tolist()
    if set(map(type, items)) - {bytes}:
        items = [_bytes(item) for item in items]
    refuse_larger(sum(map(len, items)))
    if as_content:
        lengths = b"".join([varint.encode(len(item)) for item in items])
        return delimited(CONTENT_TAG, [lengths, *items]) if items else []
    # protobuf is four times as fast here as Python can be; in groups it takes less memory.
    groups = (items[i : i + _STRINGS_AT_ONCE] for i in range(0, len(items), _STRINGS_AT_ONCE))
    return [TensorProto(string_val=group).SerializeToString() for group in groups]


def _bytes(item: object) -> bytes:
    if isinstance(item, str):
        return item.encode()
    if not isinstance(item, bytes):
        raise InvalidArgument(f"a string tensor can not hold a {type(item).__name__}")
    return item
