"""From paths to loaders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from servable.contracts import Loader, ServableData, ServableId, Target
from servable.errors import Internal, ServableError, UnknownError

log = logging.getLogger(__name__)


class LoaderAdapter:
    """A `contracts.Target[Path]` that makes a loader of each path and passes it on.

    What goes wrong with one version becomes that version's error. Thread-safe if
    `make_loader` is.

    Args:
        make_loader: makes the loader of one version; must be quick, the reading is the
            loader's work.
        target: gets the loaders.
    """

    def __init__(
        self, make_loader: Callable[[ServableId, Path], Loader], target: Target[Loader]
    ) -> None:
        self._make_loader = make_loader
        self._target = target

    def set_aspired_versions(self, name: str, versions: Sequence[ServableData[Path]]) -> None:
        """Pass the list on, with loaders in place of paths."""
        self._target.set_aspired_versions(name, [self._adapt(data) for data in versions])

    def _adapt(self, data: ServableData[Path]) -> ServableData[Loader]:
        if data.payload is None:
            error = data.error or Internal(f"{data.id} came without a path.")
            return ServableData(data.id, error=error)
        try:
            loader = self._make_loader(data.id, data.payload)
            return ServableData(data.id, loader, again=data.again)
        except ServableError as error:
            return ServableData(data.id, error=error)
        except Exception as error:
            log.exception("%s %d: no loader could be made", data.id.name, data.id.version)
            return ServableData(data.id, error=UnknownError(f"{type(error).__name__}: {error}"))
