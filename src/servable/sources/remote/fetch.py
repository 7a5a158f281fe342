"""Fetching one version into the cache, so that a kill at any moment loses little and harms nothing.

In the partial folder each file has the name that its `key` says, so what is complete there
counts for as long as the storage tells the same about it, whatever became of other files.
One that is not complete ends in `.part`. It is told to the disk every SYNC bytes, so that
all but the last of them can be trusted, also after a power failure.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import logging
import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

from servable.errors import Cancelled, DataLoss, Unavailable
from servable.sources.remote.cache import LOCK, MANIFEST, PARTIAL, WANTED, Cache, disk_full
from servable.sources.remote.locks import wait_lock
from servable.sources.remote.manifest import Manifest, RemoteFile, check_name, dump
from servable.sources.remote.options import Progress, Tell
from servable.sources.remote.path import RemotePath
from servable.sources.remote.storage import CHUNK, Storage

log = logging.getLogger(__name__)

SYNC = 64 * 2**20
"""Bytes between two moments at which a file is told to the disk."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Fetch:
    """Brings versions of one base path into the cache. Thread-safe.

    Args:
        progress: shows downloads.
        stopped: when set, what runs is given up.
    """

    def __init__(
        self,
        base: RemotePath,
        storage: Storage,
        cache: Cache,
        progress: Progress,
        stopped: threading.Event,
    ) -> None:
        self._base = base
        self._storage = storage
        self._cache = cache
        self._progress = progress
        self._stopped = stopped

    def __call__(self, owner: str, name: str, wanted: Manifest) -> Path:
        """Return the folder of a version, held for `owner`; fetch it if it is not there.

        Waits while somebody else fetches the same version.

        Raises:
            ServableError: it could not be had; ResourceExhausted where the disk is full.
            OSError: the cache can not be used.
        """
        check_name(name)
        found = self._cache.find(owner, self._base, name, wanted.digest)
        if found is not None:
            return found
        partial = self._cache.shelf(self._base) / f"{PARTIAL}{name}"
        lock = wait_lock(partial / LOCK, self._stopped)
        if lock is None:
            raise Cancelled("The version is not wanted any more.")
        try:
            found = self._cache.find(owner, self._base, name, wanted.digest)
            if found is None:
                self._fill(partial, name, wanted)
                found = self._cache.find(owner, self._base, name, wanted.digest)
            self._cache.remove(partial, lock)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._cache.remove(partial, lock)
            raise disk_full(self._cache.root, wanted.size) from error
        finally:
            lock.release()
        if found is None:
            raise Unavailable(f"{self._base / name} was removed from the cache at once.")
        return found

    def _fill(self, partial: Path, name: str, wanted: Manifest) -> None:
        """Fetch what is missing, and make the version of it."""
        tree = partial / f"tree-{wanted.digest.hex()}"
        self._forget_others(partial, tree, wanted)
        done = {
            f for f in wanted.files if _is_whole(partial, f) or (tree / name / f.name).is_file()
        }
        have = sum(file.size for file in done)
        self._cache.make_room(partial, wanted.size, have, self._stopped)
        what = f"{self._base / name}"
        log.info("%s: fetching %.1f MB in %d files", what, wanted.size / 1e6, len(wanted.files))
        with self._progress(what, wanted.size) as tell:
            tell(have)
            for file in wanted.files:
                if file not in done:
                    self._file(partial / file.key, file, tell)
        self._put_in_place(partial, tree, name, wanted)
        log.info("%s: fetched", what)

    def _forget_others(self, partial: Path, tree: Path, wanted: Manifest) -> None:
        keys = {file.key for file in wanted.files}
        known = {LOCK, WANTED, tree.name, *keys, *(f"{key}.part" for key in keys)}
        for path in list(partial.iterdir()):
            if path.is_dir() and path.name not in known:
                shutil.rmtree(path)
            elif path.name not in known:
                path.unlink()

    def _file(self, path: Path, file: RemoteFile, tell: Tell) -> None:
        """Fetch one file, or the rest of it."""
        part = path.with_name(f"{path.name}.part")
        with part.open("ab") as sink:
            offset = _trusted(sink.tell()) if self._storage.can_seek else 0
            sink.truncate(min(offset, file.size))
            offset = min(offset, file.size)
            tell(offset)
            for piece in self._storage.read(file, offset):
                if self._stopped.is_set():
                    raise Cancelled("The version is not wanted any more.")
                if offset + len(piece) > file.size:
                    raise Unavailable(f"{file.name} has more than the {file.size} bytes listed.")
                sink.write(piece)
                before, offset = offset, offset + len(piece)
                if offset // SYNC > before // SYNC:
                    sink.flush()
                    os.fsync(sink.fileno())
                tell(len(piece))
            if offset != file.size:
                raise Unavailable(f"{file.name} ended after {offset} of {file.size} bytes.")
            sink.flush()
            os.fsync(sink.fileno())
        _check_md5(part, file)
        part.rename(path)

    def _put_in_place(self, partial: Path, tree: Path, name: str, wanted: Manifest) -> None:
        folders = {tree, tree / name}
        for file in wanted.files:
            target = tree / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.update(p for p in target.parents if tree in p.parents)
            if _is_whole(partial, file):
                (partial / file.key).rename(target)
        (tree / name).mkdir(parents=True, exist_ok=True)
        with (tree / MANIFEST).open("wb") as sink:
            sink.write(dump(wanted, str(self._base)))
            sink.flush()
            os.fsync(sink.fileno())
        for folder in folders:
            _sync_folder(folder)
        tree.rename(self._cache.entry(self._base, name, wanted.digest))
        _sync_folder(partial.parent)


def _is_whole(partial: Path, file: RemoteFile) -> bool:
    return (partial / file.key).is_file()


def _trusted(size: int) -> int:
    """Return how much of an unfinished file is sure to be on the disk.

    What reaches more than a CHUNK beyond a multiple of SYNC was written after that was synced.
    """
    return max(size - CHUNK - 1, 0) // SYNC * SYNC


def _check_md5(path: Path, file: RemoteFile) -> None:
    if not file.md5:
        return
    with path.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).digest()
    if base64.b64encode(found).decode() != file.md5:
        path.unlink()
        raise DataLoss(f"{file.name} arrived with other content than the storage's checksum says.")


def _sync_folder(path: Path) -> None:
    with suppress(PermissionError):  # Windows has no such thing
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
