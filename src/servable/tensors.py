"""The one table of dtypes, and what a signature says about a tensor.

Every other module that needs to know how a TensorFlow dtype looks in numpy, in a
TensorProto, in JSON or in OpenVINO asks this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""A dense tensor. Strings are object arrays whose elements are `bytes`."""

Shape: TypeAlias = tuple[int | None, ...] | None
"""Dimension sizes; None in it is an unknown size, None as a whole an unknown rank."""


@dataclass(frozen=True, slots=True)
class DType:
    """One TensorFlow dtype.

    Attributes:
        name: TensorFlow's short name, as in `float` or `int64`; error texts use it.
        enum: the DataType number on the wire.
        numpy: the numpy dtype of arrays that hold it; object for strings.
        field: the TensorProto field that carries its elements one by one.
        openvino: OpenVINO's name of the element type, or "" if it has none that
            computes the same.
    """

    name: str
    enum: int
    numpy: np.dtype[Any]
    field: str
    openvino: str = ""

    @property
    def wire_name(self) -> str:
        """The enum's name in protobuf text, as in `DT_FLOAT`."""
        return "DT_" + self.name.upper()

    def __repr__(self) -> str:
        return self.name


def _row(name: str, enum: int, numpy: Any, field_: str, openvino: str = "") -> DType:
    return DType(name, enum, np.dtype(numpy), field_, openvino)


FLOAT = _row("float", 1, np.float32, "float_val", "f32")
DOUBLE = _row("double", 2, np.float64, "double_val", "f64")
INT32 = _row("int32", 3, np.int32, "int_val", "i32")
UINT8 = _row("uint8", 4, np.uint8, "int_val", "u8")
INT16 = _row("int16", 5, np.int16, "int_val", "i16")
INT8 = _row("int8", 6, np.int8, "int_val", "i8")
STRING = _row("string", 7, object, "string_val")
COMPLEX64 = _row("complex64", 8, np.complex64, "scomplex_val")
INT64 = _row("int64", 9, np.int64, "int64_val", "i64")
BOOL = _row("bool", 10, np.bool_, "bool_val", "boolean")
QINT8 = _row("qint8", 11, np.int8, "int_val")
QUINT8 = _row("quint8", 12, np.uint8, "int_val")
QINT32 = _row("qint32", 13, np.int32, "int_val")
BFLOAT16 = _row("bfloat16", 14, ml_dtypes.bfloat16, "half_val", "bf16")
QINT16 = _row("qint16", 15, np.int16, "int_val")
QUINT16 = _row("quint16", 16, np.uint16, "int_val")
UINT16 = _row("uint16", 17, np.uint16, "int_val", "u16")
COMPLEX128 = _row("complex128", 18, np.complex128, "dcomplex_val")
HALF = _row("half", 19, np.float16, "half_val", "f16")
RESOURCE = _row("resource", 20, object, "")
VARIANT = _row("variant", 21, object, "")
UINT32 = _row("uint32", 22, np.uint32, "uint32_val", "u32")
UINT64 = _row("uint64", 23, np.uint64, "uint64_val", "u64")
FLOAT8_E5M2 = _row("float8_e5m2", 24, ml_dtypes.float8_e5m2, "float8_val")
FLOAT8_E4M3FN = _row("float8_e4m3fn", 25, ml_dtypes.float8_e4m3fn, "float8_val")
INT4 = _row("int4", 29, ml_dtypes.int4, "int_val")
UINT4 = _row("uint4", 30, ml_dtypes.uint4, "int_val")

DTYPES: tuple[DType, ...] = (
    FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING, COMPLEX64, INT64, BOOL,
    UINT16, QINT8, QUINT8, QINT32, BFLOAT16, QINT16, QUINT16, COMPLEX128, HALF,
    RESOURCE, VARIANT, UINT32, UINT64, FLOAT8_E5M2, FLOAT8_E4M3FN, INT4, UINT4,
)  # fmt: skip

_BY_ENUM: Mapping[int, DType] = {d.enum: d for d in DTYPES}
# Quantised dtypes share numpy types with plain ones; the plain ones are listed first.
_BY_NUMPY: Mapping[np.dtype[Any], DType] = {d.numpy: d for d in reversed(DTYPES)} | {
    np.dtype(object): STRING
}
_REF = 100


def from_enum(number: int) -> DType:
    """Return the dtype with this wire number; reference dtypes count as their base.

    Raises:
        KeyError: no such dtype is known.
    """
    return _BY_ENUM[number - _REF if number > _REF else number]


def from_numpy(dtype: np.dtype[Any]) -> DType:
    """Return the dtype whose arrays have this numpy dtype, in any byte order.

    Unicode and bytes dtypes are strings.

    Raises:
        KeyError: TensorFlow has no such dtype.
    """
    if dtype.kind in "SU":
        return STRING
    return _BY_NUMPY[dtype.newbyteorder("=")]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a signature says about one input or output.

    Attributes:
        name: the tensor in the graph, as in `serving_default_x:0`; "" for
            encodings other than a plain tensor.
        dtype: its dtype; None where the signature leaves it out (`DT_INVALID`).
        shape: its shape as stored. TensorFlow Serving never enforces it, and
            neither does anything here.
    """

    name: str
    dtype: DType | None
    shape: Shape

    def __str__(self) -> str:
        dtype = self.dtype.name if self.dtype else "no dtype"
        if self.shape is None:
            return f"{dtype}, any shape"
        return f"{dtype} [{', '.join('?' if d is None else str(d) for d in self.shape)}]"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A request that a model was found to answer, alias -> array, and its answer."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Signature:
    """One named entry point of a model.

    Attributes:
        inputs, outputs: alias -> spec, in ascending order of alias.
        method_name: as stored; TF2 exports say `tensorflow/serving/predict`.
        defaults: alias -> value used when a request leaves the input out.
        stored: the serialized SignatureDef, for metadata answers; b"" if the
            signature was not read from a file.
        features: what the model reads from the tf.Examples that it is fed, by name, each
            with the shape of one example; empty where nobody looked. Only hints use it.
        sample: returns a small request that the signature answers, or None if none was
            found; it runs the model when it is first called. None where trying is not
            possible, or would leave a trace. Only hints use it.
    """

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    method_name: str = "tensorflow/serving/predict"
    defaults: Mapping[str, Array] = field(default_factory=dict)
    stored: bytes = b""
    features: Mapping[str, TensorSpec] = field(default_factory=dict, compare=False)
    sample: Callable[[], Sample | None] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        sides = (
            ", ".join(f"{alias}: {spec}" for alias, spec in side.items())
            for side in (self.inputs, self.outputs)
        )
        return " -> ".join(f"({side})" for side in sides)
