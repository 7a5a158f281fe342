"""What the load needs of a protocol: start a request, wait until one has ended."""

from __future__ import annotations

from typing import Protocol

from servable.bench.batch_note import BatchNote
from servable.bench.messages import Completion, Request


class Carrier(Protocol):
    """Connections to one server, with numbered slots for requests that are under way.

    `send` may be called by one thread while another is in `receive`; neither may be called
    by two threads at once.
    """

    def send(self, slot: int, request: Request) -> None:
        """Start a request in a free slot. A failure, too, is told by `receive`."""

    def receive(self) -> Completion:
        """Wait until a request has ended, well or not, or its time has run out.

        At least one must be under way.
        """

    def batch_note(self, completion: Completion) -> BatchNote | None:
        """Return what the server told about batching beside this answer."""

    def hint(self, completion: Completion) -> str:
        """Return the server's hint beside an error; "" if there is none."""

    def content_type(self, completion: Completion) -> str:
        """Return what kind of answer this is; "" over gRPC."""

    def close(self) -> None:
        """Close the connections; nothing may be under way."""
