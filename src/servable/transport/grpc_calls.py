"""gRPC methods around what answers them: admission, deadlines, statuses, metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from typing import TypeAlias

from servable.batching.steps import Steps, complete, steps_of
from servable.contracts import ModelProvider
from servable.errors import Cancelled, Code, DeadlineExceeded, ServableError
from servable.metrics.batches import HEADER
from servable.metrics.families import Number
from servable.metrics.monitor import Metrics
from servable.metrics.requests import CURRENT, Observation
from servable.tensor_wire.message import Message
from servable.transport.admin_access import Access, grpc_caller
from servable.transport.dispatch import Dispatcher
from servable.transport.failures import unforeseen
from servable.transport.grpc_call import Answered, Call, refused
from servable.transport.grpc_services import Answer
from servable.transport.grpc_stream import GrpcStream, Inlet, Method
from servable.transport.pool import RequestPool, too_busy

QUICK = frozenset({"/tensorflow.serving.ModelService/GetModelStatus"})
"""Methods that probes ask: they are answered however many predictions wait."""

RELOAD = frozenset({"/tensorflow.serving.ModelService/HandleReloadConfigRequest"})
"""The peer's method that replaces what is served."""

Unary: TypeAlias = Callable[[bytes, Call], Steps[Answered]]
"""Answers a call of one message, in steps; raises nothing."""

Plain: TypeAlias = Callable[[bytes, Call], Answered]
"""The same, where there are no steps."""

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_SPEC_TAG = 0x0A
_ONE_BYTE = 0x80


class Pooled:
    """A method that may take long: it is answered by a thread, unless those like it are quick.

    Args:
        path: its name.
        unary: answers.
        pool: how much there is to do.
        dispatcher: runs it.
        shed: counts calls that are refused since there is too much to do.
    """

    def __init__(
        self,
        path: str,
        unary: Unary,
        pool: RequestPool,
        dispatcher: Dispatcher[Answered],
        shed: Number,
    ) -> None:
        self._path = path
        self._unary = unary
        self._pool = pool
        self._dispatcher = dispatcher
        self._shed = shed

    def __call__(self, stream: GrpcStream) -> Inlet | ServableError:
        """Take up a call; a `Method`."""
        if self._pool.full:
            self._shed.add()
            return too_busy()
        return _Once(stream, self._answer)

    def _answer(self, stream: GrpcStream, data: bytes) -> None:
        kind = _kind(data) if self._path == _PREDICT else None
        self._dispatcher.submit(kind, self._unary(data, stream.call), stream.answer)


def blocking(unary: Unary) -> Plain:
    """Return the same method without steps; it blocks while the model computes."""
    return lambda data, call: complete(unary(data, call))


def immediate(plain: Plain) -> Method:
    """Return a method that is answered at once, since it takes no time."""

    def answer(stream: GrpcStream, data: bytes) -> None:
        stream.answer(plain(data, stream.call))

    return lambda stream: _Once(stream, answer)


def elsewhere(
    plain: Plain, executor: Executor, call_soon: Callable[[Callable[[], object]], object]
) -> Method:
    """Return a method that waits on threads of its own.

    Args:
        plain: answers.
        executor: has the threads.
        call_soon: calls something on the event loop's thread.
    """

    def answer(stream: GrpcStream, data: bytes) -> None:
        def run() -> None:
            answered = plain(data, stream.call)
            call_soon(lambda: stream.answer(answered))

        executor.submit(run)

    return lambda stream: _Once(stream, answer)


class _Once:
    """Takes the first message of a call, and heeds no others."""

    __slots__ = ("_answer", "_stream")

    def __init__(self, stream: GrpcStream, answer: Callable[[GrpcStream, bytes], None]) -> None:
        self._stream = stream
        self._answer: Callable[[GrpcStream, bytes], None] | None = answer

    def message(self, data: bytes) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(self._stream, data)

    def half_close(self) -> None:
        pass


def answering(
    path: str,
    answer: Answer,
    models: ModelProvider,
    metrics: Metrics,
    *,
    hints: bool = True,
    access: Access | None = None,
) -> Unary:
    """Return what answers a method, or ends its calls with a status, with hints or without.

    `access` decides who may call it; None lets everybody.
    """
    api = _snake(path.rpartition("/")[2])
    record = metrics.requests.record

    def unary(data: bytes, call: Call) -> Steps[Answered]:
        if path != _PREDICT:
            data = bytes(data)  # large ones come as a bytearray, which only Predict reads as it is
        seen = Observation(api, "grpc", bytes_in=len(data), wanted=call.is_active)
        seen.header = call.first
        CURRENT.observation = seen
        try:
            if call.time_remaining() <= 0:
                raise DeadlineExceeded("The deadline passed before the request could be run.")
            if not call.active:
                raise Cancelled("The call was cancelled before it could be run.")
            if access is not None:
                access.check(grpc_caller(call.peer, call.metadata))
            steps: Steps[Message] = steps_of(answer(models, data))
            response = yield from steps
        except ServableError as error:
            refusal = error
        except Exception as error:
            refusal = unforeseen("a gRPC request", error)
        else:
            record(seen, Code.OK, len(response))
            if seen.answered is not None:
                seen.answered(bytes(data), bytes(response))
            if seen.batch is None:
                return Answered(response)
            return Answered(response, None, ((HEADER, str(seen.batch)),))
        finally:
            CURRENT.observation = None
        record(seen, refusal.code, 0)
        return refused(refusal, hints=hints)

    return unary


def _kind(data: bytes) -> Hashable:
    """Return what tells requests from others that may take longer or shorter.

    That is the model, version and signature, as they are at the beginning of a request of every
    client that writes fields in their order, and how long the message is, roughly.
    """
    if len(data) < 2 or data[0] != _SPEC_TAG or data[1] >= _ONE_BYTE:
        return None
    return bytes(data[: 2 + data[1]]), len(data).bit_length()


def _snake(name: str) -> str:
    """GetModelStatus -> get_model_status."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
