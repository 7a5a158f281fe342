"""Why something can not be written; what can be wrong with files is in `errors`."""

from __future__ import annotations

from servable.errors import Code, ServableError


class WriteError(ServableError):
    """Base of every refusal to write; nothing was written, or nothing is left of it."""

    code = Code.FAILED_PRECONDITION


class AlreadyThere(WriteError):
    """The place to write to is taken."""

    code = Code.ALREADY_EXISTS


class WriteFailed(WriteError):
    """The operating system would not take a file: no room, no right, no such folder."""


class NotWritable(WriteError):
    """What should be written does not fit the format."""

    code = Code.INVALID_ARGUMENT
