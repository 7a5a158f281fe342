"""Tensors of the Open Inference Protocol: datatypes, the binary form, JSON data.

The binary form is row-major and little-endian; an element of BYTES is its length in four
bytes and then itself. In JSON the data of a tensor is a list of its elements, in row-major
order; nested lists are accepted too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from servable import tensors
from servable.errors import InvalidArgument
from servable.tensors import Array, DType
from servable.wire import dense, json_values
from servable.wire.json_debug import Json
from servable.wire.json_tensors import tensor

DATATYPES: Mapping[str, DType] = {
    "BOOL": tensors.BOOL,
    "UINT8": tensors.UINT8,
    "UINT16": tensors.UINT16,
    "UINT32": tensors.UINT32,
    "UINT64": tensors.UINT64,
    "INT8": tensors.INT8,
    "INT16": tensors.INT16,
    "INT32": tensors.INT32,
    "INT64": tensors.INT64,
    "FP16": tensors.HALF,
    "FP32": tensors.FLOAT,
    "FP64": tensors.DOUBLE,
    "BF16": tensors.BFLOAT16,
    "BYTES": tensors.STRING,
}

_NAMES = {dtype.numpy: name for name, dtype in DATATYPES.items()}
_LENGTH_BYTES = 4

# JSON values of these are read as a wider dtype; whether they fit is looked at here.
_READ_AS = {
    tensors.HALF: tensors.FLOAT,
    tensors.BFLOAT16: tensors.FLOAT,
    **dict.fromkeys(
        (tensors.INT8, tensors.INT16, tensors.INT32, tensors.UINT8, tensors.UINT16), tensors.INT64
    ),
}
_WRITTEN_AS: Mapping[np.dtype[Any], Any] = {
    tensors.HALF.numpy: np.float32,
    tensors.BFLOAT16.numpy: np.float32,
    tensors.UINT16.numpy: np.int32,
}


def datatype(array: Array) -> str:
    """Return what an array's dtype is called.

    Raises:
        InvalidArgument: the protocol has no name for it.
    """
    name = _NAMES.get(array.dtype)
    if name is None:
        raise InvalidArgument(
            f"The Open Inference Protocol has no datatype for {array.dtype.name}.",
            hint="Ask for other outputs, or for this one over TensorFlow Serving's protocol.",
        )
    return name


def datatype_of(dtype: DType | None) -> str:
    """Return what the dtype in a signature is called; "" if the protocol has no name for it."""
    return "" if dtype is None else _NAMES.get(dtype.numpy, "")


def dtype_of(name: str) -> DType:
    """Return the dtype of a datatype.

    Raises:
        InvalidArgument: there is no such datatype.
    """
    if name not in DATATYPES:
        raise InvalidArgument(
            f"The datatype {name[:60]!r} is not known.", hint=f"Send one of {', '.join(DATATYPES)}."
        )
    return DATATYPES[name]


def from_binary(data: dense.Bytes, dtype: DType, shape: Sequence[int]) -> Array:
    """Return a tensor in the binary form, a view of its bytes unless it is of BYTES.

    Raises:
        InvalidArgument: the bytes are not as many as the shape asks for.
    """
    if dtype is not tensors.STRING:
        return dense.view(data, dtype, shape)
    count = dense.count(shape)
    if count * _LENGTH_BYTES > len(data):
        raise InvalidArgument(f"{len(data)} bytes are too few for {count} elements of BYTES.")
    content = bytes(data)
    array = np.empty(count, object)
    at = 0
    for index in range(count):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(content[at:start], "little")
        if start > len(content) or at > len(content):
            raise InvalidArgument(f"Element {index} of a tensor of BYTES is cut off.")
        array[index] = content[start:at]
    if at != len(content):
        raise InvalidArgument(f"{len(content) - at} bytes are left over behind a tensor of BYTES.")
    return dense.shaped(array, shape)


def to_binary(array: Array) -> bytes | memoryview:
    """Return the binary form of a tensor."""
    if not array.dtype.hasobject:
        return dense.elements(array)
    items: list[bytes] = array.reshape(-1).tolist()
    return b"".join(
        part for item in items for part in (len(item).to_bytes(_LENGTH_BYTES, "little"), item)
    )


def from_json(data: Json, dtype: DType, shape: Sequence[int]) -> Array:
    """Return the tensor whose elements JSON lists.

    Raises:
        InvalidArgument: they are of another kind, too many or too few, or out of range.
    """
    return narrowed(tensor(data, _READ_AS.get(dtype, dtype)), dtype, shape)


def narrowed(array: Array, dtype: DType, shape: Sequence[int]) -> Array:
    """Return values as an array of `dtype` and `shape`.

    Raises:
        InvalidArgument: an integer does not fit, or the shape needs another number of them.
    """
    if array.size != dense.count(shape):
        raise InvalidArgument(
            f"A tensor has {array.size} elements where shape {list(shape)[: dense.MAX_RANK]} "
            f"needs {dense.count(shape)}."
        )
    if dtype.numpy != array.dtype:
        if dtype.numpy.kind in "iu" and array.size:
            limits = np.iinfo(dtype.numpy)
            if array.min() < limits.min or array.max() > limits.max:
                raise InvalidArgument(f"An element is out of range of {_NAMES[dtype.numpy]}.")
        with np.errstate(over="ignore"):  # as large as that becomes infinite, as everywhere
            array = array.astype(dtype.numpy)
    return dense.shaped(array, shape)


def to_json(name: str, array: Array) -> Any:
    """Return something that `json_values.dumps` writes as a flat list of the elements.

    Raises:
        InvalidArgument: an element of BYTES is no text.
    """
    flat = array.reshape(-1)
    if flat.dtype.hasobject:
        try:
            return [item.decode() for item in flat.tolist()]
        except UnicodeDecodeError:
            raise InvalidArgument(
                f"Output {name} holds bytes that are no text, which JSON can not carry.",
                hint='Ask for it with "parameters": {"binary_data": true}.',
            ) from None
    return json_values.values("", flat.astype(_WRITTEN_AS.get(flat.dtype, flat.dtype), copy=False))
