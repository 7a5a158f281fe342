"""String tensors into a data file, in the layout that `strings` describes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from servable import varint
from servable.savedmodel.checksum import crc32c, mask


def encode_strings(values: Sequence[bytes]) -> tuple[bytes, int]:
    """Return the bytes of a string tensor and its checksum, which covers another form of them."""
    lengths = [len(value) for value in values]
    fixed = b"".join(n.to_bytes(4 if n <= varint.MAX_UINT32 else 8, "little") for n in lengths)
    content = struct.pack("<I", mask(crc32c(fixed))) + b"".join(values)
    return b"".join(map(varint.encode, lengths)) + content, mask(crc32c(fixed + content))
