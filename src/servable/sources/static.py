"""One version at a fixed place: a bare SavedModel folder, say."""

from __future__ import annotations

from pathlib import Path

from servable.contracts import ServableData, ServableId, Target
from servable.errors import FailedPrecondition


class StaticSource:
    """A `contracts.Source[Path]` that names one version once, and watches nothing.

    Args:
        name: the model's name.
        version: the number to serve it under.
        path: where it is.
    """

    def __init__(self, name: str, version: int, path: Path) -> None:
        self._id = ServableId(name, version)
        self._path = path
        self._target: Target[Path] | None = None

    def connect(self, target: Target[Path]) -> None:
        """Name the target. Called once, before `start`."""
        self._target = target

    def start(self) -> None:
        """Tell the target, in the calling thread.

        Raises:
            FailedPrecondition: there is no target.
        """
        if self._target is None:
            raise FailedPrecondition("A source needs a target before it is started.")
        self._target.set_aspired_versions(self._id.name, [ServableData(self._id, self._path)])

    def withdraw(self) -> None:
        """Tell the target that the version is not wanted any more."""
        if self._target is not None:
            self._target.set_aspired_versions(self._id.name, [])

    def stop(self) -> None:
        """There is nothing to stop."""
