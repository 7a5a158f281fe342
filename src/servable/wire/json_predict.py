"""The bodies of a predict request and its answer, in either layout."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import simdjson

from servable.errors import InvalidArgument
from servable.tensors import Array, DType, Signature
from servable.wire import json_columns, json_numbers, json_rows
from servable.wire.json_body import read_object, signature_name
from servable.wire.json_debug import Json, debug_string
from servable.wire.json_tensors import is_base64

FAST_FROM_BYTES = 2048
"""Below this length the fast path for numbers costs more than it saves (measured)."""


class Layout(enum.Enum):
    """How a body arranges its tensors; the answer uses the layout of the request."""

    ROWS = "instances"
    COLUMNS = "inputs"


class PredictBody:
    """A body that is a JSON object; its tensors wait for a signature to name their dtypes.

    For use by one thread at a time.

    Raises:
        InvalidArgument: by the constructor: the text is no JSON object, or its
            `signature_name` is no string.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._root: dict[str, Json] | None = None
        # What simdjson has parsed of the three members that count, if it was tried and could.
        self._fast = None
        if len(text) >= FAST_FROM_BYTES:
            self._fast = json_numbers.members(text, ("signature_name", "instances", "inputs"))
        members = self._exact() if self._fast is None else self._fast
        self.signature_name = signature_name(members.get("signature_name", ""), self._exact)
        """What the body asks for; "" if it does not say."""

    def decode(self, signature: Signature) -> tuple[Layout, dict[str, Array]]:
        """Return the layout, and one array for each input of the signature.

        Raises:
            InvalidArgument: the tensors are missing or do not suit the signature.
            Unimplemented: JSON has no form for an input's dtype (columnar only).
        """
        numbers = None if self._fast is None else _decode_numbers(self._text, self._fast, signature)
        if numbers is not None:
            self._fast = None  # a large tree, of no more use while the model computes
            return numbers
        root = self._exact()
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

    def input_names(self) -> Sequence[str]:
        """Return the names that the body gives to its inputs, if it gives any.

        For error texts: a body that could be decoded as plain numbers has none to tell.
        """
        root = self._root or {}
        value = root.get("inputs") or root.get("instances")
        first = next(iter(value), None) if isinstance(value, list) else value
        return list(first) if isinstance(first, dict) and not is_base64(first) else ()

    def _exact(self) -> dict[str, Json]:
        """Return the root as Python values."""
        if self._root is None:
            self._root = read_object(self._text)
        return self._root


def encode(layout: Layout, outputs: Mapping[str, Array]) -> bytes:
    """Return the answer to a request in `layout`.

    Raises:
        InvalidArgument: the outputs do not suit the layout, or JSON.
    """
    return json_rows.encode(outputs) if layout is Layout.ROWS else json_columns.encode(outputs)


def _decode_numbers(
    text: bytes, root: Mapping[str, object], signature: Signature
) -> tuple[Layout, dict[str, Array]] | None:
    """Decode a body in which every input is a nested list of numbers; None for any other."""
    if ("instances" in root) == ("inputs" in root):
        return None
    layout = Layout.ROWS if "instances" in root else Layout.COLUMNS
    value = root[layout.value]
    if isinstance(value, simdjson.Array) and len(signature.inputs) == 1 and len(value):
        values: Mapping[str, object] = dict.fromkeys(signature.inputs, value)
    elif isinstance(value, simdjson.Object) and layout is Layout.COLUMNS:
        aliases = list(value)
        if sorted(aliases) != sorted(signature.inputs):
            return None
        values = {alias: value[alias] for alias in aliases}
    else:
        return None
    nested: list[tuple[simdjson.Array, DType]] = []
    for alias, member in values.items():
        dtype = signature.inputs[alias].dtype
        if not isinstance(member, simdjson.Array) or dtype is None:
            return None
        nested.append((member, dtype))
    arrays = json_numbers.arrays(text, nested)
    return None if arrays is None else (layout, dict(zip(values, arrays, strict=True)))
