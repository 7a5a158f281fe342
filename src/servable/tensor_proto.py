"""TensorProto <-> numpy, by TensorFlow's rules.

Requests, constants in graphs and default values in signatures all travel as
TensorProto. What is lenient here (short value lists are padded with their last
value, surplus values are dropped, small integers wrap) is lenient in TensorFlow,
and clients rely on it.
"""

from __future__ import annotations

from servable.errors import InvalidArgument
from servable.pb import framework_pb2
from servable.tensor_wire import elements, write
from servable.tensors import Array, DType, Shape

DEFAULT_LIMIT_BYTES = 2**31
"""Largest array that `decode` makes unless told otherwise: what one protobuf message may hold."""


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
    dtype = elements.plain_dtype(proto.dtype)
    shape = elements.full_shape(proto.tensor_shape)
    elements.check_size(dtype, shape, limit_bytes)
    if content := proto.tensor_content:
        return elements.from_content(memoryview(content), dtype, shape)
    return elements.from_values(elements.values(proto, dtype), dtype, shape)


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
    pieces = write.tensor(array, dtype=dtype, as_content=as_content)
    return framework_pb2.TensorProto.FromString(b"".join(pieces))
