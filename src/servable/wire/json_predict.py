"""The bodies of a predict request and its answer, in either layout."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import simdjson

from servable.errors import InvalidArgument
from servable.tensors import Array, DType, Signature
from servable.wire import json_columns, json_numbers, json_rows
from servable.wire.json_debug import Json, debug_string
from servable.wire.json_parse import parse


class Layout(enum.Enum):
    """How a body arranges its tensors; the answer uses the layout of the request."""

    ROWS = "instances"
    COLUMNS = "inputs"


@dataclass(frozen=True, slots=True)
class PredictBody:
    """A body that is well-formed JSON; its tensors wait for a signature to name their dtypes.

    Attributes:
        signature_name: what the body asks for, "" if it does not say.
    """

    signature_name: str
    _text: bytes
    _fast: simdjson.Object | None
    _root: dict[str, Json] | None

    def decode(self, signature: Signature) -> tuple[Layout, dict[str, Array]]:
        """Return the layout and one array for each input.

        Raises:
            InvalidArgument: the tensors are missing or do not suit the signature.
            Unimplemented: JSON has no form for an input's dtype (columnar only).
        """
        if self._fast is not None:
            numbers = _decode_numbers(self._text, self._fast, signature)
            if numbers is not None:
                return numbers
        root = parse(self._text) if self._root is None else self._root
        if "instances" in root and "inputs" in root:
            raise InvalidArgument(
                f"JSON Value: {debug_string(root)} Not formatted correctly expecting only one "
                "of 'inputs' or 'instances' keys to exist "
            )
        if "instances" in root:
            return Layout.ROWS, json_rows.decode(root, signature)
        if "inputs" in root:
            return Layout.COLUMNS, json_columns.decode(root, signature)
        raise InvalidArgument("Missing 'inputs' or 'instances' key")


def parse_body(body: bytes) -> PredictBody:
    """Return a request's body, parsed.

    Raises:
        InvalidArgument: it is no JSON object, or `signature_name` is no string.
    """
    fast = json_numbers.parse_object(body)
    if fast is not None:
        name = fast.get("signature_name", "")
        if isinstance(name, str):
            return PredictBody(name, body, fast, None)
    root = parse(body)
    if not isinstance(root, dict):
        raise InvalidArgument(f"JSON Value: {debug_string(root)} Is not object")
    name = root.get("signature_name", "")
    if not isinstance(name, str):
        raise InvalidArgument(
            f"JSON Value: {debug_string(root)} not formatted correctly. 'signature_name' key "
            "must be a string value."
        )
    return PredictBody(name, body, None, root)


def encode(layout: Layout, outputs: Mapping[str, Array]) -> bytes:
    """Return the answer to a request in `layout`.

    Raises:
        InvalidArgument: the outputs do not suit the layout, or JSON.
    """
    return json_rows.encode(outputs) if layout is Layout.ROWS else json_columns.encode(outputs)


def _decode_numbers(
    text: bytes, root: simdjson.Object, signature: Signature
) -> tuple[Layout, dict[str, Array]] | None:
    """Decode a body in which every input is a nested list of numbers; None for any other."""
    if ("instances" in root) == ("inputs" in root):
        return None
    layout = Layout.ROWS if "instances" in root else Layout.COLUMNS
    value = root[layout.value]
    members: dict[str, object]
    if isinstance(value, simdjson.Array) and len(signature.inputs) == 1 and len(value):
        members = {next(iter(signature.inputs)): value}
    elif isinstance(value, simdjson.Object) and layout is Layout.COLUMNS:
        keys = list(value)
        if sorted(keys) != sorted(signature.inputs):
            return None
        members = {key: value[key] for key in keys}
    else:
        return None
    nested: list[tuple[simdjson.Array, DType]] = []
    for alias, member in members.items():
        dtype = signature.inputs[alias].dtype
        if not isinstance(member, simdjson.Array) or dtype is None:
            return None
        nested.append((member, dtype))
    arrays = json_numbers.arrays(text, nested)
    return None if arrays is None else (layout, dict(zip(members, arrays, strict=True)))
