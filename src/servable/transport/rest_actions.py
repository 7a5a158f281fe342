"""What a request line can ask for, and the words of paths, decoded."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from urllib.parse import unquote

from servable.errors import InvalidArgument

LONGEST_REMEMBERED = 256
"""Characters of a path that anything is remembered for: strangers can make up any number."""

_BAD_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")


class Action(enum.Enum):
    """What a request asks for; the value is what metrics call it."""

    CLASSIFY = "classify"
    REGRESS = "regress"
    PREDICT = "predict"
    STATUS = "status"
    METADATA = "metadata"
    TRAFFIC = "traffic"
    MODELS = "models"
    OPENAPI = "openapi"
    V2_SERVER = "server_metadata"
    V2_METADATA = "model_metadata"
    V2_READY = "model_ready"
    V2_INFER = "model_infer"
    V2_INDEX = "repository_index"
    V2_LOAD = "repository_model_load"
    V2_UNLOAD = "repository_model_unload"
    ADMIN_LIST = "admin_list"
    ADMIN_ADD = "admin_add"
    ADMIN_REMOVE = "admin_remove"
    ADMIN_RELOAD = "admin_reload"
    ADMIN_LABEL = "admin_label"
    ADMIN_TRAFFIC = "admin_traffic"

    @property
    def computes(self) -> bool:
        """Whether a thread is needed for it; such a request may have a body, and take long."""
        return self not in _QUICK


_QUICK = frozenset(
    {
        *(Action.STATUS, Action.METADATA, Action.TRAFFIC, Action.MODELS),
        *(Action.V2_SERVER, Action.V2_METADATA, Action.V2_READY),
    }
)

ADMINISTRATIVE = frozenset(
    {
        *(Action.ADMIN_LIST, Action.ADMIN_ADD, Action.ADMIN_REMOVE),
        *(Action.ADMIN_RELOAD, Action.ADMIN_LABEL, Action.ADMIN_TRAFFIC),
        *(Action.V2_LOAD, Action.V2_UNLOAD),
    }
)
"""What changes which models are served, or tells where they are: not for everybody."""


@dataclass(frozen=True, slots=True)
class Route:
    """A request line, understood.

    Attributes:
        action: what it asks for.
        name: the model; "" if it is about none.
        version, label: at most one of them is set.
        signature_name: what the query says; "" if nothing.
        outputs: the outputs that the query asks for; () if it does not say.
    """

    action: Action
    name: str = ""
    version: int | None = None
    label: str | None = None
    signature_name: str = ""
    outputs: tuple[str, ...] = ()


def version_number(digits: str | None) -> int | None:
    """Return the number of a version; None for None.

    Raises:
        InvalidArgument: it is too large.
    """
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


def decoded(text: str, what: str) -> str:
    """Return a word of a path without its escapes; raises InvalidArgument for a bad one."""
    if _BAD_ESCAPE.search(text):
        raise InvalidArgument(
            f"Failed to decode {what}:{text}", hint="Write a percent sign as %25."
        )
    return unquote(text, errors="surrogateescape")
