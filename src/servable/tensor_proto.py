"""TensorProto <-> numpy, by TensorFlow's rules.

Requests, constants in graphs and default values in signatures all travel as
TensorProto. What is lenient here (short value lists are padded with their last
value, surplus values are dropped, small integers wrap) is lenient in TensorFlow,
and clients rely on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable import tensors, varint
from servable.errors import InvalidArgument, ResourceExhausted
from servable.pb import framework_pb2
from servable.tensors import Array, DType, Shape

DEFAULT_LIMIT_BYTES = 2**31
"""Largest array that `decode` makes unless told otherwise: what one protobuf message may hold."""

# A repeated value up to this size is written out, because kernels are faster on
# plain arrays; beyond it a view with stride zero stands for all the copies.
_WRITE_OUT_BYTES = 2**16

# Fields whose packed form on the wire is the array's own memory.
_RAW_FIELDS = frozenset({"float_val", "double_val", "scomplex_val", "dcomplex_val"})

_MAX_INT64 = 2**63 - 1


MOST_MESSAGE_BYTES = 2**31 - 2**20
"""protobuf's own limit, less room for what else a message holds."""


def decode(proto: framework_pb2.TensorProto, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Array:
    """Return the tensor in `proto` as a read-only array of the dtype's numpy type.

    `tensor_content`, if there is any, is used without copying and must have exactly
    the right length. Otherwise the dtype's own value field counts: values in other
    fields are ignored, missing ones repeat the last, and an empty field means
    zeros (empty strings). A large array of one repeated value has zero strides, so
    a small message can not fill the memory with it.

    Args:
        proto: any TensorProto; an unset shape is a scalar.
        limit_bytes: the most bytes that the decoded array may have, elements times
            item size; a string counts as eight.

    Raises:
        InvalidArgument: the dtype is unset, unknown or not a plain value; the shape
            has an unknown rank, a negative or overflowing size; the content's
            length is wrong; or the array would be larger than `limit_bytes`.
    """
    dtype = _plain_dtype(proto.dtype)
    shape = _full_shape(proto.tensor_shape)
    count = _count(shape)
    if count * dtype.numpy.itemsize > limit_bytes:
        raise InvalidArgument(
            f"a {dtype.name} tensor of shape {list(shape)} is larger than {limit_bytes} bytes"
        )
    content = proto.tensor_content if count else b""
    if content:
        array = _from_content(content, dtype, count)
    else:
        array = _padded(_from_field(proto, dtype), dtype, count)
    try:
        array = array.reshape(shape)
    except ValueError as error:
        raise InvalidArgument(f"shape {list(shape)} can not be held: {error}") from None
    array.flags.writeable = False
    return array


def decode_shape(proto: framework_pb2.TensorShapeProto) -> Shape:
    """Return a shape as stored: None for an unknown rank, None for each size of -1.

    Raises:
        InvalidArgument: a size is below -1.
    """
    if proto.unknown_rank:
        return None
    sizes = [dim.size for dim in proto.dim]
    if any(size < -1 for size in sizes):
        raise InvalidArgument(f"a shape can not have the sizes {sizes}")
    return tuple(None if size == -1 else size for size in sizes)


def encode(
    array: Array, *, dtype: DType | None = None, as_content: bool = False
) -> framework_pb2.TensorProto:
    """Return `array` as a TensorProto with its shape set.

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
        return _with_strings(_new_proto(array, dtype), _to_bytes(array), as_content)
    if not dtype.field or array.dtype.newbyteorder("=") != dtype.numpy:
        raise InvalidArgument(f"an array of {array.dtype} can not be written as {dtype.name}")
    if array.nbytes > MOST_MESSAGE_BYTES:
        raise ResourceExhausted(
            f"a tensor of {array.nbytes} bytes does not fit a message, which may have"
            f" {MOST_MESSAGE_BYTES}",
            hint="Send fewer rows at once, or fetch fewer outputs.",
        )
    proto = _new_proto(array, dtype)
    flat = np.ascontiguousarray(array, dtype=dtype.numpy).reshape(-1)
    if as_content:
        proto.tensor_content = flat.tobytes()
    elif dtype.field == "float8_val":
        proto.float8_val = flat.tobytes()
    elif dtype.field in _RAW_FIELDS:
        _merge_packed(proto, dtype.field, flat.tobytes())
    elif dtype.field == "half_val":
        proto.half_val.extend(flat.view(np.uint16).tolist())
    elif dtype.field == "int_val":
        proto.int_val.extend(flat.astype(np.int32).tolist())
    else:
        getattr(proto, dtype.field).extend(flat.tolist())
    return proto


def _plain_dtype(number: int) -> DType:
    try:
        # A reference dtype names a variable's buffer; no message can carry one.
        dtype = tensors.from_enum(number) if number < 100 else None
    except KeyError:
        dtype = None
    if dtype is None or not dtype.field:
        raise InvalidArgument(f"a TensorProto of dtype number {number} can not be decoded")
    return dtype


def _full_shape(proto: framework_pb2.TensorShapeProto) -> tuple[int, ...]:
    shape = tuple(dim.size for dim in proto.dim)
    if proto.unknown_rank or any(size < 0 for size in shape):
        raise InvalidArgument("the shape of a TensorProto must be complete, without unknown sizes")
    return shape


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
        if count > _MAX_INT64:
            raise InvalidArgument(f"a tensor of shape {list(shape)} has too many elements")
    return count


def _from_content(content: bytes, dtype: DType, count: int) -> Array:
    if dtype is tensors.STRING:
        return _split_strings(content, count)
    if len(content) != count * dtype.numpy.itemsize:
        raise InvalidArgument(
            f"tensor_content has {len(content)} bytes where {count} elements of "
            f"{dtype.name} take {count * dtype.numpy.itemsize}"
        )
    if dtype is tensors.BOOL and content.translate(None, b"\x00\x01"):
        raise InvalidArgument("tensor_content of a bool tensor holds a byte other than 0 and 1")
    return np.frombuffer(content, dtype.numpy)


def _split_strings(content: bytes, count: int) -> Array:
    """Read `count` lengths, then the strings they cut the rest into."""
    if count > len(content):  # each length takes a byte at least
        raise InvalidArgument(f"tensor_content is too short for {count} strings")
    lengths, offset = [], 0
    try:
        for _ in range(count):
            length, offset = varint.read(content, offset, maximum=varint.MAX_UINT32)
            lengths.append(length)
    except ValueError as error:
        raise InvalidArgument(f"tensor_content of a string tensor: {error}") from None
    if offset + sum(lengths) != len(content):
        raise InvalidArgument("tensor_content does not end where its last string does")
    array = np.empty(count, object)
    for i, length in enumerate(lengths):
        array[i] = content[offset : offset + length]
        offset += length
    return array


def _from_field(proto: framework_pb2.TensorProto, dtype: DType) -> Array:
    """Return the values in the dtype's own field, as many as there are."""
    values: Any = getattr(proto, dtype.field)
    match dtype.field:
        case "string_val":
            array = np.empty(len(values), object)
            array[:] = list(values)
            return array
        case "float8_val":
            return np.frombuffer(values, dtype.numpy)
        case "half_val":
            return np.asarray(values, np.int32).astype(np.uint16).view(dtype.numpy)
        case "int_val":
            return np.asarray(values, np.int32).astype(dtype.numpy)
        case "scomplex_val":
            return _pairs(np.asarray(values, np.float32), dtype)
        case "dcomplex_val":
            return _pairs(np.asarray(values, np.float64), dtype)
        case _:
            return np.asarray(values, dtype.numpy)


def _pairs(parts: Array, dtype: DType) -> Array:
    """Join real and imaginary parts; an odd one at the end does not count."""
    return parts[: len(parts) // 2 * 2].view(dtype.numpy)


def _padded(values: Array, dtype: DType, count: int) -> Array:
    """Drop what is more than `count`, or repeat the last value up to it."""
    if len(values) >= count:
        return values[:count]
    last = np.empty((), dtype.numpy)
    last[()] = values[-1] if len(values) else (b"" if dtype is tensors.STRING else 0)
    if len(values) <= 1 and count * dtype.numpy.itemsize > _WRITE_OUT_BYTES:
        return np.broadcast_to(last, (count,))
    array = np.empty(count, dtype.numpy)
    array[: len(values)] = values
    array[len(values) :] = last
    return array


def _dtype_of(array: Array) -> DType:
    try:
        return tensors.from_numpy(array.dtype)
    except KeyError:
        raise InvalidArgument(f"TensorFlow has no dtype for numpy's {array.dtype}") from None


def _new_proto(array: Array, dtype: DType) -> framework_pb2.TensorProto:
    proto = framework_pb2.TensorProto()
    proto.dtype = dtype.enum  # type: ignore[assignment]  # the stub wants the enum's own type
    proto.tensor_shape.SetInParent()  # a scalar's shape is empty, and still set
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def _to_bytes(array: Array) -> list[bytes]:
    strings = []
    for item in array.reshape(-1).tolist():
        if not isinstance(item, bytes | str):
            raise InvalidArgument(f"a string tensor can not hold a {type(item).__name__}")
        strings.append(item.encode() if isinstance(item, str) else item)
    return strings


def _with_strings(
    proto: framework_pb2.TensorProto, strings: list[bytes], as_content: bool
) -> framework_pb2.TensorProto:
    if as_content:
        proto.tensor_content = b"".join([varint.encode(len(s)) for s in strings] + strings)
    else:
        proto.string_val.extend(strings)
    return proto


def _merge_packed(proto: framework_pb2.TensorProto, field: str, data: bytes) -> None:
    """Append packed little-endian values; ten times faster than one Python float for each."""
    number = framework_pb2.TensorProto.DESCRIPTOR.fields_by_name[field].number
    proto.MergeFromString(varint.encode(number << 3 | 2) + varint.encode(len(data)) + data)
