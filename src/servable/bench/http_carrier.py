"""Requests over HTTP/1.1, on plain sockets that one thread looks after.

The answer to a request is read by `http_answer`, which does what this needs and no more: an
HTTP library would cost more of the processor than many a server.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from contextlib import suppress

import orjson

from servable.bench import batch_note
from servable.bench.batch_note import BatchNote
from servable.bench.http_answer import Answer, AnswerReader, BadAnswer, header
from servable.bench.messages import Completion, Request, Target
from servable.client.probe import split_address

NO_CONNECTION = "no connection"
HUNG_UP = "hung up"
TIMED_OUT = "timed out"
NO_HTTP = "no HTTP answer"

_TICK = 1.0
_PIECE = 2**18
_MOST_TEXT = 500
_WAKE = None  # the data under which the selector knows the socket that wakes it


class HttpCarrier:
    """A `Carrier` with one connection for each slot."""

    def __init__(self, target: Target, slots: int) -> None:
        self._target = target
        self._tick = min(_TICK, target.timeout)
        self._next_look = 0.0
        self._address = split_address(target.address)
        self._connections = [_Connection(slot) for slot in range(slots)]
        self._selector = selectors.DefaultSelector()
        # By identity: hashing a request would read all of it. Kept, so that no other has it.
        self._messages: dict[int, tuple[Request, bytes]] = {}
        self._ended: deque[Completion] = deque()
        self._lock = threading.Lock()  # around connections and the selector's list of them
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, _WAKE)

    def send(self, slot: int, request: Request) -> None:
        """Write a request to the slot's connection, opening it if need be; see `Carrier`."""
        connection = self._connections[slot]
        with self._lock:
            before = len(self._ended)
            connection.begin(self._message(request))
            self._write(connection)
            if len(self._ended) > before:  # it failed, and another thread may be waiting
                with suppress(BlockingIOError):  # it has been woken more than often enough
                    self._waker.send(b"\0")

    def receive(self) -> Completion:
        """Wait until an answer is complete; see `Carrier`."""
        while not self._ended:
            events = self._selector.select(self._tick)
            with self._lock:
                if time.monotonic() >= self._next_look:
                    self._give_up_old_ones()
                for key, mask in events:
                    if key.data is _WAKE:
                        self._woken.recv(_PIECE)
                    elif mask & selectors.EVENT_READ:
                        self._read(key.data)
                    else:
                        self._write(key.data)
        return self._ended.popleft()

    def batch_note(self, completion: Completion) -> BatchNote | None:
        """Look into the head; see `Carrier`."""
        if not isinstance(completion.head, bytes):
            return None
        found = header(completion.head, batch_note.HEADER.encode())
        return batch_note.parse(found.decode("latin-1")) if found else None

    def hint(self, completion: Completion) -> str:
        """Look into the body; see `Carrier`."""
        return _member(completion.data, "hint")

    def content_type(self, completion: Completion) -> str:
        """Return what `answers` needs of the head: the type, and a plain tensor's form."""
        if not isinstance(completion.head, bytes):
            return ""
        names = (b"content-type", b"x-tensor-name", b"x-tensor-dtype", b"x-tensor-shape")
        return "\n".join(header(completion.head, name).decode("latin-1") for name in names)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            self._hang_up(connection)
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def _message(self, request: Request) -> bytes:
        """Return all that is sent, put together once for each request."""
        known = self._messages.get(id(request))
        if known is not None:
            return known[1]
        head = (
            f"POST {request.path} HTTP/1.1\r\nHost: {self._target.address}\r\n"
            f"Content-Length: {len(request.body)}\r\n"
        )
        message = b"".join((head.encode(), request.headers, b"\r\n", request.body))
        self._messages[id(request)] = request, message
        return message

    def _write(self, connection: _Connection) -> None:
        """Send what is left to send of a request, as much as the socket takes."""
        try:
            if connection.socket is None:
                connection.socket = self._opened()
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.push(connection.socket)
        except OSError as error:
            self._broke(connection, error)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.left else 0)
        if wanted != connection.watched:
            self._selector.modify(connection.socket, wanted, connection)
            connection.watched = wanted

    def _read(self, connection: _Connection) -> None:
        if connection.socket is None:
            return
        try:
            data = connection.socket.recv(_PIECE)
            if not connection.busy:  # the server closes what was idle for long
                self._hang_up(connection)
                return
            answer = connection.reader.feed(data) if data else connection.reader.ended()
        except BlockingIOError:
            return
        except OSError as error:
            self._broke(connection, error)
            return
        except BadAnswer as error:
            self._fail(connection, NO_HTTP, str(error))
            return
        if answer is not None:
            self._answered(connection, answer)
        elif not data:
            self._broke(connection, ConnectionResetError("the server closed the connection"))

    def _answered(self, connection: _Connection, answer: Answer) -> None:
        connection.busy = False
        connection.used = True
        if not answer.keeps or connection.left:
            self._hang_up(connection)
        error = text = ""
        if answer.status != 200:
            error, text = f"HTTP {answer.status}", _error_text(answer.body)
        self._ended.append(
            Completion(connection.slot, error, text, answer.body, False, answer.head)
        )

    def _broke(self, connection: _Connection, error: OSError) -> None:
        """Ask once more if the server had closed an idle connection; else the request failed."""
        again = connection.used and not connection.reader.begun
        lost = connection.socket is None
        self._hang_up(connection)
        if again:
            connection.begin(connection.message)
            self._write(connection)
            return
        why = error.strerror or str(error)
        self._fail(connection, NO_CONNECTION if lost else HUNG_UP, why, lost=lost)

    def _fail(self, connection: _Connection, error: str, text: str, *, lost: bool = False) -> None:
        self._hang_up(connection)
        connection.busy = False
        self._ended.append(Completion(connection.slot, error, text[:_MOST_TEXT], b"", lost, None))

    def _give_up_old_ones(self) -> None:
        now = time.monotonic()
        self._next_look = now + self._tick
        limit = now - self._target.timeout
        for connection in self._connections:
            if connection.busy and connection.began < limit:
                self._fail(connection, TIMED_OUT, f"no answer within {self._target.timeout:g} s")

    def _opened(self) -> socket.socket:
        opened = socket.create_connection(self._address, timeout=self._target.timeout)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setblocking(False)
        return opened

    def _hang_up(self, connection: _Connection) -> None:
        if connection.socket is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()
        connection.socket = None
        connection.used = False
        connection.watched = selectors.EVENT_READ


