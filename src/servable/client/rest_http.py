"""HTTP/1.1 exchanges with one server: pooled connections, deadlines, retries."""

from __future__ import annotations

import gzip as gzip_format
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from servable.client import tls_probe
from servable.client.failures import error_for_http
from servable.client.rest_json import parse
from servable.client.settings import Retries, Tls
from servable.errors import DeadlineExceeded, Internal, ServableError, Unavailable

_CHUNK = 2**20
_WHICH_PORT = "Is the server running, and is this its REST port?"
_HUNG_UP = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an HTTP status and a body."""

    status: int
    body: bytes


class Http:
    """Carries requests to one server. May be used from many threads at once.

    Every request gets a connection for itself; when it is done, the connection is kept
    for the next one.

    Args:
        address: `host:port`.
        timeout: seconds that one request may take, connecting and retries included.
        retries: what to do when the server is UNAVAILABLE.
        tls: None for plain text.
        gzip: compress what is sent.
        connections: how many idle connections are kept.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float,
        retries: Retries,
        tls: Tls | None,
        gzip: bool,
        connections: int,
    ) -> None:
        self._address = address
        self._timeout = timeout
        self._retries = retries
        self._context = None if tls is None else tls.context()
        self._gzip = gzip
        self._most_idle = connections
        self._idle: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def call(
        self, method: str, path: str, body: bytes | None = None, *, timeout: float | None = None
    ) -> object:
        """Return the parsed JSON of a successful answer.

        Raises:
            ServableError: the server's own code, text and hint where it refused.
            Unavailable: it can not be reached.
            DeadlineExceeded: time ran out, in whichever attempt.
            Internal: the answer is none of this API.
        """
        deadline = _Deadline(self._timeout if timeout is None else timeout)
        delays = self._retries.delays()
        while True:
            try:
                return self._attempt(method, path, body, deadline)
            except _NotHttp:
                raise  # asking again would not change that
            except Unavailable:
                delay = next(delays, None)
                if delay is None or delay >= deadline.left():
                    raise
                time.sleep(delay)

    def close(self) -> None:
        """Close the connections that are idle, and the others as soon as they are."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _attempt(self, method: str, path: str, body: bytes | None, deadline: _Deadline) -> object:
        reply = self._exchange(method, path, body, deadline)
        document = parse(reply.body)
        if reply.status == http.HTTPStatus.OK:
            return document
        if not isinstance(document, dict):
            raise no_answer_of_this_api(document)
        text, hint = str(document.get("error", "")), str(document.get("hint", ""))
        raise error_for_http(reply.status, text, hint)

    def _exchange(self, method: str, path: str, body: bytes | None, deadline: _Deadline) -> Reply:
        # A server may close a connection that was idle. Nothing has been answered then, and
        # asking once more on another connection is safe: no call here changes anything.
        while (connection := self._kept()) is not None:
            try:
                return self._converse(connection, method, path, body, deadline)
            except _HungUp:
                continue
        try:
            return self._converse(self._opened(), method, path, body, deadline)
        except _HungUp as error:
            raise self._unreachable(error.__cause__) from error

    def _converse(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        deadline: _Deadline,
    ) -> Reply:
        with self._translated(deadline), self._lent(connection):
            return self._send(connection, method, path, body, deadline)

    @contextmanager
    def _lent(self, connection: http.client.HTTPConnection) -> Iterator[None]:
        """Keep a connection that did its work; one that failed may hold half an answer."""
        try:
            yield
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    @contextmanager
    def _translated(self, deadline: _Deadline) -> Iterator[None]:
        try:
            yield
        except _HUNG_UP as error:
            raise _HungUp from error
        except TimeoutError as error:
            hint = "" if self._context else tls_probe.mismatch(self._address, None)
            raise DeadlineExceeded(
                f"no answer from {self._address} within {deadline.seconds:g} s",
                hint=hint or "Allow more time, or look at the server's log.",
            ) from error
        except http.client.IncompleteRead as error:
            raise self._unreachable("it hung up in the middle of an answer") from error
        except http.client.HTTPException as error:
            why = "what answers there does not speak HTTP/1.1"
            hint = "" if self._context else tls_probe.mismatch(self._address, None)
            text = self._unreachable(why).message
            raise _NotHttp(text, hint=hint or _WHICH_PORT) from error
        except OSError as error:
            raise self._unreachable(error) from error

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        deadline: _Deadline,
    ) -> Reply:
        headers = {"Content-Type": "application/json"}
        if body is not None and self._gzip:
            body = gzip_format.compress(body, compresslevel=1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        connection.timeout = deadline.checked()
        if connection.sock is None:
            connection.connect()
        socket = connection.sock
        socket.settimeout(deadline.checked())
        connection.request(method, path, body, headers)
        socket.settimeout(deadline.checked())
        response = connection.getresponse()
        chunks = []
        while not response.isclosed():
            socket.settimeout(deadline.checked())
            if chunk := response.read1(_CHUNK):
                chunks.append(chunk)
            elif response.length:
                raise http.client.IncompleteRead(b"", response.length)
            else:
                response.close()
        return Reply(response.status, b"".join(chunks))

    def _kept(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if connection.sock and not self._closed and len(self._idle) < self._most_idle:
                self._idle.append(connection)
                return
        connection.close()

    def _opened(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._address, context=self._context)
        return http.client.HTTPConnection(self._address)

    def _unreachable(self, why: object) -> Unavailable:
        hint = ""
        if self._context is not None and isinstance(why, Exception):
            hint = tls_probe.reason(why)
        elif isinstance(why, _HUNG_UP):
            hint = tls_probe.mismatch(self._address, None)
        return Unavailable(
            f"cannot talk to {self._address} over REST: {why}", hint=hint or _WHICH_PORT
        )


class _HungUp(Exception):
    """The other side closed the connection instead of answering."""


class _NotHttp(Unavailable):
    """What answered does not speak HTTP/1.1."""


class _Deadline:
    """When a call must have ended."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()

    def checked(self) -> float:
        """Return what is left; raise TimeoutError if that is nothing."""
        left = self.left()
        if left <= 0:
            raise TimeoutError
        return left


def no_answer_of_this_api(detail: object) -> ServableError:
    """Return the error for JSON that is not what was asked for."""
    return Internal(
        f"the server's answer is not one of the predict API: {detail!r}",
        hint="Is this address a server that speaks TensorFlow Serving's REST API?",
    )
