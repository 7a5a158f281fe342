"""A remote base path as a watch sees it: listed far away, obtained into the cache."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from servable.errors import Cancelled, NotFound, ServableError, Unavailable, Underway
from servable.sources.place import Tell
from servable.sources.remote.cache import Cache
from servable.sources.remote.fetch import Fetch
from servable.sources.remote.manifest import Manifest, manifest
from servable.sources.remote.options import RemoteOptions
from servable.sources.remote.path import RemotePath
from servable.sources.remote.storage import Storage

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1


class RemotePlace:
    """A `sources.place.Place` behind a URL.

    Until the storage has answered for the first time, what the cache has of it takes its
    place: a server can start while the storage can not be reached.

    Args:
        owner: the model.
        slots: bounds the downloads of all places together.
    """

    def __init__(
        self,
        base: RemotePath,
        owner: str,
        cache: Cache,
        options: RemoteOptions,
        slots: threading.Semaphore,
    ) -> None:
        self._base = base
        self._owner = owner
        self._cache = cache
        self._options = options
        self._slots = slots
        self._storage = Storage(base, timeout=options.timeout_seconds, max_files=options.max_files)
        self._closed = threading.Event()
        self._fetch = Fetch(base, self._storage, cache, options.progress, self._closed)
        self._answered = False
        self._cached: dict[str, bytes] = {}
        self._manifests: dict[str, Manifest] = {}
        self._renewed: set[tuple[str, bytes]] = set()

    def names(self) -> list[str]:
        """The names of the base path's children; those in the cache if nobody answers."""
        self._manifests.clear()
        try:
            names = self._storage.names()
        except NotFound:
            self._answered = True  # it can be reached, and there is nothing
            raise
        except ServableError as error:
            if self._answered:
                raise
            before, self._cached = self._cached, self._cache.versions(self._base)
            if not self._cached:
                raise
            if not before:
                log.warning(
                    "%s: the storage can not be reached, so what the cache has of it is served "
                    "until it can: %s (%s)",
                    self._owner,
                    ", ".join(sorted(self._cached)),
                    error.message,
                )
            return list(self._cached)
        if self._cached:
            log.info("%s: %s can be reached again", self._owner, self._base)
        self._answered = True
        self._cached = {}
        return names

    def look(self, name: str) -> bytes:
        """A digest of names, sizes and etags.

        Raises:
            Unavailable: there are no files, or not the one that says that all are there.
        """
        if name in self._cached:
            return self._cached[name]
        options = self._options
        made = manifest(
            self._storage.files(name), max_files=options.max_files, max_bytes=options.max_bytes
        )
        names = {file.name for file in made.files}
        if not names:
            raise Unavailable(f"There are no files under {self._base / name}.")
        if options.ready_marker and options.ready_marker not in names:
            raise Unavailable(
                f"There is no {options.ready_marker} under {self._base / name} yet.",
                hint="It is loaded once that file is there.",
            )
        self._manifests[name] = made
        return made.digest

    def obtain(self, name: str, look: bytes, tell: Tell) -> Path:
        """Return the folder in the cache, after a download if need be.

        Raises:
            ServableError: it could not be had.
        """
        try:
            found = self._cache.find(self._owner, self._base, name, look)
            return found or self._fetched(name, look, tell)
        except OSError as error:
            where = error.filename or self._options.cache_dir
            raise Unavailable(
                f"The cache can not be written: {where}: {error.strerror or error}",
                hint="Name a folder that can, with --remote_cache_dir (--remote-cache-dir).",
            ) from error

    def _fetched(self, name: str, look: bytes, tell: Tell) -> Path:
        wanted = self._manifests.get(name)
        if wanted is None:  # it was in the cache a moment ago
            raise Unavailable(f"{self._base / name} is not in the cache any more.")
        tell(Underway(f"It is being fetched from {self._base / name}."))
        while not self._slots.acquire(timeout=_LOOK_SECONDS):
            if self._closed.is_set():
                raise Cancelled("The version is not wanted any more.")
        try:
            path = self._fetch(self._owner, name, wanted)
        finally:
            self._slots.release()
        try:
            changed = self.look(name) != look
        except ServableError:
            self.drop(path)
            raise
        if changed:
            self.drop(path)
            raise Unavailable(
                "The files changed while they were fetched; somebody is still writing them.",
                hint="The version is loaded once nothing changes between two looks.",
            )
        return path

    def drop(self, path: Path) -> None:
        """Let the cache remove a folder when it needs room."""
        self._cache.drop(self._owner, path)

    def renew(self, name: str, look: bytes) -> bool:
        """Remove a damaged copy from the cache, once; the next one may be what is damaged there."""
        if (name, look) in self._renewed or name not in self._manifests:
            return False
        if not self._cache.discard(self._owner, self._base, name, look):
            return False
        self._renewed.add((name, look))
        return True

    def close(self) -> None:
        """Give up a download that is going on; what came of it is kept."""
        self._closed.set()
