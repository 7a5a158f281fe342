"""Opening files that a stranger may have made."""

from __future__ import annotations

import stat
from pathlib import Path

from servable.savedmodel.errors import FileTooLarge, FileUnreadable


def size_of(path: Path) -> int | None:
    """Return the length of a regular file in bytes, or None if nothing is there.

    Raises:
        FileUnreadable: something else than a regular file is there (opening a pipe
            could wait for ever), or the operating system refuses to say.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise FileUnreadable(f"{path}: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise FileUnreadable(f"{path} is not a regular file")
    return status.st_size


def read_bytes(path: Path, *, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises:
        FileTooLarge: the file is longer than that.
        FileUnreadable: it is missing, no regular file, or can not be read.
    """
    size = size_of(path)
    if size is not None and size > limit:
        raise FileTooLarge(f"{path} has {size} bytes, more than the limit of {limit}")
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileUnreadable(f"{path}: {error}") from error
