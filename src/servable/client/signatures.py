"""Signatures as a server reports them."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from servable.errors import Internal
from servable.pb import serving_pb2
from servable.savedmodel.signatures import read_signature
from servable.tensors import Signature


def signatures_from_map(stored: serving_pb2.SignatureDefMap) -> dict[str, Signature]:
    """Return the signatures of a metadata answer, by name.

    Raises:
        ServableError: one of them can not be, such as a shape with a size below -1.
    """
    return {
        name: read_signature(stored.signature_def[name], f"signature {name}")
        for name in sorted(stored.signature_def)
    }


def signatures_from_json(stored: dict[str, Any]) -> dict[str, Signature]:
    """Return the signatures of a metadata answer in protobuf's JSON form.

    Raises:
        Internal: it is not a SignatureDefMap.
        ServableError: as for `signatures_from_map`.
    """
    try:
        parsed = json_format.ParseDict(
            stored, serving_pb2.SignatureDefMap(), ignore_unknown_fields=True
        )
    except json_format.ParseError as error:
        raise Internal(f"the server's metadata can not be read: {error}") from error
    return signatures_from_map(parsed)
