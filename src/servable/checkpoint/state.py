"""The file `checkpoint`: which checkpoints a folder has, and which is the newest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from servable.checkpoint.errors import StateInvalid
from servable.pb import checkpoint_pb2
from servable.pb._pool import POOL
from servable.savedmodel.atomic import write_file
from servable.savedmodel.files import read_bytes, size_of
from servable.savedmodel.variables import index_path

STATE_FILE = "checkpoint"
_MOST_BYTES = 2**24


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """What a state file says.

    Attributes:
        latest: prefix of the newest checkpoint.
        all: prefixes of those that are kept, oldest first.
        timestamps: when each of `all` was written, in seconds since 1970; may be empty.
        last_preserved: when the last one was kept for ever; 0 if none was.
    """

    latest: Path
    all: tuple[Path, ...]
    timestamps: tuple[float, ...] = ()
    last_preserved: float = 0.0


def read_state(
    directory: str | os.PathLike[str], *, latest_filename: str = STATE_FILE
) -> CheckpointState | None:
    """Read a folder's state file; None if it has none. Relative names become paths below it.

    Raises:
        StateInvalid: it is not the text it should be.
        FileUnreadable, FileTooLarge.
    """
    path = Path(directory) / latest_filename
    if size_of(path) is None:
        return None
    message = checkpoint_pb2.CheckpointState()
    try:
        text = read_bytes(path, limit=_MOST_BYTES).decode()
        text_format.Parse(text, message, allow_unknown_field=True, descriptor_pool=POOL)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise StateInvalid(f"{path}: {error}") from None
    if not message.model_checkpoint_path:
        raise StateInvalid(f"{path}: it names no checkpoint")
    names = list(message.all_model_checkpoint_paths)
    if message.model_checkpoint_path not in names:
        names.append(message.model_checkpoint_path)
    times = tuple(message.all_model_checkpoint_timestamps)
    return CheckpointState(
        path.parent / message.model_checkpoint_path,
        tuple(path.parent / name for name in names),
        times if len(times) == len(names) else (),
        message.last_preserved_timestamp,
    )


def write_state(
    directory: str | os.PathLike[str],
    state: CheckpointState,
    *,
    latest_filename: str = STATE_FILE,
) -> None:
    """Replace a folder's state file; checkpoints in the folder are named relative to it.

    Raises:
        WriteFailed: the operating system refused.
    """
    root = Path(directory)
    message = checkpoint_pb2.CheckpointState(
        model_checkpoint_path=_relative(state.latest, root),
        all_model_checkpoint_paths=[_relative(path, root) for path in state.all],
        all_model_checkpoint_timestamps=state.timestamps,
        last_preserved_timestamp=state.last_preserved,
    )
    text = text_format.MessageToString(message, descriptor_pool=POOL)
    write_file(root / latest_filename, text.encode())


def latest_checkpoint(
    directory: str | os.PathLike[str], latest_filename: str = STATE_FILE
) -> str | None:
    """Return the prefix of a folder's newest checkpoint; None if the folder has none.

    Raises:
        StateInvalid: the state file is damaged.
    """
    state = read_state(directory, latest_filename=latest_filename)
    if state is None or size_of(index_path(state.latest)) is None:
        return None
    return str(state.latest)


def _relative(path: Path, root: Path) -> str:
    absolute, base = Path(os.path.abspath(path)), Path(os.path.abspath(root))
    return str(absolute.relative_to(base) if absolute.is_relative_to(base) else absolute)
