"""What a folder looks like, to tell whether somebody is still writing to it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from servable.errors import ResourceExhausted

MAX_ENTRIES = 100_000
"""More files and folders than any SavedModel has."""


def fingerprint(path: Path) -> bytes:
    """Return a digest of the names, sizes and times of change of all files under `path`.

    No file is opened. `path` may be a link; links to folders inside it are not followed,
    so that a loop of them does no harm.

    Raises:
        OSError: something could not be read, or vanished meanwhile.
        ResourceExhausted: there are more than MAX_ENTRIES files and folders.
    """
    digest = hashlib.blake2b(digest_size=16)
    for line in sorted(_lines(path)):
        digest.update(line)
    return digest.digest()


def _lines(path: Path) -> Iterator[bytes]:
    yield _line("", path.stat())
    folders = [path] if path.is_dir() else []
    seen = 0
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                seen += 1
                if seen > MAX_ENTRIES:
                    raise ResourceExhausted(f"More than {MAX_ENTRIES} files under {path}.")
                yield _line(os.path.relpath(entry.path, path), _status(entry))
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        return entry.stat()
    except FileNotFoundError:  # a link to nowhere, or gone: then this raises as well
        return entry.stat(follow_symlinks=False)


def _line(name: str, status: os.stat_result) -> bytes:
    # A folder's own size and time say nothing that its entries do not say, and some
    # file systems touch them when files are only read.
    is_folder = stat.S_ISDIR(status.st_mode)
    facts = ("folder",) if is_folder else (status.st_size, status.st_mtime_ns)
    return os.fsencode(f"{name}\0{facts}\n")
