"""The URLs by which single models are added, removed, looked after, labelled and directed."""

from __future__ import annotations

import re

from servable.errors import InvalidArgument, NotFound
from servable.transport.rest_actions import Action, Route, decoded

PREFIX = "/v1/admin/"

_ONE = re.compile(r"/v1/admin/models/([^/:?]+)(/labels|/traffic|:reload)?")

_ALL_METHODS = {"GET": Action.ADMIN_LIST, "POST": Action.ADMIN_ADD}
_ONE_METHODS = {
    "": ("DELETE", Action.ADMIN_REMOVE),
    ":reload": ("POST", Action.ADMIN_RELOAD),
    "/labels": ("POST", Action.ADMIN_LABEL),
    "/traffic": ("POST", Action.ADMIN_TRAFFIC),
}

_GRAMMAR = (
    "Send GET or POST /v1/admin/models, DELETE /v1/admin/models/NAME, or POST "
    "/v1/admin/models/NAME:reload, /v1/admin/models/NAME/labels or /v1/admin/models/NAME/traffic."
)


def route(method: str, target: str) -> Route:
    """Return what a request line under PREFIX asks for.

    Args:
        method: the HTTP method.
        target: path and query, as received; there are no queries here.

    Raises:
        NotFound: there is no such path.
        InvalidArgument: the method is another one.
    """
    if target == "/v1/admin/models":
        if method in _ALL_METHODS:
            return Route(_ALL_METHODS[method])
        raise InvalidArgument(f"{target} takes GET or POST, not {method}.", hint=_GRAMMAR)
    match = _ONE.fullmatch(target)
    if match is None:
        raise NotFound(f"No such page: {target}", hint=_GRAMMAR)
    expected, action = _ONE_METHODS[match[2] or ""]
    if method != expected:
        raise InvalidArgument(f"{target} takes {expected}, not {method}.", hint=_GRAMMAR)
    return Route(action, decoded(match[1], "model name"))
