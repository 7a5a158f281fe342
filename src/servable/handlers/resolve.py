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
        NotFound: no such version is ready, also if it is the one that has the label.
    """
    if not spec.name:
        raise InvalidArgument("ModelSpec has no name specified.", hint=_NAME_IT)
    try:
        if spec.label is not None:
            return _labelled(models, spec.name, spec.label)
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


def _labelled(models: ModelProvider, name: str, label: str) -> ServableHandle:
    version = models.labels(name).get(label)
    while version is not None:
        try:
            return models.acquire(name, version)
        except NotFound:
            # The label may have moved on, and its old version gone, since it was looked up.
            before, version = version, models.labels(name).get(label)
            if version == before:
                raise
    # The peer says this also when the model itself does not exist.
    raise InvalidArgument(
        f"Unrecognized servable version label: {label}", hint=_no_label(models, name)
    )


def _no_label(models: ModelProvider, name: str) -> str:
    given = models.labels(name)
    known = ", ".join(f"{label} is {version}" for label, version in sorted(given.items()))
    return hints.cut(
        f"No version has this label.{f' Labels: {known}.' if known else ''} "
        f"{not_found(models, name)}"
    )
