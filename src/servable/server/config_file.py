"""Files that say what is served, read again and again, and with which keys."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from servable.config.models import ModelConfig, read_models
from servable.config.text import read
from servable.errors import Cancelled, ServableError
from servable.pb import config_pb2
from servable.transport.options import Tls

log = logging.getLogger(__name__)

_TRUSTED_AFTER = 3
_READ_AGAIN = 30


def read_config(path: Path, *, first: bool = True) -> tuple[ModelConfig, ...]:
    """Return the models that a file lists; none if it says nothing.

    Args:
        first: whether the list replaces nothing.

    Raises:
        ServableError: the file can not be read, or holds something else.
    """
    return read_models(read(config_pb2.ModelServerConfig, path), first=first) or ()


def fingerprint(listed: Sequence[ModelConfig]) -> str:
    """Return what tells a list from others: the same for equal ones in every process."""
    # The labels were a map of a protobuf message, whose order is another one in each process.
    ordered = [replace(model, labels=dict(sorted(model.labels.items()))) for model in listed]
    return hashlib.sha256(repr(ordered).encode("utf-8", "backslashreplace")).hexdigest()


def read_tls(path: str | os.PathLike[str]) -> Tls:
    """Return the key and certificates that a file with an SSLConfig holds.

    Raises:
        ServableError: the file can not be read, or holds something else.
    """
    config = read(config_pb2.SSLConfig, path)
    return Tls(config.server_key, config.server_cert, config.custom_ca, config.client_verify)


class ConfigWatch:
    """Reads a file at every interval, and has what it lists served.

    A file that can not be used changes nothing and is reported once. The list is applied
    again when something else was applied in between: the file has the last word over
    reloads by request. A file that looks the same as at the last few looks is read only
    now and then: some file systems tell times to the second, or wrong.

    Args:
        path: the file; it may be replaced or pointed elsewhere between two looks.
        apply: serves a list, or raises ServableError and changes nothing; Cancelled if the
            server stops, which is no fault.
        poll_seconds: pause between looks; more than 0.
        applied: returns how often something was applied, by whomever; None if nobody counts.
    """

    def __init__(
        self,
        path: Path,
        apply: Callable[[Sequence[ModelConfig]], object],
        poll_seconds: float,
        applied: Callable[[], int] | None = None,
    ) -> None:
        self._applied = applied
        self._count = -1
        self._seen: tuple[int, ...] = ()
        self._same = 0
        self._path = path
        self._apply = apply
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name="config file", daemon=True)

    def start(self) -> None:
        """Begin to look, one interval from now, in a thread of its own. Call once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns after the last list was applied. May be called unstarted."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Read the file and apply what it lists, in the calling thread."""
        if self._is_known():
            return
        failed = "Failed to read ModelServerConfig file"
        try:
            configs = read_config(self._path, first=False)
            failed = "PollFilesystemAndReloadConfig failed to ReloadConfig"
            self._apply(configs)
        except Cancelled:
            log.debug("the server stops; what %s lists is not applied any more", self._path)
        except ServableError as error:
            self._say(f"{failed}: {error.status_text}", error.hint)
        except Exception:
            # Only a fault of ours comes here. The next look may do better.
            log.exception("%s", failed)
        else:
            if self._said:
                log.info("%s can be used again", self._path)
            self._said = ""
            self._count = self._applied() if self._applied is not None else -1

    def _is_known(self) -> bool:
        """Whether the file has been read and what it lists is what is served."""
        try:
            status = self._path.stat()
        except OSError:
            self._seen = ()
            return False  # reading it tells why
        facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        seen, self._seen = self._seen, (*facts, status.st_ctime_ns)
        self._same = self._same + 1 if self._seen == seen else 0
        if self._said or self._applied is None or self._applied() != self._count:
            return False
        return self._same >= _TRUSTED_AFTER and self._same % _READ_AGAIN != 0

    def _say(self, text: str, hint: str) -> None:
        if text != self._said:
            log.error("%s%s; what was served before is served on", text, hint and f" ({hint})")
        self._said = text

    def _run(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            self.look()
