"""GetModelStatus messages."""

from __future__ import annotations

from collections.abc import Sequence

from servable.contracts import ModelSpec, VersionStatus
from servable.pb import serving_pb2
from servable.wire.spec_proto import parse, read_spec
from servable.wire.status import unicode_text


def read_request(data: bytes) -> ModelSpec | None:
    """Return which model a serialized GetModelStatusRequest asks about.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    request = parse(serving_pb2.GetModelStatusRequest, data)
    return read_spec(request.model_spec) if request.HasField("model_spec") else None


def write_response(statuses: Sequence[VersionStatus]) -> bytes:
    """Return a serialized GetModelStatusResponse, in the order given."""
    response = serving_pb2.GetModelStatusResponse()
    for status in statuses:
        entry = response.model_version_status.add(version=status.id.version, state=status.state)
        entry.status.SetInParent()  # present also when all is well
        if status.error is not None:
            entry.status.error_code = int(status.error.code)  # type: ignore[assignment]  # the stub wants the enum's own type
            entry.status.error_message = unicode_text(status.error.message)
    return response.SerializeToString()
