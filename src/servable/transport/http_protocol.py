"""One HTTP connection: uvicorn's protocol, with bounds on what a stranger may make it keep.

uvicorn bounds neither a request's head nor the time it takes, nor the number of
connections, logs a line for every broken request, and closes connections with unread
data in them, which loses the answer. Bodies are the application's matter.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from servable.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted, ServableError
from servable.metrics.families import Family, Number
from servable.transport.options import RestOptions
from servable.transport.rest_app import CLOSING
from servable.transport.rest_body import FAULT, HeadTooLargeError
from servable.wire.status import error_body

log = logging.getLogger(__name__)

LINGER_SECONDS = 5.0
"""How long what a client still sends is taken, and thrown away, after the last answer."""

LAST_CHANCE_SECONDS = 0.25
"""How long a connection may be silent when the server has closed its port: a request that was
sent before may still be on its way."""


class _Quiet(logging.Logger):
    """Warnings are about what strangers send, a line for each: they become debug messages."""

    def warning(self, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at debug level, if that is logged."""
        log.debug(msg, *args, **kwargs)


def _quiet() -> logging.Logger:
    logger = _Quiet(log.name, logging.WARNING)
    logger.parent = log
    return logger


class _Line:
    """A transport as uvicorn sees it.

    It takes writes after the client has left, and drops them. Of several requests that
    came together, uvicorn tells only the last that the client is gone; uvloop's
    transports refuse to be written to then, which would be logged as an error of the
    application for every such client.

    And it closes without losing what was written: a connection that is closed with unread
    data in it is reset, and then the client may never see the answer. So the rest is
    taken first, for a while.

    Args:
        transport: the real one.
        unread: tells whether the client may still be sending.
        most: bytes that are thrown away before the client is cut off.
    """

    def __init__(self, transport: asyncio.Transport, unread: Callable[[], bool], most: int) -> None:
        self._transport = transport
        self._unread = unread
        self._most = most
        self.ended = False

    def is_closing(self) -> bool:
        """Whether nothing more is to be said."""
        return self.ended or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send data, if there is somebody to send it to."""
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Say nothing more, and close when the client has done the same, or need not."""
        if self.is_closing() or not self._unread():
            if not self.ended:
                self._transport.close()
            return
        self.ended = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        # A timer that outlives the connection closes what is closed.
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)

    def drop(self, size: int) -> None:
        """Throw away what nobody listens to any more, up to a point."""
        self._most -= size
        if self._most < 0:
            self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Whatever else a transport can do."""
        return getattr(self._transport, name)


@dataclass
class Guard:
    """What the connections of one server have in common.

    Attributes:
        options: the bounds.
        broken: counts connections that are ended, by reason.
        logger: what uvicorn logs to.
        draining: the server stops soon: each answer is the last of its connection.
        stopping: it stops: who is silent is not waited for.
    """

    options: RestOptions
    broken: Family[Number]
    logger: logging.Logger = field(default_factory=_quiet)
    draining: bool = False
    stopping: bool = False


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
        self._deaf = False  # what comes can not be understood any more, or is not wanted
        self._head_bytes = 0  # of the chunks after the one that it began in
        self._timer: asyncio.TimerHandle | None = None
        self._last: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take up a connection, unless there are too many."""
        self._line = _Line(transport, self._unread, self._guard.options.max_body_bytes)
        super().connection_made(self._line)  # type: ignore[arg-type] # is one in effect
        if self._guard.stopping:
            self.shutdown()
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
        if self._deaf or self._line.ended:
            self._line.drop(len(data))
            return
        continued = self._in_head
        self._feed(data)
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
        if self._wants_upgrade():
            return
        options = self._guard.options
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > options.max_head_bytes or len(self.headers) > options.max_headers:
            self._end(431, "large_head", _too_large())
            return
        before = self.cycle
        super().on_headers_complete()
        if self._guard.draining:
            if before is not None and before is self._last:
                before.keep_alive = True
            self.close_after_answer()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body; the parser calls this."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the parser calls this."""
        self._stop_waiting()
        if self._wants_upgrade():
            return
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on after an answer; uvicorn calls this."""
        super().on_response_complete()
        # A request may be answered before its body was read. The client need not send it to
        # the end, but is not waited for either.
        if self.cycle.response_complete and self.cycle.more_body:
            self._stop_waiting()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; uvicorn calls this."""
        if not self.transport.is_closing():
            self._end(400, "not_http", InvalidArgument(msg))

    def close_after_answer(self) -> None:
        """Make the answer to the latest request the last one, if it is not there yet."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and cycle.keep_alive:
            cycle.keep_alive = False
            self._last = cycle

    def shutdown(self) -> None:
        """Answer what has been asked, and close; uvicorn calls this when its port is closed."""
        self.close_after_answer()
        self.loop.call_later(LAST_CHANCE_SECONDS, self._close_if_silent)

    def abort_if_idle(self) -> None:
        """Cut the connection if no request is being answered on it."""
        if not self._busy():
            self.transport.abort()

    def _busy(self) -> bool:
        """Whether a request is there that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _unread(self) -> bool:
        return self._deaf or (self.cycle is not None and self.cycle.more_body)

    def _close_if_silent(self) -> None:
        if not self._busy() and not self._in_head:
            self.transport.close()

    def _feed(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_in_http(data[upgrade.args[0] :])

    def _wants_upgrade(self) -> bool:
        """Whether the request at hand also asks for another protocol; none is spoken here.

        Java's own client does so with each request until it is answered in HTTP/2.
        """
        upgrade: bool = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        return upgrade

    def _go_on_in_http(self, rest: bytes) -> None:
        """Take up a request that asked for another protocol: its parser left the body out."""
        log.debug("went on in HTTP/1.1 with a client that asked for another protocol")
        version = self.parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        head += [name + b": " + value for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"\r\n".join([*head, b"", b""]))
        if rest and not self._deaf:
            self._feed(rest)

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
        """Say why, and close the connection; nothing that comes is listened to any more."""
        self._guard.broken.at(reason).add()
        log.debug("closed a connection: %s", reason)
        self._stop_waiting()
        self._deaf = True
        if not self._guard.options.hints:
            error.hint = ""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            # To say it now would pass for the answer to a request that came before, so those
            # are answered first; a request that broke off is told by the application.
            cycle.keep_alive = False
            if cycle.more_body:
                extensions: Any = cycle.scope["extensions"]
                extensions[FAULT] = error
                cycle.more_body = False
                cycle.message_event.set()
            return
        # An answer that came before the end of its request was the last word.
        if cycle is None or not cycle.more_body:
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


def _too_large() -> HeadTooLargeError:
    return HeadTooLargeError("The head of the request is too large.")
