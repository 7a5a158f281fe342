"""One HTTP/1.1 connection, with bounds on what a stranger may make it keep.

Requests are answered one after the other, in their order. Everything that a client can be slow
at has an end, which is looked for now and then: no request pays for a timer.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from time import monotonic
from typing import Protocol

from servable.errors import (
    DeadlineExceeded,
    ResourceExhausted,
    ServableError,
    Unavailable,
)
from servable.metrics.families import Family, Number
from servable.transport.http_exchange import Application, Exchange, Head
from servable.transport.http_intake import LONG_BYTES, Intake
from servable.transport.http_parse import Parser
from servable.transport.options import RestOptions
from servable.transport.rest_body import DRAIN_SECONDS, MIN_BYTES_PER_SECOND, BodyTooSlowError
from servable.transport.rest_pages import JSON, Headers, Reply

log = logging.getLogger(__name__)

LINGER_SECONDS = 5.0
"""How long what a client still sends is taken, and thrown away, after the last answer."""

LAST_CHANCE_SECONDS = 0.25
"""How long a connection may be silent when the server has closed its port: a request that was
sent before may still be on its way."""

CLOSE_SECONDS = 2.0
"""How long a client may take to close its end when the server stops. Over TLS it is asked
to, and need not."""

_STATUSES = {
    "too_many_connections": 503,
    "slow_head": 408,
    "large_head": 431,
    "many_headers": 431,
    "not_http": 400,
}
"""What is said to who has sent no request, by what metrics call it."""

TAKE_SECONDS = 30.0
"""How long a client may take nothing at all of an answer."""

_TURN_REQUESTS = 64
"""How many requests that came together are answered before other connections have their turn."""

_TOGETHER_BYTES = 2**16
"""Longer bodies are sent apart from their heads, since joining them is a copy."""


class Crowd(Protocol):
    """The connections of a server."""

    @property
    def size(self) -> int:
        """How many there are."""

    def join(self, connection: HttpConnection) -> None:
        """Hear that a connection was made."""

    def leave(self, connection: HttpConnection) -> None:
        """Hear that it is lost."""


@dataclass
class Guard:
    """What the connections of one server have in common.

    Attributes:
        app: answers.
        options: the bounds.
        broken: counts connections that are ended, by reason.
        draining: the server stops soon: each answer is the last of its connection.
    """

    app: Application
    options: RestOptions
    broken: Family[Number]
    draining: bool = False


class HttpConnection(asyncio.Protocol):
    """A client. For the event loop's thread, but for `is_closing`.

    Attributes:
        scheme, client, server: see `http_exchange.Connection`.
    """

    def __init__(self, guard: Guard, crowd: Crowd, *, secure: bool) -> None:
        self._guard = guard
        self._crowd = crowd
        self._parser = Parser(self, guard.options, self._begun)
        self._queue: deque[Exchange] = deque()
        self._advancing = False
        self._paused = False  # the client does not take what it is sent
        self._deaf = False  # what comes is thrown away
        self._lost = False
        self._held = False  # nothing is read, since requests wait that were sent together
        self._leaving = False  # the server stops
        self._drops = guard.options.max_body_bytes  # bytes that are thrown away, at most
        self._unsent = 0  # of answers, when that was last looked at
        self._deadline = math.inf
        self._expire: Callable[[], None] = self._close
        self.scheme = "https" if secure else "http"
        self.client = ""
        self.server: tuple[str, int | None] = ("localhost", None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take up a connection, unless there are too many."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # is one
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.client = peer[0] if isinstance(peer, tuple) else ""
        self.server = here[:2] if isinstance(here, tuple) else self.server
        self._await_head()
        self._crowd.join(self)
        if self._crowd.size > self._guard.options.max_connections:
            error = ResourceExhausted("This server has too many connections.")
            self._break("too_many_connections", error)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Forget the client."""
        self._lost = True
        for exchange in self._queue:
            exchange.over = exchange.replied
        self._queue.clear()
        self._crowd.leave(self)

    def pause_writing(self) -> None:
        """Answer nothing more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on to answer."""
        self._paused = False
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._deaf:
            self._drop(len(data))
            return
        self._parser.feed(data)
        if self._parser.broken is not None:
            self._break(*self._parser.broken)
        self._advance()
        latest = self._parser.latest
        if latest is not None and latest.length >= LONG_BYTES and not self._deaf:
            rest = self._parser.rest
            if rest >= LONG_BYTES:
                self._transport.set_protocol(Intake(self, latest, rest))

    def rest_came(self, size: int, *, ended: bool) -> None:
        """Go on when a part of a long body has come; see `http_intake.Host`."""
        if ended:
            self._transport.set_protocol(self)
            self._parser.end_body()
        if self._deaf:
            self._drop(size)
        else:
            self._advance()

    # What exchanges call.

    def is_closing(self) -> bool:
        """Whether nobody waits for an answer any more; from any thread."""
        return self._lost or self._transport.is_closing()

    def say_continue(self) -> None:
        """Tell a client to send the body that it asked about."""
        if not self._deaf:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def reply(self, exchange: Exchange, reply: Reply) -> None:
        """Send the answer to the oldest request."""
        exchange.replied = True
        exchange.running = False
        if self._lost or self._transport.is_closing():
            return
        last = len(self._queue) == 1
        if (last and (self._guard.draining or self._deaf)) or _closes(reply):
            exchange.keep_alive = False
        head = _head(exchange, reply)
        if exchange.head.method == "HEAD":
            self._transport.write(head)
        elif len(reply.body) < _TOGETHER_BYTES:
            self._transport.write(head + reply.body)
        else:
            self._transport.write(head)
            self._transport.write(reply.body)
        self._advance()

    # What the server calls.

    def go_away(self) -> None:
        """Answer what was asked, and close; see `loop_server.Connection`."""
        self._leaving = True
        loop = asyncio.get_running_loop()
        loop.call_later(LAST_CHANCE_SECONDS, self._close_if_silent)
        loop.call_later(CLOSE_SECONDS, self._abort_if_idle)
        if self._queue and not self._queue[0].running:
            self._deadline = min(self._deadline, monotonic() + DRAIN_SECONDS)

    def cut_off(self) -> None:
        """Tell who waits that the server stops; see `loop_server.Connection`."""
        for exchange in list(self._queue):
            self._give_up(exchange, _stopping())
        self._close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def look(self, now: float) -> None:
        """See whether the client, or a model, takes too long."""
        if now >= self._deadline and not self._lost:
            self._deadline = math.inf
            self._expire()

    # Order.

    def _begun(self, exchange: Exchange) -> None:
        self._queue.append(exchange)

    def _advance(self) -> None:
        """Go on with the oldest request, and with those behind it once it is answered."""
        if self._advancing:
            return
        self._advancing = True
        try:
            for _ in range(_TURN_REQUESTS):
                if not self._queue or self._paused or self._transport.is_closing():
                    break
                exchange = self._queue[0]
                self._go_on_with(exchange)
                if not (exchange.replied and exchange.complete):
                    break
                self._queue.popleft()
                self._expire = self._close_idle  # its time is none of the next one's
                if not exchange.keep_alive:
                    self._close()
            else:
                asyncio.get_running_loop().call_soon(self._advance)
        finally:
            self._advancing = False
        if self._held or len(self._queue) > 1:
            self._hold_or_release()
        self._set_deadline()

    def _go_on_with(self, exchange: Exchange) -> None:
        app = self._guard.app
        if not exchange.begun:
            exchange.begun = monotonic()
            app.begin(exchange)
        if exchange.replied or exchange.running:
            pass
        elif exchange.complete or exchange.fault is not None:
            exchange.running = True
            app.complete(exchange)
        if exchange.replied and not exchange.complete and not exchange.keep_alive:
            self._close()

    def _hold_or_release(self) -> None:
        """Read no more than one request ahead."""
        hold = len(self._queue) > 1 and not self._deaf
        if hold != self._held and not self._transport.is_closing():
            self._held = hold
            if hold:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # Time.

    def _set_deadline(self) -> None:
        if self._transport.is_closing() or (self._deaf and not self._queue):
            return
        options = self._guard.options
        if not self._queue:
            if not self._parser.in_head:
                self._deadline = monotonic() + options.keep_alive_seconds
                self._expire = self._close_idle
            elif self._expire != self._head_is_late:
                self._await_head()
            return
        exchange = self._queue[0]
        if exchange.running:
            if self._expire != self._answer_is_late:
                seconds = options.timeout_seconds
                self._deadline = math.inf if seconds is None else monotonic() + seconds
                self._expire = self._answer_is_late
        elif exchange.replied and exchange.complete:
            if self._expire != self._see_whether_taken:
                self._await_taking()
        elif exchange.replied:
            if self._expire != self._close:
                # It was answered before its body was read. The client need not send it to the
                # end, but is not waited for either.
                self._deadline = monotonic() + LINGER_SECONDS
                self._expire = self._close
        else:
            seconds = options.body_seconds + exchange.length / MIN_BYTES_PER_SECOND
            if self._leaving:
                seconds = min(seconds, DRAIN_SECONDS)
            self._deadline = exchange.begun + seconds
            self._expire = self._body_is_late

    def _await_head(self) -> None:
        self._deadline = monotonic() + self._guard.options.head_seconds
        self._expire = self._head_is_late

    def _head_is_late(self) -> None:
        self._break("slow_head", DeadlineExceeded("The request took too long to come."))
        self._advance()

    def _body_is_late(self) -> None:
        exchange = self._queue[0]
        if self._leaving:
            exchange.fault = _stopping()
        else:
            exchange.fault = BodyTooSlowError(
                "The request body took too long to come.",
                hint=f"Send at least {MIN_BYTES_PER_SECOND} bytes a second.",
            )
        exchange.keep_alive = False
        self._advance()

    def _answer_is_late(self) -> None:
        seconds = self._guard.options.timeout_seconds
        self._give_up(
            self._queue[0],
            DeadlineExceeded(
                "Timed out waiting for notification",
                hint=f"The server gives a request {seconds:g} seconds.",
            ),
        )

    def _close_idle(self) -> None:
        if self._transport.get_write_buffer_size():
            self._await_taking()
        else:
            self._close()

    def _await_taking(self) -> None:
        self._unsent = self._transport.get_write_buffer_size()
        self._deadline = monotonic() + TAKE_SECONDS
        self._expire = self._see_whether_taken

    def _see_whether_taken(self) -> None:
        """Wait on for a client that takes its answer slowly, but not for one that does not."""
        unsent = self._transport.get_write_buffer_size()
        if unsent and unsent < self._unsent:
            self._await_taking()
        else:
            self._transport.abort()

    def _give_up(self, exchange: Exchange, error: ServableError) -> None:
        """Answer a request with an error, and drop the answer that may still come."""
        if not exchange.replied:
            self._expire = self._close
            self._guard.app.refuse(exchange, error)
            exchange.over = True

    # Ends.

    def _break(self, reason: str, error: ServableError) -> None:
        """Listen to nothing more; say why, after what is asked already was answered."""
        if self._deaf:
            return
        self._guard.broken.at(reason).add()
        log.debug("ended a connection: %s", reason)
        latest = self._parser.latest
        self._deaf = True
        if latest is not None and latest in self._queue and not latest.complete:
            # It broke off; it is answered in its turn, if it was not.
            latest.fault = latest.fault or error
            latest.keep_alive = False
            latest.complete = latest.replied
            return
        if self._queue:
            # To say it now would pass for the answer to a request that came before.
            return
        reply = self._guard.app.refusal(error)
        exchange = Exchange(self, Head("GET", ""))
        reply = Reply(_STATUSES[reason], reply.body)
        self._transport.write(_head(exchange, reply) + reply.body)
        self._close()

    def _close(self) -> None:
        """Say nothing more, and close; first take what the client may still be sending.

        A connection that is closed with unread data in it is reset, and then the client may
        never see the answer.
        """
        if self._transport.is_closing():
            return
        unread = self._deaf or (bool(self._queue) and not self._queue[0].complete)
        if self._parser.ended and self._transport.can_write_eof():
            unread = True  # nothing was read but the body: more may have come
        if not unread or self._leaving:
            self._shut()
            return
        self._deaf = True
        if self._parser.latest is not None and not self._parser.latest.complete:
            self._parser.latest.over = True
        self._queue.clear()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._held:
            self._held = False
            self._transport.resume_reading()
        self._deadline = monotonic() + LINGER_SECONDS
        self._expire = self._shut

    def _drop(self, size: int) -> None:
        """Throw away what came, and close if that gets too much."""
        self._drops -= size
        if self._drops < 0:
            self._shut()

    def _shut(self) -> None:
        """Close when the client has taken what it was sent, or takes no more of it."""
        self._transport.close()
        self._await_taking()

    def _close_if_silent(self) -> None:
        if not self._queue and not self._parser.in_head:
            self._shut()

    def _abort_if_idle(self) -> None:
        if not (self._queue or self._lost or self._transport.get_write_buffer_size()):
            self._transport.abort()


def _stopping() -> Unavailable:
    return Unavailable("The server is stopping.", hint="Send it again later.")


def _closes(reply: Reply) -> bool:
    return reply.headers is not JSON and (b"connection", b"close") in reply.headers


_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_date: tuple[int, bytes] = (0, b"")


def _head(exchange: Exchange, reply: Reply) -> bytes:
    line = _LINES.get(reply.status) or b"HTTP/1.1 %d Error\r\n" % reply.status
    fields = _CONSTANT.get(reply.headers) or _fields(reply.headers)
    connection = b""
    if not exchange.keep_alive:
        connection = b"connection: close\r\n"
    elif exchange.head.old:
        connection = b"connection: keep-alive\r\n"
    return b"%bdate: %b\r\n%b%bcontent-length: %d\r\n\r\n" % (
        line,
        _now(),
        fields,
        connection,
        len(reply.body),
    )


def _fields(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in headers if field[0] != b"connection"])


_CONSTANT = {JSON: _fields(JSON)}
"""What most answers have."""


def _now() -> bytes:
    """Return the date as HTTP writes it; made once a second."""
    global _date  # noqa: PLW0603
    second = int(time.time())
    if _date[0] != second:
        _date = second, formatdate(second, usegmt=True).encode()
    return _date[1]
