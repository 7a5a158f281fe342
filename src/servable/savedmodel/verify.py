"""Checking every byte of a SavedModel's variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from servable.savedmodel.files import size_of
from servable.savedmodel.reader import variables_prefix
from servable.savedmodel.variables import Variables, index_path


def verify(directory: Path, report: Callable[[int, int], None] = lambda _done, _total: None) -> int:
    """Read every tensor and compare it with its stored checksum.

    Tensors are read one at a time, so memory for the largest is enough. The blocks of the
    index are checked as in every read.

    Args:
        directory: the SavedModel.
        report: called after each tensor with the work done and all work, about in bytes.

    Returns:
        The number of tensors; 0 for a model without variables.

    Raises:
        SavedModelError: a file is damaged; which subclass says how.
    """
    prefix = variables_prefix(directory)
    if size_of(index_path(prefix)) is None:
        return 0
    with Variables.open(prefix, mapped=False) as variables:
        entries = sorted(
            variables.entries.items(), key=lambda item: (item[1].shard, item[1].offset)
        )
        sizes = [max(entry.size, entry.elements) for _, entry in entries]
        total, done = sum(sizes), 0
        for (key, entry), size in zip(entries, sizes, strict=True):
            if entry.dtype.field:
                variables.read(key, verify=True)
            done += size
            report(done, total)
    return len(entries)
