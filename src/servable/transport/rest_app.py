"""The REST API: what becomes of a request once its head, and its body, have come."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from servable.batching.steps import Steps, complete, steps_of
from servable.contracts import ModelProvider
from servable.errors import Code, NotFound, ServableError
from servable.metrics.batches import HEADER
from servable.metrics.models import MeteredModels
from servable.metrics.monitor import Metrics
from servable.metrics.requests import CURRENT, Observation
from servable.transport import admin_calls, rest_hints
from servable.transport.admin_access import Access
from servable.transport.admin_calls import Admin
from servable.transport.dispatch import Dispatcher
from servable.transport.failures import unforeseen
from servable.transport.http_exchange import Exchange
from servable.transport.http_parse import body_too_large
from servable.transport.options import RestOptions
from servable.transport.pool import RequestPool, too_busy
from servable.transport.readiness import Readiness
from servable.transport.rest_actions import ADMINISTRATIVE, LONGEST_REMEMBERED, Action, Route
from servable.transport.rest_body import BodyTooLargeError, BodyTooSlowError, HeadTooLargeError
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
_PAGE_THREADS = 2


class App:
    """The REST API for `models`; an `http_exchange.Application`.

    Args:
        models: what is served.
        options: what is allowed and how long it may take.
        pool: where models compute that are not quick.
        metrics: counts requests.
        readiness: what probes are told.
        access: decides who may change what is served.
        admin: changes it; None where it can not be changed.
        call_soon: calls something on the event loop's thread; from any thread.
        call_next: the same, from that thread.
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
        call_soon: Callable[[Callable[[], object]], object],
        call_next: Callable[[Callable[[], object]], object],
    ) -> None:
        self._access = access
        self._admin = admin
        self._models = MeteredModels(models)
        self._options = options
        self._pool = pool
        self._dispatcher: Dispatcher[Reply] = Dispatcher(pool, call_soon, call_next)
        metrics.requests.know(models)
        self._record = metrics.requests.record
        self._shed = metrics.shed.at("rest")
        self._pages = Pages(readiness, metrics, options.metrics_path)
        self._page_threads = ThreadPoolExecutor(_PAGE_THREADS, "rest-pages")
        self._call_soon = call_soon
        self._headers = _CORS if options.cors else ()

    def close(self) -> None:
        """Make no more pages."""
        self._page_threads.shutdown(wait=False, cancel_futures=True)

    def begin(self, exchange: Exchange) -> None:
        """Take up a request whose head has come; see `http_exchange.Application`."""
        head = exchange.head
        try:
            asked = head.asked if isinstance(head.asked, _Asked) else self._find(exchange)
            if asked is None:
                return
            exchange.asked = asked
            self._check_queue()
            self._check_length(exchange)
        except ServableError as error:
            self.refuse(exchange, error)
            return
        if head.expects_continue and not exchange.complete:
            exchange.connection.say_continue()

    def complete(self, exchange: Exchange) -> None:
        """Answer a request whose body has come; see `http_exchange.Application`."""
        asked = exchange.asked
        if not isinstance(asked, _Asked):  # a page that is being made
            return
        try:
            if exchange.fault is not None:
                raise exchange.fault
            self._check_queue()
        except ServableError as error:
            self.refuse(exchange, error)
            return
        body = exchange.body()
        head, path = exchange.head, asked.path
        request = Request(
            asked.route,
            head.target,
            body,
            asked.gzipped,
            asked.host,
            head.found,
            self._options.check_method_name,
        )
        self._dispatcher.submit(
            None if path is None else (path, len(body).bit_length()),
            self._answer(request, exchange),
            partial(self._send, exchange),
        )

    def refuse(self, exchange: Exchange, error: ServableError) -> None:
        """Answer with an error; see `http_exchange.Application`."""
        asked = exchange.asked
        route = asked.route if isinstance(asked, _Asked) else None
        self._record(_observed(route), error.code, 0)
        self._send(exchange, self.refusal(error))

    def refusal(self, error: ServableError) -> Reply:
        """Return an error as an answer; see `http_exchange.Application`."""
        if not self._options.hints:
            error.hint = ""
        return _refusal(error)

    def _send(self, exchange: Exchange, reply: Reply) -> None:
        if self._headers:
            reply = Reply(reply.status, reply.body, (*reply.headers, *self._headers))
        exchange.reply(reply)

    def _find(self, exchange: Exchange) -> _Asked | None:
        """Return what a request asks for that takes time; None if it was answered.

        Raises:
            ServableError: there is no such thing, or it is not for this client.
        """
        head = exchange.head
        if not is_api(head.target):
            self._show_page(exchange)
            return None
        if head.method == "OPTIONS":
            origin = head.header(b"origin")
            known = "http://" in origin or "https://" in origin
            self._send(exchange, Reply(200 if known else 400, b"", ()))
            return None
        exchange.asked = asked = _asked(exchange, route(head.method, head.target))
        action = asked.route.action
        if action in ADMINISTRATIVE:
            self._access.check(admin_calls.caller(exchange))
        if not action.computes:
            request = Request(asked.route, head.target)
            self._send(exchange, complete(self._answer(request, exchange)))
            return None
        if action not in ADMINISTRATIVE:  # those are checked each time
            head.asked = asked
        return asked

    def _show_page(self, exchange: Exchange) -> None:
        target = exchange.head.target
        page = self._pages.find(exchange.head.method, target.partition("?")[0], target)
        if page is None:
            error = NotFound(f"No such page: {target}", hint="The API is under /v1/.")
            page = self.refusal(error)
        if isinstance(page, Reply):
            exchange.reply(page)
            return
        exchange.running = True
        make = page

        def made() -> None:
            reply = make()
            self._call_soon(lambda: exchange.reply(reply))

        # On a thread: a long one would hold up every request.
        self._page_threads.submit(made)

    def _check_queue(self) -> None:
        if self._pool.full:
            self._shed.add()
            raise too_busy()

    def _check_length(self, exchange: Exchange) -> None:
        most = self._options.max_body_bytes
        if exchange.promised > most:
            raise body_too_large(most)

    def _answer(self, request: Request, exchange: Exchange) -> Steps[Reply]:
        """Answer, in steps; raises nothing."""
        seen = _observed(request.route, len(request.body), exchange.wanted)
        seen.header = lambda name: request.header(name.encode())
        CURRENT.observation = seen
        length, code = 0, Code.OK
        try:
            if request.route.action in admin_calls.ACTIONS:
                reply = admin_calls.answer(self._admin, request)
            else:
                reply = yield from steps_of(answer(self._models, request))
            length = len(reply.body)
            reply = self._packed(reply, exchange)
            if seen.batch is not None:
                note = (HEADER.encode(), str(seen.batch).encode())
                reply = Reply(reply.status, reply.body, (*reply.headers, note))
        except ServableError as error:
            code, reply = error.code, self.refusal(error)
        except Exception as error:
            code, reply = Code.INTERNAL, self.refusal(unforeseen("a REST request", error))
        finally:
            CURRENT.observation = None
        if not exchange.over:
            self._record(seen, code, length)
        return reply

    def _packed(self, reply: Reply, exchange: Exchange) -> Reply:
        if self._options.gzip and len(reply.body) >= _WORTH_GZIP and _takes_gzip(exchange):
            return Reply(reply.status, gzip.compress(reply.body, 1), (*reply.headers, *_GZIPPED))
        return reply


def _takes_gzip(exchange: Exchange) -> bool:
    for item in exchange.head.header(b"accept-encoding").lower().split(","):
        coding, _, quality = item.partition(";")
        if coding.strip() in ("gzip", "x-gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


class _Asked(NamedTuple):
    """What a head asks for.

    Attributes:
        route: what it is, and of which model.
        path: what requests that take about as long have in common; None if nothing.
        gzipped, host: see `Request`.
    """

    route: Route
    path: str | None
    gzipped: bool
    host: str


def _asked(exchange: Exchange, wanted: Route) -> _Asked:
    head, connection = exchange.head, exchange.connection
    alike = wanted.action is Action.PREDICT and len(head.target) <= LONGEST_REMEMBERED
    return _Asked(
        wanted,
        head.target if alike else None,
        "gzip" in head.header(b"content-encoding"),
        rest_hints.origin(connection.scheme, head.header(b"host"), connection.server),
    )


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
