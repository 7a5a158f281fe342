"""Files of a log: one is written, finished ones are kept, the oldest make room."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from servable.core.clock import Clock, SystemClock
from servable.recording.tfrecord import frame

FINISHED = ".tfrecord"
UNFINISHED = ".tfrecord.part"

_MODE = 0o640  # what clients sent is nobody else's business
_STAMP = "%Y%m%dT%H%M%SZ"
_AFTER_PREFIX = re.compile(r"-\d{8}T\d{6}Z-\d{6}\.tfrecord(\.part)?")


@dataclass(frozen=True, slots=True)
class Limits:
    """When a file is finished, and how many there may be.

    Attributes:
        file_bytes: a record that would make it longer goes into the next file.
        file_records: a file with so many is full.
        file_seconds: an older one is finished when the next record comes.
        files: when one is finished, the oldest beyond this number are deleted.
    """

    file_bytes: int = 2**26
    file_records: int = 100_000
    file_seconds: float = 3600.0
    files: int = 20


class RotatingFiles:
    """Writes records to `PREFIX-TIME-NUMBER.tfrecord`. For one thread at a time.

    A file has `.part` at the end of its name until it is finished. Each record is handed
    to the operating system at once, so that a crash of the process loses none that was
    written; a file is synced to the disk when it is finished, so that a crash of the
    machine loses at most the one that was not.

    Args:
        prefix: an absolute path; its folder must exist.
        limits: when files are finished and deleted.
    """

    def __init__(
        self, prefix: Path, limits: Limits | None = None, clock: Clock | None = None
    ) -> None:
        self._prefix = prefix
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._number = 0
        self._file: _File | None = None

    def write(self, data: bytes) -> None:
        """Write one record, to a new file if it is time for one.

        Raises:
            OSError: it could not be written; the file ends with the record before it.
        """
        record = frame(data)
        if self._file is not None and self._is_full(self._file, len(record)):
            self.finish()
        if self._file is None:
            self._file = self._open()
        try:
            self._file.append(record)
        except OSError:
            self.finish()
            raise

    def finish(self) -> None:
        """Finish the file that is written, if there is one, and delete the oldest.

        Raises:
            OSError: it could not be synced or renamed; the next record goes into a new one.
        """
        file, self._file = self._file, None
        if file is not None:
            file.finish()
            self._delete_oldest()

    def _is_full(self, file: _File, more: int) -> bool:
        limits = self._limits
        return (
            file.size + more > limits.file_bytes
            or file.records >= limits.file_records
            or self._clock.monotonic() - file.began > limits.file_seconds
        )

    def _open(self) -> _File:
        stamp = time.strftime(_STAMP, time.gmtime(self._clock.wall()))
        while True:
            self._number += 1
            name = f"{self._prefix.name}-{stamp}-{self._number:06d}"
            path = self._prefix.with_name(name + FINISHED)
            if path.exists():
                continue
            try:
                return _File(path, self._clock.monotonic())
            except FileExistsError:
                continue  # another server has the same prefix

    def _delete_oldest(self) -> None:
        ours = files_of_log(self._prefix)
        for old in ours[: max(0, len(ours) - self._limits.files)]:
            old.unlink(missing_ok=True)


def files_of_log(prefix: Path) -> list[Path]:
    """Return the files of a log, oldest first, also those that are not finished.

    Raises:
        OSError: their folder can not be listed.
    """
    name = prefix.name
    return sorted(
        prefix.with_name(found)
        for found in os.listdir(prefix.parent)
        if found.startswith(name) and _AFTER_PREFIX.fullmatch(found, len(name))
    )


class _File:
    """A file that is written.

    Attributes:
        size, records: what is in it.
        began: monotonic seconds.
    """

    def __init__(self, path: Path, began: float) -> None:
        self._path = path
        self._part = path.with_name(path.name.removesuffix(FINISHED) + UNFINISHED)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file = open(  # noqa: SIM115  it stays open, and `finish` closes it
            os.open(self._part, flags, _MODE), "wb", buffering=0
        )
        self.began = began
        self.size = 0
        self.records = 0

    def append(self, record: bytes) -> None:
        left = memoryview(record)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            # A reader would stumble over half a record.
            self._file.truncate(self.size)
            raise
        self.size += len(record)
        self.records += 1

    def finish(self) -> None:
        with self._file:
            os.fsync(self._file.fileno())
        if self.records:
            self._part.rename(self._path)
        else:
            self._part.unlink()
