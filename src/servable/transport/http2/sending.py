"""The sending half of a connection: flow control, and frames no larger than the client takes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from servable.transport.http2 import frames
from servable.transport.http2.frames import ConnectionFaultError, Fault
from servable.transport.http2.streams import Stream

_TURN_BYTES = 2**18
"""What a stream sends before others have their turn; no frame is larger."""

_ALONE_BYTES = 2**20
"""What one sends at once where no others wait. Each turn is a round of the event loop: with a
quarter of it DeepLab's answers, of 5.5 MB, were 2 to 9 % fewer a second."""

_EMPTY_TABLE = b"\x20"
"""The dynamic table is to have no entries (RFC 7541, section 6.3)."""


class Sender:
    """Sends what streams have to say as far as the client gives leave. For the loop's thread.

    Args:
        done: is called with each stream that has said all.

    Attributes:
        waiting: streams that could send more if the connection could, in their turn. Those
            whose own window is used up are not among them.
    """

    def __init__(self, done: Callable[[Stream], None]) -> None:
        self._done = done
        self._transport: asyncio.Transport | None = None
        self._gathers = False
        self._window = frames.DEFAULT_WINDOW
        self._frame_bytes = frames.DEFAULT_FRAME_BYTES
        self._paused = False
        self._called = False
        self._table = b""  # what the next block of headers says of the table, before all else
        self.initial_window = frames.DEFAULT_WINDOW
        self.waiting: dict[int, Stream] = {}

    def attach(self, transport: asyncio.Transport | None) -> None:
        """Send over this transport from now on; None drops everything."""
        self._transport = transport
        # asyncio's own `writelines` joins before Python 3.12, and for a year after that it never
        # told that the client takes too little (CVE-2024-12254).
        self._gathers = type(transport).__module__.startswith("uvloop")

    @property
    def paused(self) -> bool:
        """Whether the client takes less than it is sent."""
        return self._paused

    def pause(self) -> None:
        """Send no bodies for now: the transport has enough."""
        self._paused = True

    def resume(self) -> None:
        """Go on."""
        self._paused = False
        self._call_back()

    def write(self, data: bytes | memoryview) -> None:
        """Send a frame that no window limits."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        """Send frames that are in pieces. A call for each would cost more than what they hold."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._gathers:
            self._transport.writelines(parts)
        else:
            self._transport.write(b"".join(parts))

    def answer(
        self, stream: Stream, head: bytes, pieces: Sequence[bytes | memoryview], tail: bytes
    ) -> None:
        """Send all of a stream, at once if that may be."""
        size = sum(map(len, pieces))
        if (
            size > self._frame_bytes
            or size > stream.window
            or size > self._window
            or self._paused
            or stream.outbox
            or self._table
        ):
            self.send_head(stream, head)
            self.send(stream, pieces)
            self.finish(stream, tail)
            return
        self._window -= size
        id = stream.id
        self.write(
            b"".join(
                (
                    frames.head(frames.HEADERS, frames.END_HEADERS, id, len(head)),
                    head,
                    frames.head(frames.DATA, 0, id, size),
                    *pieces,
                    frames.head(frames.HEADERS, _LAST, id, len(tail)),
                    tail,
                )
            )
        )
        self._done(stream)

    def send_head(self, stream: Stream, head: bytes) -> None:
        """Send headers that a body follows."""
        self._write_head(stream.id, frames.END_HEADERS, head)

    def send(self, stream: Stream, pieces: Sequence[bytes | memoryview]) -> None:
        """Send a part of a body, in turn."""
        stream.outbox.extend(memoryview(piece) for piece in pieces if len(piece))
        self._push(stream)

    def finish(self, stream: Stream, tail: bytes) -> None:
        """End a stream once its body is sent."""
        stream.tail = tail
        self._push(stream)

    def drop(self, stream: Stream) -> None:
        """Send nothing more of a stream."""
        self.waiting.pop(stream.id, None)
        stream.outbox.clear()

    def widen(self, stream: Stream | None, more: int) -> None:
        """Take leave to send more: of a stream, or, with None, of the connection.

        Raises:
            ConnectionFaultError: it is more than the protocol has numbers for.
        """
        if stream is None:
            self._window += more
            if self._window > frames.MAX_WINDOW:
                raise ConnectionFaultError(Fault.FLOW_CONTROL_ERROR, "the window is too wide")
            self._go_on()
            return
        stream.window += more
        if stream.window > frames.MAX_WINDOW:
            raise ConnectionFaultError(Fault.FLOW_CONTROL_ERROR, "a stream's window is too wide")
        if stream.outbox and stream.id not in self.waiting:
            self._push(stream)

    def set_frame_bytes(self, size: int) -> None:
        """Send frames up to that size; raises ConnectionFaultError for one that can not be."""
        if not frames.DEFAULT_FRAME_BYTES <= size < 2**24:
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "a frame size that can not be")
        self._frame_bytes = min(size, _TURN_BYTES)

    def set_table_bytes(self, size: int) -> None:
        """Take the size that a table for headers may have. None is used here.

        Who allows less than the usual size has to be told that less is used (RFC 7541, 4.2).
        """
        if size < _USUAL_TABLE_BYTES:
            self._table = _EMPTY_TABLE

    def set_initial_window(self, size: int, streams: dict[int, Stream]) -> None:
        """Take the window that streams begin with; those that are open change with it."""
        if size > frames.MAX_WINDOW:
            raise ConnectionFaultError(Fault.FLOW_CONTROL_ERROR, "the first window is too wide")
        more = size - self.initial_window
        if not more:
            return
        self.initial_window = size
        for stream in list(streams.values()):
            self.widen(stream, more)

    def _go_on(self) -> None:
        """Let the streams that wait have their turns; come back if there are more to come."""
        self._called = False
        left = _TURN_BYTES
        while left > 0 and self._may_send():
            # One that can send nothing waits no longer, so that this ends.
            left -= self._push(next(iter(self.waiting.values())))
        self._call_back()

    def _call_back(self) -> None:
        if not self._called and self._may_send():
            self._called = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _may_send(self) -> bool:
        return bool(self.waiting) and self._window > 0 and not self._paused

    def _push(self, stream: Stream) -> int:
        """Send what may be sent, up to a turn; return how many bytes that is.

        A stream that can not say all has its next turn after all others.
        """
        id, outbox = stream.id, stream.outbox
        turn = _ALONE_BYTES if self.waiting.keys() <= {id} else _TURN_BYTES
        left = 0 if self._paused else min(turn, stream.window, self._window)
        sent = 0
        parts: list[bytes | memoryview] = []
        while outbox and sent < left:
            frame, size = _first_bytes(outbox, min(self._frame_bytes, left - sent))
            parts.append(frames.head(frames.DATA, 0, id, size))
            parts += frame
            sent += size
        if parts:
            stream.window -= sent
            self._window -= sent
            self._write_all(parts)
        self.waiting.pop(id, None)
        if not outbox:
            self._end(stream)
        elif stream.window > 0:
            self.waiting[id] = stream
            self._call_back()
        return sent

    def _end(self, stream: Stream) -> None:
        if stream.tail is not None:
            tail, stream.tail = stream.tail, None
            self._write_head(stream.id, _LAST, tail)
            self._done(stream)

    def _write_head(self, id: int, flags: int, block: bytes) -> None:
        if self._table:
            block, self._table = self._table + block, b""
        self.write(frames.head(frames.HEADERS, flags, id, len(block)) + block)


def _first_bytes(outbox: deque[memoryview], most: int) -> tuple[list[memoryview], int]:
    """Take so many bytes, or all; return them, and how many they are."""
    taken, size = list[memoryview](), 0
    while outbox and size < most:
        piece = outbox[0]
        room = most - size
        if len(piece) <= room:
            outbox.popleft()
        else:
            outbox[0] = piece[room:]
            piece = piece[:room]
        taken.append(piece)
        size += len(piece)
    return taken, size


_USUAL_TABLE_BYTES = 4096
_LAST = frames.END_HEADERS | frames.END_STREAM
