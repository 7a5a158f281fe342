"""Packed integers are those of protobuf, whichever way they are made or read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from servable.pb.framework_pb2 import TensorProto
from servable.tensor_wire import packed
from servable.tensors import Array

FIELDS: dict[str, str] = {
    "int8": "int_val",
    "int16": "int_val",
    "int32": "int_val",
    "uint8": "int_val",
    "uint16": "int_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
}
TAG_BYTES = {"uint32_val": 2, "uint64_val": 2}


def by_protobuf(values: Array) -> bytes:
    """The packed form that protobuf makes, without the tag and the length before it."""
    field = FIELDS[values.dtype.name]
    wire = TensorProto(**{field: values.tolist()}).SerializeToString()
    at = TAG_BYTES.get(field, 1)
    while wire and wire[at] > 0x7F:
        at += 1
    return wire[at + 1 :]


@st.composite
def integers(draw: st.DrawFn) -> Array:
    """Few values many times over, of every length on the wire."""
    dtype = np.dtype(draw(st.sampled_from(list(FIELDS))))
    if dtype == np.bool_:
        return draw(hnp.arrays(dtype, st.integers(0, 30)))
    limits = np.iinfo(dtype.name)
    edges = [sign * 2**power + step for power in range(65) for sign in (1, -1) for step in (0, -1)]
    known = [edge for edge in edges if limits.min <= edge <= limits.max]
    several = draw(st.lists(st.sampled_from(known), min_size=1, max_size=8))
    return np.resize(np.array(several, dtype), draw(st.integers(0, 40)))


@settings(deadline=None, max_examples=300)
@given(integers())
def test_what_is_written_is_what_protobuf_writes(values: Array) -> None:
    assert b"".join(packed.encoded(values)) == by_protobuf(values)


@pytest.mark.parametrize("name", FIELDS)
def test_blocks_do_not_show(name: str) -> None:
    generator = np.random.default_rng(1)
    size = 2 * packed.BLOCK_ELEMENTS + 7
    whole = np.frombuffer(generator.bytes(size * 8), np.uint64)
    values = whole.astype(name) if name != "bool" else whole % 2 == 0
    values = values[:size]
    assert b"".join(packed.encoded(values)) == by_protobuf(values)


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "bool"])
@pytest.mark.parametrize("odd", [0, 1, packed.BLOCK_BYTES - 1, packed.BLOCK_BYTES])
def test_short_numbers_are_read_wherever_a_block_ends(name: str, odd: int) -> None:
    values = np.resize(np.array([127, 1, 0, 5], name), 3 * packed.BLOCK_BYTES)
    values[odd::3] = 127 if name == "int8" else 200
    read = packed.decoded_short(memoryview(by_protobuf(values)), values.dtype)
    assert read is not None
    np.testing.assert_array_equal(read, values)


def test_every_number_but_zero_is_true() -> None:
    data = b"\x00\x01\x02\x80\x01\x80\x00" * 1000
    read = packed.decoded_short(memoryview(data), np.dtype(np.bool_))
    assert read is not None
    assert read.tolist() == [False, True, True, True, False] * 1000


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=12), st.sampled_from(list(FIELDS)), st.booleans())
@example(b"", "int64", False)
@example(b"\x80\x80\x01", "int64", True)
@example(b"\x80", "int64", True)
@example(b"\xff\x7f", "int8", True)
def test_what_is_read_is_what_protobuf_reads(end: bytes, name: str, large: bool) -> None:
    data = (b"\x05" * packed.BLOCK_BYTES if large else b"") + end
    dtype = np.dtype(name)
    read = packed.decoded_short(memoryview(data), dtype)
    if read is None:
        assert not data.isascii()
        return
    field: Any = {"int_val": 0x3A, "int64_val": 0x52, "bool_val": 0x5A}.get(FIELDS[name])
    tag = bytes([field]) if field else b"\x82\x01" if FIELDS[name] == "uint32_val" else b"\x8a\x01"
    message = TensorProto.FromString(tag + _length(data) + data)
    wide = np.array(list(getattr(message, FIELDS[name])), np.uint64 if dtype.kind == "u" else None)
    np.testing.assert_array_equal(read, wide.astype(dtype))


def _length(data: bytes) -> bytes:
    size, out = len(data), b""
    while size > 0x7F:
        out += bytes([size & 0x7F | 0x80])
        size >>= 7
    return out + bytes([size])
