"""How the requests to a model that name no version are divided, and how its shadow does."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from servable.contracts import ModelProvider
from servable.errors import NotFound
from servable.handlers import hints
from servable.handlers.resolve import not_found
from servable.traffic.report import TrafficReport


@runtime_checkable
class Routed(Protocol):
    """Models whose requests may be divided."""

    def traffic(self, name: str) -> TrafficReport:
        """Return the rules of a model, and how they are kept."""


def get_traffic(models: ModelProvider, name: str) -> TrafficReport:
    """Return the rules of a model, and how they are kept.

    Raises:
        NotFound: nothing was ever managed under this name.
    """
    if not models.status(name):
        raise NotFound(
            f"Could not find any versions of model {name}",
            hint=hints.cut(not_found(models, name)),
        )
    return models.traffic(name) if isinstance(models, Routed) else TrafficReport(name)
