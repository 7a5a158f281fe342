"""Writing the sorted table that `table` reads, byte for byte as TensorFlow does."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from servable import varint
from servable.savedmodel.checksum import crc32c, mask
from servable.savedmodel.table import FOOTER_BYTES, MAGIC

# TensorFlow's own numbers: a block is closed when it has this many bytes, and keys are
# written in full at every sixteenth entry of a data block and at each of the index.
_BLOCK_BYTES = 256 * 1024
_RESTART_INTERVAL = 16


def write_table(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a table of these keys and values.

    Args:
        entries: keys in strictly ascending order of their bytes.

    Raises:
        ValueError: a key is not greater than the one before it; a fault of the caller.
    """
    out = bytearray()
    places = _Block(1)
    block = _Block(_RESTART_INTERVAL)
    last: bytes | None = None
    closed: bytes | None = None  # place of a block that still lacks its key in the index
    for key, value in entries:
        if last is not None and key <= last:
            raise ValueError(f"key {key!r} comes after {last!r}")
        if closed is not None and last is not None:
            places.add(_between(last, key), closed)
            closed = None
        block.add(key, value)
        last = key
        if block.size >= _BLOCK_BYTES:
            closed = _append(out, block.finish())
            block = _Block(_RESTART_INTERVAL)
    if block.entries:
        closed = _append(out, block.finish())
    if closed is not None and last is not None:
        places.add(_after(last), closed)
    metadata = _append(out, _Block(_RESTART_INTERVAL).finish())
    footer = metadata + _append(out, places.finish())
    out += footer.ljust(FOOTER_BYTES - 8, b"\0") + struct.pack("<Q", MAGIC)
    return bytes(out)


class _Block:
    """One block that is being filled."""

    def __init__(self, restart_interval: int) -> None:
        self._content = bytearray()
        self._interval = restart_interval
        self._restarts = [0]
        self._since_restart = 0
        self._last = b""
        self.entries = 0

    @property
    def size(self) -> int:
        """Bytes it would have if it were finished now."""
        return len(self._content) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._since_restart < self._interval:
            shared = _shared(self._last, key)
        else:
            self._restarts.append(len(self._content))
            self._since_restart = 0
        for number in (shared, len(key) - shared, len(value)):
            self._content += varint.encode(number)
        self._content += key[shared:]
        self._content += value
        self._last = key
        self._since_restart += 1
        self.entries += 1

    def finish(self) -> bytes:
        restarts = [*self._restarts, len(self._restarts)]
        return bytes(self._content) + struct.pack(f"<{len(restarts)}I", *restarts)


def _append(out: bytearray, content: bytes) -> bytes:
    """Append a block, uncompressed and with its checksum; return its place."""
    place = varint.encode(len(out)) + varint.encode(len(content))
    sealed = content + b"\0"
    out += sealed + struct.pack("<I", mask(crc32c(sealed)))
    return place


def _shared(a: bytes, b: bytes) -> int:
    for i, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return i
    return min(len(a), len(b))


def _between(low: bytes, high: bytes) -> bytes:
    """Return a short key that is not below `low`, and below `high`."""
    at = _shared(low, high)
    if at < min(len(low), len(high)) and low[at] < 0xFF and low[at] + 1 < high[at]:
        return low[:at] + bytes([low[at] + 1])
    return low


def _after(key: bytes) -> bytes:
    """Return a short key that is not below `key`."""
    for i, byte in enumerate(key):
        if byte != 0xFF:
            return key[:i] + bytes([byte + 1])
    return key
