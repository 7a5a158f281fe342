"""Reads the bytes of tf.Example and tf.SequenceExample the way TensorFlow's own reader does.

That reader is not protobuf's: it is faster and knows less. What it lets pass and what it
refuses is kept, because clients have come to depend on both: a message may claim to be
longer than what is left of its parent; of several packed chunks only the first counts;
unknown fields are skipped at the top and refused below.

Positions are offsets into one `bytes` object; nothing is copied before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from servable.tensors import FLOAT, INT64, STRING, DType

_VARINT_1, _FIXED32_1 = 0x08, 0x0D
_BYTES_1, _BYTES_2, _BYTES_3 = 0x0A, 0x12, 0x1A
_WORD = 0xFFFFFFFFFFFFFFFF
_HALF = 0xFFFFFFFF
_LONGEST = 10

KINDS: Mapping[int, DType] = {_BYTES_1: STRING, _BYTES_2: FLOAT, _BYTES_3: INT64}
"""First byte of a Feature that is not empty -> dtype of its values."""

TAGS: Mapping[DType, int] = {dtype: tag for tag, dtype in KINDS.items()}

Entry: TypeAlias = tuple[bytes, int, int]
"""A key, and where the value that belongs to it starts and ends."""


class Malformed(Exception):
    """The bytes are not what they should be; the caller knows what to call them."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable-length integer below 2**64, and the offset behind it.

    Raises:
        Malformed: it does not end before `end`, or has more than ten bytes.
    """
    if at < end and (byte := data[at]) < 0x80:
        return byte, at + 1
    value = 0
    for shift in range(_LONGEST):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value & _WORD, at
    raise Malformed


def length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable-length integer of which only 32 bits count, and the offset behind it."""
    value, at = varint(data, at, end)
    return value & _HALF, at


def example_entries(data: bytes) -> list[Entry]:
    """The entries of an Example's feature map, in order, repeated keys included.

    Raises:
        Malformed: it is no Example.
    """
    entries: list[Entry] = []
    at, end = 0, len(data)
    while at < end:
        if data[at] == _BYTES_1:
            at = _features(data, at + 1, end, entries)
        else:
            at = skip_field(data, at, end)
    return entries


def _features(data: bytes, at: int, end: int, entries: list[Entry]) -> int:
    size, at = length(data, at, end)
    end = min(at + size, end)
    while at < end:
        if data[at] != _BYTES_1:
            raise Malformed
        size, at = length(data, at + 1, end)
        stop = min(at + size, end)
        key, first, last = b"", at, at
        # Key and value may come in either order.
        for _ in range(2):
            tag, at = varint(data, at, stop)
            size, at = length(data, at, stop)
            if size > stop - at or tag not in (_BYTES_1, _BYTES_2):
                raise Malformed
            if tag == _BYTES_1:
                key = data[at : at + size]
            else:
                first, last = at, at + size
            at += size
        if at != stop:
            raise Malformed
        entries.append((key, first, last))
    return at


def sequence_entries(data: bytes) -> tuple[list[Entry], list[Entry]]:
    """The entries of a SequenceExample's context and of its feature lists.

    Raises:
        Malformed: it is no SequenceExample.
    """
    context: list[Entry] = []
    lists: list[Entry] = []
    at, end = 0, len(data)
    while at < end:
        match data[at]:
            case 0x0A:
                at = _ordered_entries(data, at + 1, end, context)
            case 0x12:
                at = _ordered_entries(data, at + 1, end, lists)
            case _:
                at = skip_field(data, at, end)
    return context, lists


def _ordered_entries(data: bytes, at: int, end: int, entries: list[Entry]) -> int:
    size, at = length(data, at, end)
    end = min(at + size, end)
    while at < end:
        if data[at] != _BYTES_1:
            raise Malformed
        size, at = length(data, at + 1, end)
        stop = min(at + size, end)
        first, after_key = _string(data, at, stop, _BYTES_1)
        start, at = _string(data, after_key, stop, _BYTES_2)
        if at != stop:
            raise Malformed
        entries.append((data[first:after_key], start, at))
    return at


