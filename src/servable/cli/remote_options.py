"""Options of `servable serve` about models behind a URL."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from servable.cli.byte_progress import byte_progress
from servable.cli.gathered import gathered
from servable.cli.serve_options import read_size

if TYPE_CHECKING:
    from servable.sources.remote.options import RemoteOptions

_bar_is_free = threading.Lock()


@dataclass(frozen=True, slots=True)
class Fetching:
    """What the options said; None where they did not."""

    cache_dir: Path | None = None
    cache_bytes: int | None = None
    max_bytes: int | None = None
    ready_marker: str = ""

    def options(self) -> RemoteOptions:
        """Return how versions are fetched and kept."""
        from servable.sources.remote.options import RemoteOptions

        usual = RemoteOptions()
        return RemoteOptions(
            cache_dir=self.cache_dir.absolute() if self.cache_dir else usual.cache_dir,
            cache_bytes=usual.cache_bytes if self.cache_bytes is None else self.cache_bytes,
            max_bytes=usual.max_bytes if self.max_bytes is None else self.max_bytes,
            ready_marker=self.ready_marker,
            progress=download_progress,
        )


@contextmanager
def download_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a download as a bar on a terminal, one at a time; others in lines of the log."""
    from servable.sources.remote.options import log_progress

    if sys.stderr.isatty() and _bar_is_free.acquire(blocking=False):
        try:
            with byte_progress(what, total) as tell:
                yield tell
        finally:
            _bar_is_free.release()
    else:
        with log_progress(what, total) as tell:
            yield tell


_OPTIONS = [
    click.option(
        "--remote-cache-dir",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Where versions behind a URL are kept, instead of the platform's cache folder.",
    ),
    click.option(
        "--remote-cache-bytes",
        callback=read_size,
        metavar="SIZE",
        help="How much is kept there, 64GiB by default. What was not used for the longest time "
        "goes first; what is served stays.",
    ),
    click.option(
        "--remote-max-bytes",
        callback=read_size,
        metavar="SIZE",
        help="A version that is larger is not fetched; 32GiB by default.",
    ),
    click.option(
        "--remote-ready-marker",
        default="",
        metavar="NAME",
        help="Fetch a version only when it has a file of this name, such as _READY.",
    ),
]


def _fetching(
    remote_cache_dir: Path | None,
    remote_cache_bytes: int | None,
    remote_max_bytes: int | None,
    remote_ready_marker: str,
) -> Fetching:
    return Fetching(remote_cache_dir, remote_cache_bytes, remote_max_bytes, remote_ready_marker)


fetching = gathered("fetching", _fetching, _OPTIONS)
"""Adds the options to a command, which gets them together, as `fetching`."""
