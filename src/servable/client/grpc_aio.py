"""The gRPC client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

import grpc
import grpc.aio

from servable.client import grpc_calls
from servable.client.binding import described
from servable.client.grpc import read_answer
from servable.client.grpc_calls import Call
from servable.client.grpc_channel import Attempts, Target
from servable.client.settings import DEFAULT_RETRIES, Retries, Tls

P = ParamSpec("P")
T = TypeVar("T")


def _awaitable(
    describe: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncGrpcClient, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncGrpcClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(describe(*args, **kwargs))

    return described(method, describe)


class AsyncGrpcClient:
    """The calls of `GrpcClient` as coroutines. Make and use it inside one event loop.

    Cancelling the task that awaits a call cancels the call.

    Args: as for `GrpcClient`.
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
        self._target = Target(address, timeout, retries, tls, keepalive, gzip)
        credentials = self._target.credentials()
        options, compression = self._target.options(), self._target.compression()
        self._channel = (
            grpc.aio.insecure_channel(address, options, compression)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options, compression)
        )

    predict = _awaitable(grpc_calls.predict)
    classify = _awaitable(grpc_calls.classify)
    regress = _awaitable(grpc_calls.regress)
    multi_inference = _awaitable(grpc_calls.multi_inference)
    metadata = _awaitable(grpc_calls.metadata)
    status = _awaitable(grpc_calls.status)
    reload = _awaitable(grpc_calls.reload)

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close(None)

    async def __aenter__(self) -> AsyncGrpcClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self, call: Call[T]) -> T:
        attempts = Attempts(self._target, call)
        method = self._channel.unary_unary(call.method, None, None)
        while True:
            answer: Awaitable[bytes] = method(call.request, timeout=attempts.left())
            try:
                data = await answer
            except grpc.aio.AioRpcError as error:
                failure = self._target.failure(
                    error.code(), error.details(), error.trailing_metadata(), attempts.timeout
                )
                delay = attempts.delay_after(failure)
                if delay is None:
                    raise failure from error
                await asyncio.sleep(delay)
            else:
                return read_answer(call, data)
