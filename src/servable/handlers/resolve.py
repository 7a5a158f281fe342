"""From what a request says about a model to a handle on a loaded version of it."""

from __future__ import annotations

from servable.contracts import ModelProvider, ModelSpec, ServableHandle
from servable.errors import InvalidArgument, NotFound
from servable.handlers import hints

_NAME_IT = "Set model_spec.name to a model's name."


def present(spec: ModelSpec | None) -> ModelSpec:
    """Return `spec` if the request has one.

    Raises:
        InvalidArgument: it has none.
    """
    if spec is None:
        raise InvalidArgument("Missing ModelSpec", hint=_NAME_IT)
    return spec


def acquire(models: ModelProvider, spec: ModelSpec) -> ServableHandle:
    """Return a handle on the version that `spec` asks for; use it as a context manager.

    Raises:
        InvalidArgument: the name is empty, or no version has the label.
        NotFound: no such version is ready.
    """
    if not spec.name:
        raise InvalidArgument("ModelSpec has no name specified.", hint=_NAME_IT)
    if spec.label is not None:
        # The peer says this also when the model itself does not exist.
        raise InvalidArgument(
            f"Unrecognized servable version label: {spec.label}", hint=_no_label(models, spec)
        )
    try:
        return models.acquire(spec.name, spec.version)
    except NotFound as error:
        hints.explain(error, lambda: not_found(models, spec.name))
        raise


def not_found(models: ModelProvider, name: str) -> str:
    """Say what there is instead of a version that was not found."""
    statuses = models.status(name)
    if statuses:
        return hints.versions(name, statuses)
    return hints.no_such_model(name, models.names())


def _no_label(models: ModelProvider, spec: ModelSpec) -> str:
    return hints.cut(f"No version has this label. {not_found(models, spec.name)}")
