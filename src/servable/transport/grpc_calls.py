"""gRPC methods around what answers them: admission, deadlines, statuses, metrics."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import grpc

from servable.contracts import ModelProvider
from servable.errors import Cancelled, Code, DeadlineExceeded, InvalidArgument, ServableError
from servable.metrics.batches import HEADER
from servable.metrics.monitor import Metrics
from servable.metrics.requests import CURRENT, Observation
from servable.transport.admin_access import Access, grpc_caller
from servable.transport.failures import unforeseen
from servable.transport.grpc_hold import Hold
from servable.transport.grpc_services import Answer
from servable.transport.pool import RequestPool, too_busy
from servable.wire.status import ascii_line, grpc_message

log = logging.getLogger(__name__)

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Method: TypeAlias = Callable[[Iterator[bytes], grpc.ServicerContext], bytes]

HINT_KEY = "servable-hint"
"""Trailing metadata that carries an error's hint, in ASCII with Python's escapes."""

DRAIN_SECONDS = 2.0
"""How long a message may still take when the server stops."""

QUICK = frozenset({"/tensorflow.serving.ModelService/GetModelStatus"})
"""Methods that probes ask: they are answered however many predictions wait."""

if TYPE_CHECKING:
    _GenericRpcHandler = grpc.GenericRpcHandler[Any, Any]
else:
    _GenericRpcHandler = grpc.GenericRpcHandler  # is generic in its stubs only

RELOAD = frozenset({"/tensorflow.serving.ModelService/HandleReloadConfigRequest"})
"""The peer's method that replaces what is served."""

_STATUS_CODES = {status.value[0]: status for status in grpc.StatusCode}


class Router(_GenericRpcHandler):
    """Finds the handler of a call, or one that refuses it when too many are waiting.

    Args:
        heavy: path -> handler of methods that run in `pool`.
        quick: path -> handler of methods that have threads of their own.
        pool: what runs the heavy ones.
        refusing: a thread to refuse calls on.
        metrics: counts those.
        hold: counts all calls.
    """

    def __init__(
        self,
        heavy: Mapping[str, Handler],
        quick: Mapping[str, Handler],
        pool: RequestPool,
        refusing: ThreadPoolExecutor,
        metrics: Metrics,
        hold: Hold,
    ) -> None:
        self._hold = hold
        self._heavy = heavy
        self._quick = quick
        self._pool = pool
        self._shed = metrics.shed.at("grpc")
        self._refusing = grpc.stream_unary_rpc_method_handler(in_pool(_refuse, refusing))

    def service(self, details: grpc.HandlerCallDetails) -> Handler | None:
        """Return what handles a call; gRPC asks this for each, from one thread."""
        self._hold.calls += 1
        handler = self._heavy.get(details.method)
        if handler is None:
            return self._quick.get(details.method)
        if self._pool.full:
            self._shed.add()
            return self._refusing
        return handler


def in_pool(behaviour: Any, pool: ThreadPoolExecutor) -> Any:
    """Return `behaviour`, to be run in `pool` instead of the server's.

    gRPC calls this experimental; its own health service relies on it. A version that
    did not know it would run everything in one pool.
    """

    def elsewhere(*arguments: Any) -> Any:
        return behaviour(*arguments)

    elsewhere.experimental_thread_pool = pool  # type: ignore[attr-defined] # gRPC looks for it
    return elsewhere


class Uploads:
    """Waits for messages, and gives up on clients that do not send theirs.

    A client could otherwise occupy a thread for ever with a call that it began. For this
    all methods are, to gRPC, ones that take a stream of messages: it hands such a call
    over before it has read one. On the wire there is no difference.

    Args:
        limit_seconds: how long a message may take to come; None is for ever.
    """

    def __init__(self, limit_seconds: float | None) -> None:
        self._limit = math.inf if limit_seconds is None else limit_seconds
        self._waiting: dict[grpc.ServicerContext, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="grpc-uploads", daemon=True)

    def start(self) -> None:
        """Begin to give up on clients."""
        self._thread.start()

    def drain(self) -> None:
        """Wait hardly any longer: the server stops, and what does not come can not hold it up."""
        self._limit = min(self._limit, DRAIN_SECONDS)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def read(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        """Return the one message of a call.

        Raises:
            Cancelled: the call has ended.
            InvalidArgument: the client says that it sends none.
        """
        self._waiting[context] = monotonic()
        try:
            data = next(messages, None)
        except Exception as error:
            # gRPC's own class for this is private.
            raise Cancelled("The call ended before its message was there.") from error
        finally:
            del self._waiting[context]
        if data is None:
            raise InvalidArgument("The call carries no message.", hint="Send exactly one.")
        return data

    def _watch(self) -> None:
        while not self._stopped.wait(min(1.0, self._limit)):
            now = monotonic()
            for context, since in self._waiting.copy().items():
                if now - since > self._limit:
                    context.cancel()  # type: ignore[no-untyped-call] # in its stubs


def answering(
    path: str,
    answer: Answer,
    models: ModelProvider,
    metrics: Metrics,
    uploads: Uploads,
    hold: Hold,
    *,
    hints: bool = True,
    access: Access | None = None,
) -> Method:
    """Return a gRPC method: it answers, or ends the call with a status, with hints or without.

    `access` decides who may call it; None lets everybody.
    """
    api = _snake(path.rpartition("/")[2])
    record = metrics.requests.record

    def method(messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        try:
            data = uploads.read(messages, context)
        except ServableError as error:
            abort(context, error)
        seen = Observation(api, "grpc", bytes_in=len(data), wanted=context.is_active)
        seen.header = partial(_metadata, context)
        CURRENT.observation = seen
        try:
            if context.time_remaining() <= 0:
                raise DeadlineExceeded("The deadline passed before the request could be run.")
            if not context.is_active():
                raise Cancelled("The call was cancelled before it could be run.")
            if access is not None:
                access.check(grpc_caller(context.peer(), context.invocation_metadata()))
            response = answer(models, data)
        except ServableError as error:
            refusal = error
        except Exception as error:
            refusal = unforeseen("a gRPC request", error)
        else:
            record(seen, Code.OK, len(response))
            if seen.answered is not None:
                seen.answered(data, response)
            if seen.batch is not None:
                context.set_trailing_metadata(((HEADER, str(seen.batch)),))
            if hold.on:
                hold.wait()
            return response
        finally:
            CURRENT.observation = None
        record(seen, refusal.code, 0)
        if not hints:
            refusal.hint = ""
        if hold.on:
            hold.wait()
        abort(context, refusal)

    return method


def abort(context: grpc.ServicerContext, error: ServableError) -> NoReturn:
    """End a call with an error's status; its hint goes into the trailing metadata."""
    log.debug("refused: %s", error.status_text)
    if error.hint:
        context.set_trailing_metadata(((HINT_KEY, ascii_line(error.hint)),))
    context.abort(_STATUS_CODES[error.code], grpc_message(error.message))


def _metadata(context: grpc.ServicerContext, name: str) -> str:
    """Return the first metadata of that name, "" if there is none."""
    value = next((value for key, value in context.invocation_metadata() if key == name), "")
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def _refuse(_messages: Iterator[bytes], context: grpc.ServicerContext) -> NoReturn:
    abort(context, too_busy())


def _snake(name: str) -> str:
    """GetModelStatus -> get_model_status."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
