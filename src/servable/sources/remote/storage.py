"""What is asked of a remote storage: names, facts about files, and bytes. Through fsspec."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from servable.errors import (
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServableError,
    Unavailable,
)
from servable.sources.remote.manifest import MAX_DEPTH, RemoteFile, check_count, check_name
from servable.sources.remote.path import RemotePath, check_readable

CHUNK = 8 * 2**20
"""Bytes that are asked for at once."""

MAX_CHILDREN = 100_000
"""Of a base path."""

_TOKENS = ("etag", "md5hash", "generation", "crc32c", "checksum", "content-md5", "digest")
_TIMES = ("mtime", "lastmodified", "last_modified", "last-modified", "updated", "modified")
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
_LONGEST_REASON = 400


class Storage:
    """One base path. Thread-safe, and made without asking the network.

    All methods raise ServableError for whatever goes wrong in there: NotFound and
    PermissionDenied where the storage says so, else Unavailable.

    Args:
        timeout: seconds that one question may take, where the storage lets one say so.
        max_files: of one version.
    """

    def __init__(self, base: RemotePath, *, timeout: float, max_files: int) -> None:
        self._base = base
        self._timeout = timeout
        self._max_files = max_files
        self._opening = threading.Lock()
        self._opened: Any = None  # fsspec has no types
        self._folders: Mapping[str, str] = {}

    @property
    def can_seek(self) -> bool:
        """Whether a file can be read from its middle on."""
        return self._base.scheme not in ("http", "https")

    def names(self) -> list[str]:
        """Return the names of the base path's children, folders or not.

        Raises:
            ResourceExhausted: there are more than MAX_CHILDREN.
        """
        with _explained(self._base):
            system = self._system()
            root = self._root()
            folders: dict[str, str] = {}
            for entry in self._list(root):
                name = self._below(root, entry).partition("/")[0]
                if name:
                    if len(folders) == MAX_CHILDREN:
                        raise ResourceExhausted(f"More than {MAX_CHILDREN} names: {self._base}")
                    folders[_plain(system, name)] = f"{root}/{name}"
        self._folders = folders
        return list(folders)

    def files(self, name: str) -> list[RemoteFile]:
        """Return what lies under a child that `names` has told.

        Raises:
            InvalidArgument: a name is not safe to use, or folders are too deep.
            ResourceExhausted: there are too many files.
        """
        found: list[RemoteFile] = []
        top = self._folders.get(name) or f"{self._root()}/{name}"
        folders, seen = [top], 0
        with _explained(self._base / name):
            while folders:
                folder = folders.pop()
                for entry in self._list(folder):
                    below = self._below(top, entry)
                    if not below or str(entry["name"]).rstrip("/") == folder:
                        continue  # a marker of the folder itself
                    seen += 1
                    check_count(seen, self._max_files)
                    path = f"{top}/{below}"
                    if entry.get("type") != "directory":
                        found.append(self._file(below, path, entry))
                    elif below.count("/") >= MAX_DEPTH - 1:
                        raise InvalidArgument(f"folders are deeper than {MAX_DEPTH}")
                    else:
                        folders.append(path)
        return found

    def read(self, file: RemoteFile, offset: int) -> Iterator[bytes]:
        """Give a file's content in pieces of some MiB, from an offset on.

        Args:
            offset: bytes to leave out; 0 unless `can_seek`.
        """
        with _explained(self._base):
            system = self._system()
            if not self.can_seek:
                with system.open(file.url, "rb", block_size=0) as stream:
                    while piece := stream.read(CHUNK):
                        yield piece
                return
            while offset < file.size:
                end = min(offset + CHUNK, file.size)
                piece = system.cat_file(file.url, start=offset, end=end, **self._limit(system))
                if not piece or len(piece) > end - offset:
                    raise Unavailable(f"{file.name}: {len(piece)} bytes came, not {end - offset}")
                offset += len(piece)
                yield piece

    def _file(self, below: str, path: str, entry: Mapping[str, Any]) -> RemoteFile:
        system = self._system()
        name = check_name(_plain(system, below))
        if entry.get("size") is None:
            entry = system.info(path, **self._limit(system))
        size = entry.get("size")
        if not isinstance(size, int) or size < 0:
            raise Unavailable(
                f"The storage does not tell the size of {name}.",
                hint="A web server must send Content-Length.",
            )
        facts = {key.lower(): value for key, value in entry.items()}
        known = [facts[key] for key in _TOKENS if facts.get(key)][:1] or [
            facts[key] for key in (*_TIMES, "created") if facts.get(key)
        ][:1]
        md5 = facts.get("md5hash") or facts.get("content-md5") or ""
        return RemoteFile(name, size, str(known[0]) if known else "", path, str(md5))

    def _system(self) -> Any:
        with self._opening:
            if self._opened is None:
                check_readable(self._base)
                self._opened = _open(self._base)
            return self._opened

    def _root(self) -> str:
        return str(self._system()._strip_protocol(self._base.url)).rstrip("/")

    def _list(self, folder: str) -> list[dict[str, Any]]:
        system = self._system()
        system.invalidate_cache()
        listed: list[dict[str, Any]] = system.ls(
            folder if self.can_seek else f"{folder}/", detail=True, **self._limit(system)
        )
        return listed

    def _below(self, folder: str, entry: Mapping[str, Any]) -> str:
        """Return an entry's name below a folder; "" if it is no file or folder in there."""
        name = str(entry["name"]).rstrip("/")
        if not name.startswith(f"{folder}/") or (not self.can_seek and {"?", "#"} & set(name)):
            return ""
        return name[len(folder) + 1 :]

    def _limit(self, system: Any) -> dict[str, float]:
        return {"timeout": self._timeout} if getattr(system, "async_impl", False) else {}


def _open(base: RemotePath) -> Any:
    import fsspec

    settings: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if base.scheme in ("http", "https"):
        import aiohttp

        settings["client_kwargs"] = {
            "timeout": aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS
            ),
            "read_bufsize": 2**20,
        }
    elif base.scheme in ("s3", "s3a"):
        # s3fs tries again as well, and so does the next poll.
        settings["config_kwargs"] = {"retries": {"total_max_attempts": 2}}
    return fsspec.core.url_to_fs(base.url, **settings)[0]


def _plain(system: Any, name: str) -> str:
    """Return a name as files have it: that of a link is written with %20 and the like."""
    return unquote(name) if "http" in system.protocol else name


@contextmanager
def _explained(path: RemotePath) -> Iterator[None]:
    """Turn what a storage library raises, which may be anything, into our errors."""
    try:
        yield
    except ServableError:
        raise
    except FileNotFoundError as error:
        raise NotFound(f"{path}: not found") from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
        denied = isinstance(error, PermissionError) or getattr(error, "status", 0) in (401, 403)
        made = PermissionDenied if denied else Unavailable
        raise made(f"{path}: {reason.replace(path.url, str(path))}") from error
