"""HandleReloadConfigRequest: other models, while the server runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from servable.config.models import ModelConfig
from servable.contracts import ModelProvider
from servable.errors import InvalidArgument, Unimplemented


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


def reload(models: ModelProvider, call: ReloadCall) -> Mapping[str, int]:
    """Carry a reload out; return how much each metric has grown by it.

    Blocks until the models that are new have been loaded.

    Raises:
        InvalidArgument: the request brings no list.
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
    models.reload(call.configs)
    # Of metrics that it does not know, the peer says that they have not grown either.
    return dict.fromkeys(call.metrics, 0)
