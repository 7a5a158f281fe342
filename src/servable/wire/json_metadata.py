"""The JSON of model metadata: what the peer's protobuf printer makes of it."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from servable.contracts import ServableId
from servable.tensors import Signature
from servable.wire.signature_proto import signature_map


def encode_metadata(id: ServableId, signatures: Mapping[str, Signature]) -> bytes:
    """Return every signature of a version, with `signature_def` twice, as the peer has it.

    Fields without presence are always printed, int64 as a string, names in snake case.
    """
    # Costs some milliseconds to import and nothing but this answer needs it.
    from google.protobuf.json_format import MessageToDict

    signature_def = MessageToDict(
        signature_map(signatures),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    return orjson.dumps(
        {
            "model_spec": {"name": id.name, "signature_name": "", "version": str(id.version)},
            "metadata": {"signature_def": signature_def},
        }
    )
