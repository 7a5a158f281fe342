"""Tensors as serialized TensorProtos in strings."""

from __future__ import annotations

import base64

import numpy as np
from google.protobuf.message import DecodeError

from servable import tensor_proto
from servable.errors import InvalidArgument
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import dims, one, strings
from servable.pb import framework_pb2
from servable.tensors import STRING, Array, from_enum


@op("SerializeTensor", attrs="T")
def serialize_tensor(build: Build) -> Kernel:
    """A tensor as the bytes of a TensorProto."""
    dtype = build.type()

    def kernel(x: Array) -> Array:
        proto = tensor_proto.encode(np.asarray(x), dtype=dtype, as_content=dtype is not STRING)
        return strings([proto.SerializeToString(deterministic=True)], ())

    return kernel


@op("ParseTensor", attrs="out_type")
def parse_tensor(build: Build) -> Kernel:
    """The bytes of a TensorProto as a tensor."""
    dtype = build.type("out_type")

    def kernel(serialized: Array) -> Array:
        if np.ndim(serialized) != 0:
            raise InvalidArgument(
                f"Expected `serialized` to be a scalar, got shape: {dims(np.shape(serialized))}"
            )
        data = one(serialized, "serialized")
        try:
            proto = framework_pb2.TensorProto.FromString(data)
        except DecodeError:
            shown = base64.b64encode(data).decode()
            raise InvalidArgument(
                f"Could not parse `serialized` as TensorProto, base64: {shown}"
            ) from None
        try:
            array = tensor_proto.decode(proto)
        except InvalidArgument as error:
            raise InvalidArgument(f"Cannot parse tensor from proto: {error.message}") from None
        found = from_enum(proto.dtype)
        if found != dtype:
            raise InvalidArgument(
                f"Type mismatch between parsed tensor ({found.name}) and dtype ({dtype.name})"
            )
        return array

    return kernel
