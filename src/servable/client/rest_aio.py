"""The REST client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from servable.client.binding import described
from servable.client.rest import RestClient
from servable.client.settings import DEFAULT_RETRIES, Retries, Tls

P = ParamSpec("P")
T = TypeVar("T")


def _awaitable(
    blocking: Callable[Concatenate[RestClient, P], T],
) -> Callable[Concatenate[AsyncRestClient, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncRestClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(blocking, self._client, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    return described(method, blocking)


class AsyncRestClient:
    """The calls of `RestClient` as coroutines.

    They run on threads of the client's own, JSON included, so that a large answer does
    not hold up the event loop. Cancelling a task gives up waiting; its request runs on
    until it ends or times out.

    Args: as for `RestClient`. `connections` is also how many requests run at once;
        further ones wait, which their timeout does not count.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float = 60.0,
        retries: Retries = DEFAULT_RETRIES,
        tls: Tls | None = None,
        gzip: bool = False,
        connections: int = 8,
        metadata_seconds: float = 5.0,
    ) -> None:
        self._client = RestClient(
            address,
            timeout=timeout,
            retries=retries,
            tls=tls,
            gzip=gzip,
            connections=connections,
            metadata_seconds=metadata_seconds,
        )
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="rest-client")

    predict = _awaitable(RestClient.predict)
    classify = _awaitable(RestClient.classify)
    regress = _awaitable(RestClient.regress)
    metadata = _awaitable(RestClient.metadata)
    status = _awaitable(RestClient.status)

    async def close(self) -> None:
        """Wait for requests that are running, and close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self._client.close()

    async def __aenter__(self) -> AsyncRestClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
