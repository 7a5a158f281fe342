"""Files and folders that appear complete or not at all.

Everything is written under a name that begins with a dot, told to the disk, and then
renamed. Servers pass over such names, so a version is never seen half-written; after a
crash only a leftover with such a name can be there.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servable.savedmodel.write_errors import AlreadyThere, WriteFailed


@contextmanager
def writing() -> Iterator[None]:
    """Turn refusals of the operating system into `WriteFailed`."""
    try:
        yield
    except OSError as error:
        raise WriteFailed(
            f"{error.filename or 'writing'}: {error.strerror or error}",
            hint="Nothing was changed. Is there room on the disk, and the right to write?",
        ) from error


def temporary_name(path: Path) -> Path:
    """Return an unused name beside `path` that servers and readers pass over."""
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, content: bytes) -> None:
    """Write or replace a file; whoever opens it gets the old content or all of the new.

    Raises:
        WriteFailed: the operating system refused; the old file is still there.
    """
    temporary = temporary_name(path)
    with writing():
        try:
            temporary.write_bytes(content)
            sync(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)


def is_taken(path: Path) -> bool:
    """Tell whether something other than an empty folder is there."""
    try:
        return path.is_symlink() or (
            path.exists() and not (path.is_dir() and not any(path.iterdir()))
        )
    except OSError as error:
        raise WriteFailed(f"{path}: {error.strerror or error}") from error


def check_free(path: Path) -> None:
    """Refuse a place where something is.

    Raises:
        AlreadyThere: something other than an empty folder is there.
    """
    if is_taken(path):
        raise AlreadyThere(
            f"{path} is there already, and is not an empty folder",
            hint="Name a place where nothing is yet.",
        )


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a folder to fill that gets its name when the block ends without an error.

    With `replace`, what was there before is renamed out of the way first and removed
    afterwards; between the two renames nothing is there for a moment. A link stays a link:
    the folder that it leads to is replaced. If the block fails, nothing is left of it and
    nothing has changed.

    Args:
        path: the name; folders above it are made.
        replace: whether something may be there already.

    Raises:
        AlreadyThere: something other than an empty folder is there.
        WriteFailed: the operating system refused.
    """
    path = Path(os.path.realpath(path) if replace else os.path.abspath(path))
    if not replace:
        check_free(path)
    temporary = temporary_name(path)
    with writing():
        temporary.mkdir(parents=True)
    try:
        with writing():
            yield temporary
            for folder, _, files in os.walk(temporary):
                for name in files:
                    sync(Path(folder, name))
                sync(Path(folder))
            _take_place(temporary, path, replace)
            sync(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _take_place(temporary: Path, path: Path, replace: bool) -> None:
    if not replace:
        check_free(path)
    old = temporary_name(path) if is_taken(path) else None
    if old is not None:
        path.rename(old)
    elif path.is_dir():
        path.rmdir()
    try:
        temporary.rename(path)
    except OSError:
        if old is not None:
            old.rename(path)
        raise
    if old is None:
        return
    if old.is_symlink() or not old.is_dir():
        old.unlink()
    else:
        shutil.rmtree(old, ignore_errors=True)
