"""What a connection needs of its server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from servable.transport.http2.streams import Fields, Stream

if TYPE_CHECKING:
    from servable.transport.http2.connection import Connection

Opening: TypeAlias = Callable[["Connection", int, Fields, bool], Stream | None]
"""Takes a connection, a stream's number, its headers, and whether they are larger than
allowed; returns what becomes of it, or None if it was reset already."""


class Crowd(Protocol):
    """The connections of a server."""

    def join(self, connection: Connection) -> None:
        """Hear that a connection was made."""

    def leave(self, connection: Connection) -> None:
        """Hear that it is lost."""
