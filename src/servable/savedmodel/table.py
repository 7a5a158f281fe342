"""The sorted table of variables.index: LevelDB's format, as TensorFlow writes it.

The file is a row of blocks and a footer of 48 bytes. The footer holds the place of
the index block and a magic number; the index block holds the place of each data
block; a data block holds keys, in ascending order and each without the prefix it
shares with the one before, and values. Five bytes follow each block: the kind of
compression and a masked CRC32C of the block and that kind.

The whole file is in memory while it is read. Every length is compared with what is
there before it is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from servable import varint
from servable.savedmodel.checksum import crc32c, mask
from servable.savedmodel.errors import (
    BlockChecksumWrong,
    BlockCompressed,
    BlockInvalid,
    BlockOutOfFile,
    FooterInvalid,
    KeysTooLong,
    KeysUnordered,
)

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
TRAILER_BYTES = 5

# Writers start afresh with a whole key at every sixteenth entry, so keys can not be
# more than sixteen times as long as the file. Without a bound, prefixes of prefixes
# would let a megabyte of file grow to many gigabytes.
_KEY_BYTES_PER_FILE_BYTE = 64


class _Block(NamedTuple):
    offset: int
    content: bytes


def read_table(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table in ascending order of key.

    Args:
        data: the complete file.
        name: what error texts call it.

    Raises:
        SavedModelError: the table is damaged; which subclass says how.
    """
    index = _block(data, *_index_place(data, name), name)
    budget = _KEY_BYTES_PER_FILE_BYTE * len(data)
    previous: bytes | None = None
    for _, handle in _entries(index, name):
        try:
            offset, after = varint.read(handle, 0)
            size, _ = varint.read(handle, after)
        except ValueError as error:
            raise BlockInvalid(f"{name}: index block at byte {index.offset}: {error}") from None
        for key, value in _entries(_block(data, offset, size, name), name):
            if previous is not None and key <= previous:
                raise KeysUnordered(
                    f"{name}: block at byte {offset}: "
                    f"key {key[:80]!r} comes after {previous[:80]!r}"
                )
            budget -= len(key)
            if budget < 0:
                raise KeysTooLong(
                    f"{name}: the keys take more than {_KEY_BYTES_PER_FILE_BYTE} times "
                    f"the file's {len(data)} bytes"
                )
            previous = key
            yield key, value


def _index_place(data: bytes, name: str) -> tuple[int, int]:
    """Return offset and size of the index block, from the footer."""
    start = len(data) - FOOTER_BYTES
    if start < 0:
        raise FooterInvalid(f"{name}: {len(data)} bytes are too few for a table")
    if struct.unpack_from("<Q", data, len(data) - 8)[0] != MAGIC:
        raise FooterInvalid(f"{name}: no magic number at byte {len(data) - 8}; is it cut off?")
    footer = data[start:-8]
    try:
        _, at = varint.read(footer, 0)  # the block of metadata, which TensorFlow leaves empty
        _, at = varint.read(footer, at)
        offset, at = varint.read(footer, at)
        size, _ = varint.read(footer, at)
    except ValueError as error:
        raise FooterInvalid(f"{name}: footer at byte {start}: {error}") from None
    return offset, size


def _block(data: bytes, offset: int, size: int, name: str) -> _Block:
    end = offset + size
    if end + TRAILER_BYTES > len(data) - FOOTER_BYTES:
        raise BlockOutOfFile(
            f"{name}: a block of {size} bytes at byte {offset} ends outside the file"
        )
    kind, stored = struct.unpack_from("<BI", data, end)
    if mask(crc32c(data[offset : end + 1])) != stored:
        raise BlockChecksumWrong(f"{name}: block at byte {offset} has a wrong checksum")
    if kind != 0:
        raise BlockCompressed(
            f"{name}: block at byte {offset} is compressed (kind {kind})",
            hint="Write the checkpoint again with TensorFlow, which does not compress the index.",
        )
    return _Block(offset, data[offset:end])


def _entries(block: _Block, name: str) -> Iterator[tuple[bytes, bytes]]:
    content = block.content
    end = _end_of_entries(block, name)
    at, key = 0, b""
    while at < end:
        start = at
        try:
            shared, at = varint.read(content, at, maximum=varint.MAX_UINT32)
            fresh, at = varint.read(content, at, maximum=varint.MAX_UINT32)
            length, at = varint.read(content, at, maximum=varint.MAX_UINT32)
        except ValueError as error:
            raise BlockInvalid(f"{name}: entry at byte {block.offset + start}: {error}") from None
        if shared > len(key) or at + fresh + length > end:
            raise BlockInvalid(f"{name}: entry at byte {block.offset + start} is out of bounds")
        key = key[:shared] + content[at : at + fresh]
        at += fresh
        yield key, content[at : at + length]
        at += length


def _end_of_entries(block: _Block, name: str) -> int:
    """Return where the entries end and the restart points (for searching, not used) begin."""
    length = len(block.content)
    if length >= 4:
        (restarts,) = struct.unpack_from("<I", block.content, length - 4)
        end: int = length - 4 - 4 * restarts
        if end >= 0:
            return end
    raise BlockInvalid(f"{name}: block at byte {block.offset} has no room for its restart points")
