"""Writing records behind the back of requests: a bounded queue, and one thread."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from servable.errors import Code, InvalidArgument
from servable.pb import logs_pb2, serving_pb2
from servable.recording import prediction_log
from servable.recording.prediction_log import Kind
from servable.recording.rotation import RotatingFiles

log = logging.getLogger(__name__)

_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer.

    Attributes:
        model: the name that was asked for.
        kind: what was asked.
        request, response: the serialized messages.
        seconds: when, since 1970-01-01 UTC.
    """

    model: str
    kind: Kind
    request: bytes
    response: bytes
    seconds: int


Describe = Callable[[logs_pb2.LogMetadata], None]
"""Fills in what is the same in all records of a log."""

Outcome = Callable[[str, Code], None]
"""Hears what became of an exchange: the model's name, and OK or why it was not written."""


class Collector:
    """Writes exchanges to files, in a thread of its own.

    Args:
        files: where to.
        describe: called for each record, by that thread.
        outcome: called for each exchange, by that thread or by who offered it.
        most, most_bytes: how many exchanges may wait, and how long their messages may be
            together; what comes beyond that is dropped.
    """

    def __init__(
        self,
        files: RotatingFiles,
        describe: Describe,
        outcome: Outcome,
        *,
        most: int = 10_000,
        most_bytes: int = 2**26,
    ) -> None:
        self._files = files
        self._describe = describe
        self._outcome = outcome
        self._most = most
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._waiting: deque[Exchange] = deque()
        self._bytes = 0
        self._stopped = False
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)

    def start(self) -> None:
        """Begin to write. Call once."""
        self._thread.start()

    def offer(self, exchange: Exchange) -> None:
        """Have an exchange written soon, or drop it. Never waits, may be called from any thread."""
        size = len(exchange.request) + len(exchange.response)
        with self._changed:
            fits = len(self._waiting) < self._most and self._bytes + size <= self._most_bytes
            taken = fits and not self._stopped
            if taken:
                self._waiting.append(exchange)
                self._bytes += size
                self._changed.notify()
        if not taken:
            self._outcome(exchange.model, Code.RESOURCE_EXHAUSTED)

    def stop(self) -> None:
        """Write what waits, finish the file, and end the thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
            if self._thread.is_alive():
                log.warning("the request log could not be finished; its disk does not answer")

    def _run(self) -> None:
        while (exchange := self._next()) is not None:
            try:
                self._outcome(exchange.model, self._write(exchange))
            except Exception:
                # Only a fault of ours comes here. The other requests must be logged.
                log.exception("a request could not be logged")
                self._outcome(exchange.model, Code.INTERNAL)
        try:
            self._files.finish()
        except OSError as error:
            log.warning("the last file of a request log: %s", error)

    def _next(self) -> Exchange | None:
        """Return the next exchange, once there is one; None when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopped)
            if not self._waiting:
                return None
            exchange = self._waiting.popleft()
            self._bytes -= len(exchange.request) + len(exchange.response)
            return exchange

    def _write(self, exchange: Exchange) -> Code:
        try:
            spec, data = _exchanged(exchange)
        except InvalidArgument:
            return Code.INVALID_ARGUMENT
        metadata = logs_pb2.LogMetadata(timestamp_secs=exchange.seconds, model_spec=spec)
        self._describe(metadata)
        try:
            self._files.write(prediction_log.with_metadata(metadata, data))
        except OSError as error:
            if not self._failing:
                log.error("requests can not be logged: %s", error)
            self._failing = True
            return Code.UNAVAILABLE
        if self._failing:
            log.info("requests can be logged again")
        self._failing = False
        return Code.OK


def _exchanged(exchange: Exchange) -> tuple[serving_pb2.ModelSpec, bytes]:
    """Return the model that was asked for, and the record without metadata.

    Raises:
        InvalidArgument: no reader could read the request.
    """
    kind, request = exchange.kind, exchange.request
    if kind is Kind.PREDICT:
        # The server has read one message and written the other. They may be large.
        spec = prediction_log.spec_in(request)
        return spec, prediction_log.encode(kind, request, exchange.response)
    data = prediction_log.encode(kind, request, exchange.response)
    try:
        message = prediction_log.parse(data)
    except InvalidArgument:
        # A model may return labels that are no UTF-8, which readers refuse.
        data = prediction_log.encode(kind, request)
        message = prediction_log.parse(data)
    specs = prediction_log.specs_of(prediction_log.request_of(message))
    return specs[0], data
