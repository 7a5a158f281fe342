"""A JSON body as Python values: by the fastest parser that reads it as the peer does.

Of equal keys in one object the last one counts, here and in the fast path for
numbers, as in every common JSON library; the peer finds the first.
"""

from __future__ import annotations

import contextlib
import json
import math
import re

import orjson

from servable.errors import InvalidArgument
from servable.wire.json_debug import Json
from servable.wire.json_scan import scan

_EXACT_UP_TO_BYTES = 2**22
_EXACT_UP_TO_VALUES = 2**17
"""The exact parser takes some microseconds for each value or level, and no other thread runs
meanwhile: strangers must not make it take minutes."""

_BLANKS = re.compile(r"[ \t\n\r]*")


def parse(body: bytes) -> Json:
    """Return the first value in `body`; the rules are those of `json_scan.scan`.

    Raises:
        InvalidArgument: there is no well-formed value.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        at = error.pos
    with contextlib.suppress(ValueError, RecursionError):
        value = _with_words(body)
        # A number as the root may be cut off in a way that the exact parser complains of.
        if isinstance(value, dict):
            return value
    if len(body) > _EXACT_UP_TO_BYTES or body.count(b",") > _EXACT_UP_TO_VALUES:
        raise InvalidArgument(f"JSON Parse error: Unspecific syntax error. at offset: {at}")
    return scan(bytes(body))  # which was received into a bytearray, maybe


def _with_words(body: bytes) -> Json:
    """Parse what strict JSON has no words for: NaN, Infinity and -Infinity."""
    if b"\\ud" in body or b"\\uD" in body:
        raise ValueError("the standard library does not check surrogate pairs")
    text = body.decode("utf-8-sig", "surrogateescape")
    blanks = _BLANKS.match(text)
    value, _ = _DECODER.raw_decode(text, blanks.end() if blanks else 0)
    return value


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("the exact parser reports an overflow")
    return number


def _int(digits: str) -> int | float:
    if len(digits) < 19:
        return int(digits)
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else _float(digits)


_DECODER = json.JSONDecoder(parse_float=_float, parse_int=_int)
