"""`make_tensor_proto` and `make_ndarray`, by TensorFlow's rules, without TensorFlow.

The rules are those of TensorFlow 2.21; tests/parity compares the two. Wrong arguments
raise what they raise there, ValueError and TypeError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from servable import tensors
from servable.errors import InvalidArgument
from servable.pb import framework_pb2
from servable.tensor_proto import decode, encode
from servable.tensors import Array, DType

DTypeLike: TypeAlias = Any
"""A DataType number, a name such as "float32" or "string", a numpy dtype or type, or a
dtype object of this package or of TensorFlow."""

_CONTENT = frozenset(
    {
        tensors.HALF, tensors.FLOAT, tensors.DOUBLE, tensors.BFLOAT16, tensors.INT8,
        tensors.INT16, tensors.INT32, tensors.INT64, tensors.UINT8, tensors.UINT32,
        tensors.UINT64, tensors.QINT8, tensors.QINT16, tensors.QINT32, tensors.QUINT8,
        tensors.QUINT16, tensors.FLOAT8_E5M2, tensors.FLOAT8_E4M3FN,
    }
)  # fmt: skip
_MOST_CONTENT_BYTES = 2**31

# Kinds of Python values that a dtype's kind takes; nothing is rounded or parsed.
_TAKES = {"f": "biuf", "V": "biuf", "i": "biu", "u": "biu", "b": "b", "c": "biufc", "O": "O"}

_BY_NAME = {dtype.name: dtype for dtype in tensors.DTYPES} | {
    "float16": tensors.HALF,
    "float32": tensors.FLOAT,
    "float64": tensors.DOUBLE,
    "str": tensors.STRING,
    "object": tensors.STRING,
}


def make_tensor_proto(
    values: Any,
    dtype: DTypeLike | None = None,
    shape: Sequence[int] | None = None,
    verify_shape: bool = False,
    allow_broadcast: bool = False,
) -> framework_pb2.TensorProto:
    """Return values as a TensorProto, as TensorFlow's function of this name does.

    Python floats become float32 and whole numbers int32 where they fit, else int64; an
    array keeps its dtype. More than one element of a plain numeric dtype are written
    as `tensor_content`, everything else as one value for each element.

    Args:
        values: a scalar, nested lists of one length at each depth, an array, or a
            TensorProto, which is returned as it is.
        dtype: the dtype wanted. An array is cast to it; Python values must fit it.
        shape: the shape wanted, by default that of the values. Where there are fewer
            values than it has elements, readers repeat the last one.
        verify_shape: refuse values of another shape.
        allow_broadcast: refuse values of another size, unless it is one.

    Raises:
        ValueError: None, ragged lists, more values than the shape holds, whole numbers
            out of the dtype's range (TensorFlow lets them wrap), or too large.
        TypeError: values that do not fit the dtype, or that TensorFlow has no dtype for;
            another shape, if that was to be verified.
    """
    if isinstance(values, framework_pb2.TensorProto):
        return values
    wanted = None if dtype is None else as_dtype(dtype)
    array = _array(values, wanted, shape)
    found = _dtype_of(array) if wanted is None else wanted
    size = array.size if shape is None else math.prod(int(dim) for dim in shape)
    if shape is not None:
        _check_shape(array, tuple(int(dim) for dim in shape), size, verify_shape, allow_broadcast)
    as_content = found in _CONTENT and size == array.size > 1
    if as_content and array.nbytes >= _MOST_CONTENT_BYTES:
        raise ValueError("a tensor of 2 GiB or more does not fit a message")
    try:
        proto = encode(array, dtype=found, as_content=as_content)
    except InvalidArgument as error:
        raise TypeError(error.message) from error
    if shape is not None:
        del proto.tensor_shape.dim[:]
        for dim in shape:
            proto.tensor_shape.dim.add(size=int(dim))
    return proto


def make_ndarray(tensor: framework_pb2.TensorProto) -> Array:
    """Return the values of a TensorProto as a new array that may be written to.

    Strings are an object array of `bytes`.

    Raises:
        TypeError: the dtype is not one of values, or the message breaks a rule of
            the format.
    """
    try:
        return np.array(decode(tensor))
    except InvalidArgument as error:
        raise TypeError(error.message) from error


def as_dtype(value: DTypeLike) -> DType:
    """Return the dtype that is meant; see `DTypeLike`.

    Raises:
        TypeError: there is no such dtype.
    """
    if isinstance(value, DType):
        return value
    number: Any = getattr(value, "as_datatype_enum", value)  # TensorFlow's own dtype objects
    try:
        if isinstance(number, int) and not isinstance(number, bool):
            return tensors.from_enum(number)
        if isinstance(number, str) and number in _BY_NAME:
            return _BY_NAME[number]
        found: np.dtype[Any] = np.dtype(number)
        return tensors.from_numpy(found)
    except (KeyError, TypeError):
        raise TypeError(f"there is no dtype {value!r}") from None


def _array(values: Any, wanted: DType | None, shape: Sequence[int] | None) -> Array:
    if isinstance(values, np.ndarray | np.generic) or hasattr(values, "__array__"):
        array = np.asarray(values)
        return array if wanted is None else array.astype(wanted.numpy)
    if values is None:
        raise ValueError("None is no tensor")
    if shape is not None and math.prod(shape) == 0:
        return np.empty(tuple(shape), np.float32 if wanted is None else wanted.numpy)
    array = _of_python(values)
    if wanted is not None:
        if array.size and array.dtype.kind not in _TAKES[wanted.numpy.kind]:
            raise TypeError(f"{values!r} does not fit {wanted.name}")
        return array if array.dtype == object else _of_dtype(values, wanted)
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and np.array_equal(narrow := array.astype(np.int32), array):
        return narrow
    return array


def _of_dtype(values: Any, wanted: DType) -> Array:
    try:
        return np.array(values, wanted.numpy)
    except OverflowError as error:
        raise ValueError(f"{values!r} does not fit {wanted.name}: {error}") from error


def _of_python(values: Any) -> Array:
    """Return Python values in the dtype numpy chooses; text as objects, whole."""
    array = np.array(values)
    if array.dtype.kind not in "SUO":
        return array
    array = np.array(values, dtype=object)
    if any(item is None for item in array.reshape(-1)):
        raise ValueError("None is no value of a tensor")
    for item in array.reshape(-1):
        if not isinstance(item, str | bytes):
            raise TypeError(f"a string tensor can not hold {item!r}")
    return array


def _dtype_of(array: Array) -> DType:
    try:
        return tensors.from_numpy(array.dtype)
    except KeyError:
        raise TypeError(f"TensorFlow has no dtype for numpy's {array.dtype}") from None


def _check_shape(
    array: Array, shape: tuple[int, ...], size: int, verify: bool, broadcast: bool
) -> None:
    if broadcast:
        if array.shape not in ((), (1,)) and array.size != size:
            raise TypeError(f"values of shape {array.shape} can not become {shape}")
        return
    if verify and array.shape != shape:
        raise TypeError(f"the values have shape {array.shape} and not {shape}")
    if array.size > size:
        raise ValueError(f"{array.size} values are too many for the shape {shape}")
