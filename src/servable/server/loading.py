"""Who loads a version, and which source may speak of which model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from servable.batching.choice import Batching
from servable.batching.loader import BatchingLoader
from servable.config.models import TENSORFLOW
from servable.contracts import Loader, ServableData, ServableId, Target
from servable.recording.warmup import Note, WarmingLoader
from servable.servables.platforms import platform
from servable.server.config import Model

log = logging.getLogger(__name__)

Configured = Callable[[], Mapping[str, Model]]
"""Returns the models that are configured at this moment, by name."""


class LoaderMaker:
    """Makes the loader of a version: that of its model's platform, and warmup around it.

    Args:
        make: makes the loader of a folder of the usual platform.
        configured: tells which platform a model is of.
        other: the platform of models that are not configured, but a source knows them.
        iterations: how often warmup records are replayed; 0 replays none.
        note: hears of each replay.
        batching: makes a version's servable one that computes requests together; None
            for one by one.
    """

    def __init__(
        self,
        make: Callable[[Path], Loader],
        configured: Configured,
        *,
        other: str = TENSORFLOW,
        iterations: int = 1,
        note: Note,
        batching: Batching | None = None,
    ) -> None:
        self._make = make
        self._batching = batching
        self._configured = configured
        self._other = other
        self._iterations = iterations
        self._note = note

    def __call__(self, id: ServableId, path: Path) -> Loader:
        """Return the loader; raises InvalidArgument if there is no such platform."""
        model = self._configured().get(id.name)
        name = model.platform if model is not None else self._other
        loader = self._make(path) if name == TENSORFLOW else platform(name).make(path)
        if self._batching is not None:
            loader = BatchingLoader(loader, partial(self._batching, id, path))
        if not self._iterations:
            return loader
        return WarmingLoader(id, path, loader, iterations=self._iterations, note=self._note)


class Gate:
    """A `contracts.Target[Path]` for sources of other kinds: configured models are not theirs.

    Args:
        target: hears of all other models.
        configured: tells which models are configured.
    """

    def __init__(self, target: Target[Path], configured: Configured) -> None:
        self._target = target
        self._configured = configured

    def set_aspired_versions(self, name: str, versions: Sequence[ServableData[Path]]) -> None:
        """Pass a list on, unless it is about a model that is configured."""
        if name in self._configured():
            log.error("%s is configured; what another source says about it is ignored", name)
            return
        self._target.set_aspired_versions(name, versions)
