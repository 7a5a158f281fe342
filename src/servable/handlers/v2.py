"""What the Open Inference Protocol asks about models; see `predict` for inference itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from servable.contracts import ModelProvider, ModelRepository, ModelSpec, VersionStatus
from servable.errors import NotFound, PermissionDenied
from servable.handlers import hints
from servable.handlers.predict import DEFAULT_SIGNATURE
from servable.handlers.resolve import acquire, not_found
from servable.tensors import Signature, TensorSpec

PLATFORM = "tensorflow_savedmodel"
SERVER = "servable"
EXTENSIONS = ("binary_tensor_data", "model_repository", "parameters")

_AVAILABLE = "AVAILABLE"
_STATES = {
    "START": "LOADING",
    "LOADING": "LOADING",
    _AVAILABLE: "READY",
    "UNLOADING": "UNLOADING",
    "END": "UNAVAILABLE",
}


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model as the protocol describes it.

    Attributes:
        name: its name.
        versions: those that can be asked, ascending.
        signature: the one that requests use unless they name another.
    """

    name: str
    versions: Sequence[str]
    signature: Signature


@dataclass(frozen=True, slots=True)
class Indexed:
    """A version in the index of a repository.

    Attributes:
        name, version: which.
        state: READY, LOADING, UNLOADING or UNAVAILABLE.
        reason: why it is not ready, if it ended badly.
    """

    name: str
    version: str
    state: str
    reason: str


def choose(name: str, signatures: Mapping[str, Signature]) -> str:
    """Return the signature that a request means: it may leave out the only one there is."""
    if name or DEFAULT_SIGNATURE in signatures or len(signatures) != 1:
        return name or DEFAULT_SIGNATURE
    return next(iter(signatures))


def describe(models: ModelProvider, spec: ModelSpec) -> ModelDescription:
    """Return what a model takes and returns.

    Raises:
        NotFound: no such version is ready, or it has no such signature.
    """
    with acquire(models, spec) as handle:
        signatures = handle.servable.signatures
        name = choose(spec.signature_name, signatures)
        if name not in signatures:
            raise NotFound(
                f'The model {spec.name} has no signature "{name}".',
                hint=hints.cut(hints.no_such_signature(name, signatures)),
            )
        statuses = models.status(spec.name)
        versions = sorted(s.id.version for s in statuses if s.state == _AVAILABLE)
        return ModelDescription(spec.name, [str(v) for v in versions], signatures[name])


def sizes(spec: TensorSpec) -> list[int]:
    """Return a shape with -1 for each size that is not known; [-1] for one of unknown rank."""
    shape = (None,) if spec.shape is None else spec.shape
    return [-1 if size is None else size for size in shape]


def ready(models: ModelProvider, name: str, version: int | None) -> bool:
    """Whether a version, or any version, of a model can be asked."""
    return any(s.state == _AVAILABLE for s in models.status(name, version))


def check_known(models: ModelProvider, name: str, version: int | None) -> None:
    """Raise NotFound if nothing was ever managed under this name and version."""
    if not models.status(name, version):
        which = "" if version is None else f" version {version}"
        raise NotFound(f"There is no model {name}{which}.", hint=hints.cut(not_found(models, name)))


def index(models: ModelProvider, *, ready_only: bool) -> Sequence[Indexed]:
    """Return every version ever managed, by name and ascending; or those that are ready."""
    return [
        _indexed(status)
        for name in models.names()
        for status in reversed(models.status(name))
        if not ready_only or status.state == _AVAILABLE
    ]


def load(models: ModelProvider, name: str) -> None:
    """Load a model, or its newest versions; returns when it is ready.

    Raises:
        PermissionDenied: clients may not do this here.
        ServableError: see `ModelRepository.load_model`.
    """
    _repository(models).load_model(name)


def unload(models: ModelProvider, name: str) -> None:
    """Unload a model; raises as `load` does."""
    _repository(models).unload_model(name)


def _repository(models: ModelProvider) -> ModelRepository:
    if not isinstance(models, ModelRepository):
        raise PermissionDenied(
            "Clients may not load and unload models of this server.",
            hint="Change the server's configuration instead; it can be read again while it runs.",
        )
    return models


def _indexed(status: VersionStatus) -> Indexed:
    reason = status.error.status_text if status.error else ""
    state = _STATES.get(status.state, "UNAVAILABLE")
    return Indexed(status.id.name, str(status.id.version), state, reason)
