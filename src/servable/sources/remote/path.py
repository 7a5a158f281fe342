"""Base paths behind a URL, and whether this installation can read them."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from servable.errors import InvalidArgument, Unimplemented

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "http", "https": "http"}

PEER_SCHEMES = frozenset({"gs", "s3", "hdfs"})
"""What TensorFlow Serving reads, too: a stranger's reload may name these and no others."""


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A base path or a part of one behind a URL that fsspec understands.

    Printed, it shows no user name, password or query.

    Attributes:
        url: `scheme://...`, without a slash at the end.
    """

    url: str

    @property
    def scheme(self) -> str:
        """What comes before `://`, in lower case."""
        return self.url.partition("://")[0].lower()

    @property
    def name(self) -> str:
        """The last part; "" where there is only a host or bucket."""
        return urlsplit(self.url).path.rstrip("/").rpartition("/")[2]

    def __truediv__(self, child: str) -> RemotePath:
        return RemotePath(f"{self.url}/{child}")

    def __str__(self) -> str:
        rest = self.url.partition("://")[2].partition("?")[0]
        host, slash, path = rest.partition("/")
        return f"{self.scheme}://{host.rpartition('@')[2]}{slash}{path}"


def remote_path(text: str) -> RemotePath | None:
    """Return the base path that a text stands for; None if it is a path of this machine.

    `file://` is this machine.
    """
    match = _SCHEME.match(text)
    if match is None or match[1].lower() == "file":
        return None
    return RemotePath(match[1].lower() + text[len(match[1]) :].rstrip("/"))


def check_readable(path: RemotePath) -> None:
    """Return if this installation has what reads such a URL. Asks no network.

    Raises:
        Unimplemented: something must be installed, or nothing knows the scheme.
        InvalidArgument: it can be no base path.
    """
    refused = f"File system scheme '{path.scheme}' not implemented (file: '{path}')"
    if importlib.util.find_spec("fsspec") is None:
        raise Unimplemented(refused, hint=_install(path.scheme))
    import fsspec

    try:
        fsspec.get_filesystem_class(path.scheme)
    except ImportError as error:
        raise Unimplemented(refused, hint=f"{_install(path.scheme)} ({error})") from error
    except ValueError as error:
        raise Unimplemented(
            refused, hint="gs://, s3://, https:// and what else fsspec knows can be read."
        ) from error
    if any(mark in path.url for mark in ("?", "#", "\0", "::")):
        raise InvalidArgument(
            f"{path} can be no base path",
            hint="Versions are looked for under it, so it has no ?, # or ::.",
        )


def _install(scheme: str) -> str:
    return f"pip install 'servable[{_EXTRAS.get(scheme, 'remote')}]'"
