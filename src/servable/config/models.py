"""Which models a server is told to serve: `model_config_list`, and its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from servable.config.request_logs import LoggingConfig, read_logging
from servable.config.traffic import read_traffic
from servable.errors import (
    FailedPrecondition,
    InvalidArgument,
    ResourceExhausted,
    Unimplemented,
)
from servable.pb import config_pb2
from servable.sources.place import BasePath
from servable.sources.remote.path import check_readable, remote_path
from servable.sources.versions import LATEST, All, Latest, Specific, VersionPolicy
from servable.traffic.rules import Traffic, check_shadows

TENSORFLOW = "tensorflow"
"""The usual platform. What a version folder holds is told by its files, not by this."""

MAX_MODELS = 10_000
"""More than one process can serve; a list may come from a stranger."""

MAX_LABELS = 1000
"""Of one model."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model of a list.

    Attributes:
        base_path: as written: absolute, or a URI.
        platform: what `model_platform` says, or the deprecated `model_type` stands for.
        labels: label -> version.
        log: how requests are logged; None if it does not say.
        traffic: where requests go that name no version; None for the highest version.
    """

    name: str
    base_path: str
    platform: str = TENSORFLOW
    policy: VersionPolicy = LATEST
    labels: Mapping[str, int] = field(default_factory=dict)
    log: LoggingConfig | None = None
    traffic: Traffic | None = None

    @property
    def path(self) -> BasePath:
        """The base path: a folder of this machine, or what is behind a URL."""
        return remote_path(self.base_path) or Path(self.base_path.removeprefix("file://"))


def read_models(
    message: config_pb2.ModelServerConfig, *, first: bool = True
) -> tuple[ModelConfig, ...] | None:
    """Return the models that a config lists; None if nothing is set in it.

    Args:
        first: whether it replaces nothing.

    Raises:
        FailedPrecondition: a list is to be replaced by something that is none.
        InvalidArgument: a model is not described as it should be.
        Unimplemented: the models are described by a message that only a custom build
            of TensorFlow Serving knows.
    """
    kind = message.WhichOneof("config")
    if not first and kind != "model_config_list":
        raise FailedPrecondition(
            "Cannot transition to requested config. It is only legal to transition from one "
            "ModelConfigList to another.",
            hint="To serve nothing, write model_config_list {}.",
        )
    if kind == "custom_model_config":
        raise Unimplemented("ModelServer does not yet support custom model config.")
    return None if kind is None else read_list(message.model_config_list)


def read_list(message: config_pb2.ModelConfigList) -> tuple[ModelConfig, ...]:
    """Return the models of a list.

    Raises:
        InvalidArgument: a model is not described as it should be.
    """
    return tuple(_model(config) for config in message.config)


def check(models: Sequence[ModelConfig], running: Mapping[str, str] | None = None) -> None:
    """Return if a list may be served, as far as it tells (behaviour reference 5.8).

    Args:
        running: the names of the models that it replaces, with their platforms.

    Raises:
        InvalidArgument: two models share a name, a base path is relative, or a model
            changes its platform.
        Unimplemented: a base path is a URI that this server can not read.
        ResourceExhausted: there are more than MAX_MODELS, MAX_LABELS of one, or
            MAX_SHADOWS.
    """
    if len(models) > MAX_MODELS:
        raise ResourceExhausted(f"More than {MAX_MODELS} models are listed.")
    seen: set[str] = set()
    for model in models:
        if model.name in seen:
            raise InvalidArgument(
                f"Illegal to list model {model.name} multiple times in config list"
            )
        seen.add(model.name)
        if len(model.labels) > MAX_LABELS:
            raise ResourceExhausted(f"Model {model.name} has more than {MAX_LABELS} labels.")
    check_shadows({model.name: model.traffic for model in models if model.traffic is not None})
    for model in models:
        _check_base_path(model)
        before = (running or {}).get(model.name, model.platform)
        if before != model.platform:
            raise InvalidArgument(
                f"Illegal to change a model's platform. For model {model.name} platform was "
                f"{before} and new platform requested is {model.platform}"
            )


def _check_base_path(model: ModelConfig) -> None:
    remote = remote_path(model.base_path)
    if remote is not None:
        check_readable(remote)
        return
    relative = not model.base_path.removeprefix("file://").startswith("/")
    if relative or "\0" in model.base_path:
        raise InvalidArgument(
            f"Expected model {model.name} to have an absolute path or URI; got "
            f"base_path()={model.base_path}",
            hint="A base path begins with /, or is a URL such as s3://bucket/ranker.",
        )


def _model(config: config_pb2.ModelConfig) -> ModelConfig:
    labels = dict(config.version_labels)
    return ModelConfig(
        name=config.name,
        base_path=config.base_path,
        platform=_platform(config),
        policy=_policy(config),
        labels=labels,
        log=read_logging(config.logging_config) if config.HasField("logging_config") else None,
        traffic=read_traffic(config.traffic, config.name, labels)
        if config.HasField("traffic")
        else None,
    )


def _platform(config: config_pb2.ModelConfig) -> str:
    typed = config.model_type != config_pb2.MODEL_TYPE_UNSPECIFIED
    if typed == bool(config.model_platform):
        raise InvalidArgument(
            f"Illegal setting {'both' if typed else 'neither'} ModelServerConfig::model_type "
            f"(deprecated) {'and' if typed else 'nor'} ModelServerConfig::model_platform, "
            f"model name is {config.name}",
            hint=f'Write model_platform: "{TENSORFLOW}".',
        )
    if not typed:
        return config.model_platform
    if config.model_type != config_pb2.TENSORFLOW:
        raise InvalidArgument(
            f"ModelServerConfig::model_type choice {config.model_type} not supported."
        )
    return TENSORFLOW


def _policy(config: config_pb2.ModelConfig) -> VersionPolicy:
    policy = config.model_version_policy
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(tuple(sorted(set(policy.specific.versions))))
        case "latest":
            return Latest(max(policy.latest.num_versions, 1))
        case _:
            return LATEST
