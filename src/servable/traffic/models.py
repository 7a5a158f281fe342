"""Models whose requests are divided among versions by rules."""

from __future__ import annotations

from servable.contracts import ModelProvider, ModelRepository, ServableHandle
from servable.traffic.routes import Routes


class RoutedModels:
    """A `contracts.ModelProvider` around another one. As thread-safe as that one is.

    Requests that name a version, and those to models without rules, go straight on.
    """

    def __init__(self, models: ModelProvider, routes: Routes) -> None:
        self._acquire = models.acquire
        self._route = routes.of
        self.labels = models.labels
        self.status = models.status
        self.names = models.names
        self.traffic = routes.report
        # They are found by looking for the methods, so they must be here only if they are there.
        if hasattr(models, "reload"):
            self.reload = models.reload
        if isinstance(models, ModelRepository):
            self.load_model = models.load_model
            self.unload_model = models.unload_model

    def acquire(self, name: str, version: int | None = None) -> ServableHandle:
        """Return a handle on a version; raises as the inner provider does."""
        if version is None and (route := self._route(name)) is not None:
            return route.acquire()
        return self._acquire(name, version)
