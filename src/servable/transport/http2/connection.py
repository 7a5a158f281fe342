"""One HTTP/2 connection of a server (RFC 9113), with bounds on what a stranger may make it do.

It reads frames and keeps the table of streams; what a request means is the streams' matter.
Nothing is buffered but one frame that has not come whole, and never one of DATA but for those
with padding, which no client of gRPC sends.
"""

from __future__ import annotations

import asyncio
import logging
import math
from time import monotonic

from servable.transport.http2 import frames, greeting
from servable.transport.http2.bounds import Bounds
from servable.transport.http2.crowd import Crowd, Opening
from servable.transport.http2.frames import ConnectionFaultError, Fault, Setting
from servable.transport.http2.greeting import CONNECTION_WINDOW, FRAME_BYTES, STREAM_WINDOW
from servable.transport.http2.heads import MAX_HEAD_BYTES, Heads
from servable.transport.http2.hpack import CompressionError
from servable.transport.http2.rate import Rate
from servable.transport.http2.sending import Sender
from servable.transport.http2.streams import Stream

log = logging.getLogger(__name__)

GREETING_SECONDS = 30.0
"""How long a client may take to say that it speaks HTTP/2."""

FAREWELL_SECONDS = 1.0
"""How long a client is waited for that was told to go."""

FLUSH_SECONDS = 30.0
"""How long a client may take to read the last of what it was sent, when it is closed."""

TURN_STREAMS = 64
"""How many streams a client may begin before other connections have their turn."""

UNREAD_BYTES = 2**20
"""What a client may leave unread, beside bodies, before nothing more is read of it."""

_OURS = b"servable"  # eight bytes, to know our own ping by
_ALIVE = b"alive?\0\0"


