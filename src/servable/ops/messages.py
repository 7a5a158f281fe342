"""Serialized protobuf messages as fields, for messages that are read as protobuf reads them.

Known messages have generated classes; this serves where only the tf.Example family is
needed, which has none here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from servable.ops.example_wire import Malformed, Values, varint, varints
from servable.tensors import FLOAT, INT64, STRING, DType

_END_GROUP = 4
_MOST_NESTED = 100
"""Protobuf's own bound on groups inside groups."""

Field: TypeAlias = tuple[int, int, int, int]
"""Field number, wire type, and where the payload starts and ends."""


def fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of a message, in order; those of unknown groups are passed over.

    Raises:
        Malformed: it is no message.
    """
    while at < end:
        number, kind, at = _tag(data, at, end)
        start = at
        at = _payload(data, at, end, number, kind, 0)
        if kind == 2:
            start = varint(data, start, end)[1]
        yield number, kind, start, at


def _tag(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    tag, at = varint(data, at, end)
    if tag >> 3 == 0 or tag >> 32:
        raise Malformed
    return tag >> 3, tag & 7, at


def _payload(data: bytes, at: int, end: int, number: int, kind: int, depth: int) -> int:
    """The offset behind a payload."""
    match kind:
        case 0:
            return varint(data, at, end)[1]
        case 1 | 5:
            at += 8 if kind == 1 else 4
        case 2:
            size, at = varint(data, at, end)
            at += size
        case 3 if depth < _MOST_NESTED:
            while True:
                inner, inner_kind, at = _tag(data, at, end)
                if inner_kind == _END_GROUP:
                    if inner != number:
                        raise Malformed
                    return at
                at = _payload(data, at, end, inner, inner_kind, depth + 1)
        case _:
            raise Malformed
    if at > end:
        raise Malformed
    return at


Feature: TypeAlias = tuple[DType, Values] | None
"""What a Feature holds; None if its kind is not set."""

_KINDS = {1: STRING, 2: FLOAT, 3: INT64}


def feature(data: bytes, start: int, end: int) -> Feature:
    """Read a Feature: of several kinds the last counts, and lists of it are joined.

    Raises:
        Malformed: it is no Feature.
    """
    found: Feature = None
    for number, wire, first, last in fields(data, start, end):
        dtype = _KINDS.get(number)
        if dtype is None or wire != 2:
            continue
        values = _values(data, first, last, dtype)
        if found is not None and found[0] is dtype:
            values = found[1] + values
        found = dtype, values
    return found


def _values(data: bytes, start: int, end: int, dtype: DType) -> Values:
    made: Values = b"" if dtype is FLOAT else []
    for number, wire, first, last in fields(data, start, end):
        if number != 1:
            continue
        if dtype is STRING and wire == 2:
            made.append(data[first:last])
        elif dtype is FLOAT and wire in (2, 5):
            if (last - first) % 4:
                raise Malformed
            made += data[first:last]
        elif dtype is INT64 and wire in (0, 2):
            made += varints(data, first, last)
    return made


def entries(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The entries of the map in field 1: key, and where the value lies.

    Raises:
        Malformed: it is no such map, or a key is not UTF-8.
    """
    for number, wire, first, last in fields(data, start, end):
        if number != 1 or wire != 2:
            continue
        key, value = b"", (last, last)
        for part, part_wire, begin, stop in fields(data, first, last):
            if part == 1 and part_wire == 2:
                key = data[begin:stop]
            elif part == 2 and part_wire == 2:
                value = begin, stop
        try:
            key.decode()
        except UnicodeDecodeError:
            raise Malformed from None
        yield key, *value
