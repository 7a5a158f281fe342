"""Arrays as JSON for a person or a pipe."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from servable.tensors import Array

_INDENT = "  "


def plain(array: Array) -> Any:
    """Return nested lists of what JSON knows.

    Floats have the fewest digits that tell them apart in their own dtype, so that a
    float32 0.2 reads 0.2. Strings are text if they are UTF-8, else `{"b64": ...}`.
    Complex numbers are pairs.
    """
    if array.dtype == object:
        return _mapped(array.tolist(), _text)
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], axis=-1).tolist()
    if array.dtype.kind == "V":  # bfloat16 and its kin
        array = array.astype(np.float32)
    if array.dtype.kind == "f":
        return _mapped(array.astype(str).tolist(), float)
    return array.tolist()


def render(document: Mapping[str, Any], *, pretty: bool) -> str:
    """Return one line, or an indented text in which each list of scalars keeps to one line.

    NaN and infinities are the bare tokens NaN, Infinity and -Infinity, as in the
    REST API.
    """
    return _pretty(document, "") if pretty else json.dumps(document, ensure_ascii=False)


def _pretty(value: Any, indent: str) -> str:
    inner = indent + _INDENT
    if isinstance(value, Mapping) and value:
        members = [f"{json.dumps(key)}: {_pretty(item, inner)}" for key, item in value.items()]
        return _block("{", members, "}", inner, indent)
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return _block("[", [_pretty(item, inner) for item in value], "]", inner, indent)
    return json.dumps(value, ensure_ascii=False)


def _block(opening: str, members: list[str], closing: str, inner: str, indent: str) -> str:
    lines = ",\n".join(inner + member for member in members)
    return f"{opening}\n{lines}\n{indent}{closing}"


def _mapped(value: Any, function: Any) -> Any:
    if isinstance(value, list):
        return [_mapped(item, function) for item in value]
    return function(value)


def _text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}
