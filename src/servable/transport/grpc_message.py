"""gRPC's messages inside a stream of bytes: a flag, a length, and so many bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from servable.errors import Internal, InvalidArgument, ResourceExhausted, Unimplemented
from servable.transport.buffers import as_bytes

PREFIX_BYTES = 5
MAX_INFLATED_BYTES = 2**26
"""What a compressed message may grow to. One that is not compressed may be larger."""

_WINDOW = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}


class Messages:
    """Puts together the messages of one call.

    A message takes no more memory than has come of it, whatever length it claims.

    Args:
        encoding: how compressed ones are compressed.
        most: bytes that a message may have.
    """

    __slots__ = ("_body", "_compressed", "_encoding", "_head", "_most", "_size")

    def __init__(self, encoding: bytes, most: float) -> None:
        self._encoding = encoding
        self._most = most
        self._head = b""
        self._size = -1
        self._compressed = 0
        self._body = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a message has begun that has not come whole."""
        return self._size >= 0 or bool(self._head)

    def take(self, data: bytes, start: int, stop: int) -> Iterator[bytes]:
        """Yield the messages that are whole with these bytes.

        Raises:
            ResourceExhausted: one is longer than allowed.
            Internal, InvalidArgument, Unimplemented: it can not be understood.
        """
        while start < stop:
            if self._size < 0:
                missing = PREFIX_BYTES - len(self._head)
                self._head += data[start : min(stop, start + missing)]
                start += missing
                if len(self._head) < PREFIX_BYTES:
                    return
                self._compressed = self._head[0]
                self._size = int.from_bytes(self._head[1:])
                self._head = b""
                self._check()
            missing = self._size - len(self._body)
            piece_end = min(stop, start + missing)
            if not self._body and piece_end - start == self._size:
                whole: bytes | bytearray = data[start:piece_end]
            else:
                self._body += memoryview(data)[start:piece_end]
                if len(self._body) < self._size:
                    return
                whole = self._body
                self._body = bytearray()
            start = piece_end
            self._size = -1
            yield self._inflated(whole) if self._compressed else as_bytes(whole)

    def _check(self) -> None:
        if self._compressed > 1:
            raise Internal("A message is marked neither as compressed nor as plain.")
        if self._compressed and self._encoding == b"identity":
            raise Internal("A message is marked as compressed, but the call names no encoding.")
        if self._compressed and self._encoding not in _WINDOW:
            raise Unimplemented(
                f"Messages compressed as {self._encoding.decode('latin-1')} are not taken.",
                hint="Send them plain, or as gzip or deflate.",
            )
        if self._size > self._most:
            raise ResourceExhausted(
                f"Received message larger than max ({self._size} vs. {self._most:.0f})"
            )

    def _inflated(self, data: bytes | bytearray) -> bytes:
        inflater = zlib.decompressobj(wbits=_WINDOW[self._encoding])
        most = int(min(self._most, MAX_INFLATED_BYTES))
        try:
            # One byte more than allowed: with none, the trailer would be left to be read.
            message = inflater.decompress(data, most + 1)
        except zlib.error as error:
            raise InvalidArgument("A message can not be decompressed.") from error
        if len(message) > most:
            raise ResourceExhausted(f"A message inflates to more than {most} bytes.")
        if not inflater.eof or inflater.unused_data:
            raise InvalidArgument("A message can not be decompressed: its length is wrong.")
        return message
