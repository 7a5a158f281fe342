"""GetModelStatus: where the versions of a model are in their life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servable.contracts import ModelProvider, ModelSpec, VersionStatus
from servable.errors import NotFound
from servable.handlers import hints
from servable.handlers.resolve import not_found, present


def get_status(models: ModelProvider, spec: ModelSpec | None) -> Sequence[VersionStatus]:
    """Return the versions that `spec` asks about, the highest first.

    A label is ignored, as the peer ignores it: the answer is then every version.

    Raises:
        InvalidArgument: the spec is missing. An empty name just is not found.
        NotFound: nothing was ever managed under this name and version.
    """
    spec = present(spec)
    statuses = models.status(spec.name, spec.version)
    if not statuses:
        raise NotFound(
            f"Could not find any versions of model {spec.name}"
            if spec.version is None
            else f"Could not find version {spec.version} of model {spec.name}",
            hint=hints.cut(not_found(models, spec.name)),
        )
    return statuses


def list_models(models: ModelProvider) -> Mapping[str, Sequence[VersionStatus]]:
    """Return every name ever managed with its versions, the highest first."""
    return {name: models.status(name) for name in models.names()}
