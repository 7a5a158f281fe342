"""Bytes that were received into a buffer that could grow."""

from __future__ import annotations


def as_bytes(data: bytes | bytearray) -> bytes:
    """Return the same data: whoever only reads need not care, and a copy may be large.

    What is cut from it can not be hashed and is no element of a tensor: whoever needs that asks
    for `bytes(data)`, which is `data` itself where that is bytes.
    """
    return data  # type: ignore[return-value] # see above
