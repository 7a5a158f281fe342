"""GetModelMetadata: the signatures of a loaded version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servable.contracts import ModelProvider, ModelSpec, ServableId
from servable.errors import InvalidArgument
from servable.handlers.resolve import acquire, present
from servable.tensors import Signature

SIGNATURE_DEF = "signature_def"
"""The one kind of metadata there is."""


@dataclass(frozen=True, slots=True)
class MetadataAnswer:
    """Every signature of one version, by name."""

    id: ServableId
    signatures: Mapping[str, Signature]


def get_metadata(
    models: ModelProvider, spec: ModelSpec | None, fields: Sequence[str]
) -> MetadataAnswer:
    """Return the metadata named by `fields`, in the peer's order of checks (reference 2.8).

    Raises:
        InvalidArgument: the spec is missing, or `fields` is empty or names anything
            but `signature_def`.
        NotFound: no such version is ready.
    """
    spec = present(spec)
    hint = 'Ask for metadata_field: ["signature_def"].'
    if not fields:
        raise InvalidArgument(
            "GetModelMetadataRequest must specify at least one metadata_field", hint=hint
        )
    for field in fields:
        if field != SIGNATURE_DEF:
            raise InvalidArgument(f"Metadata field {field} is not supported", hint=hint)
    with acquire(models, spec) as handle:
        return MetadataAnswer(handle.id, handle.servable.signatures)