class Connection(asyncio.Protocol):
    """A client. For the event loop's thread.

    Args:
        bounds: what it may do.
        opening: makes streams.
        crowd: the connections of the server; this one is among them while it is open.

    Attributes:
        peer: where the client is, as gRPC writes it: `ipv4:127.0.0.1:40000`.
        streams: those that are open, by number.
        sender: sends.
    """

    def __init__(self, bounds: Bounds, opening: Opening, crowd: Crowd) -> None:
        self._bounds = bounds
        self._opening = opening
        self._crowd = crowd
        self.sender = Sender(self._answered)
        self.streams: dict[int, Stream] = {}
        self.peer = ""
        self._rest = b""
        self._greeted = False
        self._heads = Heads(bounds.max_metadata_size)
        self._last_id = 0
        self._room = CONNECTION_WINDOW
        self._data_left = 0  # of a frame of DATA whose beginning has been taken
        self._data_id = 0
        self._data_ends = False
        self._resets = Rate(1000, 1000, "too many streams are given up")
        self._chatter = Rate(5000, 1000, "too many frames to no end")
        self._settings = Rate(100, 20, "too many settings")  # each may concern every stream
        self._begun = 0  # streams, in this turn
        self._held = False  # nothing is read for now
        self._over = False  # the last has been said
        self._over_since = math.inf
        self._leaving = False  # it was told to go
        self._left = False  # what it sends anew is not answered
        self._born = self._heard = self._busy = monotonic()
        self._asked = 0.0

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take up a connection."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment] # is one
        self.peer = greeting.peer(transport)
        self.sender.attach(self._transport)
        self._crowd.join(self)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Forget the client."""
        self.sender.attach(None)
        self._crowd.leave(self)
        streams = list(self.streams.values())
        self.streams.clear()
        self.sender.waiting.clear()
        for stream in streams:
            stream.lose()

    def pause_writing(self) -> None:
        """Send less."""
        self.sender.pause()

    def resume_writing(self) -> None:
        """Go on to send."""
        self.sender.resume()
        if self._held:
            self._go_on()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._over:
            return
        self._heard = monotonic()
        self._asked = 0.0
        self._take(data)

    # What the server calls.

    def go_away(self) -> None:
        """Ask the client to open no more streams; it is closed when those it has are answered."""
        if not self._leaving:
            self._leaving = True
            # Requests that are on their way are still taken. When the client answers the
            # ping it has read this, and sends no more.
            self.sender.write(
                frames.go_away(frames.MAX_WINDOW, Fault.NO_ERROR) + frames.ping(_OURS)
            )
            asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._leave)

    def cut_off(self) -> None:
        """End every stream, and close."""
        self._left = True
        for stream in list(self.streams.values()):
            stream.cut_off()
        self._close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def look(self, now: float) -> None:
        """See whether anything takes too long; called about once a second."""
        bounds = self._bounds
        for stream in list(self.streams.values()):
            stream.look(now)
        if self.streams:
            self._busy = now
        age = now - self._born
        if (
            (not self._greeted and age > GREETING_SECONDS)
            or age > bounds.max_connection_age + bounds.max_connection_age_grace
            or now - self._over_since > self._last_seconds()
        ):
            self.abort()
            return
        if age > bounds.max_connection_age or now - self._busy > bounds.max_connection_idle:
            self.go_away()
        if self._asked:
            if now - self._asked > bounds.keepalive_timeout:
                self.abort()
        elif now - self._heard > bounds.keepalive_time:
            self._asked = now
            self.sender.write(frames.ping(_ALIVE))

    # What streams call.

    def reset(self, stream: Stream, fault: Fault) -> None:
        """End a stream at once."""
        self.sender.drop(stream)
        if self.streams.pop(stream.id, None) is not None:
            self.sender.write(frames.reset(stream.id, fault))
            self._close_if_over()

    # Frames.

    def _take(self, data: bytes) -> None:
        self._begun = 0
        try:
            if self._data_left:
                taken = min(self._data_left, len(data))
                self._data_left -= taken
                self._take_data(self._data_id, data, 0, taken)
                if self._data_left:
                    return
                if self._data_ends:
                    self._half_close(self._data_id)
                data = data[taken:]
            if self._rest:
                data = self._rest + data
                self._rest = b""
            self._rest = data[self._read(data) :]
        except ConnectionFaultError as error:
            self._fail(error.fault, error.text)
        except CompressionError as error:
            self._fail(Fault.COMPRESSION_ERROR, str(error))
        if self._begun >= TURN_STREAMS and not self._over:
            self._hold()
            asyncio.get_running_loop().call_soon(self._go_on)
        elif self._reads_nothing():
            self._hold()

    def _go_on(self) -> None:
        """Read on, if the client does; other connections have had their turn."""
        if not (self._over or self._reads_nothing()):
            self._release()
            self._take(b"")

    def _read(self, data: bytes) -> int:
        """Take all frames that have come whole; return where they end."""
        at, end = 0, len(data)
        if not self._greeted:
            at = self._greet(data)
            if not at:
                return 0
        while end - at >= frames.HEADER_BYTES:
            length, kind, flags, id = frames.read_head(data, at)
            if length > (FRAME_BYTES if kind == frames.DATA else MAX_HEAD_BYTES):
                raise ConnectionFaultError(Fault.FRAME_SIZE_ERROR, "a frame is too large")
            if self._heads.id and (kind != frames.CONTINUATION or id != self._heads.id):
                raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "headers were not ended")
            start = at + frames.HEADER_BYTES
            stop = start + length
            if kind == frames.DATA:
                if not flags & frames.PADDED:
                    self._count(id, length, flags)
                    self._take_data(id, data, start, min(stop, end))
                    if stop > end:
                        self._data_left = stop - end
                        self._data_id, self._data_ends = id, bool(flags & frames.END_STREAM)
                        return end
                else:
                    if stop > end:
                        return at
                    self._count(id, length, flags)
                    piece = frames.unpadded(data[start:stop], flags)
                    if not (piece or flags & frames.END_STREAM):
                        self._chatter.count(self._heard)
                    self._take_data(id, piece, 0, len(piece))
                if flags & frames.END_STREAM:
                    self._half_close(id)
            else:
                if stop > end:
                    return at
                self._other(kind, flags, id, data[start:stop])
            at = stop
            if self._over:
                return end
            if self._begun >= TURN_STREAMS:
                return at
        return at

    def _greet(self, data: bytes) -> int:
        """Answer the client's greeting; return where it ends, 0 if it has not come whole."""
        said = greeting.answer(data, self._bounds)
        if not said:
            return 0
        self.sender.write(said)
        if said is greeting.NOT_HTTP2:
            self._close()
            return len(data)
        self._greeted = True
        return len(frames.PREFACE)

    def _count(self, id: int, length: int, flags: int) -> None:
        """Take away of what the client may send, and give it leave for more."""
        if not id or (id > self._last_id and not self._left):
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "DATA without a stream")
        self._room -= length
        if self._room < 0:
            raise ConnectionFaultError(Fault.FLOW_CONTROL_ERROR, "more DATA than it may send")
        if self._room < CONNECTION_WINDOW // 2:
            self.sender.write(frames.window_update(0, CONNECTION_WINDOW - self._room))
            self._room = CONNECTION_WINDOW
        if not (length or flags & frames.END_STREAM):
            self._chatter.count(self._heard)
        stream = self.streams.get(id)
        if stream is None:
            return
        if stream.ended:
            raise ConnectionFaultError(Fault.STREAM_CLOSED, "DATA after the end of its stream")
        stream.room -= length
        if stream.room < 0:
            raise ConnectionFaultError(Fault.FLOW_CONTROL_ERROR, "more DATA than a stream may send")
        if stream.room < STREAM_WINDOW // 2:
            self.sender.write(frames.window_update(id, STREAM_WINDOW - stream.room))
            stream.room = STREAM_WINDOW

    def _take_data(self, id: int, data: bytes, start: int, stop: int) -> None:
        stream = self.streams.get(id)
        # Of a stream that was answered early, or reset, the rest comes nevertheless.
        if stream is not None and stop > start:
            stream.receive(data, start, stop)

    def _half_close(self, id: int) -> None:
        stream = self.streams.get(id)
        if stream is not None and not stream.ended:
            stream.ended = True
            stream.half_close()

    def _other(self, kind: int, flags: int, id: int, payload: bytes) -> None:
        if kind == frames.HEADERS:
            self._headers(id, flags, payload)
        elif kind == frames.CONTINUATION:
            self._continue(id, flags, payload)
        elif kind == frames.WINDOW_UPDATE:
            self._widen(id, payload)
        elif kind == frames.RST_STREAM:
            self._lose(id, payload)
        elif kind == frames.SETTINGS:
            self._set(id, flags, payload)
        elif kind == frames.PING:
            self._pinged(id, flags, payload)
        elif kind == frames.PUSH_PROMISE:
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "clients push nothing")
        elif kind == frames.GOAWAY:
            self._leaving = self._left = True
            self._close_if_over()
        else:
            # PRIORITY, which nobody heeds, and what later versions may add.
            self._chatter.count(self._heard)

    def _headers(self, id: int, flags: int, payload: bytes) -> None:
        if not id & 1:
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "a client's streams have odd numbers")
        block = frames.unpadded(payload, flags)
        if flags & frames.PRIORITISED:
            if len(block) < 5:
                raise ConnectionFaultError(Fault.FRAME_SIZE_ERROR, "a priority was cut off")
            block = block[5:]
        ends = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._open(id, block, ends=ends)
            return
        self._heads.begin(id, block, ends=ends)

    def _continue(self, id: int, flags: int, payload: bytes) -> None:
        if not self._heads.id:
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "CONTINUATION of nothing")
        self._heads.go_on(payload)
        if flags & frames.END_HEADERS:
            self._open(id, self._heads.end(), ends=self._heads.ends)
        elif not payload:
            self._chatter.count(self._heard)

    def _open(self, id: int, block: bytes, *, ends: bool) -> None:
        fields, too_large = self._heads.decode(block)
        if id <= self._last_id:
            # Trailers: a call has none that mean anything here.
            stream = self.streams.get(id)
            if stream is not None and (stream.ended or not ends):
                raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "headers in the midst of a body")
            self._half_close(id)
            return
        if self._left:
            return
        self._last_id = id
        self._begun += 1
        if len(self.streams) >= self._bounds.max_concurrent_streams:
            self._resets.count(self._heard)
            self.sender.write(frames.reset(id, Fault.REFUSED_STREAM))
            return
        opened = self._opening(self, id, fields, too_large)
        if opened is not None and ends:
            self._half_close(id)

    def add(self, stream: Stream) -> None:
        """Take up a stream, before it says anything."""
        self.streams[stream.id] = stream

    def new_stream_windows(self) -> tuple[int, int]:
        """Return what a new stream may send, and the client on it."""
        return self.sender.initial_window, STREAM_WINDOW

    def _widen(self, id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFaultError(Fault.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong size")
        more = frames.read_word(payload) & 0x7FFFFFFF
        if not more:
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "a window that grows by nothing")
        stream = self.streams.get(id)
        if not id:
            self.sender.widen(None, more)
        elif stream is not None:
            self.sender.widen(stream, more)
        elif id > self._last_id and not self._left:
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "a window without a stream")

    def _lose(self, id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFaultError(Fault.FRAME_SIZE_ERROR, "RST_STREAM of a wrong size")
        if not id or (id > self._last_id and not self._left):
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "RST_STREAM without a stream")
        self._resets.count(self._heard)
        stream = self.streams.pop(id, None)
        if stream is not None:
            self.sender.drop(stream)
            stream.lose()
            self._close_if_over()

    def _set(self, id: int, flags: int, payload: bytes) -> None:
        if id or (flags & frames.ACK and payload):
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "SETTINGS of a stream")
        if flags & frames.ACK:
            return
        self._settings.count(self._heard)
        # First: what the new settings give leave for may follow at once, and clients hold
        # themselves to them only from here on.
        self.sender.write(frames.head(frames.SETTINGS, frames.ACK, 0, 0))
        # Of a setting that comes twice the last counts.
        for key, value in dict(frames.read_settings(payload)).items():
            if key == Setting.INITIAL_WINDOW_SIZE:
                self.sender.set_initial_window(value, self.streams)
            elif key == Setting.MAX_FRAME_SIZE:
                self.sender.set_frame_bytes(value)
            elif key == Setting.HEADER_TABLE_SIZE:
                self.sender.set_table_bytes(value)

    def _pinged(self, id: int, flags: int, payload: bytes) -> None:
        if id or len(payload) != 8:
            raise ConnectionFaultError(Fault.PROTOCOL_ERROR, "a PING that is none")
        if not flags & frames.ACK:
            self._chatter.count(self._heard)
            self.sender.write(frames.ping(payload, ack=True))
        elif payload == _OURS and self._leaving:
            self._leave()

    # Ends.

    def _answered(self, stream: Stream) -> None:
        """A stream has said all."""
        if self.streams.pop(stream.id, None) is None:
            return
        if not stream.ended:
            # The client need not send the rest.
            self.sender.write(frames.reset(stream.id, Fault.NO_ERROR))
        if self._leaving:
            self._close_if_over()

    def _leave(self) -> None:
        if not self._left:
            self._left = True
            self.sender.write(frames.go_away(self._last_id, Fault.NO_ERROR))
        self._close_if_over()

    def _close_if_over(self) -> None:
        if self._left and not self.streams:
            self._close()

    def _close(self) -> None:
        """Say no more, and close when the client does, or has had the time to.

        The system resets a connection that is closed with unread data in it, and then the
        client may never see the last that it was sent.
        """
        if self._over:
            return
        self._over = True
        self._over_since = monotonic()
        self.sender.attach(None)
        self._release()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _last_seconds(self) -> float:
        return FLUSH_SECONDS if self._transport.get_write_buffer_size() else FAREWELL_SECONDS

    def _reads_nothing(self) -> bool:
        """Whether a client leaves so much unread that nothing more of it is to be read.

        Bodies wait for the client as it is; the answers to frames, and errors, do not.
        """
        unread = self.sender.paused and not self._over
        return unread and self._transport.get_write_buffer_size() > UNREAD_BYTES

    def _hold(self) -> None:
        if not self._held:
            self._held = True
            self._transport.pause_reading()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._transport.resume_reading()

    def _fail(self, fault: Fault, text: str) -> None:
        log.debug("a connection from %s is ended: %s", self.peer, text)
        self.sender.write(frames.go_away(self._last_id, fault, text))
        self._left = True
        self._close()
