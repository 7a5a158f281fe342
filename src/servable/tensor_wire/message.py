"""A message on its way out: in one piece if it is short, and else as it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from servable.tensor_wire.write import Piece, size

_JOINED_BYTES = 2**16
"""What is longer is sent as it is: to join it would be a copy of nearly all."""


_SMALL_BYTES = 2**14
"""What is shorter is joined with what is beside it: a piece costs the thread that sends it as much
as copying so many bytes, and strings are thousands of pieces."""


class Spread:
    """A long message in pieces, some of which may be views of arrays that nobody writes to.

    `len` and `bytes` are those of the message. Any thread may use it.

    Attributes:
        pieces: what it consists of, in order.
    """

    __slots__ = ("_size", "pieces")

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self._size = size(pieces)

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


Message: TypeAlias = bytes | Spread


def message(pieces: Sequence[Piece]) -> Message:
    """Return the message that consists of these pieces."""
    return b"".join(pieces) if size(pieces) <= _JOINED_BYTES else Spread(_gathered(pieces))


def _gathered(pieces: Sequence[Piece]) -> list[Piece]:
    """Join neighbours that are short."""
    gathered: list[Piece] = []
    short: list[Piece] = []
    for piece in pieces:
        if len(piece) < _SMALL_BYTES:
            short.append(piece)
            continue
        if short:
            gathered.append(b"".join(short))
            short = []
        gathered.append(piece)
    return [*gathered, b"".join(short)] if short else gathered
