"""The only wiring: which parts a server is made of, and in what order they start and stop."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

from servable.contracts import Loader, Source
from servable.core.adapter import LoaderAdapter
from servable.core.events import Event, EventBus
from servable.core.manager import Manager
from servable.core.states import VersionState
from servable.errors import Code
from servable.servables.formats import check_complete
from servable.servables.loaders import loader_for
from servable.server.config import BareModel, ServerConfig
from servable.sources.filesystem import FileSystemSource, WatchedModel
from servable.sources.static import StaticSource
from servable.transport.grpc import GrpcServer
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

    Attributes:
        grpc_port, rest_port: after the start, the ports that were bound.
    """

    def __init__(
        self, config: ServerConfig, make_loader: Callable[[Path], Loader] | None = None
    ) -> None:
        self.config = config
        self.grpc_port = config.grpc_port
        self.rest_port = config.rest_port
        self._names = [model.name for model in config.models]
        bus = EventBus()
        self._manager = Manager(bus=bus, final_codes=FINAL)
        bus.subscribe(self._set_garbage_aside)
        self._sources = self._make_sources()
        make = make_loader or partial(loader_for, engine=config.engine)
        adapter = LoaderAdapter(lambda _id, path: make(path), self._manager)
        for source in self._sources:
            source.connect(adapter)
        self._grpc = GrpcServer(self._manager, config.host, config.grpc_port)
        self._rest = RestServer(self._manager, config.host, config.rest_port)

    def start(self) -> None:
        """Listen on both ports, then begin to load. Returns before any model is ready.

        Raises:
            ServableError: a port can not be had; then nothing is left running.
        """
        self.grpc_port = self._grpc.start()
        try:
            self.rest_port = self._rest.start()
        except BaseException:
            self._grpc.stop(0)
            raise
        self._manager.start()
        for source in self._sources:
            source.start()

    def wait_until_settled(self, timeout: float | None = None) -> bool:
        """Wait until each model has a version that is available, or that could not be loaded.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            False if the time ran out.
        """
        return self._manager.wait_until_settled(self._names, timeout)

    def stop(self) -> None:
        """Take no new requests, answer those that came, unload, and free the ports.

        What still runs after the configured grace is cut off.
        """
        grace = self.config.grace_seconds
        deadline = time.monotonic() + grace
        for source in self._sources:
            source.stop()
        with ThreadPoolExecutor(2, "stop") as both:
            list(both.map(lambda transport: transport.stop(grace), (self._grpc, self._rest)))
        self._manager.stop(max(0.0, deadline - time.monotonic()))
        gc.unfreeze()

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

    def _make_sources(self) -> list[Source[Path]]:
        watched = [model for model in self.config.models if isinstance(model, WatchedModel)]
        bare = [model for model in self.config.models if isinstance(model, BareModel)]
        return [
            FileSystemSource(
                watched,
                poll_seconds=self.config.poll_seconds,
                check=check_complete,
                note=self._manager.note_incomplete,
            ),
            *(StaticSource(model.name, model.version, model.path) for model in bare),
        ]

    def _set_garbage_aside(self, event: Event) -> None:
        """Spare the collector the loaded models, which are many objects and stay.

        Walking them again and again costs more than small requests do. What was set
        aside is looked at once more after an unload, or its cycles would never go.
        """
        ended = event.state in (VersionState.AVAILABLE, VersionState.END)
        if ended and self.wait_until_settled(0):
            gc.unfreeze()
            gc.collect()
            gc.freeze()
