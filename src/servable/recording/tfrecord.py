"""TFRecord files: byte strings one after another, each with its length and two checksums.

A record is its length (8 bytes, little-endian), the masked CRC32C of these 8 bytes, the data,
and the masked CRC32C of the data. The texts of errors are TensorFlow's own reader's.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from servable.errors import DataLoss, NotFound, ResourceExhausted
from servable.savedmodel.checksum import crc32c, mask
from servable.savedmodel.files import size_of

MOST_RECORD_BYTES = 2**31
"""Of one record: what a protobuf message may have at most."""

OVERHEAD = 16
"""Bytes that a record takes beside its data."""

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")


def frame(data: bytes) -> bytes:
    """Return a record: `data` with its length and checksums."""
    length = _HEAD.pack(len(data), 0)[:8]
    return b"".join((length, _CRC.pack(mask(crc32c(length))), data, _CRC.pack(mask(crc32c(data)))))


def read(path: Path, *, limit: int = MOST_RECORD_BYTES) -> Iterator[bytes]:
    """Yield the data of each record, in order; memory is taken for one at a time.

    Unlike TensorFlow's reader, this one does not take a record for the end of the file if
    its head is cut off.

    Args:
        path: an uncompressed file.
        limit: a record that claims more bytes is refused before memory is taken for it.

    Raises:
        NotFound: there is no such file.
        FileUnreadable: it is no regular file, or can not be read.
        DataLoss: a checksum is wrong, or the file ends inside a record.
        ResourceExhausted: a record exceeds `limit`.
    """
    size = size_of(path)
    if size is None:
        raise NotFound(f"no file {path}", hint=f"Looked for {path.absolute()}.")
    try:
        with path.open("rb") as file:
            yield from _records(file, size, limit)
    except OSError as error:
        raise DataLoss(f"{path}: {error.strerror or error}") from error


def write(path: Path, records: Iterator[bytes]) -> int:
    """Write a file of these records, whole or not at all; return how many there are.

    Raises:
        OSError: it can not be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with part.open("xb") as file:
            for data in records:
                file.write(frame(data))
                count += 1
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


def _records(file: BinaryIO, size: int, limit: int) -> Iterator[bytes]:
    offset = 0
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise _truncated(offset)
        length, stored = _HEAD.unpack(head)
        if stored != mask(crc32c(head[:8])):
            really = " (Is this even a TFRecord file?)" if offset == 0 else ""
            raise DataLoss(f"corrupted record at {offset}{really}")
        if length > limit:
            raise ResourceExhausted(
                f"the record at {offset} has {length} bytes, more than the limit of {limit}"
            )
        # Before it is read: a buffer of any claimed length would be allocated for it.
        if offset + OVERHEAD + length > size:
            raise _truncated(offset)
        data = file.read(length)
        stored_crc = file.read(_CRC.size)
        if len(data) < length or len(stored_crc) < _CRC.size:
            raise _truncated(offset)
        if _CRC.unpack(stored_crc)[0] != mask(crc32c(data)):
            raise DataLoss(f"corrupted record at {offset + _HEAD.size}")
        yield data
        offset += OVERHEAD + length


def _truncated(offset: int) -> DataLoss:
    return DataLoss(f"truncated record at {offset}' failed with Read less bytes than requested")
