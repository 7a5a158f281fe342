"""Sparse tensors written into strings or variants, and read again.

Three things make up a sparse tensor: its indices, values and shape, each of them a
serialized TensorProto or a variant that holds the tensor.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from servable import tensor_proto
from servable.errors import InvalidArgument
from servable.ops.limits import MOST_BYTES, check_size
from servable.ops.registry import Build, Kernel, op
from servable.ops.sparse_support import check_ordered, sizes_of
from servable.ops.text import dims, strings
from servable.ops.variants import TensorVariant, variants
from servable.pb import framework_pb2
from servable.tensors import Array, DType, from_numpy


def _check(indices: Array, values: Array, shape: Array) -> None:
    named = (("indices", indices, 2, "matrix"), ("values", values, 1, "vector"))
    for name, x, rank, what in (*named, ("shape", shape, 1, "vector")):
        if x.ndim != rank:
            raise InvalidArgument(
                f"Input {name} should be a {what} but received shape {dims(x.shape)}"
            )


def _written(parts: list[Array], shape: tuple[int, ...], *, as_text: bool) -> Array:
    if not as_text:
        return variants([TensorVariant(part) for part in parts], shape)
    protos = (tensor_proto.encode(part, as_content=True) for part in parts)
    return strings([proto.SerializeToString(deterministic=True) for proto in protos], shape)


@op("SerializeSparse", attrs="out_type")
def serialize_sparse(build: Build) -> Kernel:
    """The three parts of one sparse tensor."""
    as_text = build.type("out_type").name == "string"

    def kernel(indices: Array, values: Array, shape: Array) -> Array:
        _check(indices, values, shape)
        return _written([indices, values, shape], (3,), as_text=as_text)

    return kernel


@op("SerializeManySparse", attrs="out_type")
def serialize_many_sparse(build: Build) -> Kernel:
    """The three parts of each slice of a sparse tensor along its first dimension."""
    as_text = build.type("out_type").name == "string"

    def kernel(indices: Array, values: Array, shape: Array) -> Array:
        _check(indices, values, shape)
        if shape.size < 2:
            raise InvalidArgument(
                f"Rank of input SparseTensor should be > 1, but saw rank: {shape.size}"
            )
        if len(indices) != values.size or indices.shape[1] != shape.size:
            raise InvalidArgument(
                "indices and values rows (indexing dimension) must match. (indices ="
                f" {len(indices)}, values = {values.size})"
            )
        sizes = sizes_of(shape)
        check_ordered(indices, shape)
        check_size((sizes[0], 3), 64)
        ends = np.searchsorted(indices[:, 0], np.arange(sizes[0] + 1)).tolist()
        parts = []
        for start, end in itertools.pairwise(ends):
            parts += [indices[start:end, 1:], values[start:end], shape[1:]]
        return _written(parts, (sizes[0], 3), as_text=as_text)

    return kernel


def _tensor(item: object) -> Array:
    if isinstance(item, TensorVariant):
        return item.value
    if not isinstance(item, bytes):
        raise InvalidArgument("Could not get a tensor from serialized variant")
    try:
        proto = framework_pb2.TensorProto.FromString(item)
    except DecodeError:
        raise InvalidArgument("Could not parse serialized proto") from None
    return tensor_proto.decode(proto, limit_bytes=MOST_BYTES)


def _read(items: list[object], dtype: DType, number: int) -> tuple[Array, Array, Array]:
    """One sparse tensor."""
    indices = _tensor(items[0])
    of = f"SparseTensor[{number}]"
    if indices.ndim != 2:
        raise InvalidArgument(
            f"Expected serialized_sparse[{number}, 0] to represent an index matrix but received"
            f" shape {dims(indices.shape)}"
        )
    values = _tensor(items[1])
    if values.ndim != 1:
        raise InvalidArgument(
            f"Expected serialized_sparse[{number}, 1] to represent a values vector but received"
            f" shape {dims(values.shape)}"
        )
    if values.dtype != dtype.numpy:
        raise InvalidArgument(
            f"Requested SparseTensor of type {dtype.name} but {of}.values.dtype() =="
            f" {from_numpy(values.dtype).name}"
        )
    if len(indices) != values.size:
        raise InvalidArgument(
            f"Expected row counts of {of}.indices and {of}.values to match but they do not:"
            f" {len(indices)} vs. {values.size}"
        )
    shape = _tensor(items[2])
    if shape.ndim != 1:
        raise InvalidArgument(
            f"Expected serialized_sparse[{number}, 1] to be a shape vector but its shape is"
            f" {dims(shape.shape)}"
        )
    if indices.shape[1] != shape.size:
        raise InvalidArgument(
            f"Expected column counts of {of}.indices to match size of {of}.shape but they do not:"
            f" {indices.shape[1]} vs. {shape.size}"
        )
    if indices.dtype != np.int64 or shape.dtype != np.int64:
        raise InvalidArgument(f"Expected {of}.indices and {of}.shape to be int64")
    return indices, values, shape


@op("DeserializeSparse", "DeserializeManySparse")
def deserialize_sparse(build: Build) -> Kernel:
    """One sparse tensor of all, with the dimensions in which they were stacked in front.

    The shape is the smallest that holds all of them.
    """
    dtype = build.type("dtype")

    def kernel(serialized: Array) -> Any:
        shape = np.shape(serialized)
        if not shape:
            raise InvalidArgument("Serialized sparse should have non-zero rank []")
        if shape[-1] != 3:
            raise InvalidArgument(
                f"Serialized sparse should have 3 as the last dimension {dims(shape)}"
            )
        outer = shape[:-1]
        if not math.prod(outer):
            raise InvalidArgument(
                "Serialized sparse should have at least 1 serialized tensor, but has a zero"
                f" dimension {dims(shape)}"
            )
        items = np.asarray(serialized, object).reshape((-1, 3)).tolist()
        parts = [_read(item, dtype, number) for number, item in enumerate(items)]
        return _stacked(parts, outer) if outer else parts[0]

    return kernel


def _stacked(
    parts: list[tuple[Array, Array, Array]], outer: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    rank = parts[0][2].size
    for number, (_, _, shape) in enumerate(parts):
        if shape.size != rank:
            raise InvalidArgument(
                f"Inconsistent shape across SparseTensors: rank prior to SparseTensor[{number}]"
                f" was: {rank} but rank of SparseTensor[{number}] is: {shape.size}"
            )
        sizes_of(shape)
    lengths = [len(indices) for indices, _, _ in parts]
    check_size((sum(lengths), len(outer) + rank), 8)
    front = np.stack(np.unravel_index(np.repeat(np.arange(len(parts)), lengths), outer), axis=1)
    indices = np.concatenate((front, np.concatenate([part[0] for part in parts])), axis=1)
    largest = np.max([part[2] for part in parts], axis=0)
    shape = np.concatenate((np.array(outer, np.int64), largest))
    return indices, np.concatenate([part[1] for part in parts]), shape
