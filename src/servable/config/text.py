"""Files in protobuf's text format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from servable.errors import (
    Code,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ServableError,
    UnknownError,
)
from servable.pb._pool import POOL

MAX_BYTES = 2**24
"""Larger than any configuration that a person or a program has reason to write."""

_MAX_DETAIL = 500

M = TypeVar("M", bound=Message)


def read(kind: type[M], path: str | os.PathLike[str]) -> M:
    """Return the message of this kind that a file holds.

    Raises:
        NotFound, PermissionDenied, FailedPrecondition, UnknownError: the file can not be read.
        InvalidArgument: it holds something else; the hint says where.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    return parse(kind, data, os.fspath(path))


def parse(kind: type[M], data: bytes, name: str) -> M:
    """Return the message of this kind that a text holds.

    Args:
        name: what to call the text in errors: a file's path.

    Raises:
        InvalidArgument: the text holds something else. The message is TensorFlow
            Serving's; the hint is the line that it writes to standard error.
    """
    message = kind()
    try:
        if len(data) > MAX_BYTES:
            raise _Refused(f"More than {MAX_BYTES} bytes.")
        text_format.Parse(data.decode(), message, descriptor_pool=POOL)
    except text_format.ParseError as error:
        problem = _located(error)
    except UnicodeDecodeError as error:
        problem = f"The text is no UTF-8 from byte {error.start} on."
    except RecursionError:
        problem = "Messages are nested too deeply."
    except _Refused as error:
        problem = str(error)
    else:
        return message
    raise InvalidArgument(
        f"Invalid protobuf file: '{name}'",
        hint=f"Error parsing text-format {message.DESCRIPTOR.full_name}: {problem}"[:_MAX_DETAIL],
    )


class _Refused(Exception):
    """The text is not even looked at."""


def _located(error: text_format.ParseError) -> str:
    """Say what is wrong the way protobuf's C++ parser does: `line:column: text`."""
    text = str(error)
    if error.GetLine() is None:
        return text
    where = f"{error.GetLine()}:{error.GetColumn()}"
    return f"{where}: {text.removeprefix(where).removeprefix(' : ')}"


_KINDS: dict[type[OSError], type[ServableError]] = {
    FileNotFoundError: NotFound,
    PermissionError: PermissionDenied,
    IsADirectoryError: FailedPrecondition,
}


def _unreadable(path: str | os.PathLike[str], error: OSError) -> ServableError:
    kind = _KINDS.get(type(error), UnknownError)
    problem = kind(f"{os.fspath(path)}; {error.strerror or error}")
    if kind.code is Code.NOT_FOUND:
        problem.hint = f"Looked for {Path(path).absolute()}."
    return problem
