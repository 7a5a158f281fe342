"""A remote storage in memory, and a source on it that is polled by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fsspec.implementations.memory import MemoryFileSystem

from servable.contracts import ServableData, ServableId
from servable.errors import DataLoss, ServableError
from servable.sources.filesystem import FileSystemSource, VersionPolicy, WatchedModel
from servable.sources.remote.options import RemoteOptions
from servable.sources.remote.path import RemotePath
from servable.sources.remote.places import RemotePlaces
from servable.sources.versions import LATEST

WHOLE = {"saved_model.pb": b"graph", "variables/data": b"0123456789", "whole": b""}


class Store:
    """A base path of its own in fsspec's memory, with what goes wrong there on request."""

    def __init__(self) -> None:
        self.base = RemotePath(f"memory://{uuid.uuid4().hex}/m")
        self.root = self.base.url.removeprefix("memory:/")
        self.files = MemoryFileSystem()
        self.read: list[tuple[str, int]] = []

    def put(self, version: str, files: Mapping[str, bytes] = WHOLE) -> None:
        for name, content in files.items():
            self.files.pipe_file(f"{self.root}/{version}/{name}", content)

    def remove(self, version: str) -> None:
        self.files.rm(f"{self.root}/{version}", recursive=True)

    def spy(self, monkeypatch: Any, before: Callable[[str, int], None] | None = None) -> None:
        """Note what is read, from which byte on, and call `before` first."""
        real = MemoryFileSystem.cat_file

        def cat_file(system: Any, path: str, start: int = 0, **rest: Any) -> Any:
            name = path.removeprefix(f"{self.root}/")
            if before is not None:
                before(name, start)
            self.read.append((name, start))
            return real(system, path, start=start, **rest)

        monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)

    def fail(self, monkeypatch: Any, error: Exception | None) -> None:
        """Have every listing fail from now on; None ends it."""
        if error is None:
            monkeypatch.undo()
            return

        def ls(*_arguments: Any, **_named: Any) -> Any:
            raise error

        monkeypatch.setattr(MemoryFileSystem, "ls", ls)


class Target:
    """Remembers the lists it was given, and the folders of the last one."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self.paths: list[Path] = []

    def set_aspired_versions(self, name: str, versions: Sequence[ServableData[Path]]) -> None:  # noqa: ARG002
        self.paths = [data.payload for data in versions if data.payload]
        self.lists.append([path.name for path in self.paths])


class Inline(RemotePlaces):
    """Runs every job in the thread that submits it."""

    def submit(self, key: object, job: Callable[[], None]) -> None:  # noqa: ARG002
        job()


class RemoteDesk:
    """A source on a store; a version is complete when it has a file named `whole`."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.store = Store()
        self.cache = folder / "cache"
        self.options = RemoteOptions(cache_dir=self.cache, **options)
        self.target = Target()
        self.notes: list[tuple[int, str]] = []
        self.failure: ServableError | None = None
        self._places = Inline(self.options)
        self.source = FileSystemSource([])

    def check(self, path: Path) -> None:
        if not (path / "whole").exists():
            raise DataLoss("part of it is missing", hint="copy the rest")

    def note(self, id: ServableId, error: ServableError | None) -> None:
        self.notes.append((id.version, error.status_text if error else ""))

    def open(self, policy: VersionPolicy = LATEST) -> None:
        """Begin anew, as a server does that is started."""
        self.source.stop()
        self._places.keep("m", [])  # as the end of a process does
        self._places = Inline(self.options)
        self.target = Target()
        self.source = FileSystemSource(
            [WatchedModel("m", self.store.base, policy)],
            check=self.check,
            note=self.note,
            failure=lambda _: self.failure if self.target.paths else None,
            remote=self._places,
        )
        self.source.connect(self.target)

    def poll(self, times: int = 1) -> list[list[str]]:
        """Poll, and return the lists that this brought."""
        before = len(self.target.lists)
        for _ in range(times):
            self.source.poll_once()
        return self.target.lists[before:]

    def served(self) -> Mapping[str, bytes]:
        """The files of the highest version that was offered last, as they are on the disk."""
        (path,) = self.target.paths
        return {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in path.rglob("*")
            if file.is_file()
        }