class _Connection:
    """A slot: its connection if there is one, and the request that is under way if one is."""

    __slots__ = (
        "began", "busy", "left", "message", "reader", "slot", "socket", "used", "watched",
    )  # fmt: skip

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.socket: socket.socket | None = None
        self.message = b""
        self.left: memoryview | bytes = b""
        self.reader = AnswerReader()
        self.busy = False
        self.used = False  # an answer has come over it before
        self.began = 0.0
        self.watched = selectors.EVENT_READ

    def begin(self, message: bytes) -> None:
        self.message = self.left = message
        self.reader = AnswerReader()
        self.busy = True
        self.began = time.monotonic()

    def push(self, to: socket.socket) -> None:
        """Send what the socket takes now; raises OSError if it is broken."""
        try:
            while self.left:
                sent = to.send(self.left)
                self.left = memoryview(self.left)[sent:] if sent < len(self.left) else b""
        except BlockingIOError:
            return


def _error_text(body: bytes) -> str:
    return _member(body, "error") or body[:_MOST_TEXT].decode("utf-8", "replace")


def _member(body: bytes, name: str) -> str:
    """Return a member of an error's JSON; "" if it is none, or has no such member."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    found = document.get(name, "") if isinstance(document, dict) else ""
    return str(found)[:_MOST_TEXT]
