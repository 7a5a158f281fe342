"""Reading checkpoints: what is in one, and single tensors of it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from servable.checkpoint.errors import CheckpointMissing, KeysMissing, OldFormat
from servable.checkpoint.state import latest_checkpoint
from servable.savedmodel.files import size_of
from servable.savedmodel.reader import variables_prefix
from servable.savedmodel.variables import Variables, index_path
from servable.tensors import Array

_MOST_NAMED = 10
_MOST_COMPARED = 5_000  # comparing takes tens of microseconds for each


class VariableEntry(NamedTuple):
    """One tensor of a checkpoint; as a tuple it is what TensorFlow's list has."""

    name: str
    shape: list[int]


def find_prefix(path: str | os.PathLike[str]) -> Path:
    """Return the prefix of a checkpoint.

    Args:
        path: the prefix itself, its .index file, a folder of checkpoints (the newest is
            taken), or a SavedModel (its variables).

    Raises:
        CheckpointMissing: there is none.
        OldFormat: it is a single file, as TensorFlow wrote before 1.0.
        StateInvalid: the folder's state file is damaged.
    """
    place = Path(path)
    if place.is_dir():
        if size_of(index_path(variables_prefix(place))) is not None:
            return variables_prefix(place)
        latest = latest_checkpoint(place)
        if latest is None:
            raise CheckpointMissing(
                f"there is no checkpoint in {place}",
                hint="Looked for a file `checkpoint` that names one, and for a SavedModel's "
                "variables. Name a checkpoint by its path without .index.",
            )
        return Path(latest)
    if place.name.endswith(".index") and size_of(place) is not None:
        return place.with_name(place.name.removesuffix(".index"))
    if size_of(index_path(place)) is not None:
        return place
    if size_of(place) is not None:
        raise OldFormat(
            f"{place} is one file, and not a checkpoint of today's format",
            hint="Checkpoints from before TensorFlow 1.0 must be saved again by it.",
        )
    close = _close_prefixes(place)
    raise CheckpointMissing(
        f"there is no checkpoint {place}",
        hint=f"Looked for {index_path(place).name}."
        + (f" There are: {', '.join(close)}." if close else ""),
    )


def load_checkpoint(path: str | os.PathLike[str]) -> Variables:
    """Open a checkpoint; see `find_prefix` for what `path` may be. The caller closes it.

    Raises:
        CheckpointError, SavedModelError: it is not there, or damaged.
    """
    return Variables.open(find_prefix(path))


def list_variables(path: str | os.PathLike[str]) -> list[VariableEntry]:
    """Return name and shape of every tensor of a checkpoint, in order of name.

    Raises:
        CheckpointError, SavedModelError: it is not there, or damaged.
    """
    with load_checkpoint(path) as variables:
        entries = variables.entries
        return [VariableEntry(name, list(entries[name].shape)) for name in sorted(entries)]


def load_variable(path: str | os.PathLike[str], name: str) -> Array:
    """Return one tensor of a checkpoint; its checksum is compared.

    Args:
        path: see `find_prefix`.
        name: as `list_variables` has it; `:0` at its end is ignored, and the ending that
            TF2's object graph gives every variable may be left out.

    Raises:
        KeysMissing: there is no such tensor; names that are close are told.
        CheckpointError, SavedModelError: the checkpoint is not there, or damaged.
    """
    with load_checkpoint(path) as variables:
        return variables.read(find_key(variables, name), verify=True)


OBJECT_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
"""The end of the name that every variable has in checkpoints of TF2's objects."""


def find_key(variables: Variables, name: str) -> str:
    """Return the stored name that is meant; see `load_variable`.

    Raises:
        KeysMissing: there is no such tensor.
    """
    key = _match(variables, name)
    if key is None:
        raise missing_keys([name], variables)
    return key


def _match(variables: Variables, name: str) -> str | None:
    key = name.removesuffix(":0")
    candidates = (name, key, key + OBJECT_SUFFIX)
    return next((candidate for candidate in candidates if candidate in variables.entries), None)


def restore(
    path: str | os.PathLike[str],
    wanted: Iterable[str] | Mapping[str, Sequence[int]] | None = None,
) -> dict[str, Array]:
    """Return tensors of a checkpoint by name, all that are asked for or none.

    Args:
        path: see `find_prefix`.
        wanted: names, or names with the shape each must have; None for everything.

    Raises:
        KeysMissing: every name that is not there and every wrong shape at once, with
            names that are close.
        CheckpointError, SavedModelError: the checkpoint is not there, or damaged.
    """
    with load_checkpoint(path) as variables:
        if wanted is None:
            return {key: variables.read(key, verify=True) for key in sorted(variables.entries)}
        keys, missing = {}, []
        for name in wanted:
            key = _match(variables, name)
            if key is None:
                missing.append(name)
            else:
                keys[name] = key
        if missing:
            raise missing_keys(missing, variables)
        if isinstance(wanted, Mapping):
            _check_shapes(variables, keys, wanted)
        return {name: variables.read(key, verify=True) for name, key in keys.items()}


def missing_keys(names: Sequence[str], variables: Variables) -> KeysMissing:
    """Return the error that says which tensors are missing, and which names are close."""
    there = [key.removesuffix(OBJECT_SUFFIX) for key in variables.entries]
    lines = []
    for name in names[:_MOST_NAMED]:
        close = difflib.get_close_matches(
            name.removesuffix(":0"), there[:_MOST_COMPARED], n=3, cutoff=0.5
        )
        lines.append(f"{name}: close to {', '.join(close)}" if close else f"{name}: nothing close")
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    shown = ", ".join(names[:_MOST_NAMED])
    if len(names) == 1:
        message = f"Key {names[0]} not found in checkpoint"
    else:
        message = f"{len(names)} keys not found in checkpoint: {shown}{more}"
    sample = f" The checkpoint has {len(there)} tensors, such as {', '.join(sorted(there)[:5])}."
    return KeysMissing(message, hint="; ".join(lines) + "." + (sample if there else ""))


def _check_shapes(
    variables: Variables, keys: Mapping[str, str], wanted: Mapping[str, Sequence[int]]
) -> None:
    wrong = [
        f"{name} is {list(variables.entries[key].shape)} and should be {list(wanted[name])}"
        for name, key in keys.items()
        if tuple(wanted[name]) != variables.entries[key].shape
    ]
    if wrong:
        raise KeysMissing(
            f"the shapes of {len(wrong)} tensors differ: {'; '.join(wrong[:_MOST_NAMED])}",
            hint="The checkpoint was written by a model of another size.",
        )


def _close_prefixes(place: Path) -> list[str]:
    try:
        found = sorted(p.name.removesuffix(".index") for p in place.parent.glob("*.index"))
    except OSError:
        return []
    return difflib.get_close_matches(place.name, found, n=3, cutoff=0.3)
