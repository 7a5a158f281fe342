"""What a server serves, and how that is changed while it runs."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servable.config.models import MAX_LABELS, TENSORFLOW, ModelConfig, check
from servable.config.request_logs import LoggingConfig
from servable.contracts import Target, VersionStatus
from servable.core.labels import LabelRule, Table
from servable.core.manager import Manager
from servable.core.states import VersionState
from servable.errors import (
    AlreadyExists,
    Cancelled,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
    UnknownError,
)
from servable.metrics.requests import CURRENT
from servable.recording.request_log import RequestLogs, make_folder
from servable.servables.platforms import platform
from servable.server.config import BareModel, Model, by_name
from servable.server.outcomes import Outcomes
from servable.sources.filesystem import FileSystemSource, WatchedModel
from servable.sources.remote.path import PEER_SCHEMES, RemotePath
from servable.sources.static import StaticSource
from servable.traffic.routes import Routes
from servable.traffic.rules import ShadowRule, Share, Traffic, Which, check_shadows

MAX_WAITING = 2
"""Requests that wait for new models at the same time; each holds a thread of gRPC's."""

_LOOK_SECONDS = 0.1
_MOMENT_SECONDS = 0.01
_LISTED = 10  # names that a hint shows at most


@dataclass(frozen=True, slots=True)
class _Rules:
    """What was said about models beside what they are, by name."""

    labels: Table
    logs: Mapping[str, LoggingConfig]
    traffic: Mapping[str, Traffic]