def _string(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the string with this tag starts and ends."""
    if at >= end or data[at] != tag:
        raise Malformed
    size, at = length(data, at + 1, end)
    if size > end - at:
        raise Malformed
    return at, at + size


def skip_field(data: bytes, at: int, end: int) -> int:
    """The offset behind a field that nobody asked for.

    Raises:
        Malformed: it is a group, or is not whole.
    """
    tag, at = varint(data, at, end)
    match tag & 7:
        case 0:
            return varint(data, at, end)[1]
        case 2:
            size, at = length(data, at, end)
            return min(at + size, end)
        case 1 | 5 as kind:
            at += 8 if kind == 1 else 4
            if at <= end:
                return at
    raise Malformed


Values: TypeAlias = Any
"""What one list holds: `list[bytes]`, `list[int]`, or floats as little-endian `bytes`."""

Reader: TypeAlias = Callable[[bytes, int, int, bool], tuple[Values, int]]


def read_bytes(data: bytes, at: int, end: int, exact: bool) -> tuple[list[bytes], int]:
    """A BytesList behind its tag, and the offset where reading stopped. See `READERS`."""
    del exact
    size, at = length(data, at, end)
    end = min(at + size, end)
    values = []
    while at < end:
        first, at = _string(data, at, end, _BYTES_1)
        values.append(data[first:at])
    return values, at


def read_floats(data: bytes, at: int, end: int, exact: bool) -> tuple[bytes, int]:
    """A FloatList behind its tag, and the offset where reading stopped. See `READERS`."""
    size, at = length(data, at, end)
    end = min(at + size, end)
    if at >= end:
        return b"", at
    if data[at] == _BYTES_1:
        size, at = length(data, at + 1, end)
        if exact:
            size = min(size, end - at)
        if size > end - at or (exact and size % 4):
            raise Malformed
        return data[at : at + size - size % 4], at + size
    if data[at] != _FIXED32_1 or (end - at) % 5:
        raise Malformed
    rows = np.frombuffer(data, np.uint8, end - at, at).reshape(-1, 5)
    if (rows[:, 0] != _FIXED32_1).any():
        raise Malformed
    return rows[:, 1:].tobytes(), end


def read_ints(data: bytes, at: int, end: int, exact: bool) -> tuple[list[int], int]:
    """An Int64List behind its tag, and the offset where reading stopped. See `READERS`."""
    del exact
    size, at = length(data, at, end)
    end = min(at + size, end)
    if at >= end:
        return [], at
    if data[at] == _BYTES_1:
        size, at = length(data, at + 1, end)
        end = min(at + size, end)
        return varints(data, at, end), end
    values = []
    while at < end:
        if data[at] != _VARINT_1:
            raise Malformed
        value, at = varint(data, at + 1, end)
        values.append(value - (value >> 63 << 64))
    return values, at


READERS: Mapping[DType, Reader] = {STRING: read_bytes, FLOAT: read_floats, INT64: read_ints}
"""What reads the list of a Feature; `exact` refuses a chunk of floats that ends inside one,
where otherwise the rest of it is dropped.

Each raises Malformed."""

_MANY = 64


def varints(data: bytes, at: int, end: int) -> list[int]:
    """Signed 64-bit integers one after another.

    Raises:
        Malformed: the last does not end, or one has more than ten bytes.
    """
    if end - at > _MANY:
        return _many_varints(np.frombuffer(data, np.uint8, end - at, at))
    values = []
    while at < end:
        value, at = varint(data, at, end)
        values.append(value - (value >> 63 << 64))
    return values


def _many_varints(data: np.ndarray[Any, np.dtype[np.uint8]]) -> list[int]:
    last = np.flatnonzero(data < 0x80)
    if not last.size or last[-1] != data.size - 1:
        raise Malformed
    first = np.concatenate([[0], last[:-1] + 1])
    sizes = last - first + 1
    if sizes.max() > _LONGEST:
        raise Malformed
    values = np.zeros(last.size, np.uint64)
    for i in range(int(sizes.max())):
        has = np.flatnonzero(sizes > i)
        values[has] |= (data[first[has] + i] & 0x7F).astype(np.uint64) << np.uint64(7 * i)
    signed: list[int] = values.view(np.int64).tolist()
    return signed
