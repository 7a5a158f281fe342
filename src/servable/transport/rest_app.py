"""The REST API as a plain ASGI callable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeAlias

from servable.contracts import ModelProvider
from servable.errors import NotFound, ResourceExhausted, ServableError, Unavailable
from servable.transport.failures import unforeseen
from servable.transport.rest_calls import Request, answer
from servable.transport.rest_routes import Action, is_api, route
from servable.wire.status import HTTP_STATUS, error_body

log = logging.getLogger(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

DEFAULT_MAX_BODY_BYTES = 2**28
"""A body may have 256 MiB, some 13 million floats. Parsed JSON of the worst kind takes 25
times the memory of its text, so the limit is below what the gRPC port takes."""

_JSON = ((b"content-type", b"application/json"),)
_CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = _JSON


class _BodyTooLargeError(ResourceExhausted):
    """HTTP has a status of its own for this: 413."""


def app(
    models: ModelProvider,
    *,
    max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
    cors: bool = False,
    pool: Executor | None = None,
) -> ASGIApp:
    """Return the REST API for `models`.

    Args:
        models: what is served.
        max_body_bytes: a longer request body is refused with HTTP status 413.
        cors: let web pages of any origin call the API.
        pool: where models compute; by default the event loop's own threads.
    """
    return _App(models, max_body_bytes, _CORS if cors else (), pool)


class _App:
    def __init__(
        self,
        models: ModelProvider,
        max_body_bytes: int,
        headers: tuple[tuple[bytes, bytes], ...],
        pool: Executor | None,
    ) -> None:
        self._models = models
        self._max_body_bytes = max_body_bytes
        self._headers = headers
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"this application speaks HTTP, not {scope['type']}")
        try:
            reply = await self._reply(scope, receive)
        except asyncio.CancelledError:
            # The server stops and its grace is over. This answer is the last thing done
            # here, so the cancellation need not go further.
            reply = _refusal(Unavailable("The server is stopping.", hint="Send it again later."))
        if reply is None:  # the client is gone
            return
        length = (b"content-length", b"%d" % len(reply.body))
        headers = [*reply.headers, *self._headers, length]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> _Reply | None:
        method, target = scope["method"], _target(scope)
        if not is_api(target):
            return _refusal(NotFound(f"No such page: {target}", hint="The API is under /v1/."))
        if method == "OPTIONS":
            origin = _header(scope, b"origin")
            return _Reply(200 if "http://" in origin or "https://" in origin else 400, b"", ())
        try:
            wanted = route(method, target)
            if wanted.action is not Action.PREDICT:
                return self._answer(Request(wanted, target))
            body = await self._body(scope, receive)
        except ServableError as error:
            return _refusal(error)
        if body is None:
            return None
        request = Request(
            wanted,
            target,
            body,
            gzipped="gzip" in _header(scope, b"content-encoding"),
            host=_header(scope, b"host"),
        )
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, request)

    def _answer(self, request: Request) -> _Reply:
        try:
            body = answer(self._models, request)
        except ServableError as error:
            return _refusal(error)
        except Exception as error:
            return _refusal(unforeseen("a REST request", error))
        log.debug("%s: answered %d bytes", request.target, len(body))
        return _Reply(200, body)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """Read the whole body; None if the client goes away before its end."""
        declared = _header(scope, b"content-length")
        if declared.isdecimal() and len(declared) < 20:
            self._check_length(int(declared))
        chunks, length, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            length += len(chunks[-1])
            self._check_length(length)
            more = message.get("more_body", False)
        return b"".join(chunks)

    def _check_length(self, length: int) -> None:
        if length > self._max_body_bytes:
            raise _BodyTooLargeError(
                f"The request body is longer than {self._max_body_bytes} bytes.",
                hint="Send fewer instances at once, or use gRPC, which takes larger requests.",
            )


def _refusal(error: ServableError) -> _Reply:
    log.debug("refused: %s", error.status_text)
    if isinstance(error, _BodyTooLargeError):
        # What is left of the body will not be read, so the connection can not go on.
        return _Reply(413, error_body(error), (*_JSON, (b"connection", b"close")))
    return _Reply(HTTP_STATUS[error.code], error_body(error))


def _target(scope: Scope) -> str:
    """Return path and query as received."""
    query = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    return target.decode("utf-8", "surrogateescape")


def _header(scope: Scope, name: bytes) -> str:
    """Return the first header of that name, "" if there is none."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
