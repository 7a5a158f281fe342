"""HTTP/1.1 requests from bytes, by httptools, which parses in C."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import httptools

from servable.errors import InvalidArgument, ServableError
from servable.transport.http_exchange import Exchange, Head
from servable.transport.rest_body import BodyTooLargeError, HeadTooLargeError

if TYPE_CHECKING:
    from servable.transport.http_exchange import Connection
    from servable.transport.options import RestOptions

log = logging.getLogger(__name__)

_LENGTH = b"content-length"
_LONGEST_LENGTH = 20  # digits

NOT_HTTP = "Invalid HTTP request received."


class Parser:
    """Makes exchanges of what a client sends.

    A request's head may be longer than allowed by one read of the socket before that is
    noticed.

    Args:
        connection: whose they are.
        options: the bounds.
        begun: is called with each, once its head has come.

    Attributes:
        in_head: whether a head has begun that has not come whole.
        latest: the last exchange, whose body may not have come whole.
        ended: whether a long body was the last that the client means to send.
        broken: what is wrong with what came, if it can not be understood any more, and what
            metrics call that.
    """

    def __init__(
        self, connection: Connection, options: RestOptions, begun: Callable[[Exchange], None]
    ) -> None:
        self._connection = connection
        self._options = options
        self._begun = begun
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._declared = b""
        self._raw: tuple[object, ...] = ()  # what the latest head was read from
        self._head: Head | None = None
        self._head_bytes = 0  # of reads since the one that it, or its trailers, began in
        self._heard = False  # whether a read brought anything but a part of a head
        self.in_head = False
        self.ended = False
        self.latest: Exchange | None = None
        self.broken: tuple[str, ServableError] | None = None

    @property
    def rest(self) -> int:
        """Bytes of the latest request's body that are to come; 0 if that is not known.

        Also if there is no use in them.
        """
        latest = self.latest
        if latest is None or latest.complete or latest.replied or latest.fault is not None:
            return 0
        promised = latest.promised
        if promised > self._options.max_body_bytes:
            return 0
        return max(0, int(promised) - latest.length)

    def end_body(self) -> None:
        """Take note that the rest of the latest request's body came another way."""
        self._parser = httptools.HttpRequestParser(self)
        if self.latest is not None:
            self.latest.complete = True
            self.ended = not self.latest.head.keep_alive

    def feed(self, data: bytes) -> None:
        """Take what came; see `broken` afterwards."""
        if self.ended:  # as the parser does that reads to the end of a body
            if data.strip(b"\r\n"):
                self._break("not_http", InvalidArgument(NOT_HTTP))
            return
        continued, self._heard = self.in_head, False
        rest = memoryview(data)
        try:
            while rest and not self.broken:
                rest = rest[self._parse(rest) :]
        except httptools.HttpParserError:
            self._break("not_http", InvalidArgument(NOT_HTTP))
        # The parser keeps what it has of a header, of the trailers after a chunked body too.
        if not self._heard and (continued or not self.in_head):
            self._head_bytes += len(data)
            if self._head_bytes > self._options.max_head_bytes:
                self._break("large_head", _too_large())
        if len(self._headers) > self._options.max_headers:
            self._break("many_headers", _too_large())

    def _parse(self, data: memoryview) -> int:
        """Take what comes before another request; return how many bytes that was."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self.broken:
                self._go_on_in_http()
            taken: int = upgrade.args[0]
            return taken
        return len(data)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._url = b""
        self._headers = []
        self._declared = b""
        self._head_bytes = 0
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a part of the request line."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        name = name.lower()
        if name != _LENGTH:
            self._headers.append((name, value))
        elif not self._declared:
            self._declared = value

    def on_headers_complete(self) -> None:
        """Begin a request."""
        if self.broken:
            return
        self.in_head = False
        self._heard = True
        self._head_bytes = 0
        parser = self._parser
        raw = (parser.get_method(), self._url, parser.get_http_version(), self._headers)
        if raw != self._raw or self._head is None or len(self._declared) > _LONGEST_LENGTH:
            if self._wants_upgrade():
                return
            self._raw, self._head = raw, self._read_head()
            if self._head is None:
                return
        self._headers = []  # trailers are no headers of the request
        self.latest = exchange = Exchange(self._connection, self._head, self._declared)
        self._begun(exchange)

    def _read_head(self) -> Head | None:
        """Return the head that has come; None for one that is not taken, see `broken`."""
        parser, headers = self._parser, self._headers
        length = len(self._url) + sum([len(name) + len(value) for name, value in headers])
        count = len(headers)
        if self._declared:
            length += len(_LENGTH) + len(self._declared)
            count += 1
        if length > self._options.max_head_bytes or count > self._options.max_headers:
            self._break("large_head", _too_large())
            return None
        target = _target(self._url)
        # CONNECT asks for a tunnel: what follows it is no HTTP.
        if target is None or parser.get_method() == b"CONNECT":
            self._break("not_http", InvalidArgument(NOT_HTTP))
            return None
        return Head(
            parser.get_method().decode(),
            target,
            headers,
            keep_alive=parser.should_keep_alive(),
            old=parser.get_http_version() == "1.0",
        )

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._heard = True
        self._head_bytes = 0
        exchange = self.latest
        if exchange is None or exchange.replied or exchange.fault is not None:
            return
        exchange.length += len(body)
        if exchange.length > self._options.max_body_bytes:
            exchange.chunks.clear()
            exchange.fault = body_too_large(self._options.max_body_bytes)
        else:
            exchange.chunks.append(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._heard = True
        if self.latest is not None and not self.broken and not self._wants_upgrade():
            self.latest.complete = True

    def _wants_upgrade(self) -> bool:
        """Whether the request at hand also asks for another protocol; none is spoken here.

        Java's own client does so with each request until it is answered in HTTP/2.
        """
        return self._parser.should_upgrade() and self._parser.get_method() != b"CONNECT"

    def _go_on_in_http(self) -> None:
        """Take up a request that asked for another protocol: its parser left the body out."""
        log.debug("went on in HTTP/1.1 with a client that asked for another protocol")
        version = self._parser.get_http_version().encode()
        head = [b"%b %b HTTP/%b" % (self._parser.get_method(), self._url, version)]
        head += [name + b": " + value for name, value in self._headers if name != b"upgrade"]
        if self._declared:
            head.append(_LENGTH + b": " + self._declared)
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"\r\n".join([*head, b"", b""]))

    def _break(self, reason: str, error: ServableError) -> None:
        if self.broken is None:
            self.broken = reason, error


def body_too_large(most: int) -> BodyTooLargeError:
    """Return what a client is told whose body is too long."""
    return BodyTooLargeError(
        f"The request body is longer than {most} bytes.",
        hint="Send fewer instances at once, or use gRPC, which takes larger requests.",
    )


def _too_large() -> HeadTooLargeError:
    return HeadTooLargeError("The head of the request is too large.")


def _target(url: bytes) -> str | None:
    """Return path and query; None for what is no URL."""
    if not url.startswith(b"/") or b"#" in url:
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserError:
            return None
        url = (parsed.path or b"") + (b"?" + parsed.query if parsed.query else b"")
    return url.decode("utf-8", "surrogateescape")
