"""String tensors in a data file.

All lengths as variable-length integers, four bytes of masked CRC32C over the lengths
(each as a fixed 32-bit number, or 64-bit if it needs that), then all the bytes. The
checksum in the index covers the fixed-size lengths, those four bytes and the strings.
"""

from __future__ import annotations

import struct

import numpy as np

from servable import varint
from servable.savedmodel.checksum import crc32c, mask
from servable.savedmodel.errors import DataChecksumWrong, StringsInvalid
from servable.tensors import Array

_CHECKSUM_BYTES = 4


def read_strings(data: memoryview, count: int, where: str, *, crc: int | None) -> Array:
    """Return `count` strings as a flat, read-only object array of bytes.

    Args:
        data: the tensor's bytes, all of them.
        count: number of elements; at most the number of bytes.
        where: file and key, for error texts.
        crc: checksum to compare everything with; None to check the lengths only.

    Raises:
        StringsInvalid: the lengths do not fit the bytes.
        DataChecksumWrong: the lengths, or with `crc` the strings, are damaged.
    """
    content = bytes(data)
    lengths, at = [], 0
    try:
        for _ in range(count):
            length, at = varint.read(content, at)
            lengths.append(length)
    except ValueError as error:
        raise StringsInvalid(f"{where}: lengths of strings: {error}") from None
    start = at + _CHECKSUM_BYTES
    if start + sum(lengths) != len(content):
        raise StringsInvalid(f"{where}: the lengths of the strings do not add up to their bytes")
    fixed = b"".join(n.to_bytes(4 if n <= varint.MAX_UINT32 else 8, "little") for n in lengths)
    if mask(crc32c(fixed)) != struct.unpack_from("<I", content, at)[0]:
        raise DataChecksumWrong(f"{where}: the lengths of the strings have a wrong checksum")
    if crc is not None and mask(crc32c(fixed + content[at:])) != crc:
        raise DataChecksumWrong(f"{where}: the strings have a wrong checksum")
    array = np.empty(count, object)
    for i, length in enumerate(lengths):
        array[i] = content[start : start + length]
        start += length
    array.flags.writeable = False
    return array
