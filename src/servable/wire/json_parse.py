"""A JSON body as Python values: quickly where that is safe, else by the exact rules."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from servable.wire.json_debug import Json
from servable.wire.json_scan import scan

_BLANKS = re.compile(r"[ \t\n\r]*")


def parse(body: bytes) -> Json:
    """Return the first value in `body`; see `json_scan.scan`, whose results these are.

    The standard library's parser, in C, reads what it can; a body that it refuses or
    reads more generously than the peer is read again by the exact one.

    Raises:
        InvalidArgument: there is no well-formed value.
    """
    try:
        value = _quick(body)
    except (ValueError, RecursionError):
        return scan(body)
    # A root that is no object is refused anyway, with the exact parser's texts.
    return value if isinstance(value, dict) else scan(body)


def _quick(body: bytes) -> Json:
    if b"\\ud" in body or b"\\uD" in body:
        raise ValueError("surrogates are checked by the exact parser")
    text = body.decode("utf-8-sig", "surrogateescape")
    blanks = _BLANKS.match(text)
    value, _ = _DECODER.raw_decode(text, blanks.end() if blanks else 0)
    return value


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("an overflow is reported by the exact parser")
    return number


def _int(digits: str) -> int | float:
    if len(digits) < 19:
        return int(digits)
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else _float(digits)


def _first_of_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object in which of equal keys the first one counts."""
    value = dict(members)
    if len(value) != len(members):
        value = {}
        for key, member in members:
            value.setdefault(key, member)
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_first_of_each, parse_float=_float, parse_int=_int)
