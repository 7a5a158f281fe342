"""A file-system source on a temporary folder, with a record of what it offers."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from servable.contracts import ServableData, ServableId
from servable.errors import DataLoss, ServableError
from servable.sources.filesystem import FileSystemSource, Latest, VersionPolicy, WatchedModel


class Target:
    """Remembers the lists it was given: folder names, in order."""

    def __init__(self) -> None:
        self.lists: list[tuple[str, list[str]]] = []
        self.heard = threading.Semaphore(0)

    def set_aspired_versions(self, name: str, versions: Sequence[ServableData[Path]]) -> None:
        paths = [data.payload for data in versions if data.payload]
        self.lists.append((name, [path.name for path in paths]))
        self.heard.release()


class Desk:
    """A source on a temporary folder, with a check that wants a file named `whole`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.target = Target()
        self.notes: list[tuple[ServableId, str]] = []
        self.checked: list[str] = []
        self.broken: Exception | None = None
        self.source = FileSystemSource([])

    def check(self, path: Path) -> None:
        self.checked.append(path.name)
        if self.broken is not None:
            raise self.broken
        if not (path / "whole").exists():
            raise DataLoss("part of it is missing", hint="copy the rest")

    def note(self, id: ServableId, error: ServableError | None) -> None:
        self.notes.append((id, error.status_text if error else ""))

    def open(self, *models: WatchedModel, poll_seconds: float = 1.0) -> None:
        self.source = FileSystemSource(
            models, poll_seconds=poll_seconds, check=self.check, note=self.note
        )
        self.source.connect(self.target)

    def model(self, policy: VersionPolicy | None = None, name: str = "m") -> WatchedModel:
        return WatchedModel(name, self.root / name, policy or Latest())

    def put(self, *versions: str, name: str = "m", whole: bool = True) -> None:
        for version in versions:
            folder = self.root / name / version
            (folder / "variables").mkdir(parents=True, exist_ok=True)
            (folder / "variables" / "data").write_bytes(b"12345")
            if whole:
                (folder / "whole").touch()

    def remove(self, *versions: str, name: str = "m") -> None:
        for version in versions:
            shutil.rmtree(self.root / name / version)

    def poll(self, times: int = 1) -> list[list[str]]:
        """Poll, and return the lists that this brought for the model `m`."""
        before = len(self.target.lists)
        for _ in range(times):
            self.source.poll_once()
        return [names for name, names in self.target.lists[before:] if name == "m"]
