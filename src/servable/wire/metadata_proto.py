"""GetModelMetadata messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servable.contracts import ModelSpec, ServableId
from servable.pb import serving_pb2
from servable.tensors import Signature
from servable.wire.signature_proto import ANY_TYPE, signature_map
from servable.wire.spec_proto import parse, read_spec, write_spec


def read_request(data: bytes) -> tuple[ModelSpec | None, Sequence[str]]:
    """Return which model a serialized GetModelMetadataRequest names, and which fields.

    Raises:
        InvalidArgument: the bytes are no such message.
    """
    request = parse(serving_pb2.GetModelMetadataRequest, data)
    spec = read_spec(request.model_spec) if request.HasField("model_spec") else None
    return spec, tuple(request.metadata_field)


def write_response(id: ServableId, signatures: Mapping[str, Signature]) -> bytes:
    """Return a serialized GetModelMetadataResponse with every signature of a version."""
    response = serving_pb2.GetModelMetadataResponse()
    write_spec(response.model_spec, id)
    entry = response.metadata["signature_def"]
    entry.type_url = ANY_TYPE
    entry.value = signature_map(signatures).SerializeToString(deterministic=True)
    return response.SerializeToString()
