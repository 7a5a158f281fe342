"""The URLs of the REST API (behaviour reference, section 3.2).

Words in a path are matched in any case, except the verb after the colon and
`metadata`, which the peer compares as they are. The query string belongs to what is
matched: a name may contain one, nothing else may.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from urllib.parse import unquote

from servable.errors import InvalidArgument


class Action(enum.Enum):
    """What a request asks for."""

    PREDICT = "predict"
    STATUS = "status"
    METADATA = "metadata"
    MODELS = "models"


@dataclass(frozen=True, slots=True)
class Route:
    """A request line, understood. At most one of `version` and `label` is set."""

    action: Action
    name: str = ""
    version: int | None = None
    label: str | None = None


_NAME = r"([^/:]+)"
_CHOICE = rf"(?:(?i:/versions)/([0-9]+)|(?i:/labels)/{_NAME})?"
_POST = re.compile(rf"(?i:/v1/models)/{_NAME}{_CHOICE}:(predict)")
_GET = re.compile(rf"(?i:/v1/models)(?:/{_NAME})?{_CHOICE}(/(?i:metadata))?")
_BAD_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")

_GRAMMAR = (
    "Send GET /v1/models, GET /v1/models/NAME[/versions/N][/metadata], "
    "or POST /v1/models/NAME[/versions/N]:predict."
)


def is_api(path: str) -> bool:
    """Whether a path belongs to this API at all."""
    return path[:4].lower() == "/v1/"


def route(method: str, target: str) -> Route:
    """Return what a request line asks for.

    Args:
        method: the HTTP method.
        target: path and query, as received.

    Raises:
        InvalidArgument: the grammar has no such request; the text is the peer's.
    """
    if method == "POST" and (match := _POST.fullmatch(target)):
        name, version, label, verb = match.groups()
        return Route(Action(verb), _name(name), _version(version), _label(label))
    if method == "GET" and (match := _GET.fullmatch(target)):
        name, version, label, leaf = match.groups()
        if name is None:
            if not (version or label or leaf):
                return Route(Action.MODELS)
            raise InvalidArgument("Missing model name in request.", hint=_GRAMMAR)
        action = Action.METADATA if leaf == "/metadata" else Action.STATUS
        return Route(action, _name(name), _version(version), _label(label))
    raise InvalidArgument(f"Malformed request: {method} {target}", hint=_GRAMMAR)


def _version(digits: str | None) -> int | None:
    if digits is None:
        return None
    # Looked at as text first: int() takes quadratic time, and refuses thousands of digits.
    number = digits.lstrip("0") or "0"
    if len(number) > 19 or int(number) >= 2**63:
        raise InvalidArgument(
            f"Failed to convert version: {digits} to numeric.",
            hint="A version is a number below 2**63.",
        )
    return int(number)


def _name(text: str) -> str:
    return _decoded(text, "model name")


def _label(text: str | None) -> str | None:
    return None if text is None else _decoded(text, "model version label")


def _decoded(text: str, what: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise InvalidArgument(
            f"Failed to decode {what}:{text}", hint="Write a percent sign as %25."
        )
    return unquote(text, errors="surrogateescape")
