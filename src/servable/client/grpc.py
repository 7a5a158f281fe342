"""The gRPC client: blocking calls and futures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import grpc
from google.protobuf.message import DecodeError

from servable.client import grpc_calls
from servable.client.binding import described
from servable.client.grpc_calls import Call
from servable.client.grpc_channel import HINT_KEY, Attempts, Target
from servable.client.settings import DEFAULT_RETRIES, Retries, Tls
from servable.errors import Cancelled, Internal, ServableError

__all__ = ["HINT_KEY", "GrpcClient", "GrpcFutures", "read_answer"]

P = ParamSpec("P")
T = TypeVar("T")


class _Caller:
    """Carries calls over one channel."""

    def __init__(self, target: Target) -> None:
        self.target = target
        credentials = target.credentials()
        options, compression = target.options(), target.compression()
        self.channel = (
            grpc.insecure_channel(target.address, options, compression)
            if credentials is None
            else grpc.secure_channel(target.address, credentials, options, compression)
        )

    def run(self, call: Call[T]) -> T:
        attempts = Attempts(self.target, call)
        method = self.channel.unary_unary(call.method, None, None)
        while True:
            try:
                data = method(call.request, timeout=attempts.left())
            except grpc.RpcError as error:
                failure = self.failure(error, attempts)
                delay = attempts.delay_after(failure)
                if delay is None:
                    raise self.target.explained(failure) from error
                time.sleep(delay)
            else:
                return read_answer(call, data)

    def start(self, call: Call[T]) -> Future[T]:
        running = _Running(self, call)
        running.begin()
        return running.result

    def failure(self, error: Any, attempts: Attempts) -> ServableError:
        return self.target.failure(
            error.code(), error.details(), error.trailing_metadata(), attempts.timeout
        )


class _Running(Generic[T]):
    """A call that a future stands for, through all its attempts."""

    def __init__(self, caller: _Caller, call: Call[T]) -> None:
        self.result: Future[T] = Future()
        self._caller = caller
        self._call = call
        self._attempts = Attempts(caller.target, call)
        self._rpc: Any = None
        self.result.add_done_callback(self._cancel)

    def begin(self) -> None:
        """Make an attempt, unless the future was cancelled."""
        if self.result.cancelled():
            return
        method: Any = self._caller.channel.unary_unary(self._call.method, None, None)
        try:
            self._rpc = method.future(self._call.request, timeout=self._attempts.left())
        except ValueError:  # gRPC says it thus
            self._end(Cancelled("the client was closed before the answer came"))
            return
        self._rpc.add_done_callback(self._finished)

    def _finished(self, rpc: Any) -> None:
        if self.result.cancelled():
            return
        error = rpc.exception()
        if error is None:
            self._end(None)
            return
        failure = self._caller.failure(error, self._attempts)
        failure.__cause__ = error
        delay = self._attempts.delay_after(failure)
        if delay is None:
            self._end(failure)
            return
        timer = threading.Timer(delay, self.begin)
        timer.daemon = True
        timer.start()

    def _end(self, failure: ServableError | None) -> None:
        if not self.result.set_running_or_notify_cancel():
            return
        try:
            if failure is not None:
                raise failure
            self.result.set_result(read_answer(self._call, self._rpc.result()))
        except ServableError as error:
            self.result.set_exception(error)

    def _cancel(self, future: Future[T]) -> None:
        if future.cancelled() and self._rpc is not None:
            self._rpc.cancel()


def read_answer(call: Call[T], data: bytes) -> T:
    """Return the result that an answer's bytes stand for.

    Raises:
        Internal: they are no such message.
    """
    try:
        return call.read(data)
    except DecodeError as error:
        raise Internal(
            f"the server's answer to {call.method} can not be read: {error}",
            hint="Is this address a server that speaks TensorFlow Serving's gRPC API?",
        ) from error


def _blocking(
    describe: Callable[P, Call[T]],
) -> Callable[Concatenate[GrpcClient, P], T]:
    def method(self: GrpcClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._caller.run(describe(*args, **kwargs))

    return described(method, describe)


def _starting(
    describe: Callable[P, Call[T]],
) -> Callable[Concatenate[GrpcFutures, P], Future[T]]:
    def method(self: GrpcFutures, /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._caller.start(describe(*args, **kwargs))

    return described(method, describe)


class GrpcFutures:
    """The calls of a `GrpcClient`, each returning at once with a `concurrent.futures.Future`.

    A future raises what the blocking call would raise. Its callbacks run on a thread of
    gRPC's, where the answer is decoded too: hand long work to a thread of your own.
    Cancelling a future cancels the call; the server may compute on. What is wrong with
    the arguments is raised here and now.
    """

    def __init__(self, caller: _Caller) -> None:
        self._caller = caller

    predict = _starting(grpc_calls.predict)
    classify = _starting(grpc_calls.classify)
    regress = _starting(grpc_calls.regress)
    multi_inference = _starting(grpc_calls.multi_inference)
    metadata = _starting(grpc_calls.metadata)
    status = _starting(grpc_calls.status)
    reload = _starting(grpc_calls.reload)


class GrpcClient:
    """A client of the gRPC API; see `Client`. May be used from many threads at once.

    Args:
        address: `host:port`, or `unix:PATH` for a UNIX socket.
        timeout: seconds that one call may take, connecting and retries included; the
            server is told, as gRPC's deadline.
        retries: what to do when the server is UNAVAILABLE.
        tls: None for plain text.
        keepalive: seconds of silence after which the connection is checked, so that a
            dead one is noticed; None for never. gRPC servers may hang up on clients that
            check more often than every five minutes.
        gzip: compress requests. Pays where the network is slow and the data is regular.

    Attributes:
        future: the same calls, returning futures.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 60.0,
        retries: Retries = DEFAULT_RETRIES,
        tls: Tls | None = None,
        keepalive: float | None = None,
        gzip: bool = False,
    ) -> None:
        self._caller = _Caller(Target(address, timeout, retries, tls, keepalive, gzip))
        self.future = GrpcFutures(self._caller)

    predict = _blocking(grpc_calls.predict)
    classify = _blocking(grpc_calls.classify)
    regress = _blocking(grpc_calls.regress)
    multi_inference = _blocking(grpc_calls.multi_inference)
    metadata = _blocking(grpc_calls.metadata)
    status = _blocking(grpc_calls.status)
    reload = _blocking(grpc_calls.reload)

    def close(self) -> None:
        """Close the connection; calls that are running end with Cancelled."""
        self._caller.channel.close()

    def __enter__(self) -> GrpcClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
