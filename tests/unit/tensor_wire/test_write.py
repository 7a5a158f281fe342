"""Serialized TensorProtos are byte for byte what protobuf's deterministic serializer writes."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable import tensors
from servable.errors import InvalidArgument, ResourceExhausted
from servable.pb.framework_pb2 import TensorProto
from servable.tensor_wire import write
from servable.tensors import Array, DType

DTYPES = [dtype for dtype in tensors.DTYPES if dtype.field]


def by_protobuf(array: Array, dtype: DType, *, as_content: bool) -> bytes:
    """The message, made of one Python object for each element."""
    proto = TensorProto()
    proto.dtype = dtype.enum  # type: ignore[assignment]  # the stub wants the enum's own type
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.reshape(-1)
    values: Any = flat.tolist()
    if dtype is tensors.STRING and as_content:
        proto.tensor_content = bytes(map(len, values)) + b"".join(values)
        return proto.SerializeToString(deterministic=True)
    if as_content:
        proto.tensor_content = flat.tobytes()
        return proto.SerializeToString(deterministic=True)
    match dtype.field:
        case "scomplex_val" | "dcomplex_val":
            values = [part for value in values for part in (value.real, value.imag)]
        case "half_val":
            values = flat.view(np.uint16).tolist()
        case "float8_val":
            proto.float8_val = flat.tobytes()
            return proto.SerializeToString(deterministic=True)
        case "int_val":
            values = flat.astype(np.int32).tolist()
    getattr(proto, dtype.field).extend(values)
    return proto.SerializeToString(deterministic=True)


@st.composite
def arrays(draw: st.DrawFn) -> tuple[DType, Array]:
    """Any bit patterns of any dtype, in any shape, few or as many as make a block."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    if draw(st.integers(0, 9)) == 0:
        shape = (700, *shape[:1])
    size = int(np.prod(shape))
    if dtype is tensors.STRING:
        strings = draw(st.lists(st.binary(max_size=100), min_size=1, max_size=5))
        array = np.empty(size, object)
        array[:] = [strings[i % len(strings)] for i in range(size)]
        return dtype, array.reshape(shape)
    some = draw(st.binary(min_size=1, max_size=64))
    raw = np.resize(np.frombuffer(some, np.uint8), size * dtype.numpy.itemsize)
    if dtype is tensors.BOOL:
        raw &= 1
    elif dtype in (tensors.INT4, tensors.UINT4):
        raw &= 15
    array = np.frombuffer(raw.tobytes(), dtype.numpy).reshape(shape)
    if array.dtype.kind in "fc":  # protobuf in Python may change the bits of a NaN
        array = np.where(np.isnan(array), dtype.numpy.type(1), array).astype(dtype.numpy)
    return dtype, array


@settings(deadline=None, max_examples=400)
@given(arrays(), st.booleans())
def test_the_bytes_are_those_of_protobuf(case: tuple[DType, Array], as_content: bool) -> None:
    dtype, array = case
    wire = b"".join(write.tensor(array, dtype=dtype, as_content=as_content))
    assert wire == by_protobuf(array, dtype, as_content=as_content)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_the_bits_of_a_nan_are_kept(dtype: Any) -> None:
    bits = np.uint64(0xFFF7_FFF7_FFF7_FFF7)
    values = np.frombuffer(bits.tobytes(), dtype)
    proto = TensorProto.FromString(b"".join(write.tensor(values)))
    if values.dtype.itemsize == 2:
        assert list(proto.half_val) == [0xFFF7] * 4
    else:
        assert values.tobytes() in proto.SerializeToString()


@pytest.mark.parametrize("as_content", [False, True])
def test_the_memory_of_a_large_array_of_floats_is_not_copied(as_content: bool) -> None:
    array = np.zeros((10, 1000), np.float32)
    piece = write.tensor(array, as_content=as_content)[-1]
    assert np.shares_memory(np.frombuffer(piece, np.uint8), array)


@pytest.mark.parametrize("fill", [0, 255])
def test_integers_that_no_message_can_hold_are_refused(
    fill: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "MOST_MESSAGE_BYTES", 10**6)
    array = np.full(10**6 * 3 // 4, fill, np.uint8)
    if not fill:
        assert write.size(write.tensor(array)) > array.size
        return
    with pytest.raises(ResourceExhausted, match="do not fit a message"):
        write.tensor(array)


def test_strings_that_no_message_can_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "MOST_MESSAGE_BYTES", 1000)
    with pytest.raises(ResourceExhausted, match="do not fit a message"):
        write.tensor(np.array([b"a" * 600] * 2, object))


def test_what_is_no_string_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a string tensor can not hold a int"):
        write.tensor(np.array([b"a", 1], object))
