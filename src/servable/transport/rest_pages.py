"""Pages beside the API: what probes ask, and metrics.

`/livez` and `/healthz` say that the process answers; `/readyz` and `/ping` whether every
model can be asked, or any, or those that are named; the Open Inference Protocol has names
of its own for the two. An orchestrator that restarts what is not healthy should ask the
former, a load balancer the latter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

import orjson

from servable.errors import InvalidArgument
from servable.metrics.monitor import Metrics
from servable.transport.readiness import Readiness

Headers = tuple[tuple[bytes, bytes], ...]

JSON: Headers = ((b"content-type", b"application/json"),)
_MOST_NAMED = 1000
_QUESTIONS = "Ask with model=NAME, which may be repeated, and need=all or need=any."
_FRESH: Headers = (*JSON, (b"cache-control", b"no-store"))
_TEXT: Headers = ((b"content-type", b"text/plain"),)
_PROMETHEUS: Headers = ((b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),)


class Reply(NamedTuple):
    """What goes back to a client, but for headers that every answer has."""

    status: int
    body: bytes | memoryview
    headers: Headers = JSON


class Pages:
    """Finds and makes a page. Used on one event loop.

    Args:
        readiness: what probes are told.
        metrics: what the metrics pages show.
        peer_path: where the peer's page is; "" for nowhere.
    """

    def __init__(self, readiness: Readiness, metrics: Metrics, peer_path: str) -> None:
        self._readiness = readiness
        self._metrics = metrics
        self._peer_path = peer_path
        self._probes: dict[str, Callable[[str], Reply]] = {
            "/livez": _alive,
            "/healthz": _alive,
            "/readyz": self._ready,
            "/ping": self._ready,
            "/v2/health/live": _alive,
            "/v2/health/ready": lambda _query: self._ready(""),
        }

    def find(self, method: str, path: str, target: str) -> Reply | Callable[[], Reply] | None:
        """Return a page, or what makes it and may take long; None if there is none of that name.

        Args:
            method: the HTTP method.
            path: without a query.
            target: with it.
        """
        if path == self._peer_path:
            # As the peer does: any method, but nothing behind the path.
            if target != path:
                return Reply(400, f"Unexpected path: {target}. Should be {path}".encode(), _TEXT)
            return lambda: Reply(200, _encoded(self._metrics.peer_page()), _TEXT)
        probe = self._probes.get(path)
        if probe is None and path != "/metrics":
            return None
        if method not in ("GET", "HEAD"):
            return Reply(405, b'{"error":"Send GET."}', (*JSON, (b"allow", b"GET, HEAD")))
        if probe is not None:
            return probe(target.partition("?")[2])
        return lambda: Reply(200, _encoded(self._metrics.page()), _PROMETHEUS)

    def _ready(self, query: str) -> Reply:
        try:
            report = self._readiness.report(*_wanted(query))
        except InvalidArgument as error:
            return Reply(400, orjson.dumps({"error": error.message, "hint": error.hint}), _FRESH)
        body = {
            "ready": report.ready,
            "draining": report.draining,
            "models": {
                name: {"available": bool(versions), "versions": [str(v) for v in versions]}
                for name, versions in report.models.items()
            },
        }
        return Reply(200 if report.ready else 503, orjson.dumps(body), _FRESH)


def _wanted(query: str) -> tuple[Sequence[str] | None, bool]:
    """Return which models a query asks for, None for all, and whether one of them is enough.

    Raises:
        InvalidArgument: it says something else.
    """
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=_MOST_NAMED
        )
    except ValueError:
        pairs = [("", "")]
    names = [value for key, value in pairs if key == "model" and value]
    modes = [value for key, value in pairs if key == "need"]
    if len(names) + len(modes) < len(pairs) or len(modes) > 1 or set(modes) - {"all", "any"}:
        raise InvalidArgument(f"No such question: {query[:100]}", hint=_QUESTIONS)
    return names or None, modes == ["any"]


def _alive(_query: str) -> Reply:
    return Reply(200, b'{"alive":true}', _FRESH)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
