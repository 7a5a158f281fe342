"""Requests over gRPC, by the completion queue of gRPC's core.

One thread starts calls and takes what has ended from the queue. Of the ways that grpcio has
this takes the least of the processor for a request: in one run with an echo server and 8
clients on a shared machine 0.16 ms, where asyncio on uvloop took 0.20, threads with blocking stubs
0.34 and futures 0.36. The queue is no public interface of grpcio, but the one that its own
stubs are written with, unchanged from grpcio 1.60 to 1.85; nothing else in the package
touches it.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

from servable.bench import batch_note
from servable.bench.batch_note import BatchNote
from servable.bench.messages import Completion, Request, Target
from servable.client.grpc_channel import HINT_KEY
from servable.errors import Code

_OPTIONS = (
    (b"grpc.use_local_subchannel_pool", 1),  # a connection of its own for each carrier
    (b"grpc.max_receive_message_length", -1),
    (b"grpc.max_send_message_length", -1),
    (b"grpc.enable_retries", 0),
    (b"grpc.initial_reconnect_backoff_ms", 100),
)
_NO_FLAGS = 0
_MOST_TEXT = 500
_NO_SERVER = "onnect to all addresses"  # gRPC's own words; no server says them
_NAMES = {code.value: code.name for code in Code}


class GrpcCarrier:
    """A `Carrier` over one connection; it may have any number of slots."""

    def __init__(self, target: Target) -> None:
        self._core: Any = importlib.import_module("grpc._cython.cygrpc")  # it has no types
        self._channel = self._core.Channel(target.address.encode(), _OPTIONS, None)
        self._timeout = target.timeout

    def send(self, slot: int, request: Request) -> None:
        """Start a call; see `Carrier`."""
        core = self._core
        operations = (
            core.SendInitialMetadataOperation(None, _NO_FLAGS),
            core.SendMessageOperation(request.body, _NO_FLAGS),
            core.SendCloseFromClientOperation(_NO_FLAGS),
            core.ReceiveInitialMetadataOperation(_NO_FLAGS),
            core.ReceiveMessageOperation(_NO_FLAGS),
            core.ReceiveStatusOnClientOperation(_NO_FLAGS),
        )
        self._channel.integrated_call(
            _NO_FLAGS,
            request.path.encode(),
            None,
            time.time() + self._timeout,
            None,
            None,
            ((operations, slot),),
            None,
        )

    def receive(self) -> Completion:
        """Wait for the next event; see `Carrier`."""
        event = self._channel.next_call_event()
        message, status = event.batch_operations[4:]
        code = status.code()
        if not code:
            return Completion(event.tag, "", "", message.message(), False, status)
        text = str(status.details() or "")
        name = _NAMES.get(code, f"code {code}")
        return Completion(event.tag, name, text[:_MOST_TEXT], b"", _NO_SERVER in text, status)

    def batch_note(self, completion: Completion) -> BatchNote | None:
        """Look into the trailing metadata; see `Carrier`."""
        found = _trailing(completion, batch_note.HEADER)
        return batch_note.parse(found) if found else None

    def hint(self, completion: Completion) -> str:
        """Look into the trailing metadata; see `Carrier`."""
        return _trailing(completion, HINT_KEY)

    def content_type(self, completion: Completion) -> str:  # noqa: ARG002
        """gRPC has one kind of answers."""
        return ""

    def close(self) -> None:
        """Close the channel."""
        self._channel.close(self._core.StatusCode.cancelled, "the load has ended")


def _trailing(completion: Completion, key: str) -> str:
    status: Any = completion.head
    for name, value in status.trailing_metadata() or ():
        if name == key and isinstance(value, str):
            return value
    return ""
