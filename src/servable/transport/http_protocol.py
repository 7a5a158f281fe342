"""One HTTP connection: uvicorn's protocol, with bounds on what a stranger may make it keep.

uvicorn bounds neither a request's head nor the time it takes, nor the number of
connections, and logs a line for every broken request. Bodies are the application's
matter.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from servable.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted, ServableError
from servable.metrics.families import Family, Number
from servable.transport.options import RestOptions
from servable.transport.rest_app import CLOSING
from servable.wire.status import error_body

log = logging.getLogger(__name__)

LINGER_SECONDS = 5.0
"""How long the rest of a body is taken, and thrown away, after the answer."""


class _Quiet(logging.Logger):
    """Warnings are about what strangers send, a line for each: they become debug messages."""

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at debug level."""
        self.debug(msg, *args, **kwargs)


def _quiet() -> logging.Logger:
    logger = _Quiet(log.name, logging.DEBUG)
    logger.parent = log
    return logger


class _Forgiving:
    """A transport that takes writes after its client has left, and drops them.

    Of several requests that came together, uvicorn tells only the last that the client
    is gone; uvloop's transports refuse to be written to then, which would be logged as
    an error of the application for every such client.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send data, if there is somebody to send it to."""
        if not self.is_closing():
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        """Whatever else a transport can do."""
        return getattr(self._transport, name)


@dataclass(frozen=True)
class Guard:
    """What the connections of one server have in common.

    Attributes:
        options: the bounds.
        broken: counts connections that are ended, by reason.
        logger: what uvicorn logs to.
    """

    options: RestOptions
    broken: Family[Number]
    logger: logging.Logger = field(default_factory=_quiet)


class GuardedProtocol(HttpToolsProtocol):
    """An HTTP connection that ends when its client goes beyond the bounds.

    Lives on the event loop's thread. A request's head may be longer than allowed by
    one read of the socket before that is noticed.
    """

    def __init__(self, guard: Guard, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.logger = guard.logger
        self._guard = guard
        self._in_head = False
        self._head_bytes = 0  # of the chunks after the one that it began in
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take up a connection, unless there are too many."""
        super().connection_made(_Forgiving(transport))  # type: ignore[arg-type] # is one in effect
        if len(self.connections) > self._guard.options.max_connections:
            error = ResourceExhausted("This server has too many connections.")
            self._end(503, "too_many_connections", error)
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see whether it is too much."""
        continued = self._in_head
        super().data_received(data)
        if self.transport.is_closing():
            return
        options = self._guard.options
        if self._in_head:
            self._head_bytes += len(data) if continued else 0
            if self._head_bytes > options.max_head_bytes:
                self._end(431, "large_head", _too_large())
            elif self._timer is None:
                self._await_head()
        # Trailers after a chunked body are added to the same list.
        if self.headers is not None and len(self.headers) > options.max_headers:
            self._end(431, "many_headers", _too_large())

    def on_message_begin(self) -> None:
        """Begin a request; the parser calls this."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0
        # uvicorn's type for this knows dictionaries only; ASGI leaves it to the extension.
        extensions: Any = {CLOSING: self.transport.is_closing}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        """Begin to answer a request; the parser calls this."""
        self._in_head = False
        self._stop_waiting()
        options = self._guard.options
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > options.max_head_bytes or len(self.headers) > options.max_headers:
            self._end(431, "large_head", _too_large())
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body; the parser calls this."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the parser calls this."""
        self._stop_waiting()
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on after an answer; uvicorn calls this."""
        super().on_response_complete()
        # A request may be answered before its body was read. To close at once could lose
        # the answer on its way; to wait for ever would leave the connection to the client.
        if self.cycle.response_complete and self.cycle.more_body:
            self._stop_waiting()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; uvicorn calls this."""
        if not self.transport.is_closing():
            self._end(400, "not_http", InvalidArgument(msg))

    def abort_if_idle(self) -> None:
        """Cut the connection if no request is being answered on it."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()

    def _await_head(self) -> None:
        seconds = self._guard.options.head_seconds
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._end(408, "slow_head", DeadlineExceeded("The request took too long to come."))

    def _end(self, status: int, reason: str, error: ServableError) -> None:
        """Say why, and close the connection."""
        self._guard.broken.at(reason).add()
        log.debug("closed a connection: %s", reason)
        self._stop_waiting()
        # While an earlier request is answered, this would pass for its answer.
        if self.cycle is None or self.cycle.response_complete:
            if not self._guard.options.hints:
                error.hint = ""
            body = error_body(error)
            head = (
                f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


_PHRASES = {
    400: "Bad Request",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def _too_large() -> ResourceExhausted:
    return ResourceExhausted("The head of the request is too large.")
