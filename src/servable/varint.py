"""Variable-length integers: seven bits a byte, lowest first, the top bit set on all but the last.

Protobuf, the index of a tensor bundle and serialized strings all use them.
"""

from __future__ import annotations

MAX_UINT32 = 2**32 - 1
MAX_UINT64 = 2**64 - 1


def read(data: bytes | memoryview, offset: int, *, maximum: int = MAX_UINT64) -> tuple[int, int]:
    """Return the integer at `offset` and the offset just past it.

    Raises:
        ValueError: the data ends inside the integer, or it is larger than `maximum`.
    """
    value = shift = 0
    while offset < len(data) and shift < 64:
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > maximum:
                raise ValueError(f"the number {value} is larger than {maximum}")
            return value, offset
        shift += 7
    raise ValueError("a variable-length number does not end")


def encode(value: int) -> bytes:
    """Return the shortest encoding of a number that is not negative."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
