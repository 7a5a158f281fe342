"""The REST API as a plain ASGI callable."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from servable.contracts import ModelProvider
from servable.errors import Code, DeadlineExceeded, NotFound, ServableError, Unavailable
from servable.metrics.batches import HEADER
from servable.metrics.models import MeteredModels
from servable.metrics.monitor import Metrics
from servable.metrics.requests import CURRENT, Observation
from servable.transport import admin_calls, rest_hints
from servable.transport.admin_access import Access
from servable.transport.admin_calls import Admin
from servable.transport.failures import unforeseen
from servable.transport.options import RestOptions
from servable.transport.pool import RequestPool, too_busy
from servable.transport.readiness import Readiness
from servable.transport.rest_actions import ADMINISTRATIVE, Route
from servable.transport.rest_body import (
    Bodies,
    BodyTooLargeError,
    BodyTooSlowError,
    HeadTooLargeError,
    Receive,
    Scope,
    header,
)
from servable.transport.rest_calls import answer
from servable.transport.rest_forms import (
    DTYPE_HEADER,
    NAME_HEADER,
    OUTPUTS_HEADER,
    SHAPE_HEADER,
    SIGNATURE_HEADER,
)
from servable.transport.rest_pages import JSON, Headers, Pages, Reply
from servable.transport.rest_request import Request
from servable.transport.rest_routes import is_api, route
from servable.wire.status import HTTP_STATUS, error_body
from servable.wire.v2_json import HEADER as BINARY_HEADER

log = logging.getLogger(__name__)

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CLOSING = "servable.closing"
"""The ASGI extension by which our server tells whether a connection is closing."""

_READ = (SHAPE_HEADER, DTYPE_HEADER, NAME_HEADER, SIGNATURE_HEADER, OUTPUTS_HEADER)
_SENT = (SHAPE_HEADER, DTYPE_HEADER, NAME_HEADER, BINARY_HEADER, b"retry-after")
_CORS: Headers = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    # The peer allows Content-Type alone; it reads no other header.
    (
        b"access-control-allow-headers",
        b", ".join((b"Content-Type", b"content-encoding", BINARY_HEADER, *_READ)),
    ),
    (b"access-control-expose-headers", b", ".join(_SENT)),
)
_CLOSE: Headers = ((b"connection", b"close"),)
_LATER: Headers = ((b"retry-after", b"1"),)
_GZIPPED: Headers = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
_WORTH_GZIP = 1024  # bytes


class App:
    """The REST API for `models`; an instance is an ASGI application.

    Args:
        models: what is served.
        options: what is allowed and how long it may take.
        pool: where models compute.
        metrics: counts requests.
        readiness: what probes are told.
        access: decides who may change what is served.
        admin: changes it; None where it can not be changed.
    """

    def __init__(
        self,
        models: ModelProvider,
        options: RestOptions,
        pool: RequestPool,
        metrics: Metrics,
        readiness: Readiness,
        access: Access,
        admin: Admin | None,
    ) -> None:
        self._access = access
        self._admin = admin
        self._models = MeteredModels(models)
        self._options = options
        self._pool = pool
        metrics.requests.know(models)
        self._record = metrics.requests.record
        self._shed = metrics.shed.at("rest")
        self._bodies = Bodies(options.max_body_bytes, options.body_seconds)
        self._pages = Pages(readiness, metrics, options.metrics_path)
        self._headers = _CORS if options.cors else ()

    def drain(self) -> None:
        """Wait no longer for bodies that do not come. Call on the event loop."""
        self._bodies.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError(f"this application speaks HTTP, not {scope['type']}")
        try:
            reply = await self._reply(scope, receive)
        except asyncio.CancelledError:
            # The server stops and its grace is over. This answer is the last thing done
            # here, so the cancellation need not go further.
            reply = self._refusal(
                Unavailable("The server is stopping.", hint="Send it again later.")
            )
        if reply is None:  # the client is gone
            return
        length = (b"content-length", b"%d" % len(reply.body))
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [*reply.headers, length],
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply | None:
        target = _target(scope)
        if is_api(target):
            reply = await self._api(scope, target, receive)
            if reply is not None and self._headers:
                reply = Reply(reply.status, reply.body, (*reply.headers, *self._headers))
            return reply
        page = await self._pages.reply(scope["method"], target.partition("?")[0], target)
        return page or self._refusal(
            NotFound(f"No such page: {target}", hint="The API is under /v1/.")
        )

    async def _api(self, scope: Scope, target: str, receive: Receive) -> Reply | None:
        method = scope["method"]
        if method == "OPTIONS":
            origin = header(scope, b"origin")
            return Reply(200 if "http://" in origin or "https://" in origin else 400, b"", ())
        wanted: Route | None = None
        try:
            wanted = route(method, target)
            if wanted.action in ADMINISTRATIVE:
                self._access.check(admin_calls.caller(scope))
            if not wanted.action.computes:
                return self._answer(Request(wanted, target), _Job(scope))
            self._check_queue()
            body = await self._bodies.read(scope, receive)
            if body is None:
                return None
            self._check_queue()
            return await self._compute(
                scope,
                Request(
                    wanted,
                    target,
                    body,
                    gzipped="gzip" in header(scope, b"content-encoding"),
                    host=rest_hints.origin(
                        scope.get("scheme", "http"), header(scope, b"host"), scope.get("server")
                    ),
                    headers=scope["headers"],
                    check_method_name=self._options.check_method_name,
                ),
            )
        except ServableError as error:
            self._record(_observed(wanted), error.code, 0)
            return self._refusal(error)

    def _check_queue(self) -> None:
        if self._pool.full:
            self._shed.add()
            raise too_busy()

    async def _compute(self, scope: Scope, request: Request) -> Reply:
        job = _Job(scope)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                return await loop.run_in_executor(self._pool, self._answer, request, job)
        except TimeoutError as error:
            raise DeadlineExceeded(
                "Timed out waiting for notification",
                hint=f"The server gives a request {self._options.timeout_seconds:g} seconds.",
            ) from error
        finally:
            # From now on a result is of no use, and no longer counted.
            job.over = True

    def _answer(self, request: Request, job: _Job) -> Reply:
        """Answer on this thread; raises nothing."""
        seen = _observed(request.route, len(request.body), job.wanted)
        seen.header = lambda name: request.header(name.encode())
        CURRENT.observation = seen
        length, code = 0, Code.OK
        try:
            if request.route.action in admin_calls.ACTIONS:
                reply = admin_calls.answer(self._admin, request)
            else:
                reply = answer(self._models, request)
            length = len(reply.body)
            reply = self._packed(reply, job)
            if seen.batch is not None:
                note = (HEADER.encode(), str(seen.batch).encode())
                reply = Reply(reply.status, reply.body, (*reply.headers, note))
        except ServableError as error:
            code, reply = error.code, self._refusal(error)
        except Exception as error:
            code, reply = Code.INTERNAL, self._refusal(unforeseen("a REST request", error))
        finally:
            CURRENT.observation = None
        if not job.over:
            self._record(seen, code, length)
        return reply

    def _refusal(self, error: ServableError) -> Reply:
        if not self._options.hints:
            error.hint = ""
        return _refusal(error)

    def _packed(self, reply: Reply, job: _Job) -> Reply:
        if self._options.gzip and len(reply.body) >= _WORTH_GZIP and job.takes_gzip():
            return Reply(reply.status, gzip.compress(reply.body, 1), (*reply.headers, *_GZIPPED))
        return reply


class _Job:
    """A request as the thread sees it that computes it."""

    __slots__ = ("_closing", "_scope", "over")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._closing: Callable[[], bool] | None = scope.get("extensions", {}).get(CLOSING)
        self.over = False

    def wanted(self) -> bool:
        """Whether the client still waits."""
        return not self.over and (self._closing is None or not self._closing())

    def takes_gzip(self) -> bool:
        for item in header(self._scope, b"accept-encoding").lower().split(","):
            coding, _, quality = item.partition(";")
            if coding.strip() in ("gzip", "x-gzip", "*"):
                return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
        return False


def _observed(
    wanted: Route | None, length: int = 0, client_waits: Callable[[], bool] | None = None
) -> Observation:
    api, model = (wanted.action.value, wanted.name) if wanted else ("", "")
    return Observation(api, "rest", bytes_in=length, model=model, wanted=client_waits)


def _refusal(error: ServableError) -> Reply:
    log.debug("refused: %s", error.status_text)
    body = error_body(error)
    # These bodies were not read to their end, and not for want of a reader.
    match error:
        case BodyTooLargeError():
            return Reply(413, body, (*JSON, *_CLOSE))
        case BodyTooSlowError():
            return Reply(408, body, (*JSON, *_CLOSE))
        case HeadTooLargeError():
            return Reply(431, body, (*JSON, *_CLOSE))
    match error.code:
        case Code.RESOURCE_EXHAUSTED:
            return Reply(429, body, (*JSON, *_LATER))
        case Code.UNAVAILABLE:
            return Reply(503, body, (*JSON, *_LATER))
    return Reply(HTTP_STATUS[error.code], body)


def _target(scope: Scope) -> str:
    """Return path and query as received."""
    query = scope["query_string"]
    target: bytes = scope["raw_path"] + (b"?" + query if query else b"")
    return target.decode("utf-8", "surrogateescape")
