"""The elements of a TensorProto -> an array, by TensorFlow's rules.

What is lenient here (short value lists are padded with their last value, surplus
values are dropped) is lenient in TensorFlow, and clients rely on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from servable import tensors, varint
from servable.errors import InvalidArgument
from servable.pb import framework_pb2
from servable.tensors import Array, DType

# A repeated value up to this size is written out, because kernels are faster on
# plain arrays; beyond it a view with stride zero stands for all the copies.
_WRITE_OUT_BYTES = 2**16

# Up to here a copy takes less time than to look where the elements are.
_COPIED_BYTES = 2**12

_MAX_INT64 = 2**63 - 1


def plain_dtype(number: int) -> DType:
    """Return the dtype of this number, if a TensorProto can hold its elements.

    Raises:
        InvalidArgument: there is none, or its values are no plain ones.
    """
    try:
        # A reference dtype names a variable's buffer; no message can carry one.
        dtype = tensors.from_enum(number) if number < 100 else None
    except KeyError:
        dtype = None
    if dtype is None or not dtype.field:
        raise InvalidArgument(f"a TensorProto of dtype number {number} can not be decoded")
    return dtype


def full_shape(proto: framework_pb2.TensorShapeProto) -> tuple[int, ...]:
    """Return the sizes of a shape.

    Raises:
        InvalidArgument: one is unknown, or their number is.
    """
    shape = tuple(dim.size for dim in proto.dim)
    if proto.unknown_rank or any(size < 0 for size in shape):
        raise InvalidArgument("the shape of a TensorProto must be complete, without unknown sizes")
    return shape


def count(shape: tuple[int, ...]) -> int:
    """Return the number of elements of a shape.

    Raises:
        InvalidArgument: an int64 can not hold it, or the product of its first sizes.
    """
    product = 1
    for size in shape:
        product *= size
        if product > _MAX_INT64:
            raise InvalidArgument(f"a tensor of shape {list(shape)} has too many elements")
    return product


def check_size(dtype: DType, shape: tuple[int, ...], limit_bytes: int) -> None:
    """Refuse a tensor that would take more bytes; a string counts as eight.

    Raises:
        InvalidArgument: it would, or has more elements than an int64 can hold.
    """
    if count(shape) * dtype.numpy.itemsize > limit_bytes:
        raise InvalidArgument(
            f"a {dtype.name} tensor of shape {list(shape)} is larger than {limit_bytes} bytes"
        )


def from_content(content: memoryview, dtype: DType, shape: tuple[int, ...]) -> Array:
    """Return the tensor in a `tensor_content`, read-only.

    It is a view, unless it is small or its elements do not lie at addresses that
    processors can read them from. The content of a tensor without elements does not count.

    Raises:
        InvalidArgument: the content has another length, or holds a bool that is neither
            0 nor 1; or numpy can not hold the shape.
    """
    elements = count(shape)
    if not elements:
        return _shaped(np.empty(0, dtype.numpy), shape)
    if dtype is tensors.STRING:
        return _shaped(_split_strings(bytes(content), elements), shape)
    if len(content) != elements * dtype.numpy.itemsize:
        raise InvalidArgument(
            f"tensor_content has {len(content)} bytes where {elements} elements of "
            f"{dtype.name} take {elements * dtype.numpy.itemsize}"
        )
    if dtype is tensors.BOOL and (np.frombuffer(content, np.uint8) > 1).any():
        raise InvalidArgument("tensor_content of a bool tensor holds a byte other than 0 and 1")
    return _shaped(memory(content, dtype), shape)


def from_values(values: Array, dtype: DType, shape: tuple[int, ...]) -> Array:
    """Return the tensor whose first elements these are, read-only; the last one is repeated.

    A tensor of which no value is given is zeros, or empty strings. A large array of one
    repeated value has zero strides, so that a small message can not fill the memory.

    Raises:
        InvalidArgument: numpy can not hold the shape.
    """
    return _shaped(_padded(values, dtype, count(shape)), shape)


def values(proto: framework_pb2.TensorProto, dtype: DType) -> Array:
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


def memory(content: memoryview, dtype: DType) -> Array:
    """Return whole elements as a flat array: a view, if they are many and aligned."""
    if len(content) > _COPIED_BYTES:
        array = np.frombuffer(content, dtype.numpy)
        if array.flags.aligned:
            return array
    # Copied as bytes, which numpy does faster than with elements in odd places.
    return np.frombuffer(bytes(content), dtype.numpy)


def _pairs(parts: Array, dtype: DType) -> Array:
    """Join real and imaginary parts; an odd one at the end does not count."""
    return parts[: len(parts) // 2 * 2].view(dtype.numpy)


def _shaped(array: Array, shape: tuple[int, ...]) -> Array:
    try:
        array = array.reshape(shape)
    except ValueError as error:
        raise InvalidArgument(f"shape {list(shape)} can not be held: {error}") from None
    array.flags.writeable = False
    return array


def _split_strings(content: bytes, elements: int) -> Array:
    """Read as many lengths as there are elements, then the strings they cut the rest into."""
    if elements > len(content):  # each length takes a byte at least
        raise InvalidArgument(f"tensor_content is too short for {elements} strings")
    lengths, offset = [], 0
    try:
        for _ in range(elements):
            length, offset = varint.read(content, offset, maximum=varint.MAX_UINT32)
            lengths.append(length)
    except ValueError as error:
        raise InvalidArgument(f"tensor_content of a string tensor: {error}") from None
    if offset + sum(lengths) != len(content):
        raise InvalidArgument("tensor_content does not end where its last string does")
    array = np.empty(elements, object)
    for i, length in enumerate(lengths):
        array[i] = content[offset : offset + length]
        offset += length
    return array


def _padded(values: Array, dtype: DType, elements: int) -> Array:
    """Drop what is more than `elements`, or repeat the last value up to it."""
    if len(values) >= elements:
        return values[:elements]
    last = np.empty((), dtype.numpy)
    last[()] = values[-1] if len(values) else (b"" if dtype is tensors.STRING else 0)
    if len(values) <= 1 and elements * dtype.numpy.itemsize > _WRITE_OUT_BYTES:
        return np.broadcast_to(last, (elements,))
    array = np.empty(elements, dtype.numpy)
    array[: len(values)] = values
    array[len(values) :] = last
    return array
