"""From the model arguments of a command to what should be served."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from servable import extensions
from servable.config.models import TENSORFLOW
from servable.contracts import Source
from servable.errors import InvalidArgument, NotFound
from servable.servables import code_model, platforms
from servable.servables.formats import format_of
from servable.server.config import BareModel
from servable.sources.filesystem import VersionPolicy, WatchedModel
from servable.sources.remote.path import RemotePath, check_readable, remote_path
from servable.sources.versions import parse_version

_NAMED = re.compile(r"([^=/\\:]+)=(.+)", re.DOTALL)


def parse_models(
    arguments: Sequence[str], versions: VersionPolicy, platform: str = TENSORFLOW
) -> tuple[WatchedModel | BareModel, ...]:
    """Return a model for each `PATH` or `NAME=PATH`.

    A path is a base path (its subfolders are versions, named by numbers), or one
    folder with a model in it; a URL is a base path. Without a name the model is called
    after the folder; one version folder of a base path is called after the base path and
    keeps its number.

    Args:
        platform: who loads them.

    Raises:
        NotFound: there is no such folder.
        InvalidArgument: a folder can not be served, or gives no name; or there is no such
            platform.
    """
    if platform != TENSORFLOW:
        platforms.platform(platform)  # unknown ones are told before anything is served
    models = []
    for argument in arguments:
        try:
            models.append(_model(argument, versions, platform))
        except OSError as error:
            reason = error.strerror or str(error)
            raise InvalidArgument(f"{argument} can not be read: {reason}") from error
    return tuple(models)


def parse_source(argument: str) -> Callable[[], Source[Path]]:
    """Return what makes the source of a `NAME` or `NAME=ARGUMENT`, with that argument if any.

    Raises:
        NotFound, InvalidArgument: there is no such source, or it can not be imported.
    """
    name, equals, value = argument.partition("=")
    make = extensions.find(extensions.SOURCES, name)
    return partial(make, value) if equals else make


def _model(argument: str, versions: VersionPolicy, platform: str) -> WatchedModel | BareModel:
    match = None if Path(argument).exists() else _NAMED.fullmatch(argument)
    given, text = (match[1], match[2]) if match else ("", argument)
    remote = remote_path(text)
    if remote is not None:
        return _remote(given, remote, versions, platform)
    text = text.removeprefix("file://")
    # Links stay as they are: a base path may be a link that is pointed elsewhere later.
    path = Path(os.path.abspath(Path(text).expanduser()))
    if not path.exists():
        raise NotFound(f"there is no folder {text}", hint=f"Looked for {path}.")
    if not path.is_dir():
        raise InvalidArgument(f"{text} is not a folder", hint=f"Serve its folder: {path.parent}")
    number = parse_version(path.name)
    bare = _is_version(path, platform)
    name = given or (path.parent.name if bare and number is not None else path.name)
    if not name:
        raise InvalidArgument(f"{text} gives the model no name", hint=f"Write NAME={text}.")
    if bare:
        return BareModel(name, path, 1 if given or number is None else number, platform)
    if platform == TENSORFLOW:
        _check_base_path(path, text)
        return WatchedModel(name, path, versions)
    check = platforms.platform(platform).check
    return WatchedModel(name, path, versions, platform=platform, check=check)


def _remote(given: str, base: RemotePath, versions: VersionPolicy, platform: str) -> WatchedModel:
    check_readable(base)
    name = given or base.name
    if not name:
        raise InvalidArgument(f"{base} gives the model no name", hint=f"Write NAME={base}.")
    check = None if platform == TENSORFLOW else platforms.platform(platform).check
    return WatchedModel(name, base, versions, platform=platform, check=check)


def _is_version(path: Path, platform: str) -> bool:
    """Tell a version folder from a base path."""
    if platform == TENSORFLOW:
        return format_of(path) is not None
    if platform == platforms.PYTHON:
        return (path / code_model.FILE_NAME).is_file()
    # What such a folder holds is not known, but a base path holds numbers.
    return not any(parse_version(child.name) is not None for child in path.iterdir())


def _check_base_path(path: Path, text: str) -> None:
    """Refuse a folder that holds something else; an empty one may yet get its first version.

    A name that begins with a digit may be a version that is being copied.
    """
    children = sorted(child for child in path.iterdir() if not child.name.startswith("."))
    if not children or any(child.name[:1].isdigit() for child in children):
        return
    inner = next((child for child in children if _holds_models(child)), None)
    raise InvalidArgument(
        f"there is no SavedModel in {text}: no saved_model.pb, and no folder named by a number",
        hint=f"Did you mean {Path(text) / inner.name}?"
        if inner
        else f"A version is a folder named by a whole number, such as {Path(text) / '1'}.",
    )


def _holds_models(path: Path) -> bool:
    if not path.is_dir():
        return False
    return format_of(path) is not None or any(
        parse_version(c.name) is not None for c in path.iterdir()
    )
