"""Blocks of headers, put together from frames and decompressed, within bounds."""

from __future__ import annotations

from servable.transport.http2.frames import ConnectionFaultError, Fault
from servable.transport.http2.hpack import Decoder
from servable.transport.http2.streams import Fields

MAX_HEAD_BYTES = 2**18
"""A longer block, as compressed, ends the connection. No client sends such."""

_CACHED = 64
_CACHED_BYTES = 2**9


class Heads:
    """The headers of one connection.

    Args:
        max_list_bytes: bytes of a head, with 32 more for each field.

    Attributes:
        id: the stream whose head goes on in further frames; 0 if there is none.
        ends: whether nothing comes after it.
    """

    def __init__(self, max_list_bytes: int) -> None:
        self.id = 0
        self.ends = False
        self._block = bytearray()
        self._decoder = Decoder(max_list_bytes)
        self._known: dict[bytes, tuple[Fields, bool]] = {}
        self._known_at = 0

    def begin(self, id: int, first: bytes, *, ends: bool) -> None:
        """Take the beginning of a block."""
        self.id, self.ends = id, ends
        self._block = bytearray(first)

    def go_on(self, more: bytes) -> None:
        """Take a further part; raises ConnectionFaultError if it is too long by now."""
        self._block += more
        if len(self._block) > MAX_HEAD_BYTES:
            raise ConnectionFaultError(Fault.ENHANCE_YOUR_CALM, "headers are too long")

    def end(self) -> bytes:
        """Return the block that has been put together."""
        block, self._block, self.id = bytes(self._block), bytearray(), 0
        return block

    def decode(self, block: bytes) -> tuple[Fields, bool]:
        """Decompress headers; also return whether they are more than is allowed.

        Most requests of a connection have the same, byte by byte.

        Raises:
            CompressionError: they can not be, and none that follow.
        """
        decoder = self._decoder
        if self._known_at == decoder.changes:
            known = self._known.get(block)
            if known is not None:
                return known
        decoded = decoder.decode(block)
        found = decoded.fields, decoded.too_large
        if self._known_at != decoder.changes:
            self._known.clear()
            self._known_at = decoder.changes
        elif len(block) <= _CACHED_BYTES:
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[block] = found
        return found
