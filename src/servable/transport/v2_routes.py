"""The URLs of the Open Inference Protocol, version 2."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from servable.errors import InvalidArgument, NotFound, Unimplemented
from servable.transport.rest_actions import Action, Route, decoded, version_number

_HEALTH = "/v2/health/"
_MOST_QUERIED = 100

_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/([^/]+))?")
_REPOSITORY = re.compile(r"/v2/repository/(?:models/([^/]+)/)?([^/]+)")
_DIGITS = re.compile(r"[0-9]+")

_MODEL_ACTIONS = {
    None: ("GET", Action.V2_METADATA),
    "ready": ("GET", Action.V2_READY),
    "infer": ("POST", Action.V2_INFER),
}
_REPOSITORY_ACTIONS = {"load": Action.V2_LOAD, "unload": Action.V2_UNLOAD}
_NOT_HERE = frozenset({"config", "stats", "trace", "generate", "generate_stream"})
"""Extensions of Triton's that this server does not have."""

_GRAMMAR = (
    "Send GET /v2, /v2/health/live, /v2/health/ready, /v2/models/NAME[/versions/N][/ready], or "
    "POST /v2/models/NAME[/versions/N]/infer, /v2/repository/index, "
    "/v2/repository/models/NAME/load or unload."
)


def is_v2(target: str) -> bool:
    """Whether a path belongs to this protocol; its probes are pages and do not."""
    path = target.partition("?")[0]
    return path == "/v2" or (path.startswith("/v2/") and not path.startswith(_HEALTH))


def route(method: str, target: str) -> Route:
    """Return what a request line asks for.

    Args:
        method: the HTTP method.
        target: path and query, as received; of the query, `signature_name` counts.

    Raises:
        NotFound: there is no such path.
        Unimplemented: there is one in Triton, and not here.
        InvalidArgument: the method is another one, or the version no number.
    """
    path, _, query = target.partition("?")
    expected, wanted = _route(path, query)
    if method != expected:
        raise InvalidArgument(f"{path} takes {expected}, not {method}.", hint=_GRAMMAR)
    return wanted


def _route(path: str, query: str) -> tuple[str, Route]:
    if path.rstrip("/") == "/v2":
        return "GET", Route(Action.V2_SERVER)
    if match := _MODEL.fullmatch(path):
        name, version, leaf = match.groups()
        if leaf in _MODEL_ACTIONS:
            method, action = _MODEL_ACTIONS[leaf]
            word = decoded(name, "model name")
            return method, Route(action, word, version_of(version), None, _signature(query))
        if leaf in _NOT_HERE:
            raise Unimplemented(f"This server has no {leaf} of models.", hint=_GRAMMAR)
    if match := _REPOSITORY.fullmatch(path):
        name, leaf = match.groups()
        if name is None and leaf == "index":
            return "POST", Route(Action.V2_INDEX)
        if name is not None and leaf in _REPOSITORY_ACTIONS:
            return "POST", Route(_REPOSITORY_ACTIONS[leaf], decoded(name, "model name"))
    raise NotFound(f"No such page: {path}", hint=_GRAMMAR)


def version_of(text: str | None) -> int | None:
    """Return the version that a request names; None if it names none, or "".

    Raises:
        InvalidArgument: it is no number below 2**63.
    """
    if text and not _DIGITS.fullmatch(text):
        raise InvalidArgument(
            f"The version {text[:100]!r} is no number.", hint="Leave it out for the newest."
        )
    return version_number(text or None)


def _signature(query: str) -> str:
    try:
        values = parse_qs(query, max_num_fields=_MOST_QUERIED).get("signature_name", [""])
    except ValueError:
        return ""
    return values[0]
