"""What a remote version consists of, and names that are safe to make files of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from servable.errors import DataLoss, InvalidArgument, ResourceExhausted

MAX_DEPTH = 16
"""Folders inside folders; a SavedModel has two."""

_LONGEST_PART = 200
_LONGEST_NAME = 1000
_SEPARATORS = "\\:"  # Windows gives them a meaning


@dataclass(frozen=True, slots=True, order=True)
class RemoteFile:
    """One file of a version.

    Attributes:
        name: below the version, parts joined by `/`; safe to make a path of.
        size: in bytes.
        token: what the storage says about the content: an etag, or a time of change.
        url: what the storage calls it.
        md5: of the content, base64; "" where the storage tells none that can be trusted.
    """

    name: str
    size: int
    token: str
    url: str = ""
    md5: str = ""

    @property
    def key(self) -> str:
        """A file name for it that differs when name, size or content differ."""
        facts = f"{self.name}\0{self.size}\0{self.token}"
        return hashlib.blake2b(facts.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a version, in the order of their names."""

    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> bytes:
        """16 bytes that differ when any file does."""
        keys = "\n".join(file.key for file in self.files)
        return hashlib.blake2b(keys.encode(), digest_size=16).digest()


def manifest(files: Sequence[RemoteFile], *, max_files: int, max_bytes: int) -> Manifest:
    """Return the manifest of these files.

    Raises:
        ResourceExhausted: they are too many, or too large.
        InvalidArgument: two can not be in one folder.
    """
    made = Manifest(tuple(sorted(files)))
    check_count(len(files), max_files)
    if made.size > max_bytes:
        raise ResourceExhausted(
            f"The version has {made.size} bytes, more than the {max_bytes} that are allowed.",
            hint="Raise the limit on the bytes of a remote version.",
        )
    names = {file.name for file in files}
    for name in names:
        parts = name.split("/")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if above & names:
            raise InvalidArgument(f"{min(above & names)!r} is a file and a folder")
    if len({name.casefold() for name in names}) != len(files):
        raise InvalidArgument("two files have the same name, or differ in case only")
    return made


def check_count(count: int, max_files: int) -> None:
    """Raise ResourceExhausted for more files than allowed."""
    if count > max_files:
        raise ResourceExhausted(
            f"The version has more than {max_files} files.",
            hint="Is the base path the right one? A SavedModel has a few files.",
        )


def check_name(name: str) -> str:
    """Return a file's name if it stays below the folder that it is put in.

    Raises:
        InvalidArgument: it does not, or is odd enough to mean something else elsewhere.
    """
    parts = name.split("/")
    odd = (
        len(name) > _LONGEST_NAME
        or len(parts) > MAX_DEPTH
        or any(
            part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > _LONGEST_PART
            for part in parts
        )
        or any(part[-1:] in (".", " ") for part in parts)
        or any(not c.isprintable() or c in _SEPARATORS for c in name)
    )
    if odd:
        raise InvalidArgument(
            f"a file has a name that is not safe to use: {name[:100]!r}",
            hint="Names are printable, and without .. \\ or :",
        )
    return name


def dump(made: Manifest, url: str) -> bytes:
    """Return the text that is kept beside the files."""
    files = [{k: v for k, v in asdict(f).items() if k != "url"} for f in made.files]
    return json.dumps({"url": url, "bytes": made.size, "files": files}, indent=1).encode()


def load(path: Path) -> Manifest:
    """Read what `dump` has made.

    Raises:
        DataLoss: it is something else.
        OSError: it can not be read.
    """
    try:
        stored = json.loads(path.read_bytes())
        files = [
            RemoteFile(check_name(f["name"]), int(f["size"]), str(f["token"]), md5=str(f["md5"]))
            for f in stored["files"]
        ]
    except (ValueError, TypeError, KeyError, InvalidArgument) as error:
        raise DataLoss(f"{path} is damaged: {error}") from error
    return Manifest(tuple(sorted(files)))
