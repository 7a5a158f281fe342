"""Changes of what is served over REST: bodies in, what is served out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from servable.contracts import VersionStatus
from servable.errors import Internal, InvalidArgument, Unimplemented
from servable.traffic.rules import ShadowRule, Share, Traffic, Which
from servable.transport.admin_access import Caller
from servable.transport.http_exchange import Exchange
from servable.transport.rest_actions import Action
from servable.transport.rest_pages import Reply
from servable.transport.rest_request import Request

MAX_BODY_BYTES = 2**18

ACTIONS = frozenset(
    {
        *(Action.ADMIN_LIST, Action.ADMIN_ADD, Action.ADMIN_REMOVE),
        *(Action.ADMIN_RELOAD, Action.ADMIN_LABEL, Action.ADMIN_TRAFFIC),
    }
)
"""What `answer` answers."""

_ADD = 'Send {"name": "ranker", "base_path": "/models/ranker"}; "versions" and "labels" may follow.'
_LABEL = 'Send labels and their versions, such as {"stable": 3, "canary": null}.'
_TRAFFIC = (
    'Send {"split": [{"version": 3, "weight": 90}, {"label": "canary", "weight": 10}]}, or '
    '{"shadow": {"label": "canary", "percent": 10}}; [] and null end them.'
)
_NUMBER = (int, float)
_MEASURES = {"percent", "tolerance"}
_VERSIONS = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Addition:
    """A model to be served from now on.

    Attributes:
        base_path: absolute, or a URI.
        versions: a policy such as `latest:2`, `all` or `1,2`.
        labels: label -> version.
    """

    name: str
    base_path: str
    versions: str = "latest"
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that should be served.

    Attributes:
        path: where its versions are, or the one folder it consists of.
        versions: the policy, as in `Addition`.
        labels: label -> version, as wanted; a label waits until its version is AVAILABLE.
        statuses: every version ever managed, highest first.
    """

    name: str
    path: str
    versions: str
    platform: str
    labels: Mapping[str, int]
    statuses: Sequence[VersionStatus]


class Admin(Protocol):
    """What changes which models are served. Methods return before anything is loaded.

    They may be called from any thread, and raise ServableError when a rule is broken; then
    nothing changes.
    """

    def listed(self) -> Sequence[Listed]:
        """Every model that should be served, by name."""

    def add(self, addition: Addition) -> None:
        """Serve one model more."""

    def remove(self, name: str) -> None:
        """Stop serving a model."""

    def look_again(self, name: str) -> None:
        """Look for versions of a model now."""

    def relabel(self, name: str, changes: Mapping[str, int | None]) -> None:
        """Give labels of a model to other versions, all at once; None takes one away."""

    def divide(self, name: str, split: Sequence[Share]) -> None:
        """Divide the requests to a model that name no version; () for the highest one."""

    def shadow(self, name: str, rule: ShadowRule | None) -> None:
        """Have copies of the requests to a model run; None for no more."""


def caller(exchange: Exchange) -> Caller:
    """Return who sent a request.

    Raises:
        InvalidArgument: it names several hosts; which one was meant is not worth guessing.
    """
    headers = {
        key.decode("latin-1"): value.decode("latin-1") for key, value in exchange.head.headers
    }
    if sum(key == b"host" for key, _ in exchange.head.headers) > 1:
        raise InvalidArgument("The host header was sent twice.")
    return Caller(exchange.connection.client, headers, headers.get("host", ""))


def answer(admin: Admin | None, request: Request) -> Reply:
    """Carry a request out, and return what is served now.

    Raises:
        ServableError: the request is at fault, or see `Admin`.
    """
    if admin is None:
        raise Unimplemented("The models of this server can not be changed.")
    name = request.route.name
    acts: Mapping[Action, Callable[[], None]] = {
        Action.ADMIN_LIST: lambda: None,
        Action.ADMIN_ADD: lambda: admin.add(_addition(_members(request, _ADD))),
        Action.ADMIN_REMOVE: lambda: admin.remove(name),
        Action.ADMIN_RELOAD: lambda: admin.look_again(name),
        Action.ADMIN_LABEL: lambda: admin.relabel(name, _labels(_members(request, _LABEL), True)),
        Action.ADMIN_TRAFFIC: lambda: _direct(admin, name, _members(request, _TRAFFIC)),
    }
    if request.route.action not in acts:
        raise Internal(f"nothing answers {request.route.action}")
    acts[request.route.action]()
    return Reply(200, orjson.dumps({"models": [_described(model) for model in admin.listed()]}))


