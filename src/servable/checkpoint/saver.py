"""Saver: checkpoints of arrays, of which the newest few are kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from servable.checkpoint.reading import restore
from servable.checkpoint.state import STATE_FILE, CheckpointState, read_state, write_state
from servable.checkpoint.writing import write_checkpoint
from servable.errors import InvalidArgument
from servable.savedmodel.atomic import writing
from servable.savedmodel.bundle_write import Progress
from servable.tensors import Array

_SECONDS_PER_HOUR = 3600.0


def _ignore(_: int) -> None:
    """Tell nobody."""


class Saver:
    """Writes checkpoints with a step in their names and removes the oldest. Not thread-safe.

    Args:
        max_to_keep: how many checkpoints stay; 0 or None keeps all.
        keep_checkpoint_every_n_hours: one that would be removed stays for ever if this
            much time has passed since the last that did.
        shards: number of data files of each checkpoint.
        clock: seconds since 1970; for tests.
    """

    def __init__(
        self,
        *,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10_000.0,
        shards: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_to_keep is not None and max_to_keep < 0:
            raise InvalidArgument(f"max_to_keep can not be {max_to_keep}")
        self._max_to_keep = max_to_keep or 0
        self._interval = keep_checkpoint_every_n_hours * _SECONDS_PER_HOUR
        self._shards = shards
        self._clock = clock
        self._kept: list[tuple[Path, float]] = []
        self._next_kept = clock() + self._interval

    @property
    def last_checkpoints(self) -> list[str]:
        """Prefixes of the checkpoints that are kept, oldest first."""
        return [str(path) for path, _ in self._kept]

    def recover_last_checkpoints(self, prefixes: Sequence[str | os.PathLike[str]]) -> None:
        """Take over checkpoints of an earlier run, oldest first, so that they are removed too."""
        self._kept = [
            (Path(p), Path(f"{p}.index").stat().st_mtime)
            for p in prefixes
            if Path(f"{p}.index").is_file()
        ]

    def recover(self, directory: str | os.PathLike[str]) -> None:
        """Take over what a folder's state file lists; nothing happens if there is none.

        Raises:
            StateInvalid: the state file is damaged.
        """
        state = read_state(directory)
        if state is not None:
            self.recover_last_checkpoints(state.all)

    def save(
        self,
        tensors: Mapping[str, Array],
        save_path: str | os.PathLike[str],
        global_step: int | None = None,
        *,
        latest_filename: str = STATE_FILE,
        write_state_file: bool = True,
        progress: Progress = _ignore,
    ) -> str:
        """Write a checkpoint, the state file, and remove what is too old.

        The new checkpoint is complete on disk before an old one is removed.

        Args:
            tensors: name -> array.
            save_path: `model` becomes `model-100` at step 100.
            global_step: added to the name; None for no ending.
            latest_filename: the state file's name.
            write_state_file: whether to write it.
            progress: told how many bytes were just written.

        Returns:
            The prefix of the new checkpoint.

        Raises:
            NotWritable, WriteFailed: see `write_checkpoint`.
        """
        name = str(save_path) if global_step is None else f"{save_path}-{int(global_step)}"
        prefix = Path(write_checkpoint(name, tensors, shards=self._shards, progress=progress))
        self._kept = [entry for entry in self._kept if entry[0] != prefix]
        self._kept.append((prefix, self._clock()))
        old = self._taken_off()
        if write_state_file:
            kept = self._kept if self._max_to_keep else self._kept[-1:]
            state = CheckpointState(
                prefix,
                tuple(path for path, _ in kept),
                tuple(when for _, when in kept),
                self._next_kept - self._interval,
            )
            write_state(prefix.parent, state, latest_filename=latest_filename)
        for path in old:
            remove_checkpoint(path)
        return str(prefix)

    def restore(
        self,
        save_path: str | os.PathLike[str],
        wanted: Iterable[str] | Mapping[str, Sequence[int]] | None = None,
    ) -> dict[str, Array]:
        """Return the arrays of a checkpoint; see `reading.restore`."""
        return restore(save_path, wanted)

    def _taken_off(self) -> list[Path]:
        """Take what is too old off the list; return what of it should be removed."""
        old = []
        while self._max_to_keep and len(self._kept) > self._max_to_keep:
            path, when = self._kept.pop(0)
            if when > self._next_kept:
                self._next_kept += self._interval
            else:
                old.append(path)
        return old


def remove_checkpoint(prefix: str | os.PathLike[str]) -> None:
    """Remove a checkpoint's files, the index first; what is not there is no error.

    Raises:
        WriteFailed: the operating system refused.
    """
    path = Path(prefix)
    with writing():
        for ending in (".index", ".meta"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        start = f"{path.name}.data-"
        for file in path.parent.iterdir() if path.parent.is_dir() else ():
            number, of, count = file.name.removeprefix(start).partition("-of-")
            if file.name.startswith(start) and of and number.isdigit() and count.isdigit():
                file.unlink(missing_ok=True)
