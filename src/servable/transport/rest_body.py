"""Request bodies: read whole, within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from servable.errors import DeadlineExceeded, ResourceExhausted, ServableError, Unavailable

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

FAULT = "servable.fault"
"""The ASGI extension that holds a ServableError once a body turned out to be none."""

MIN_BYTES_PER_SECOND = 1024
"""A body may always take its first seconds; after that it has to come at least this fast."""

DRAIN_SECONDS = 2.0
"""How long a body may still take when the server stops: it can not hold up the stop."""


class BodyTooLargeError(ResourceExhausted):
    """HTTP has a status of its own for this: 413."""


class HeadTooLargeError(ResourceExhausted):
    """HTTP has a status of its own for this: 431. What follows a chunked body counts as head."""


class BodyTooSlowError(DeadlineExceeded):
    """HTTP has a status of its own for this: 408."""


class Bodies:
    """Reads the bodies of one server's requests. Used on its event loop only.

    Args:
        max_bytes: a longer one is refused.
        seconds: a body may take this long, and one second more for each KiB of it.
    """

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._clocks: set[asyncio.Timeout] = set()
        self._draining = False

    def drain(self) -> None:
        """Give bodies that are not complete a last moment: the server stops."""
        self._draining = True
        end = asyncio.get_running_loop().time() + DRAIN_SECONDS
        for clock in self._clocks:
            when = clock.when()
            clock.reschedule(end if when is None else min(when, end))

    async def read(self, scope: Scope, receive: Receive) -> bytes | None:
        """Read the whole body; None if the client goes away before its end.

        Raises:
            BodyTooLargeError: it is longer than allowed, or says that it will be.
            BodyTooSlowError: it took too long.
            ServableError: it broke off; see FAULT.
            Unavailable: the server stopped before it was complete.
        """
        declared = header(scope, b"content-length")
        if declared.isdecimal():
            # Looked at as text first: int() refuses thousands of digits.
            self._check(int(declared) if len(declared) < 20 else self._max_bytes + 1)
        seconds = DRAIN_SECONDS if self._draining else self._seconds
        try:
            async with asyncio.timeout(seconds) as clock:
                self._clocks.add(clock)
                try:
                    body = await self._read(receive, clock)
                finally:
                    self._clocks.discard(clock)
        except TimeoutError as error:
            if self._draining:
                raise Unavailable("The server is stopping.", hint="Send it again later.") from error
            raise BodyTooSlowError(
                "The request body took too long to come.",
                hint=f"Send at least {MIN_BYTES_PER_SECOND} bytes a second.",
            ) from error
        fault = scope.get("extensions", {}).get(FAULT)
        if isinstance(fault, ServableError):
            raise fault
        return body

    async def _read(self, receive: Receive, clock: asyncio.Timeout) -> bytes | None:
        chunks: list[bytes] = []
        length = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            chunks.append(chunk)
            length += len(chunk)
            self._check(length)
            if not message.get("more_body", False):
                return b"".join(chunks)
            when = clock.when()
            if when is not None and not self._draining:
                clock.reschedule(when + len(chunk) / MIN_BYTES_PER_SECOND)

    def _check(self, length: int) -> None:
        if length > self._max_bytes:
            raise BodyTooLargeError(
                f"The request body is longer than {self._max_bytes} bytes.",
                hint="Send fewer instances at once, or use gRPC, which takes larger requests.",
            )


def header(scope: Scope, name: bytes) -> str:
    """Return the first header of that name, "" if there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
