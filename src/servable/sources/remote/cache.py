"""Remote versions as folders of this machine: complete or not there, and bounded in bytes.

    ROOT/lock                          held while room is made
    ROOT/SHELF/3-DIGEST/manifest.json  locked, shared, by whoever serves the version
    ROOT/SHELF/3-DIGEST/3/...          the version itself
    ROOT/SHELF/.partial-3/...          one that is being fetched, see `fetch`
    ROOT/.trash-...                    on its way out

A shelf belongs to one base path. Whole folders come and go by renaming.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from servable.errors import DataLoss, ResourceExhausted, Unavailable
from servable.sources.remote.locks import FileLock, try_lock, wait_lock
from servable.sources.remote.manifest import Manifest, load
from servable.sources.remote.path import RemotePath

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
PARTIAL = ".partial-"
WANTED = "wanted"
"""In a partial folder: how many bytes it will have when it is done."""
LOCK = "lock"

_TRASH = ".trash-"


@dataclass(frozen=True, slots=True)
class _Item:
    """Something that takes room."""

    path: Path
    lock: Path
    size: int
    used: float


class Cache:
    """The cache as this process sees it. Thread-safe; processes may share the folder.

    Args:
        root: made when it is first needed.
        max_bytes: what all versions may have together, those being fetched included.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._changing = threading.Lock()
        self._held: dict[str, dict[Path, FileLock]] = {}

    def shelf(self, base: RemotePath) -> Path:
        """Return the folder for one base path, which may not be there yet."""
        readable = re.sub(r"[^A-Za-z0-9]+", "-", str(base)).strip("-")[-60:]
        digest = hashlib.blake2b(base.url.encode("utf-8", "replace"), digest_size=6).hexdigest()
        return self.root / f"{readable}-{digest}"

    def entry(self, base: RemotePath, name: str, digest: bytes) -> Path:
        """Return the folder for one content of one version."""
        return self.shelf(base) / f"{name}-{digest.hex()}"

    def versions(self, base: RemotePath) -> dict[str, bytes]:
        """Return the versions that are there, with the digest of what was used last of each."""
        found: dict[str, bytes] = {}
        for item in sorted(_entries(self.shelf(base)), key=lambda item: item.used):
            name, _, digest = item.path.name.rpartition("-")
            try:
                found[name] = bytes.fromhex(digest)
            except ValueError:
                continue
        return found

    def find(self, owner: str, base: RemotePath, name: str, digest: bytes) -> Path | None:
        """Return a version's folder and keep it from being removed; None if it is not there.

        One that is not whole is removed.

        Args:
            owner: who holds it until `keep` or `drop`: the model.

        Raises:
            OSError: it can not be looked at.
        """
        entry = self.entry(base, name, digest)
        path = entry / name
        with self._changing:
            if not self._hold(owner, path):
                return None
            try:
                _check(load(entry / MANIFEST), path, digest)
            except (DataLoss, FileNotFoundError) as error:
                log.warning("%s is fetched again: %s", entry, error)
                self._held[owner].pop(path).release()
            else:
                os.utime(entry / MANIFEST)
                return path
        self._remove_unused(entry)
        return None

    def discard(self, owner: str, base: RemotePath, name: str, digest: bytes) -> bool:
        """Remove a version that its owner found damaged; tell whether nobody else holds it.

        Raises:
            OSError: it can not be removed.
        """
        entry = self.entry(base, name, digest)
        self.drop(owner, entry / name)
        if self._remove_unused(entry):
            log.warning("%s is damaged, and fetched again", entry)
            return True
        with self._changing:
            self._hold(owner, entry / name)
        return False

    def keep(self, owner: str, paths: Collection[Path]) -> None:
        """Hold these versions, and no others, for an owner."""
        with self._changing:
            held = self._held.get(owner, {})
            for path in held.keys() - set(paths):
                with suppress(OSError):
                    os.utime(path.parent / MANIFEST)  # it was in use until now
                held.pop(path).release()
            for path in paths:
                if self.root in path.parents:
                    self._hold(owner, path)

    def drop(self, owner: str, path: Path) -> None:
        """Hold one version no longer."""
        with self._changing:
            held = self._held.get(owner, {})
            if path in held:
                held.pop(path).release()

    def make_room(self, partial: Path, size: int, have: int, stopped: threading.Event) -> None:
        """Reserve room for a version that is being fetched.

        Args:
            partial: its folder, locked by the caller.
            size: bytes it will have, of which `have` are there.
            stopped: when set, waiting ends.

        Raises:
            ResourceExhausted: there is not so much room, in the cache or on the disk.
            Unavailable: `stopped` was set.
            OSError: the folder can not be used.
        """
        lock = wait_lock(self.root / LOCK, stopped)
        if lock is None:
            raise Unavailable("The server is stopping.")
        try:
            self._evict(partial, size, have)
            (partial / WANTED).write_text(str(size))
        finally:
            lock.release()
        self.clean()

    def remove(self, path: Path, lock: FileLock) -> None:
        """Take a folder of the cache away at once, give its lock back, and free its room."""
        trash = self.root / f"{_TRASH}{secrets.token_hex(6)}"
        if sys.platform == "win32":
            lock.release()  # a folder with an open file can not be renamed there
        try:
            path.rename(trash)
        finally:
            lock.release()
        shutil.rmtree(trash, ignore_errors=True)

    def clean(self) -> None:
        """Free what somebody has begun to remove and not finished."""
        for trash in self.root.glob(f"{_TRASH}*"):
            shutil.rmtree(trash, ignore_errors=True)

    def _remove_unused(self, entry: Path) -> bool:
        lock = _locked(entry / MANIFEST)
        if lock is not None:
            self.remove(entry, lock)
        return lock is not None

    def _hold(self, owner: str, path: Path) -> bool:
        held = self._held.setdefault(owner, {})
        if path not in held:
            try:
                lock = try_lock(path.parent / MANIFEST, shared=True)
            except FileNotFoundError:
                return False
            if lock is None:  # it is just being removed
                return False
            held[path] = lock
        return True

    def _evict(self, partial: Path, size: int, have: int) -> None:
        items = sorted(self._items(partial), key=lambda item: item.used)
        excess = sum(item.size for item in items) + size - self._max_bytes
        lack = size - have - shutil.disk_usage(self.root).free
        if size > self._max_bytes:
            items = []
        with self._changing:
            served = {path.parent for held in self._held.values() for path in held}
        leaving: list[tuple[_Item, FileLock]] = []
        try:
            for item in items:
                if max(excess, lack) <= 0:
                    break
                lock = None if item.path in served else _locked(item.lock)
                if lock is not None:
                    leaving.append((item, lock))
                    excess -= item.size
                    lack -= item.size
            if excess > 0 or lack > 0:
                raise _no_room(self.root, size, self._max_bytes if excess > 0 else None)
            for item, lock in leaving:
                log.info("%s is removed from the cache to make room", item.path)
                self.remove(item.path, lock)
        finally:
            for _, lock in leaving:
                lock.release()

    def _items(self, partial: Path) -> Iterator[_Item]:
        for shelf in self.root.iterdir():
            if shelf.is_dir() and not shelf.name.startswith("."):
                yield from _entries(shelf)
                yield from (p for p in _partials(shelf) if p.path != partial)


