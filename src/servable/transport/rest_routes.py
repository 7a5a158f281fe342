"""The URLs of the REST API (behaviour reference, section 3.2).

Words in a path are matched in any case, except the verb after the colon and
`metadata`, which the peer compares as they are. The query string belongs to what is
matched: a name may contain one, nothing else may, but for two names of ours behind
`:predict`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qsl

from servable.errors import InvalidArgument
from servable.transport import admin_routes, v2_routes
from servable.transport.rest_actions import (
    LONGEST_REMEMBERED,
    Action,
    Route,
    decoded,
    version_number,
)

OPENAPI_PATH = "/openapi.json"

_NAME = r"([^/:]+)"
_CHOICE = rf"(?:(?i:/versions)/([0-9]+)|(?i:/labels)/{_NAME})?"
_POST = re.compile(rf"(?i:/v1/models)/{_NAME}{_CHOICE}:(classify|regress|predict)")
_GET = re.compile(rf"(?i:/v1/models)(?:/{_NAME})?{_CHOICE}(/(?i:metadata))?")
_TRAFFIC = re.compile(rf"(?i:/v1/models)/{_NAME}/traffic")
_QUERIED = re.compile(r"(.+:predict)\?([^?]*)")
_MOST_QUERIED = 1000

_GRAMMAR = (
    "Send GET /v1/models, GET /v1/models/NAME[/versions/N][/metadata], "
    "or POST /v1/models/NAME[/versions/N]:predict, :classify or :regress."
)


def is_api(target: str) -> bool:
    """Whether a path belongs to an API at all."""
    return (
        target[:4].lower() == "/v1/"
        or v2_routes.is_v2(target)
        or target.partition("?")[0] == OPENAPI_PATH
    )


def route(method: str, target: str) -> Route:
    """Return what a request line asks for.

    Args:
        method: the HTTP method.
        target: path and query, as received.

    Raises:
        InvalidArgument: the grammar has no such request; the text is the peer's.
        NotFound, Unimplemented: see `v2_routes.route` and `admin_routes.route`.
    """
    known = len(target) <= LONGEST_REMEMBERED
    return _remembered(method, target) if known else _route(method, target)


def _route(method: str, target: str) -> Route:
    if v2_routes.is_v2(target):
        return v2_routes.route(method, target)
    if target.startswith(admin_routes.PREFIX):
        return admin_routes.route(method, target)
    if method == "POST":
        path, signature_name, outputs = _choices(target)
        if match := _POST.fullmatch(path):
            name, version, label, verb = match.groups()
            return Route(
                Action(verb),
                _name(name),
                version_number(version),
                _label(label),
                signature_name,
                outputs,
            )
    if method == "GET" and target.partition("?")[0] == OPENAPI_PATH:
        return Route(Action.OPENAPI)
    if method == "GET" and (match := _TRAFFIC.fullmatch(target)):
        return Route(Action.TRAFFIC, _name(match[1]))
    if method == "GET" and (match := _GET.fullmatch(target)):
        name, version, label, leaf = match.groups()
        if name is None:
            if not (version or label or leaf):
                return Route(Action.MODELS)
            raise InvalidArgument("Missing model name in request.", hint=_GRAMMAR)
        action = Action.METADATA if leaf == "/metadata" else Action.STATUS
        return Route(action, _name(name), version_number(version), _label(label))
    raise InvalidArgument(f"Malformed request: {method} {target}", hint=_GRAMMAR)


_remembered = lru_cache(2**9)(_route)


def _choices(target: str) -> tuple[str, str, tuple[str, ...]]:
    """Return path, signature and outputs; the query stays in the path if it says anything else."""
    match = _QUERIED.fullmatch(target)
    if match is None:
        return target, "", ()
    try:
        pairs = parse_qsl(
            match[2],
            keep_blank_values=True,
            strict_parsing=True,
            errors="surrogateescape",
            max_num_fields=_MOST_QUERIED,
        )
    except ValueError:
        return target, "", ()
    signatures = [value for key, value in pairs if key == "signature_name"]
    outputs = tuple(value for key, value in pairs if key == "output")
    if len(signatures) > 1 or len(signatures) + len(outputs) < len(pairs):
        return target, "", ()
    return match[1], signatures[0] if signatures else "", outputs


def _name(text: str) -> str:
    return decoded(text, "model name")


def _label(text: str | None) -> str | None:
    return None if text is None else decoded(text, "model version label")
