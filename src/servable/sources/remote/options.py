"""What can be set about remote base paths."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

GIB = 2**30

Tell = Callable[[int], None]
"""Hears how many bytes came since the last call."""

Progress = Callable[[str, int], AbstractContextManager[Tell]]
"""Shows a download: what, and about how many bytes in all."""

LOG_SECONDS = 10.0
"""Pause between two lines about one download."""


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where this platform keeps what can be had again."""
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():  # a user without a home, as in some containers
        return Path("/var/cache/servable")
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "servable"


@contextmanager
def log_progress(
    what: str, total: int, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Tell]:
    """Log how far a download is, every LOG_SECONDS; a short one is not mentioned."""
    begun = said = clock()
    done = 0

    def tell(count: int) -> None:
        nonlocal said, done
        done += count
        now = clock()
        if now - said >= LOG_SECONDS:
            said = now
            log.info(
                "%s: %.0f of %.0f MB, %.1f MB/s",
                what,
                done / 1e6,
                total / 1e6,
                done / 1e6 / (now - begun),
            )

    yield tell


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How remote versions are fetched and kept.

    Attributes:
        cache_dir: where they are kept; may be shared by processes.
        cache_bytes: how much may be kept there. The version that was not used for the
            longest time goes first, one that is served never.
        max_files, max_bytes: of one version.
        ready_marker: a file that a version must have before it is looked at; "" for none.
        downloads: versions that are fetched at the same time.
        timeout_seconds: how long the storage may take for a listing.
        progress: shows downloads.
    """

    cache_dir: Path = field(default_factory=cache_folder)
    cache_bytes: int = 64 * GIB
    max_files: int = 10_000
    max_bytes: int = 32 * GIB
    ready_marker: str = ""
    downloads: int = 4
    timeout_seconds: float = 60.0
    progress: Progress = log_progress
