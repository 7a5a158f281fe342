"""The only wiring: which parts a server is made of, and in what order they start and stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

from servable.config.models import ModelConfig, check
from servable.contracts import Loader, Source
from servable.core.adapter import LoaderAdapter
from servable.core.agreement import Agreement, Alone, Change, Verb
from servable.core.events import Event, EventBus
from servable.core.labels import Table
from servable.core.manager import Manager
from servable.core.policy import availability_preserving, resource_preserving
from servable.core.states import VersionState
from servable.errors import Code
from servable.metrics.monitor import Metrics
from servable.recording.models import LoggedModels
from servable.recording.request_log import RequestLog, RequestLogs
from servable.servables.formats import check_complete
from servable.servables.loaders import loader_for
from servable.server.config import Model, ServerConfig
from servable.server.config_file import ConfigWatch, fingerprint, read_config
from servable.server.garbage import SetAside
from servable.server.loading import Gate, LoaderMaker
from servable.server.models import ServedModels, not_available, watched
from servable.server.outcomes import Outcomes
from servable.server.repository import Repository
from servable.sources.filesystem import FileSystemSource
from servable.sources.remote.places import RemotePlaces
from servable.traffic.models import RoutedModels
from servable.traffic.routes import Routes
from servable.transport.admin_access import Access
from servable.transport.grpc import GrpcServer
from servable.transport.readiness import Readiness
from servable.transport.rest import RestServer

FINAL = (Code.UNIMPLEMENTED, Code.INVALID_ARGUMENT)
"""Why a model fails to load however often it is tried: an op outside the list, a broken graph."""


class Server:
    """A whole server inside this process; as a context manager it starts and stops.

        with Server(ServerConfig(models, grpc_port=0, rest_port=0)) as server:
            server.wait_until_settled(60)
            connect(f"localhost:{server.rest_port}")

    Args:
        config: what to serve, and where.
        make_loader: makes the loader of a version from its folder; None for the one
            that the folder's content and the configured engine ask for.
        agreement: with other processes that serve the same; None if there are none.

    Attributes:
        grpc_port, rest_port: after the start, the ports that were bound; 0 for none.
        metrics: what is counted.
        models: what is served.
        repository: changes that, a model at a time.
    """

    def __init__(
        self,
        config: ServerConfig,
        make_loader: Callable[[Path], Loader] | None = None,
        *,
        agreement: Agreement | None = None,
    ) -> None:
        self._agreement = agreement or Alone()
        self.config = config
        self.grpc_port = config.grpc_port or 0
        self.rest_port = config.rest_port or 0
        self._listed = read_config(config.config_file) if config.config_file else ()
        check(self._listed)
        for model in self._listed:
            watched(model, config.unload_when_empty)
        bus = EventBus()
        loading = config.loading
        self._manager = Manager(
            bus=bus,
            final_codes=FINAL,
            load_threads=loading.load_threads,
            unload_threads=loading.unload_threads,
            max_load_retries=loading.max_retries,
            load_retry_seconds=loading.retry_seconds,
            policy=resource_preserving if loading.resource_preserving else availability_preserving,
            memory_limit_bytes=loading.memory_limit_bytes,
            agreement=self._agreement,
        )
        self.metrics = Metrics()
        make = make_loader or partial(
            loader_for,
            engine=config.engine,
            tags=config.tags,
            prefer_tflite=config.prefer_tflite,
            settings=config.settings,
        )
        maker = LoaderMaker(
            make,
            self._configured,
            other=config.platform,
            iterations=loading.warmup_iterations,
            note=self.metrics.records.note_warmup,
            batching=config.batching,
        )
        adapter = LoaderAdapter(maker, self._manager)
        self._source = FileSystemSource(
            (),
            poll_seconds=config.poll_seconds,
            check=check_complete,
            note=self._manager.note_incomplete,
            failure=self._manager.failure,
            remote=RemotePlaces(config.remote),
        )
        self._source.connect(adapter)
        self._logs = RequestLogs(
            partial(RequestLog, outcome=self.metrics.records.note_logged, tags=config.tags)
        )
        self._routes = Routes(
            self._manager, self.metrics.traffic, busy=lambda: self.metrics.in_flight > 0
        )
        self.models = ServedModels(
            self._manager,
            self._source,
            adapter,
            logs=self._logs,
            routes=self._routes,
            default_log=config.log,
            reload_rule=config.reload_rule,
            unload_when_empty=config.unload_when_empty,
            patience_seconds=loading.patience_seconds,
        )
        self._outcomes = Outcomes(self._manager, loading.patience_seconds)
        self._sources: list[Source[Path]] = [
            self._source,
            *(make_source() for make_source in config.sources),
        ]
        for source in self._sources[1:]:
            source.connect(Gate(adapter, self._configured))
        polled = config.config_file if config.config_poll_seconds > 0 else None
        self.repository = Repository(self.models, polled, one_of_many=agreement is not None)
        self._access = Access(config.admin_key)
        self._logged = LoggedModels(RoutedModels(self.repository, self._routes), self._logs)
        self._config_watch = self._watch_config()
        self._begun = False
        self._garbage = SetAside()
        self._readiness = Readiness(self.models, self._expected)
        bus.subscribe(self.metrics.note)
        bus.subscribe(self._set_garbage_aside)
        self._grpc: GrpcServer | None = None
        self._rest: RestServer | None = None

    def start(self) -> None:
        """Listen on both ports, then begin to load. Returns before any model is ready.

        Raises:
            ServableError: a port can not be had, or the models and labels break a rule;
                then nothing is left running.
        """
        try:
            self.listen_grpc()
            self.listen_rest()
            self.load()
        except BaseException:
            self.stop()
            raise

    def load(self) -> None:
        """Begin to load what is configured. Call once.

        Raises:
            ServableError: the models and labels break a rule.
        """
        self._apply(self._listed)
        self._begun = True
        self._manager.start()
        for source in self._sources:
            source.start()
        if self._config_watch is not None:
            self._config_watch.start()

    def listen_grpc(self) -> None:
        """Answer gRPC, if there is a port or a socket for it. Call once.

        Raises:
            ServableError: the port can not be had.
        """
        config = self.config
        if config.grpc_port is None and not config.grpc.socket_path:
            return
        server = GrpcServer(
            self._logged,
            config.host,
            config.grpc_port,
            config.grpc,
            metrics=self.metrics,
            readiness=self._readiness,
            access=self._access,
        )
        self.grpc_port = server.start()
        self._grpc = server

    def listen_rest(self) -> None:
        """Answer HTTP, if there is a port for it. Call once.

        Raises:
            ServableError: the port can not be had.
        """
        config = self.config
        if config.rest_port is None:
            return
        server = RestServer(
            self._logged,
            config.host,
            config.rest_port,
            config.rest,
            metrics=self.metrics,
            readiness=self._readiness,
            access=self._access,
            admin=self.repository,
        )
        self.rest_port = server.start()
        self._rest = server

    def reconfigure(self, models: Collection[Model], labels: Table | None = None) -> None:
        """Serve these models instead of those that were configured; returns at once.

        A model that is listed as it was before is left alone. A label is given as soon as
        its version is AVAILABLE. If the server polls a config file, its next look reverts
        this.

        Raises:
            InvalidArgument: two models have the same name; then nothing changes.
        """
        self.models.reconfigure(models, labels or {})

    def wait_until_settled(self, timeout: float | None = None) -> bool:
        """Wait until each model has a version that is available, or that could not be loaded.

        A model whose only versions are incomplete, damaged or unreadable counts as failed
        when it has been so for `Loading.patience_seconds`. For one thread at a time.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            False if the time ran out.
        """
        return self._outcomes.wait(self.models.configured().keys(), timeout)

    def check_available(self) -> None:
        """Return if all models that have settled are available.

        Raises:
            UnknownError: some could not be loaded; TensorFlow Serving's text.
        """
        failed = self._outcomes.failures(self.models.configured().keys())
        if failed:
            raise not_available("servable(s)", failed)

    def stop(self) -> None:
        """Take no new requests, answer those that came, unload, and free the ports.

        First probes say so, and clients are sent elsewhere while their requests are still
        answered, for the configured time. What still runs after the grace is cut off.
        """
        config = self.config
        deadline = time.monotonic() + config.grace_seconds
        transports = [t for t in (self._grpc, self._rest) if t is not None]
        if transports and not self._readiness.draining:
            self._readiness.drain()
            if self._rest is not None:
                self._rest.drain()
            time.sleep(min(config.drain_seconds, config.grace_seconds))
        self.models.close()
        self._agreement.close()
        if self._config_watch is not None:
            self._config_watch.stop()
        for source in self._sources:
            source.stop()
        grace = max(0.0, deadline - time.monotonic())
        with ThreadPoolExecutor(2, "stop") as both:
            list(both.map(lambda transport: transport.stop(grace), transports))
        self._logs.stop()
        self._routes.stop()
        self._manager.stop(max(0.0, deadline - time.monotonic()))
        self._garbage.stop()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _configured(self) -> Mapping[str, Model]:
        return self.models.configured()

    def _expected(self) -> Collection[str] | None:
        """The names that must be available; None until the models are configured."""
        return self.models.configured().keys() if self._begun else None

    def _watch_config(self) -> ConfigWatch | None:
        config = self.config
        if config.config_file is None or config.config_poll_seconds <= 0:
            return None
        return ConfigWatch(
            config.config_file,
            self._apply,
            config.config_poll_seconds,
            lambda: self.models.changes,
        )

    def _apply(self, listed: Sequence[ModelConfig]) -> None:
        """Serve what a file lists, beside the models that were named otherwise."""
        config = self.config
        with self._agreement.together(Change(Verb.CONFIGURE, "", fingerprint(listed))):
            self.models.configure(
                listed, config.label_rule, fixed=config.models, fixed_labels=config.labels
            )

    def _set_garbage_aside(self, event: Event) -> None:
        """Spare the collector the loaded models, once they are all loaded."""
        ended = event.state in (VersionState.AVAILABLE, VersionState.END)
        if ended and self._manager.wait_until_settled(self.models.configured().keys(), 0):
            self._garbage.after_change()
