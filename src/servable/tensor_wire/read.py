"""Serialized TensorProtos -> arrays over the bytes themselves.

Only the form that clients write is read here: dtype, shape, and then the elements, best
all in one field. Anything else is left to protobuf, so that nothing is refused here, and
what is accepted is what protobuf would have made of it: a message may be cut between two
fields, and what it says is what its parts say.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
from google.protobuf.message import DecodeError

from servable import varint
from servable.errors import InvalidArgument
from servable.pb.framework_pb2 import TensorProto
from servable.tensor_wire import elements, packed
from servable.tensor_wire.write import CONTENT_TAG, RAW_FIELDS, TAGS
from servable.tensors import Array, DType

_MOST_LENGTH = 2**31 - 1
_MOST_LENGTH_BYTES = 5

# The two fields before the elements, for shapes of less than 128 bytes.
_DTYPE_TAG, _SHAPE_TAG = 0x08, 0x12
_SHAPE_AT = 4


class Unusual(Exception):
    """The bytes are wrong, or right in a way that is left to protobuf."""


def length(data: bytes, at: int) -> tuple[int, int]:
    """Return the length at an offset, and where what has that length begins.

    Raises:
        IndexError: the data ends before.
        Unusual: it is longer than protobuf permits.
    """
    size = data[at]
    if size < 0x80:
        return size, at + 1
    try:
        size, start = varint.read(data, at, maximum=_MOST_LENGTH)
    except ValueError:
        raise Unusual from None
    if start - at > _MOST_LENGTH_BYTES:
        raise Unusual
    return size, start


def tensor(data: bytes, start: int, end: int, limit_bytes: int) -> Callable[[], Array]:
    """Find a TensorProto's parts; return what makes the array of them, read-only.

    That raises InvalidArgument for a content that does not suit dtype and shape, as
    `tensor_proto.decode` does.

    Args:
        data: what holds the message, which the array may be a view of; a bytearray does too.
        start, end: where in it.
        limit_bytes: the most bytes that the array may have. Elements that are there one
            by one take no more than twice as much.

    Raises:
        Unusual: protobuf has to look at it.
        IndexError: the same, where `data` ends too early.
    """
    at = start + _SHAPE_AT + data[start + _SHAPE_AT - 1]
    if data[start] != _DTYPE_TAG or data[start + 2] != _SHAPE_TAG or at > end:
        raise Unusual
    dtype, shape, most = _head(bytes(data[start:at]))
    if most > limit_bytes:
        raise Unusual
    if at == end:
        return partial(elements.from_values, np.empty(0, dtype.numpy), dtype, shape)
    found = _one_field(data, at, end, dtype, most)
    if isinstance(found, memoryview):
        return partial(elements.from_content, found, dtype, shape)
    if found is None:
        found = _any_fields(data[at:end], dtype)
    return partial(elements.from_values, found, dtype, shape)


@lru_cache(2**10)
def _head(data: bytes) -> tuple[DType, tuple[int, ...], int]:
    """Return dtype, shape and size in bytes, if these fields say that and nothing else."""
    try:
        proto = TensorProto.FromString(data)
        if proto != TensorProto(dtype=proto.dtype, tensor_shape=proto.tensor_shape):
            raise Unusual
        dtype = elements.plain_dtype(proto.dtype)
        shape = elements.full_shape(proto.tensor_shape)
        return dtype, shape, elements.count(shape) * dtype.numpy.itemsize
    except (DecodeError, InvalidArgument):
        raise Unusual from None


def _one_field(
    data: bytes, at: int, end: int, dtype: DType, most: int
) -> memoryview | Array | None:
    """Return the content or the values that are the rest of a message, if they are one field.

    None if they are not, or in a form that protobuf reads as fast or has to look at.
    """
    value_at = at + (1 if data[at] < 0x80 else 2)
    tag = data[at:value_at]
    if tag != CONTENT_TAG and tag != TAGS.get(dtype.field):
        return None
    size, value_at = length(data, value_at)
    value = memoryview(data)[value_at:end].toreadonly()
    if value_at + size != end:
        return None
    if tag == CONTENT_TAG:
        return value if size else None
    if dtype.field in RAW_FIELDS:
        return None if size % dtype.numpy.itemsize else elements.memory(value, dtype)
    if dtype.numpy.kind == "V" and dtype.field == "int_val":  # integers of four bits
        return None
    if size * dtype.numpy.itemsize > 2 * most:  # more elements than the shape has
        return None
    bits = dtype.field == "half_val"
    values = packed.decoded_short(value, np.dtype(np.uint16) if bits else dtype.numpy)
    return values if values is None or not bits else values.view(dtype.numpy)


def _any_fields(rest: bytes, dtype: DType) -> Array:
    """Return the values in the rest of a message, whose dtype and shape were read already."""
    proto = TensorProto()
    proto.dtype = dtype.enum  # type: ignore[assignment]  # the stub wants the enum's own type
    try:
        proto.MergeFromString(rest)
    except DecodeError:
        raise Unusual from None
    # The dtype may have been taken back, too: no message says that there was a zero.
    if proto.dtype != dtype.enum or proto.tensor_content or proto.HasField("tensor_shape"):
        raise Unusual
    return elements.values(proto, dtype)
