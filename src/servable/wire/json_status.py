"""The JSON of model status: what the peer's protobuf printer makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from servable.contracts import VersionStatus
from servable.errors import Code
from servable.wire.status import unicode_text


def encode_status(statuses: Sequence[VersionStatus]) -> bytes:
    """Return the states of one model's versions, in the order given."""
    return orjson.dumps({"model_version_status": [_entry(status) for status in statuses]})


def encode_models(models: Mapping[str, Sequence[VersionStatus]]) -> bytes:
    """Return every model with the states of its versions. The peer has no such answer."""
    return orjson.dumps(
        {
            "models": [
                {"name": name, "versions": [_entry(status) for status in statuses]}
                for name, statuses in models.items()
            ]
        }
    )


def _entry(status: VersionStatus) -> dict[str, Any]:
    code, message = Code.OK, ""
    if status.error is not None:
        code, message = status.error.code, unicode_text(status.error.message)
    return {
        "version": str(status.id.version),  # protobuf writes int64 as a string
        "state": status.state,
        "status": {"error_code": code.name, "error_message": message},
    }
