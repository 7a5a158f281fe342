"""All remote base paths of a server: their cache, and the threads that wait for storages."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from servable.sources.remote.cache import Cache
from servable.sources.remote.options import RemoteOptions
from servable.sources.remote.path import RemotePath
from servable.sources.remote.place import RemotePlace

log = logging.getLogger(__name__)

MAX_THREADS = 64
"""Models that are looked at, or fetched, at the same time."""


class RemotePlaces:
    """A `sources.place.Places`. Starts no thread and makes no folder before it must."""

    def __init__(self, options: RemoteOptions | None = None) -> None:
        self._options = options or RemoteOptions()
        self._cache = Cache(self._options.cache_dir, self._options.cache_bytes)
        self._slots = threading.Semaphore(self._options.downloads)
        self._changing = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[object, Callable[[], None]]] = queue.SimpleQueue()
        self._keys: set[object] = set()
        self._threads = 0
        self._stopped = False

    def place(self, base: RemotePath, owner: str) -> RemotePlace:
        """Return the place of a model, without asking anybody about it."""
        return RemotePlace(base, owner, self._cache, self._options, self._slots)

    def submit(self, key: object, job: Callable[[], None]) -> None:
        """Run a job in another thread, unless one with this key waits or runs already."""
        with self._changing:
            if self._stopped or key in self._keys:
                return
            self._keys.add(key)
            self._jobs.put((key, job))
            if self._threads < min(len(self._keys), MAX_THREADS):
                self._threads += 1
                # A storage that never answers must not keep the process from ending.
                name = f"remote {self._threads}"
                threading.Thread(target=self._run, name=name, daemon=True).start()

    def keep(self, owner: str, paths: Collection[Path]) -> None:
        """Keep the cache from removing these folders of a model, and no others of it."""
        self._cache.keep(owner, paths)

    def stop(self) -> None:
        """Start no more jobs."""
        with self._changing:
            self._stopped = True
            for _ in range(self._threads):
                self._jobs.put((None, self.stop))

    def _run(self) -> None:
        while True:
            key, job = self._jobs.get()
            if self._stopped:
                return
            try:
                job()
            except Exception:
                log.exception("a look at a remote base path failed")
            finally:
                with self._changing:
                    self._keys.discard(key)
