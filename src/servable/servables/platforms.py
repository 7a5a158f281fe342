"""What a model's `model_platform` may name: who makes the loader of its version folders."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from servable import extensions
from servable.contracts import Loader
from servable.errors import InvalidArgument, ServableError
from servable.servables.code_model import CodeLoader
from servable.servables.code_model import check_complete as code_check
from servable.servables.echo import EchoLoader

TENSORFLOW = "tensorflow"
"""The one that needs no naming: SavedModels, and what else a folder's files tell."""

PYTHON = "python"
ECHO = "echo"


@dataclass(frozen=True, slots=True)
class Platform:
    """How the version folders of some models are loaded.

    Attributes:
        make: makes the loader of a folder; quick, the reading is the loader's work.
        check: raises Incomplete for a folder that is not all there yet.
    """

    make: Callable[[Path], Loader]
    check: Callable[[Path], None]


@functools.cache
def platform(name: str) -> Platform:
    """Return a platform by its name, or by `package.module:Name`; not TENSORFLOW.

    What is found is called with a version folder and returns its loader. If it has a
    `check_complete`, that is its check; a version is also waited for until its files
    keep still.

    Raises:
        InvalidArgument: there is none of that name, or it can not be imported.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    try:
        make = extensions.find(extensions.PLATFORMS, name)
    except ServableError as error:
        known = ", ".join([TENSORFLOW, *_BUILT_IN, *extensions.names(extensions.PLATFORMS)])
        raise InvalidArgument(
            f"unsupported platform {name}: {error.message}",
            hint=f"Write {TENSORFLOW} for SavedModels, ONNX and TFLite files. There are: {known}.",
        ) from error
    return Platform(make, getattr(make, "check_complete", _accept))


def _echo(_path: Path) -> Loader:
    return EchoLoader()


def _accept(_path: Path) -> None:
    """Take every folder for complete."""


_BUILT_IN = {PYTHON: Platform(CodeLoader, code_check), ECHO: Platform(_echo, _accept)}
