"""What a connection and the streams on it know of each other."""

from __future__ import annotations

from collections import deque

Fields = tuple[tuple[bytes, bytes], ...]


class Stream:
    """One request and its answer. A subclass says what becomes of what arrives.

    All methods are called on the event loop's thread.

    Attributes:
        id: its number.
        window: bytes that may still be sent.
        room: bytes that the client may still send before it is given leave for more.
        outbox: what could not be sent yet.
        tail: the block of headers that ends the stream, once all else is sent.
        ended: whether the client has said all it has to say.
    """

    __slots__ = ("ended", "id", "outbox", "room", "tail", "window")

    def __init__(self, id: int, window: int, room: int) -> None:
        self.id = id
        self.window = window
        self.room = room
        self.outbox: deque[memoryview] = deque()
        self.tail: bytes | None = None
        self.ended = False

    def receive(self, data: bytes, start: int, stop: int) -> None:
        """Take what came of the body."""

    def half_close(self) -> None:
        """Take note that nothing more comes."""

    def lose(self) -> None:
        """Take note that nobody waits for an answer any more."""

    def cut_off(self) -> None:
        """Say that there will be no answer."""

    def look(self, now: float) -> None:
        """See whether it has taken too long; called now and then."""
