"""What the bodies of all requests have in common: an object, and the name of a signature."""

from __future__ import annotations

from collections.abc import Callable

from servable.errors import InvalidArgument
from servable.wire.json_debug import Json, debug_string
from servable.wire.json_parse import parse


def read_object(text: bytes) -> dict[str, Json]:
    """Return the members of a body.

    Raises:
        InvalidArgument: the text is no JSON object.
    """
    root = parse(text)
    if not isinstance(root, dict):
        raise InvalidArgument(f"JSON Value: {debug_string(root)} Is not object")
    return root


def signature_name(value: object, root: Callable[[], Json]) -> str:
    """Return the member `signature_name`, which is "" where a body has none.

    Args:
        value: the member, or "".
        root: returns the body, for the error's text.

    Raises:
        InvalidArgument: it is no string.
    """
    if not isinstance(value, str):
        raise InvalidArgument(
            f"JSON Value: {debug_string(root())} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return value