class ServedModels:
    """The models of a server: a `contracts.ModelProvider` that can be reconfigured.

    All methods may be called from any thread.

    Attributes:
        changes: how often what should be served was replaced.

    Args:
        manager: loads and serves.
        source: finds the versions of watched models.
        target: hears of bare models; what `source` tells its versions to.
        logs: where requests are logged.
        routes: which versions get requests that name none.
        default_log: how, for models that do not say so themselves; None for not at all.
        reload_rule: what a reload does with labels of versions that are not AVAILABLE.
        unload_when_empty: whether a model of a reload whose last version disappears goes
            out of service.
        patience_seconds: how long a new model whose files are not fit to be loaded is waited
            for.
    """

    def __init__(
        self,
        manager: Manager,
        source: FileSystemSource,
        target: Target[Path],
        *,
        logs: RequestLogs | None = None,
        routes: Routes | None = None,
        default_log: LoggingConfig | None = None,
        reload_rule: LabelRule = LabelRule.READY_ONLY,
        unload_when_empty: bool = False,
        patience_seconds: float = 0.0,
    ) -> None:
        self._manager = manager
        self._logs = logs or RequestLogs()
        self._routes = routes or Routes(manager)
        self._default_log = default_log
        self._source = source
        self._target = target
        self._reload_rule = reload_rule
        self._unload_when_empty = unload_when_empty
        self._patience_seconds = patience_seconds
        self._changing = threading.RLock()
        self._models: Mapping[str, Model] = {}
        self._rules = _Rules({}, {}, {})
        self._bare: dict[str, StaticSource] = {}
        self._waits = 0
        self.changes = 0
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
        traffic: Mapping[str, Traffic] | None = None,
    ) -> Collection[str]:
        """Replace all models, labels, logs and traffic rules; return the new names.

        A model that is listed as it was before is left alone. Everything is checked before
        anything changes. Loads go on elsewhere.

        Raises:
            InvalidArgument: two models have the same name.
            ResourceExhausted: there are too many shadows.
            FailedPrecondition: the rule refuses a label, or the folder of a log can not be
                made.
        """
        wanted = by_name(models)
        check_shadows(traffic or {})
        logged = self._logged(wanted, logs or {})
        with self._changing:
            for log in logged.values():
                make_folder(log)
            self._manager.set_labels(labels, rule)
            self._logs.configure(logged)
            self._routes.configure(wanted, traffic or {})
            before, self._models = self._models, wanted
            self.changes += 1
            self._rules = _Rules(dict(labels), dict(logs or {}), dict(traffic or {}))
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
            traffic = {config.name: config.traffic for config in configs if config.traffic}
            return self.reconfigure(
                [*fixed, *listed], {**(fixed_labels or {}), **labels}, rule, logs, traffic
            )

    def wanted_labels(self, name: str) -> Mapping[str, int]:
        """Label -> version as it was asked for, also where that is not AVAILABLE yet."""
        return self._rules.labels.get(name, {})

    def add(self, config: ModelConfig) -> None:
        """Serve one model more; returns at once. All others stay as they are.

        Raises:
            AlreadyExists: a model of that name is served.
            ServableError: it breaks a rule of `reload`. Nothing changes then.
        """
        with self._changing:
            self._check_asked([config])
            check([config])
            if config.name in self._models:
                raise AlreadyExists(
                    f"Model {config.name} is served already.",
                    hint="Remove it first, or give the new one another name.",
                )
            model = watched(config, self._unload_when_empty)
            self._change({**self._models, config.name: model}, config.name, config.labels)

    def drop(self, name: str) -> Model:
        """Stop serving one model, and return it; requests that run finish. See `add`.

        Raises:
            NotFound: no such model is served.
        """
        with self._changing:
            model = self._served(name)
            rest = {other: kept for other, kept in self._models.items() if other != name}
            self._change(rest, name, {})
            return model

    def restore(self, model: Model, labels: Mapping[str, int]) -> None:
        """Serve a model again that was dropped, unless one of that name is served."""
        with self._changing:
            if model.name not in self._models:
                self._change({**self._models, model.name: model}, model.name, labels)

    def relabel(self, name: str, changes: Mapping[str, int | None]) -> None:
        """Give labels of one model to other versions, all at once; None takes one away.

        A label is given as soon as its version is AVAILABLE; labels that are not mentioned stay.

        Raises:
            NotFound: no such model is served.
            ResourceExhausted: it would have too many labels.
        """
        with self._changing:
            self._served(name)
            merged = {**self.wanted_labels(name), **changes}
            labels = {label: version for label, version in merged.items() if version is not None}
            if len(labels) > MAX_LABELS:
                raise ResourceExhausted(f"Model {name} would have more than {MAX_LABELS} labels.")
            self._change(self._models, name, labels)

    def _served(self, name: str) -> Model:
        if name not in self._models:
            listed = ", ".join(sorted(self._models)[:_LISTED])
            raise NotFound(f"There is no model {name}.", hint=f"Models here: {listed or 'none'}.")
        return self._models[name]

    def _change(self, models: Mapping[str, Model], name: str, labels: Mapping[str, int]) -> None:
        """Serve these models, with other labels for one; what else was said of them holds."""
        rules = self._rules
        others = {other: kept for other, kept in rules.labels.items() if other != name}
        self.reconfigure(
            models.values(),
            {**others, name: labels} if labels else others,
            LabelRule.WHEN_READY,
            {other: log for other, log in rules.logs.items() if other in models},
            {other: rule for other, rule in rules.traffic.items() if other in models},
        )

    def set_traffic(self, name: str, split: Sequence[Share]) -> None:
        """Divide requests to a model that name no version otherwise, from the next one on.

        That holds until a configuration says something else about the model's traffic than
        the last one did. Its shadow stays. A version need not be AVAILABLE.

        Args:
            name: the model.
            split: who answers; () for the highest version. A header that decided goes with it.

        Raises:
            InvalidArgument: the split breaks a rule, or names a label that is not given;
                then nothing changes.
            NotFound: no such model is served.
        """
        self._check_given(name, [share.which for share in split])
        self._routes.set_split(name, split)

    def set_shadow(self, name: str, shadow: ShadowRule | None) -> None:
        """Have copies of requests to a model run otherwise; None for no more.

        Holds as long as what `set_traffic` says.

        Raises:
            InvalidArgument: it names a label that is not given.
            ResourceExhausted: too many models have a shadow. Nothing changes then.
            NotFound: no such model is served.
        """
        self._check_given(name, [] if shadow is None else [shadow.which])
        self._routes.set_shadow(name, shadow)

    def _check_given(self, name: str, named: Sequence[Which]) -> None:
        # Also those whose version is not AVAILABLE yet, as in a config file.
        given = {**self.wanted_labels(name), **self.labels(name)}
        for which in named:
            if which.label is not None and which.label not in given and name in self._models:
                raise InvalidArgument(
                    f"{which} of model {name} is not given",
                    hint=f"Labels: {', '.join(sorted(given)) or 'none'}.",
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
        if new:
            self.wait_for(new)

    def wait_for(self, names: Collection[str]) -> None:
        """Wait until each model is available, unless it is dropped meanwhile.

        Raises:
            UnknownError: one can not be loaded.
            ServableError: the server stops, or others want to wait too.
        """
        with self._changing:
            self._waits += 1
            turn = self._waits
        outcomes = Outcomes(self._manager, self._patience_seconds)
        while not outcomes.wait(self._still(names), _LOOK_SECONDS):
            self._check_worth_waiting(turn)
        failed = outcomes.failures(self._still(names))
        if failed:
            raise not_available("model(s)", failed)

    def wait_until_gone(self, name: str) -> None:
        """Wait until no version of a model takes requests; that takes no longer than a moment.

        Raises:
            Unavailable: the server stops.
        """
        while any(s.state == VersionState.AVAILABLE for s in self._manager.status(name)):
            if name in self._models:
                return
            if self._closing.wait(_MOMENT_SECONDS):
                raise Unavailable("The server is stopping.")

    def look_again(self, name: str) -> None:
        """Look for versions of a model now; see `FileSystemSource.look_again`.

        Raises:
            NotFound: no such model is served.
            FailedPrecondition: it is one folder, and has no versions to look for.
        """
        if isinstance(self._served(name), BareModel):
            raise FailedPrecondition(
                f"Model {name} is one folder without versions.",
                hint="Serve its base path, whose subfolders are versions named by numbers.",
            )
        self._source.look_again(name)

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
            remote = config.path if isinstance(config.path, RemotePath) else None
            if remote is not None and remote.scheme not in PEER_SCHEMES and not repeated:
                raise InvalidArgument(
                    f"Model {config.name} requests base path {remote}",
                    hint="A request can bring base paths of this machine, gs:// and s3://. Put "
                    "others into the server's config file.",
                )
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
