"""What a server serves, and how that is changed while it runs."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from servable.config.models import TENSORFLOW, ModelConfig, check
from servable.config.request_logs import LoggingConfig
from servable.contracts import Target, VersionStatus
from servable.core.labels import LabelRule, Table
from servable.core.manager import Manager
from servable.errors import Cancelled, InvalidArgument, Unavailable, UnknownError
from servable.metrics.requests import CURRENT
from servable.recording.request_log import RequestLogs, make_folder
from servable.servables.platforms import platform
from servable.server.config import BareModel, Model, by_name
from servable.sources.filesystem import FileSystemSource, WatchedModel
from servable.sources.static import StaticSource

MAX_WAITING = 2
"""Requests that wait for new models at the same time; each holds a thread of gRPC's."""

_LOOK_SECONDS = 0.1


class ServedModels:
    """The models of a server: a `contracts.ModelProvider` that can be reconfigured.

    All methods may be called from any thread.

    Args:
        manager: loads and serves.
        source: finds the versions of watched models.
        target: hears of bare models; what `source` tells its versions to.
        logs: where requests are logged.
        default_log: how, for models that do not say so themselves; None for not at all.
        reload_rule: what a reload does with labels of versions that are not AVAILABLE.
        unload_when_empty: whether a model of a reload whose last version disappears goes
            out of service.
    """

    def __init__(
        self,
        manager: Manager,
        source: FileSystemSource,
        target: Target[Path],
        *,
        logs: RequestLogs | None = None,
        default_log: LoggingConfig | None = None,
        reload_rule: LabelRule = LabelRule.READY_ONLY,
        unload_when_empty: bool = False,
    ) -> None:
        self._manager = manager
        self._logs = logs or RequestLogs()
        self._default_log = default_log
        self._source = source
        self._target = target
        self._reload_rule = reload_rule
        self._unload_when_empty = unload_when_empty
        self._changing = threading.RLock()
        self._models: Mapping[str, Model] = {}
        self._bare: dict[str, StaticSource] = {}
        self._waits = 0
        self._closing = threading.Event()
        # Not methods, so that a request does not pay for the detour.
        self.acquire = manager.acquire
        self.labels = manager.labels

    def status(self, name: str, version: int | None = None) -> Sequence[VersionStatus]:
        """Every version ever managed under this name, highest first; [] if none."""
        return self._manager.status(name, version)

    def names(self) -> Sequence[str]:
        """Every name ever managed, ascending."""
        return self._manager.names()

    def configured(self) -> Mapping[str, Model]:
        """The models that should be served now, by name."""
        return self._models

    def reconfigure(
        self,
        models: Collection[Model],
        labels: Table,
        rule: LabelRule = LabelRule.WHEN_READY,
        logs: Mapping[str, LoggingConfig] | None = None,
    ) -> Collection[str]:
        """Replace all models, labels and logs; return the new names. Loads go on elsewhere.

        A model that is listed as it was before is left alone. Everything is checked before
        anything changes.

        Raises:
            InvalidArgument: two models have the same name.
            FailedPrecondition: the rule refuses a label, or the folder of a log can not be
                made.
        """
        wanted = by_name(models)
        logged = self._logged(wanted, logs or {})
        with self._changing:
            for log in logged.values():
                make_folder(log)
            self._manager.set_labels(labels, rule)
            self._logs.configure(logged)
            before, self._models = self._models, wanted
            self._source.watch([m for m in wanted.values() if isinstance(m, WatchedModel)])
            for name, model in wanted.items():
                if isinstance(model, BareModel) and before.get(name) != model:
                    self._bare[name] = StaticSource(name, model.version, model.path)
                    self._bare[name].connect(self._target)
                    self._bare[name].start()
            for name in self._bare.keys() - wanted.keys():
                self._bare.pop(name).withdraw()
            return wanted.keys() - before.keys()

    def configure(
        self,
        configs: Sequence[ModelConfig],
        rule: LabelRule,
        *,
        fixed: Collection[Model] = (),
        fixed_labels: Table | None = None,
    ) -> Collection[str]:
        """Replace all models and labels by a list and what is fixed; see `reconfigure`.

        Raises:
            ServableError: the list breaks a rule; then nothing changes.
        """
        with self._changing:
            check(configs, {name: model.platform for name, model in self._models.items()})
            listed = [watched(config, self._unload_when_empty) for config in configs]
            labels = {config.name: config.labels for config in configs if config.labels}
            logs = {config.name: config.log for config in configs if config.log is not None}
            return self.reconfigure(
                [*fixed, *listed], {**(fixed_labels or {}), **labels}, rule, logs
            )

    def reload(self, configs: Sequence[ModelConfig]) -> None:
        """Replace all models and labels by a list, and wait for those that are new.

        TensorFlow Serving's rules (behaviour reference 5.8), but a list that can not be
        served changes nothing, and nobody waits behind somebody who waits.

        Raises:
            ServableError: the list breaks a rule; then nothing changes. Or a new model did
                not become available, the server stops, or later reloads came; the list
                held until then.
        """
        self._check_asked(configs)
        new = self.configure(configs, self._reload_rule)
        if not new:
            return
        with self._changing:
            self._waits += 1
            turn = self._waits
        while not self._manager.wait_until_settled(self._still(new), _LOOK_SECONDS):
            self._check_worth_waiting(turn)
        failed = self._manager.failures(self._still(new))
        if failed:
            raise not_available("model(s)", failed)

    def _check_asked(self, configs: Sequence[ModelConfig]) -> None:
        """Refuse what a config file may ask for, and a request may not.

        Who reaches the port could otherwise have files written anywhere, and any code run.
        """
        for config in configs:
            known = self._models.get(config.name)
            repeated = isinstance(known, WatchedModel) and (known.platform, known.base_path) == (
                config.platform,
                config.path,
            )
            changed = known is not None and known.platform != config.platform  # `check` refuses
            if config.platform != TENSORFLOW and not repeated and not changed:
                raise InvalidArgument(
                    f"Model {config.name} requests unsupported platform {config.platform}",
                    hint=f'A request can bring models of the platform "{TENSORFLOW}". Put others '
                    "into the server's config file.",
                )
            if config.log is not None and config.log not in self._logs.active:
                raise InvalidArgument(
                    "No request-logger-creator provided.",
                    hint=f"A request can only repeat a logging_config that is in use. Put that of "
                    f"{config.name} into the server's config file.",
                )

    def _logged(
        self, models: Collection[str], logs: Mapping[str, LoggingConfig]
    ) -> Mapping[str, LoggingConfig]:
        """Return how each model is logged, if it is."""
        found = {name: logs.get(name, self._default_log) for name in models}
        return {name: log for name, log in found.items() if log is not None}

    def _check_worth_waiting(self, turn: int) -> None:
        seen = CURRENT.observation
        if seen is not None and seen.wanted is not None and not seen.wanted():
            raise Cancelled("The client does not wait for an answer any more.")
        if self._closing.is_set():
            raise Unavailable("The server is stopping.")
        if self._waits - turn >= MAX_WAITING:
            raise Unavailable(
                "Too many reloads are waiting for their models.",
                hint="This one holds as far as later ones did not replace it.",
            )

    def close(self) -> None:
        """Let nobody wait any longer: the server stops."""
        self._closing.set()

    def _still(self, names: Collection[str]) -> Collection[str]:
        """Those of the names that no later reload has dropped."""
        return [name for name in names if name in self._models]


def watched(config: ModelConfig, unload_when_empty: bool) -> WatchedModel:
    """Return what to watch for one model of a list.

    Raises:
        InvalidArgument: there is no such platform.
    """
    check_version = None
    if config.platform != TENSORFLOW:
        try:
            check_version = platform(config.platform).check
        except InvalidArgument as error:
            raise InvalidArgument(
                f"Model {config.name} requests unsupported platform {config.platform}",
                hint=f"{error.message}. {error.hint}",
            ) from error
    return WatchedModel(
        config.name,
        config.path,
        config.policy,
        unload_when_empty,
        config.platform,
        check_version,
    )


def not_available(noun: str, failed: Sequence[VersionStatus]) -> UnknownError:
    """Return the error that says which versions kept models from becoming available."""
    listed = "".join(f"{s.id} due to error: {_reason(s)}}}, " for s in failed)
    hints = [s.error.hint for s in failed if s.error is not None and s.error.hint]
    return UnknownError(
        f"{len(failed)} {noun} did not become available: {{{listed}}}", hint="; ".join(hints[:1])
    )


def _reason(status: VersionStatus) -> str:
    return status.error.status_text if status.error is not None else "OK"
