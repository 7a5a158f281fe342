"""One HTTP request, from its head to its answer, as the application sees it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from servable.errors import ServableError
from servable.transport.rest_pages import Reply

_LONGEST_LENGTH = 20  # digits


class Connection(Protocol):
    """Where a request came from. For the event loop's thread.

    Attributes:
        scheme: http or https.
        client: the client's address.
        server: the address and port that it came to.
    """

    scheme: str
    client: str
    server: tuple[str, int | None]

    def reply(self, exchange: Exchange, reply: Reply) -> None:
        """Send an answer."""

    def say_continue(self) -> None:
        """Tell a client to send the body that it asked about."""

    def is_closing(self) -> bool:
        """Whether nobody waits for an answer any more; from any thread."""


class Head:
    """The head of a request, but for the length of its body.

    Most clients send the same head again and again: one that is the same as the one before it
    on its connection is the same object.

    Attributes:
        method: in upper case.
        target: path and query, as received.
        headers: as received, names in lower case, without those named `content-length`.
        found: the first of each name.
        keep_alive: whether the client means to send more requests.
        old: whether it speaks HTTP/1.0.
        expects_continue: whether the client waits for leave to send the body.
        asked: what the application has found it to ask for, to be kept for the next that is
            the same.
    """

    __slots__ = (
        "asked",
        "expects_continue",
        "found",
        "headers",
        "keep_alive",
        "method",
        "old",
        "target",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]] = (),
        *,
        keep_alive: bool = False,
        old: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.found = dict(reversed(headers))
        self.keep_alive = keep_alive
        self.old = old
        self.expects_continue = self.header(b"expect").lower() == "100-continue"
        self.asked: object = None

    def header(self, name: bytes) -> str:
        """Return the first header of that name, "" if there is none."""
        value = self.found.get(name)
        return "" if value is None else value.decode("latin-1")


class Exchange:
    """One request. For the event loop's thread, but for `wanted`.

    Attributes:
        connection: where it came from.
        head: its head.
        declared: the length of its body as the head says it, b"" where it does not.
        keep_alive: whether the connection stays open after it.
        asked: what it asks for, once the application knows.
        begun: when it was taken up, by `time.monotonic()`; 0.0 as long as it was not.
        chunks, length: what has come of the body, and how many bytes that is.
        complete: whether that is all.
        fault: what is wrong with it.
        running: whether it is being answered.
        replied: whether an answer was sent.
        over: whether an answer is of no use any more.
    """

    __slots__ = (
        "asked",
        "begun",
        "chunks",
        "complete",
        "connection",
        "declared",
        "fault",
        "head",
        "keep_alive",
        "length",
        "over",
        "replied",
        "running",
    )

    def __init__(self, connection: Connection, head: Head, declared: bytes = b"") -> None:
        self.connection = connection
        self.head = head
        self.declared = declared
        self.keep_alive = head.keep_alive
        self.asked: object = None
        self.begun = 0.0
        self.chunks: list[bytes | bytearray] = []
        self.length = 0
        self.complete = False
        self.fault: ServableError | None = None
        self.running = False
        self.replied = False
        self.over = False

    @property
    def promised(self) -> float:
        """Bytes of the body as the head says it; 0 where it does not, inf beyond all bounds."""
        declared = self.declared
        if not declared.isdigit():
            return 0
        # Looked at as text first: int() refuses thousands of digits, which may all be zeros.
        return math.inf if len(declared) >= _LONGEST_LENGTH else int(declared)

    def body(self) -> bytes | bytearray:
        """Return the whole body, once."""
        chunks, self.chunks = self.chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def reply(self, reply: Reply) -> None:
        """Answer, unless that is of no use any more."""
        if not (self.over or self.replied):
            self.connection.reply(self, reply)

    def wanted(self) -> bool:
        """Whether the client still waits; from any thread."""
        return not self.over and not self.connection.is_closing()


class Application(Protocol):
    """What answers requests. For the event loop's thread; does not block."""

    def begin(self, exchange: Exchange) -> None:
        """Take up a request whose head has come; it may be answered already."""

    def complete(self, exchange: Exchange) -> None:
        """Answer a request that was not: its body has come, or `fault` says why it has not."""

    def refuse(self, exchange: Exchange, error: ServableError) -> None:
        """Answer a request that takes too long, or that the server does not wait for."""

    def refusal(self, error: ServableError) -> Reply:
        """Return what a client is told that sent no request at all."""
