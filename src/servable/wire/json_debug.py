"""How JSON values look inside error texts: the peer's debug form.

Indented by four spaces, arrays on one line, and cut after 256 bytes, which also
bounds the work for a body of any size.
"""

from __future__ import annotations

import contextlib
import math
from decimal import Decimal
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A parsed JSON value: None, bool, int, float, str, or a list or dict of such.

Not spelled out for the type checker: bulk code looks at sets of types, which it can
not follow. Bytes of a string that are not UTF-8 are surrogate escapes.
"""

_MAX_BYTES = 256

_ESCAPES = {i: f"\\u{i:04X}" for i in range(0x20)} | {
    ord(c): f"\\{letter}" for c, letter in zip('"\\\b\f\n\r\t', '"\\bfnrt', strict=True)
}

_TYPE_NAMES = {str: "String", list: "Array", dict: "Object", int: "Number", float: "Number"}


def type_name(value: Json) -> str:
    """Return the peer's name for the type of a JSON value."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    return _TYPE_NAMES[type(value)]


def debug_string(value: Json) -> str:
    """Return `value` as error texts show it."""
    output = _Output()
    with contextlib.suppress(_FullError):
        _write(value, 0, output)
    return output.text()


class _FullError(Exception):
    """Nothing more will be shown."""


class _Output:
    """Collects text up to the limit."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._room = _MAX_BYTES

    def put(self, text: str) -> None:
        encoded = text[: self._room].encode("utf-8", "surrogateescape")
        self._parts.append(encoded[: self._room])
        self._room -= len(encoded)
        if self._room <= 0:
            raise _FullError

    def text(self) -> str:
        # The cut may go through a character; "ignore" drops its first bytes.
        return b"".join(self._parts).decode("utf-8", "ignore")


def _write(value: Json, depth: int, output: _Output) -> None:
    # Each level puts at least one byte, so that the recursion ends with the room.
    match value:
        case dict():
            output.put("{")
            for i, (key, member) in enumerate(value.items()):
                output.put(",\n" if i else "\n")
                output.put("    " * (depth + 1))
                output.put(_quoted(key) + ": ")
                _write(member, depth + 1, output)
            output.put("\n" + "    " * depth + "}" if value else "}")
        case list():
            output.put("[")
            for i, item in enumerate(value):
                if i:
                    output.put(", ")
                _write(item, depth + 1, output)
            output.put("]")
        case str():
            output.put(_quoted(value))
        case bool() | None:
            output.put({True: "true", False: "false", None: "null"}[value])
        case float():
            output.put(_decimal(value))
        case _:
            output.put(str(value))


def _quoted(text: str) -> str:
    return '"' + text[:_MAX_BYTES].translate(_ESCAPES) + '"'


def _decimal(number: float) -> str:
    """Write a double in the fewest digits: plain from 1e-6 up to 1e21, else with an exponent."""
    if not math.isfinite(number):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, "NaN")
    sign = "-" if math.copysign(1.0, number) < 0 else ""
    exact = Decimal(repr(abs(number))).normalize().as_tuple()
    digits = "".join(map(str, exact.digits))
    point = len(digits) + int(exact.exponent)
    if number == 0:
        plain = "0.0"
    elif len(digits) <= point <= 21:
        plain = digits.ljust(point, "0") + ".0"
    elif 0 < point <= 21:
        plain = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        plain = "0." + "0" * -point + digits
    else:
        plain = digits[0] + ("." + digits[1:] if digits[1:] else "") + f"e{point - 1}"
    return sign + plain
