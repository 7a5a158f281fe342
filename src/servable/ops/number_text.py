"""Numbers as text, and text as numbers, by TensorFlow's rules.

Sources: what TensorFlow answers; its parser follows absl's SimpleAtof and SimpleAtoi,
its writer C's printf.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from servable.tensors import BOOL, DOUBLE, FLOAT, INT32, INT64, STRING, UINT32, UINT64, DType

# White space is C's isspace. The exponent of a decimal may be long, the digits too.
_DECIMAL = re.compile(
    rb"[ \t\n\v\f\r]*([+-]?)((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t\n\v\f\r]*"
)
_SPECIAL = re.compile(
    rb"[ \t\n\v\f\r]*([+-]?)(inf|infinity|nan|nan\([A-Za-z0-9_]*\))[ \t\n\v\f\r]*", re.IGNORECASE
)
_HEX = re.compile(
    rb"[ \t\n\v\f\r]*([+-]?)(0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)"
    rb"(?:[pP][+-]?[0-9]+)?)[ \t\n\v\f\r]*"
)
_INTEGER = re.compile(rb"[ \t\n\v\f\r]*([+-]?[0-9]+)[ \t\n\v\f\r]*")
# The longest integer that may fit, signs and some leading zeros included.
_MOST_DIGITS = 4096


def parse_double(text: bytes) -> float | None:
    """The double nearest to the text; None if it is no number. Too large is infinite."""
    if match := _DECIMAL.fullmatch(text):
        return float(match[1] + match[2])
    if match := _SPECIAL.fullmatch(text):
        return float(match[1] + (b"nan" if match[2][:1] in b"nN" else b"inf"))
    if match := _HEX.fullmatch(text):
        try:
            return float.fromhex((match[1] + match[2]).decode())
        except OverflowError:
            return float(match[1] + b"inf")
    return None


def parse_float(text: bytes) -> float | None:
    """The float32 nearest to the text, as a double; None if it is no number."""
    value = parse_double(text)
    if value is None or not np.isfinite(value):
        return value
    with np.errstate(over="ignore"):
        single = np.float32(value)
    near = float(single)
    if np.isfinite(single) and near != value and (match := _DECIMAL.fullmatch(text)):
        # Rounding twice goes wrong only if the double lies halfway between two floats.
        with np.errstate(over="ignore"):
            other = float(np.nextafter(single, np.float32(np.inf if value > near else -np.inf)))
        if value - near == other - value:
            exact = Decimal((match[1] + match[2]).decode())
            if exact != Decimal(value) and (exact > Decimal(value)) == (value > near):
                return other
    return near


def parse_integer(text: bytes, dtype: np.dtype[Any]) -> int | None:
    """The integer; None if the text is none, or one that the dtype can not hold."""
    match = _INTEGER.fullmatch(text)
    if match is None or len(match[1]) > _MOST_DIGITS:
        return None
    if dtype.kind == "u" and match[1][:1] == b"-":
        return None
    value = int(match[1])
    limits = np.iinfo(dtype)
    return value if limits.min <= value <= limits.max else None


PARSERS: dict[DType, Callable[[bytes], Any]] = {
    FLOAT: parse_float,
    DOUBLE: parse_double,
    INT32: lambda text: parse_integer(text, INT32.numpy),
    INT64: lambda text: parse_integer(text, INT64.numpy),
    UINT32: lambda text: parse_integer(text, UINT32.numpy),
    UINT64: lambda text: parse_integer(text, UINT64.numpy),
}
"""What reads text as a value of a dtype; each returns None for text that is none."""


def shortest(value: Any, digits: int) -> str:
    """A float as printed by TensorFlow: in `digits` digits, or in enough to be exact.

    Args:
        value: a numpy float.
        digits: 6 for float32, 15 for float64.
    """
    text = f"{float(value):.{digits}g}"
    if np.isnan(value):
        return "nan"
    if type(value)(text) == value:
        return text
    return f"{float(value):.{digits + (3 if digits == 6 else 2)}g}"


def element(value: Any, dtype: DType) -> str:
    """One value as TensorFlow shows it inside a printed tensor."""
    if dtype is STRING:
        return '"' + escaped(value) + '"'
    if dtype is BOOL:
        return "1" if value else "0"
    match dtype.numpy.kind:
        case "i" | "u":
            return str(int(value))
        case "c":
            return "?"
        case _ if dtype is DOUBLE:
            return shortest(np.float64(value), 15)
        case _:
            return shortest(np.float32(value), 6)


_ESCAPES = {
    **{code: f"\\{code:03o}" for code in (*range(0x20), 0x7F)},
    **{ord(c): "\\" + c for c in "\"'\\"},
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}


def escaped(string: bytes) -> str:
    """A string with quotes and what can not be printed escaped as in C.

    Bytes from 0x80 on stay as they are; encode the result with `surrogateescape`.
    """
    return string.decode("utf-8", "surrogateescape").translate(_ESCAPES)