def _entries(shelf: Path) -> Iterator[_Item]:
    for file in shelf.glob(f"[!.]*/{MANIFEST}"):
        with _vanishing():
            size = load(file).size
            yield _Item(file.parent, file, size, file.stat().st_mtime)


def _partials(shelf: Path) -> Iterator[_Item]:
    for folder in shelf.glob(f"{PARTIAL}*"):
        with _vanishing():
            used = folder.stat().st_mtime
            try:
                size = int((folder / WANTED).read_text())
            except (FileNotFoundError, ValueError):
                size = 0
            yield _Item(folder, folder / LOCK, size, used)


@contextmanager
def _vanishing() -> Iterator[None]:
    """Pass over what is being removed, or damaged."""
    try:
        yield
    except (FileNotFoundError, DataLoss) as error:
        log.debug("passed over in the cache: %s", error)


def _locked(path: Path) -> FileLock | None:
    """Lock something to remove it; None if it is in use or gone."""
    try:
        return try_lock(path)
    except FileNotFoundError:
        return None


def _check(made: Manifest, folder: Path, digest: bytes) -> None:
    if made.digest != digest:
        raise DataLoss("its list of files is another one")
    for file in made.files:
        size = (folder / file.name).stat().st_size
        if size != file.size:
            raise DataLoss(f"{file.name} has {size} bytes instead of {file.size}")


def _no_room(root: Path, size: int, limit: int | None) -> ResourceExhausted:
    if limit is None:
        return disk_full(root, size)
    return ResourceExhausted(
        f"A version of {size} bytes does not fit into the cache of {limit} bytes, beside what is "
        "being served and fetched.",
        hint="Raise --remote_cache_bytes (--remote-cache-bytes), or serve fewer versions.",
    )


def disk_full(root: Path, size: int) -> ResourceExhausted:
    """Return the error that says so."""
    return ResourceExhausted(
        f"No room on the disk for a version of {size} bytes.",
        hint=f"Free some, or put the cache elsewhere: it is {root}, see --remote_cache_dir "
        "(--remote-cache-dir). It is tried again.",
    )