def _members(request: Request, example: str) -> dict[str, Any]:
    body = request.content()
    if len(body) > MAX_BODY_BYTES:
        raise InvalidArgument(f"The body is longer than {MAX_BODY_BYTES} bytes.")
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument(f"JSON Parse error: {error}", hint=example) from error
    if not isinstance(members, dict):
        raise InvalidArgument("The body is no JSON object.", hint=example)
    return members


def _addition(members: dict[str, Any]) -> Addition:
    unknown = members.keys() - {"name", "base_path", "versions", "labels"}
    if unknown:
        raise InvalidArgument(f"Unknown member: {min(unknown)[:100]}", hint=_ADD)
    for key in ("name", "base_path"):
        if not isinstance(members.get(key), str) or not members[key]:
            raise InvalidArgument(f'"{key}" must be a string that is not empty.', hint=_ADD)
    versions = members.get("versions", "latest")
    if not isinstance(versions, str):
        raise InvalidArgument('"versions" must be a string such as "latest:2".', hint=_ADD)
    labels = members.get("labels", {})
    if not isinstance(labels, dict):
        raise InvalidArgument('"labels" must be an object.', hint=_LABEL)
    given = {label: v for label, v in _labels(labels, False).items() if v is not None}
    return Addition(members["name"], members["base_path"], versions, given)


def _labels(members: dict[str, Any], may_remove: bool) -> dict[str, int | None]:
    for label, version in members.items():
        is_version = type(version) is int and version in _VERSIONS
        if not label or not (is_version or (version is None and may_remove)):
            raise InvalidArgument(f'"{label[:100]}" has no version.', hint=_LABEL)
    return members


def _direct(admin: Admin, name: str, members: dict[str, Any]) -> None:
    match members:
        case {"split": list(parts), **rest} if not rest:
            shares = [
                Share(_which(part, f"split[{number}]", {"weight": (int,)}), part["weight"])
                for number, part in enumerate(parts)
            ]
            admin.divide(name, Traffic(tuple(shares)).split)  # which checks them together
        case {"shadow": None, **rest} if not rest:
            admin.shadow(name, None)
        case {"shadow": dict(part), **rest} if not rest:
            which = _which(part, "shadow", {"percent": _NUMBER, "tolerance": _NUMBER})
            admin.shadow(name, ShadowRule(which, **{k: part[k] for k in _MEASURES & part.keys()}))
        case _:
            raise InvalidArgument("The body must have a split, or a shadow.", hint=_TRAFFIC)


def _which(part: Any, where: str, others: Mapping[str, tuple[type, ...]]) -> Which:
    """Return the version that a part of the traffic names, once its members are what they must."""
    types = {"version": (int,), "label": (str,), **others}
    if (
        not isinstance(part, dict)
        or part.keys() - types.keys()
        or any(type(value) not in types[key] for key, value in part.items())
        or part.get("version", 0) not in _VERSIONS
        or ("version" in part) == ("label" in part)
        or ("weight" in others and "weight" not in part)
    ):
        raise InvalidArgument(f'"{where}" is not what it must be.', hint=_TRAFFIC)
    return Which(part.get("version"), part.get("label"))


def _described(model: Listed) -> dict[str, Any]:
    return {
        "name": model.name,
        "base_path": model.path,
        "versions": model.versions,
        "platform": model.platform,
        "labels": dict(model.labels),
        "version_status": [_status(status) for status in model.statuses],
    }


def _status(status: VersionStatus) -> dict[str, str]:
    said = {"version": str(status.id.version), "state": status.state}
    if status.error is not None:
        said["error"] = status.error.status_text
    return said
