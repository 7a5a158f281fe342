"""The exact JSON parser: what it accepts and how it complains are the peer's rules.

It is written for its error texts and its generosity, not for speed: the bodies that
reach it are those that faster parsers refuse. Rules and texts are in the behaviour
reference, section 3.5; the parser there is RapidJSON, reading iteratively, with
NaN and Infinity allowed, stopping after the first value, and not validating UTF-8.
"""

from __future__ import annotations

import math
import re

from servable.errors import InvalidArgument
from servable.wire.json_debug import Json

_MAX_DEPTH = 1_000_000
"""Deeper nesting is refused: each level of it costs far more memory than its one byte."""

_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_INTEGER = re.compile(rb"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(rb"\.[0-9]+")
_EXPONENT = re.compile(rb"[eE][+-]?[0-9]+")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_ESCAPED = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True))
_WORDS: dict[bytes, tuple[bytes, Json]] = {
    b"t": (b"true", True),
    b"f": (b"false", False),
    b"n": (b"null", None),
}
_NON_FINITE = re.compile(rb"-?(?:NaN|Infinity|Inf(?!i))")


def scan(body: bytes) -> Json:
    """Return the first value in `body`; what follows it is ignored.

    Integers that fit neither int64 nor uint64 become floats. Of equal keys in an
    object the last one counts.

    Raises:
        InvalidArgument: there is no well-formed value; the text is the peer's.
    """
    if not body:
        raise InvalidArgument("JSON Parse error: The document is empty")
    at = _skip(body, len(_BOM) if body.startswith(_BOM) else 0)
    if at == len(body) or body[at] in b",:}]":
        raise _error("The document is empty.", at)
    # What is open, outermost first, each with the key that its next value goes under.
    stack: list[tuple[list[Json] | dict[str, Json], str]] = []
    while True:
        value, at, opened = _begin(body, at)
        if opened is not None:
            if len(stack) == _MAX_DEPTH:
                raise _error("Terminate parsing due to Handler error.", at)
            stack.append(opened)
            continue
        while stack:
            container, key = stack[-1]
            at = _skip(body, at)
            follows = body[at : at + 1]
            if isinstance(container, list):
                container.append(value)
                if follows == b",":
                    at = _skip(body, at + 1)
                    break
                if follows != b"]":
                    raise _error("Missing a comma or ] after an array element.", at)
            else:
                container[key] = value
                if follows == b",":
                    key, at = _key(body, _skip(body, at + 1))
                    stack[-1] = (container, key)
                    break
                if follows != b"}":
                    raise _error("Missing a comma or } after an object member.", at)
            stack.pop()
            value, at = container, at + 1
        else:
            return value


def _begin(
    body: bytes, at: int
) -> tuple[Json, int, tuple[list[Json] | dict[str, Json], str] | None]:
    """Read a whole scalar or empty container, or open a container that has members."""
    match body[at : at + 1]:
        case b"[":
            at = _skip(body, at + 1)
            if body[at : at + 1] == b"]":
                return [], at + 1, None
            return None, at, ([], "")
        case b"{":
            at = _skip(body, at + 1)
            if body[at : at + 1] == b"}":
                return {}, at + 1, None
            key, at = _key(body, at)
            return None, at, ({}, key)
        case b'"':
            text, at = _string(body, at)
            return text, at, None
        case b"t" | b"f" | b"n":
            return *_word(body, at), None
        case _:
            return *_number(body, at), None


def _key(body: bytes, at: int) -> tuple[str, int]:
    """Read a member's name and colon; return where its value begins."""
    if body[at : at + 1] != b'"':
        raise _error("Missing a name for object member.", at)
    key, at = _string(body, at)
    at = _skip(body, at)
    if body[at : at + 1] != b":":
        raise _error("Missing a colon after a name of object member.", at)
    return key, _skip(body, at + 1)


def _string(body: bytes, at: int) -> tuple[str, int]:
    parts = []
    at += 1
    while True:
        end = _end(_PLAIN, body, at)
        parts.append(body[at:end])
        follows = body[end : end + 1]
        if follows == b'"':
            return b"".join(parts).decode("utf-8", "surrogateescape"), end + 1
        if follows in (b"", b"\0"):
            raise _error("Missing a closing quotation mark in string.", end)
        if follows != b"\\":
            raise _error("Invalid encoding in string.", end)
        character, at = _escape(body, end)
        parts.append(character)


def _escape(body: bytes, start: int) -> tuple[bytes, int]:
    """Read one escape sequence, or the two that make up a surrogate pair."""
    letter = body[start + 1 : start + 2]
    if letter != b"u":
        if not letter or letter[0] not in _ESCAPED:
            raise _error("Invalid escape character in string.", start)
        return bytes([_ESCAPED[letter[0]]]), start + 2
    code, at = _hex(body, start, start + 2), start + 6
    if 0xD800 <= code <= 0xDFFF:
        low = -1
        if code <= 0xDBFF and body[at : at + 2] == b"\\u":
            low = _hex(body, start, at + 2)
        if not 0xDC00 <= low <= 0xDFFF:
            raise _error("The surrogate pair in string is invalid.", start)
        code, at = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), at + 6
    return chr(code).encode(), at


def _hex(body: bytes, start: int, at: int) -> int:
    digits = _HEX.match(body, at)
    if digits is None:
        raise _error("Incorrect hex digit after \\u escape in string.", start)
    return int(digits[0], 16)


def _word(body: bytes, at: int) -> tuple[Json, int]:
    word, value = _WORDS[body[at : at + 1]]
    end = _common(body, at, word)
    if end < at + len(word):
        raise _error("Invalid value.", end)
    return value, end


def _number(body: bytes, at: int) -> tuple[int | float, int]:
    integer = _INTEGER.match(body, at)
    if integer is None:
        return _non_finite(body, at)
    end = integer.end()
    for marks, part, complaint in (
        (b".", _FRACTION, "Miss fraction part in number."),
        (b"eE", _EXPONENT, "Miss exponent in number."),
    ):
        if end < len(body) and body[end] in marks:
            rest = part.match(body, end)
            if rest is None:
                signed = marks == b"eE" and body[end + 1 : end + 2] in (b"+", b"-")
                raise _error(complaint, end + 1 + signed)
            end = rest.end()
    # An integer of more than 20 characters is past int64 and uint64 both.
    if end == integer.end() and end - at <= 20:
        number = int(integer[0])
        if -(2**63) <= number < 2**64:
            return number, end
    if math.isinf(double := float(body[at:end])):
        raise _error("Number too big to be stored in double.", at)
    return double, end


def _non_finite(body: bytes, at: int) -> tuple[float, int]:
    literal = _NON_FINITE.match(body, at)
    if literal is None:
        at += body[at : at + 1] == b"-"
        raise _error("Invalid value.", max(_common(body, at, w) for w in (b"NaN", b"Infinity")))
    return float(literal[0]), literal.end()


def _common(body: bytes, at: int, word: bytes) -> int:
    """Return where `body` stops being equal to `word`."""
    for i, expected in enumerate(word):
        if body[at + i : at + i + 1] != bytes([expected]):
            return at + i
    return at + len(word)


def _end(pattern: re.Pattern[bytes], body: bytes, at: int) -> int:
    """Return where a pattern that may match nothing ends."""
    match = pattern.match(body, at)
    return match.end() if match else at


def _skip(body: bytes, at: int) -> int:
    """Return where the next byte is that is no whitespace."""
    return _end(_SPACE, body, at)


def _error(complaint: str, at: int) -> InvalidArgument:
    return InvalidArgument(f"JSON Parse error: {complaint} at offset: {at}")
