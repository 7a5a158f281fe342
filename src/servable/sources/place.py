"""Where the versions of a model are: what a watch asks of a base path."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol, TypeAlias

from servable.errors import ServableError
from servable.sources.fingerprint import fingerprint
from servable.sources.remote.path import RemotePath

BasePath: TypeAlias = Path | RemotePath

Tell = Callable[[ServableError], None]
"""Hears why a version is not there yet, while it is being brought."""


class Place(Protocol):
    """A base path. Asked by one thread at a time, but for `close`.

    All methods raise OSError or ServableError for what goes wrong there.
    """

    def names(self) -> list[str]:
        """The names of the base path's children, folders or not."""

    def look(self, name: str) -> bytes:
        """A digest of what a child looks like; it differs when a file does."""

    def obtain(self, name: str, look: bytes, tell: Tell) -> Path:
        """Return a folder of this machine with the child that looks like that.

        May take long, and tells so first. The folder is the caller's until `drop`.
        """

    def drop(self, path: Path) -> None:
        """Take back a folder that is not wanted after all."""

    def renew(self, name: str, look: bytes) -> bool:
        """Forget what was obtained of a child because it was found damaged.

        Returns whether obtaining it again may bring something better.
        """

    def close(self) -> None:
        """Give up what is going on; called once, from any thread."""


class Places(Protocol):
    """What makes places of URLs, and runs what takes long. Thread-safe."""

    def place(self, base: RemotePath, owner: str) -> Place:
        """Return the place of a model, without asking anybody about it."""

    def submit(self, key: object, job: Callable[[], None]) -> None:
        """Run a job in another thread, unless one with this key waits or runs already."""

    def keep(self, owner: str, paths: Collection[Path]) -> None:
        """Hear which folders of a model are in use now, of all places."""

    def stop(self) -> None:
        """Start no more jobs. Places are closed by then."""


class LocalPlace:
    """A folder of this machine, as a `Place`."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def names(self) -> list[str]:
        """The names in the folder."""
        return os.listdir(self._base)

    def look(self, name: str) -> bytes:
        """The digest of names, sizes and times."""
        return fingerprint(self._base / name)

    def obtain(self, name: str, look: bytes, tell: Tell) -> Path:  # noqa: ARG002
        """Return the version folder itself."""
        return self._base / name

    def drop(self, path: Path) -> None:
        """Nothing was taken."""

    def renew(self, name: str, look: bytes) -> bool:  # noqa: ARG002
        """Files of this machine are what they are."""
        return False

    def close(self) -> None:
        """Nothing goes on."""
