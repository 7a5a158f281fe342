"""Packed repeated integers of protobuf <-> arrays, many elements at a time.

Each element is a variable-length number of up to ten bytes: seven bits a byte, lowest
first, the top bit set on all but the last. A negative number is its 64-bit two's
complement, and so always takes ten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from servable.tensors import Array

BLOCK_ELEMENTS = 2**15
"""Elements encoded at a time; what is in between takes up to 30 bytes for each of them."""

BLOCK_BYTES = 2**16
"""Bytes decoded at a time; what is in between takes up to 10 bytes for each of them."""

_LONGEST = 10
_FEW_BYTES = 2**12  # up to here, protobuf is


def encoded(values: Array) -> Iterator[memoryview]:
    """Yield the packed form of integers or bools, in pieces.

    Args:
        values: contiguous, of one dimension, of an integer type of numpy's own or bool.
    """
    if values.dtype == np.bool_:
        yield values.view(np.uint8).data
        return
    for start in range(0, values.size, BLOCK_ELEMENTS):
        yield _encoded_block(values[start : start + BLOCK_ELEMENTS])


def decoded_short(data: memoryview, dtype: np.dtype[Any]) -> Array | None:
    """Return packed integers as an array; one that does not fit wraps.

    Args:
        data: the packed form.
        dtype: any that numpy casts to, or bool, of which all but 0 are True.

    None for numbers that protobuf reads as fast, at the price of four or eight bytes for
    each: those of more than two bytes, and a few of two. None, too, if the last one does
    not end.
    """
    if len(data) <= _FEW_BYTES:
        few = bytes(data)
        return np.frombuffer(few, np.uint8).astype(dtype) if few.isascii() else None
    numbers = np.frombuffer(data, np.uint8)
    values = np.empty(numbers.size, dtype)  # what is never filled never takes memory
    start = filled = 0
    while start < numbers.size:
        block = numbers[start : start + BLOCK_BYTES]
        if block[-1] > 0x7F:  # its number ends in the next byte, or in none that counts here
            block = numbers[start : start + BLOCK_BYTES + 1]
        decoded = _decoded_block(block)
        if decoded is None:
            return None
        values[filled : filled + decoded.size] = decoded
        start += block.size
        filled += decoded.size
    return values[:filled]


def _encoded_block(block: Array) -> memoryview:
    low, high = int(block.min()), int(block.max())
    if low >= 0 and high < 0x80:
        return block.astype(np.uint8).data
    narrowest = np.min_scalar_type(high if low >= 0 else min(low, -1 - high))
    block = block.astype(narrowest, copy=False)
    width = _LONGEST if low < 0 else -(-high.bit_length() // 7)
    # Where the shifts below would bring nothing but copies of a sign.
    signs_from = min(width, -(-8 * block.itemsize // 7))
    digits = np.empty((block.size, width), np.uint8)
    kept = np.ones((block.size, width), np.bool_)
    for column in range(signs_from):
        rest = block >> 7
        more = rest != 0
        # Of the last digit of a number the top bit is clear already.
        digits[:, column] = block.astype(np.uint8) | (more.view(np.uint8) << 7)
        if column + 1 < width:
            kept[:, column + 1] = more
        block = rest
    if low < 0:
        digits[:, signs_from:] = 0xFF
        digits[:, -1] = 1  # no other number has ten bytes
        kept[:, signs_from:] = kept[:, min(signs_from, width - 1), None]
    if kept.all():
        return digits.reshape(-1).data
    # An index of bools would take twice as long: it mispredicts each step of unruly numbers.
    return digits.reshape(-1).compress(kept.reshape(-1)).data


def _decoded_block(block: Array) -> Array | None:
    if block.tobytes().isascii():
        return block
    last = block < 0x80
    more = ~last
    if (more[1:] & more[:-1]).any() or not last[-1]:
        return None
    values = block.astype(np.uint16)
    # Where the byte before belongs to the number, too, that holds its lower seven bits.
    two = more[:-1].view(np.uint8)
    values[1:] <<= two * np.uint8(7)
    values[1:] |= (block[:-1] & 0x7F) * two
    return values.compress(last)
