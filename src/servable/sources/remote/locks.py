"""Locks between processes that end with whoever holds them, also when it is killed."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_FAR = 2**30  # Windows locks bytes against reading; nothing has so many


class FileLock:
    """A lock that is held until `release`. For one thread at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let others have it; does nothing the second time."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def try_lock(path: Path, *, shared: bool = False, create: bool = False) -> FileLock | None:
    """Lock a file, if nobody holds it in a way that excludes this one.

    Windows has no shared locks here; there an open file keeps its folder from being
    renamed, which serves as well.

    Args:
        create: whether to make the file if it is not there.

    Returns:
        None if somebody else holds it, or has just taken the file away.

    Raises:
        FileNotFoundError: it is not there, or its folder is not.
    """
    flags = os.O_RDWR | (os.O_CREAT if create else 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if _lock(descriptor, shared) and _is_still(descriptor, path):
            return FileLock(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def wait_lock(path: Path, stopped: threading.Event, *, seconds: float = 0.1) -> FileLock | None:
    """Lock a file for oneself, made if need be; None if `stopped` is set first."""
    while not stopped.is_set():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock = try_lock(path, create=True)
        except FileNotFoundError:  # the folder was taken away again
            continue
        if lock is not None:
            return lock
        stopped.wait(seconds)
    return None


def _lock(descriptor: int, shared: bool) -> bool:
    try:
        if sys.platform == "win32":
            if not shared:
                os.lseek(descriptor, _FAR, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _is_still(descriptor: int, path: Path) -> bool:
    """Tell whether the file that was opened is the one that has the name now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
