"""One model at a time: added, removed, labelled and directed while a server runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from servable.config.models import ModelConfig
from servable.errors import FailedPrecondition, NotFound
from servable.server.config import Model, parse_versions, versions_text
from servable.server.models import ServedModels
from servable.sources.filesystem import WatchedModel
from servable.traffic.rules import ShadowRule, Share
from servable.transport.admin_calls import Addition, Listed


class Repository:
    """A `contracts.ModelProvider` and `contracts.ModelRepository` around the served models.

    Also a `transport.admin_calls.Admin`. All methods may be called from any thread. One
    place says what is served: while a config file is read again and again, only that file
    changes it, and the methods that would are refused. They can then still look for
    versions.

    Args:
        models: what is served.
        config_file: the file that is read again and again, if there is one.
        one_of_many: whether other processes serve the same. A request reaches one of them
            only, so then it changes nothing.
    """

    def __init__(
        self,
        models: ServedModels,
        config_file: Path | None = None,
        *,
        one_of_many: bool = False,
    ) -> None:
        self._models = models
        self._config_file = config_file
        self._one_of_many = one_of_many
        self._unloaded: dict[str, tuple[Model, Mapping[str, int]]] = {}
        self.acquire = models.acquire
        self.labels = models.labels
        self.status = models.status
        self.names = models.names

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Replace all models and labels by a list; see `ServedModels.reload`.

        Raises:
            FailedPrecondition: other processes serve the same.
            ServableError: it breaks a rule; then nothing changes.
        """
        self._check_alone()
        self._models.reload(configs)

    def listed(self) -> Sequence[Listed]:
        """Every model that should be served, by name."""
        configured = self._models.configured()
        return [self._listed(configured[name]) for name in sorted(configured)]

    def add(self, addition: Addition) -> None:
        """Serve one model more; returns at once.

        Raises:
            FailedPrecondition: a config file says what is served.
            AlreadyExists: a model of that name is served.
            ServableError: it breaks a rule; see `ServedModels.reload`.
        """
        self._check_ours()
        policy = parse_versions(addition.versions)
        self._models.add(
            ModelConfig(addition.name, addition.base_path, policy=policy, labels=addition.labels)
        )
        self._unloaded.pop(addition.name, None)

    def remove(self, name: str) -> None:
        """Stop serving a model; returns at once, and requests that run finish.

        Raises:
            FailedPrecondition: a config file says what is served.
            NotFound: it is not served.
        """
        self._check_ours()
        self._models.drop(name)

    def look_again(self, name: str) -> None:
        """Look for versions of a model now, and try again what could not be loaded.

        Raises:
            FailedPrecondition: other processes serve the same.
            NotFound: it is not served, or has no base path.
        """
        self._check_alone()
        self._models.look_again(name)

    def relabel(self, name: str, changes: Mapping[str, int | None]) -> None:
        """Give labels of a model to other versions; see `ServedModels.relabel`.

        Raises:
            FailedPrecondition: a config file says what is served.
            NotFound: it is not served.
        """
        self._check_ours()
        self._models.relabel(name, changes)

    def divide(self, name: str, split: Sequence[Share]) -> None:
        """Change who answers requests to a model; see `ServedModels.set_traffic`.

        Also while a config file says what is served: that holds until the file says
        something else about the traffic of the model.

        Raises:
            FailedPrecondition: other processes serve the same.
        """
        self._check_alone()
        self._models.set_traffic(name, split)

    def shadow(self, name: str, rule: ShadowRule | None) -> None:
        """Change who runs copies of requests to a model; as `divide`."""
        self._check_alone()
        self._models.set_shadow(name, rule)

    def load_model(self, name: str) -> None:
        """Serve a model again that was unloaded, or look for its versions; wait until it is ready.

        Raises:
            FailedPrecondition: other processes serve the same.
            NotFound: it was never served.
            ServableError: it could not be loaded, or the server stops.
        """
        self._check_alone()
        parked = self._unloaded.pop(name, None)
        if parked is not None:
            self._check_ours()
            self._models.restore(*parked)
        elif isinstance(self._models.configured().get(name), WatchedModel):
            self._models.look_again(name)
        self._models.wait_for([self._known(name)])

    def unload_model(self, name: str) -> None:
        """Stop serving a model until `load_model`; wait until no new request reaches it.

        Raises:
            FailedPrecondition: a config file says what is served.
            NotFound: it is not served.
        """
        self._check_ours()
        labels = self._models.wanted_labels(self._known(name))
        self._unloaded[name] = (self._models.drop(name), labels)
        self._models.wait_until_gone(name)

    def _known(self, name: str) -> str:
        if name not in self._models.configured():
            raise NotFound(
                f"There is no model {name} to load or unload.",
                hint="Models of this server's configuration can be loaded again after an unload.",
            )
        return name

    def _check_ours(self) -> None:
        if self._config_file is not None:
            raise FailedPrecondition(
                f"What is served is said by {self._config_file}, which is read again and again.",
                hint="Change that file; the server follows it by itself.",
            )
        self._check_alone()

    def _check_alone(self) -> None:
        if self._one_of_many:
            raise FailedPrecondition(
                "Several worker processes serve these models, and a request reaches one of them.",
                hint="Let a file say what is served (servable serve --config FILE), which all of "
                "them read again and again, or serve with --workers 1.",
            )

    def _listed(self, model: Model) -> Listed:
        if isinstance(model, WatchedModel):
            path, versions = str(model.base_path), versions_text(model.policy)
        else:
            path, versions = str(model.path), str(model.version)
        labels, statuses = self._models.wanted_labels(model.name), self._models.status(model.name)
        return Listed(model.name, path, versions, model.platform, labels, statuses)
