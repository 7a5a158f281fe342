"""The data files of a tensor bundle, mapped into memory or read piece by piece."""

from __future__ import annotations

import mmap
import threading
import weakref
from pathlib import Path
from typing import TypeAlias

import numpy as np

from servable.savedmodel.errors import FileUnreadable, ShardMissing, ShardTruncated
from servable.savedmodel.files import size_of

Shard: TypeAlias = "memoryview | FileShard"
"""Bytes that can be sliced; a slice of a `FileShard` is a copy."""


class FileShard:
    """A data file that is read when it is sliced. Thread-safe.

    Slower than a mapping, but a file that is shortened while it is read is an error
    here and the end of the process there.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        try:
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise FileUnreadable(f"{path}: {error}") from error
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, piece: slice) -> memoryview:
        """Read a piece into memory of its own.

        Raises:
            ShardTruncated: the file ends before the piece does.
        """
        start, stop, _ = piece.indices(self._size)
        # numpy's memory is aligned as its own loops and OpenVINO like it.
        data = np.empty(max(stop - start, 0), np.uint8).data
        with self._lock:
            try:
                self._file.seek(start)
                done = self._fill(data)
            except OSError as error:
                raise FileUnreadable(f"{self._path}: {error}") from error
        if done < len(data):
            raise ShardTruncated(f"{self._path} ends at byte {start + done} and a tensor at {stop}")
        return data

    def _fill(self, data: memoryview) -> int:
        done = 0
        while done < len(data):
            read = self._file.readinto(data[done:])
            if not read:
                break
            done += read
        return done


def open_shard(path: Path, needed: int, *, mapped: bool) -> Shard:
    """Open a data file that must hold at least `needed` bytes.

    Raises:
        SavedModelError: it is missing, too short or can not be read.
    """
    size = size_of(path)
    if size is None:
        raise ShardMissing(f"{path} is missing")
    if size < needed:
        raise ShardTruncated(f"{path} has {size} bytes; the index needs {needed}")
    if not mapped:
        return FileShard(path, size)
    try:
        with path.open("rb") as file:
            # An empty file can not be mapped.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except (OSError, ValueError) as error:
        raise FileUnreadable(f"{path}: {error}") from error
    return memoryview(data)
