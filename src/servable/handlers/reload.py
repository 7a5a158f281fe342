"""HandleReloadConfigRequest: other models, while the server runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from servable.config.models import ModelConfig
from servable.contracts import ModelProvider
from servable.errors import InvalidArgument, Unimplemented

MOST_METRICS = 100
"""More names than there are metrics only cost time."""


@runtime_checkable
class Reloadable(Protocol):
    """Models that can be replaced."""

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Replace all models and labels, and wait for the models that are new.

        Raises:
            ServableError: the list breaks a rule, or a new model could not be loaded.
        """


@dataclass(frozen=True, slots=True)
class ReloadCall:
    """A reload request.

    Attributes:
        configs: the models to serve from now on; None if the request brings no list.
        metrics: the names of metrics whose growth is asked for.
    """

    configs: Sequence[ModelConfig] | None
    metrics: Sequence[str] = ()


def no_metrics(_name: str) -> int:
    """The value of every metric where nothing is counted."""
    return 0


def reload(
    models: ModelProvider, call: ReloadCall, value_of: Callable[[str], int] = no_metrics
) -> Mapping[str, int]:
    """Carry a reload out; return how much each metric that was asked for has grown meanwhile.

    Blocks until the models that are new have been loaded.

    Args:
        models: what is served.
        call: the request.
        value_of: returns the value of a metric, 0 for one that is not known.

    Raises:
        InvalidArgument: the request brings no list, or asks for too many metrics.
        Unimplemented: these models can not be replaced.
        ServableError: see `Reloadable.reload`.
    """
    if call.configs is None:
        raise InvalidArgument(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
            "ModelConfigList is currently supported",
            hint="Set config.model_config_list; an empty list serves nothing.",
        )
    if not isinstance(models, Reloadable):
        raise Unimplemented("The models of this server can not be replaced.")
    before = {name: value_of(name) for name in _distinct(call.metrics)}
    models.reload(call.configs)
    return {name: value_of(name) - value for name, value in before.items()}


def _distinct(names: Sequence[str]) -> Collection[str]:
    distinct = dict.fromkeys(names)
    if len(distinct) > MOST_METRICS:
        raise InvalidArgument(
            f"metric_names has {len(distinct)} names",
            hint=f"Ask for at most {MOST_METRICS} at once.",
        )
    return distinct
