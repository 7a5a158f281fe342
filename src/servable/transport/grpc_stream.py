"""gRPC on one stream of HTTP/2: messages in, and messages and a status out."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Protocol, TypeAlias

from servable.errors import (
    Cancelled,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    ResourceExhausted,
    ServableError,
    Unavailable,
)
from servable.tensor_wire.message import Spread
from servable.transport.grpc_call import GOOD, HEAD, Answered, Call, Head, refused, tail
from servable.transport.grpc_message import PREFIX_BYTES, Messages
from servable.transport.http2.connection import Connection
from servable.transport.http2.frames import Fault
from servable.transport.http2.streams import Stream

MAX_UNREAD_BYTES = 2**20
"""What a client may leave unread of a call's many messages."""


class Inlet(Protocol):
    """What takes the messages of a call. Called on the event loop's thread; may not block."""

    def message(self, data: bytes) -> None:
        """Take a message."""

    def half_close(self) -> None:
        """Take note that there are no more."""


Method: TypeAlias = Callable[["GrpcStream"], "Inlet | ServableError"]
"""Takes up a call, or refuses it."""


class Limits(Protocol):
    """What may change while calls are under way.

    Attributes:
        message_seconds: how long a message may take to come.
        max_send: bytes of an answer.
        hints: whether errors carry hints.
    """

    message_seconds: float
    max_send: float
    hints: bool


class GrpcStream(Stream):
    """One call. For the event loop's thread.

    Attributes:
        call: what those see who answer it.
        awaits: whether it is to have a message, and none has come.
    """

    __slots__ = (
        "_connection",
        "_headed",
        "_inlet",
        "_limits",
        "_messages",
        "_since",
        "awaits",
        "call",
    )

    def __init__(
        self, connection: Connection, id: int, head: Head, limits: Limits, most: float
    ) -> None:
        super().__init__(id, *connection.new_stream_windows())
        self._connection = connection
        self._limits = limits
        self._messages = Messages(head.encoding, most)
        self._headed = False
        self._since = monotonic()
        self._inlet: Inlet | None = None
        self.awaits = True
        self.call = Call(head, connection.peer)

    def open(self, method: Method) -> None:
        """Give the call to its method."""
        opened = method(self)
        if isinstance(opened, ServableError):
            self.end(refused(opened, hints=self._limits.hints))
        else:
            self._inlet = opened

    # What the connection calls.

    def receive(self, data: bytes, start: int, stop: int) -> None:
        """Take a part of the messages."""
        inlet = self._inlet
        if inlet is None or not self.call.active:
            return
        try:
            for message in self._messages.take(data, start, stop):
                self.awaits = False
                inlet.message(message)
                if not self.call.is_active():
                    return
        except ServableError as error:
            self.end(refused(error))

    def half_close(self) -> None:
        """Take note that no more messages come."""
        if self._inlet is None or not self.call.active:
            return
        if self._messages.partial:
            self.end(refused(Internal("The call ended in the middle of a message.")))
            return
        if self.awaits:
            self.end(
                refused(
                    InvalidArgument("The call carries no message.", hint="Send exactly one."),
                    hints=self._limits.hints,
                )
            )
            return
        self._inlet.half_close()

    def lose(self) -> None:
        """Take note that nobody waits for an answer any more."""
        self._inlet = None
        self.call.end()

    def cut_off(self) -> None:
        """Say that there will be no answer."""
        self.end(refused(Unavailable("The server is stopping.", hint="Send it again later.")))

    def look(self, now: float) -> None:
        """End a call whose time is over, or whose message does not come."""
        if not self.call.active:
            if self.outbox and self.call.time_remaining() <= 0:
                # It was answered, but the client has not taken the answer in time.
                self._connection.reset(self, Fault.CANCEL)
            return
        if self.call.time_remaining() <= 0:
            self.end(refused(DeadlineExceeded("Deadline Exceeded")))
        elif self.awaits and now - self._since > self._limits.message_seconds:
            self.end(refused(Cancelled("The call's message did not come in time.")))

    # What methods call.

    def send(self, message: bytes) -> None:
        """Send one message of several; end a call whose client does not read them."""
        if not self.call.active:
            return
        if sum(map(len, self.outbox)) > MAX_UNREAD_BYTES:
            self.lose()
            self._connection.reset(self, Fault.ENHANCE_YOUR_CALM)
            return
        sender = self._connection.sender
        if not self._headed:
            self._headed = True
            sender.send_head(self, HEAD)
        sender.send(self, (_prefix(len(message)), message))

    def answer(self, answered: Answered) -> None:
        """Send the one message, or the error, and end the call."""
        message = answered.message
        if message is None or self._headed or len(message) > self._limits.max_send:
            self.end(answered if message is None else self._too_long(len(message)))
            return
        if not self.call.active:
            return
        self.call.active = False
        self._inlet = None
        block = GOOD if not answered.trailing else tail(answered)
        pieces = message.pieces if isinstance(message, Spread) else (message,)
        self._connection.sender.answer(self, HEAD, (_prefix(len(message)), *pieces), block)

    def end(self, answered: Answered) -> None:
        """End the call with a status."""
        if not self.call.active:
            return
        self.call.end()
        self._inlet = None
        block = tail(answered)
        self._connection.sender.finish(self, block if self._headed else HEAD + block)

    def cancel(self) -> None:
        """End the call at once, as if the client had."""
        if self.call.active:
            self.lose()
            self._connection.reset(self, Fault.CANCEL)

    def _too_long(self, length: int) -> Answered:
        most = self._limits.max_send
        return refused(ResourceExhausted(f"Sent message larger than max ({length} vs. {most:.0f})"))


def _prefix(length: int) -> bytes:
    return b"\0" + length.to_bytes(PREFIX_BYTES - 1)
