"""tf.Example in protobuf's JSON form to its bytes."""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from servable import varint
from servable.errors import InvalidArgument
from servable.ops.number_text import parse_double
from servable.ops.registry import Build, Kernel, op
from servable.ops.text import each

_MAX_FLOAT = float(np.finfo(np.float32).max)
_WHOLE = re.compile(r"-?[0-9]+")


class _Refused(Exception):
    """The JSON is not that of an Example; the text says why."""


@op("DecodeJSONExample")
def decode_json_example(build: Build) -> Kernel:
    """Examples as JSON to serialized examples.

    What JSON itself does not allow, such as names without quotes or a comma at the end, is
    refused, although TensorFlow lets it pass.
    """
    del build
    return lambda x: each(_encoded, x)


def _encoded(text: bytes) -> bytes:
    try:
        value = json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=lambda digits: -0.0 if digits == "-0" else int(digits),
        )
        return _example(value)
    except (ValueError, RecursionError, _Refused) as error:
        raise InvalidArgument(f"Error while parsing JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Refused("an object has the same name twice")
    return made


def _refuse_constant(name: str) -> None:
    raise _Refused(f"{name} must be in quotes")


def _members(value: Any, where: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The members of a message that are not null, under their canonical names."""
    if not isinstance(value, dict):
        raise _Refused(f"{where} must be an object")
    made: dict[str, Any] = {}
    for name, member in value.items():
        known = names.get(name)
        if known is None:
            raise _Refused(f"{where}: no such field: '{name}'")
        if member is None:
            continue
        if known in made:
            raise _Refused(f"{where}: {known} is there twice")
        made[known] = member
    return made


def _field(number: int, payload: bytes) -> bytes:
    return varint.encode(number << 3 | 2) + varint.encode(len(payload)) + payload


def _example(value: Any) -> bytes:
    members = _members(value, "Example", {"features": "features"})
    return _field(1, _features(members["features"])) if members else b""


def _features(value: Any) -> bytes:
    members = _members(value, "features", {"feature": "feature"})
    entries = members.get("feature", {})
    if not isinstance(entries, dict):
        raise _Refused("features.feature must be an object")
    made = b""
    for key, feature in entries.items():
        entry = _field(1, key.encode())
        if feature is not None:
            entry += _field(2, _feature(feature, key))
        made += _field(1, entry)
    return made


def _feature(value: Any, where: str) -> bytes:
    members = _members(value, where, _LIST_NAMES)
    if len(members) > 1:
        raise _Refused(f"{where} has lists of two kinds")
    for name, items in members.items():
        number, encode = _LISTS[name]
        values = _members(items, f"{where}.{name}", {"value": "value"}).get("value", [])
        return _field(number, b"".join(map(encode, _flat(values))))
    return b""


def _flat(values: Any) -> Iterator[Any]:
    """The values of a repeated field: a value may stand without a list, or in several."""
    if isinstance(values, list):
        for value in values:
            yield from _flat(value)
    else:
        yield values


def _bytes_value(value: Any) -> bytes:
    if value is None:
        return _field(1, b"")
    if not isinstance(value, str):
        raise _Refused("a value of bytesList must be base64 in a string")
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return _field(1, base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
    except binascii.Error:
        raise _Refused("a value of bytesList is not base64") from None


def _float_value(value: Any) -> bytes:
    number = _number(value)
    if np.isfinite(number) and abs(number) > _MAX_FLOAT:
        raise _Refused(f"{value} does not fit a float")
    return b"\x0d" + struct.pack("<f", number)


def _int_value(value: Any) -> bytes:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, str) and value != value.strip():
        raise _Refused(f"'{value}' is not an integer")
    if isinstance(value, bool) or not isinstance(value, int):
        number = _number(value)
        if not number.is_integer():
            raise _Refused(f"{value} is not an integer")
        value = int(number)
    if not -(2**63) <= value < 2**63:
        raise _Refused(f"{value} does not fit int64")
    return b"\x08" + varint.encode(value & varint.MAX_UINT64)


def _number(value: Any) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _Refused("a number is expected")
    number = parse_double(value.encode()) if isinstance(value, str) else float(value)
    if number is None or (np.isinf(number) and not isinstance(value, str)):
        raise _Refused(f"'{value}' is not a number")
    return number


_LISTS: Mapping[str, tuple[int, Callable[[Any], bytes]]] = {
    "bytesList": (1, _bytes_value),
    "floatList": (2, _float_value),
    "int64List": (3, _int_value),
}
_LIST_NAMES = {
    **{name: name for name in _LISTS},
    "bytes_list": "bytesList",
    "float_list": "floatList",
    "int64_list": "int64List",
}
