"""Copying what lies beside saved_model.pb."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from servable.edit.errors import EditRefused
from servable.savedmodel.assets import DIRECTORY
from servable.savedmodel.atomic import writing
from servable.savedmodel.model_file import BINARY_NAME, TEXT_NAME

# Written anew, or no longer true of the new model.
_NOT_COPIED = frozenset({BINARY_NAME, TEXT_NAME, "variables", "fingerprint.pb"})


def copy_files(source: Path, target: Path, assets: Collection[str] | None) -> None:
    """Copy every file of a SavedModel but the model file, variables and fingerprint.

    Args:
        source, target: two SavedModel folders.
        assets: which files of assets/ to copy; None for all.

    Raises:
        EditRefused: a link leads out of the model, or something is no regular file.
        WriteFailed: the operating system refused.
    """
    root = source.resolve()
    with writing():
        for folder, _, names in os.walk(source):
            for name in sorted(names):
                path = Path(folder, name)
                relative = PurePosixPath(path.relative_to(source).as_posix())
                top = relative.parts[0]
                if top in _NOT_COPIED or (len(relative.parts) == 1 and top.startswith(".")):
                    continue
                if (
                    assets is not None
                    and top == DIRECTORY
                    and str(relative.relative_to(DIRECTORY)) not in assets
                ):
                    continue
                if not path.resolve().is_relative_to(root) or not path.is_file():
                    raise EditRefused(
                        f"{path} is a link that leads out of the model, or no regular file",
                        hint="Put a copy of the file in its place.",
                    )
                copy_file(path, target / relative)


def copy_file(source: Path, target: Path) -> None:
    """Copy one file, and make the folders above it.

    Raises:
        WriteFailed: the operating system refused, or the file is not there.
    """
    with writing():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
