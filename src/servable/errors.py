"""One tree of errors, each with a canonical status code.

The codes and their numbers are the ones gRPC and TensorFlow share. Nothing here
knows HTTP or gRPC: `wire.status` holds the one table that maps a code to an HTTP
status, and gRPC uses the number itself.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class Code(enum.IntEnum):
    """Canonical status codes, numbered as on the wire."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServableError(Exception):
    """Base of every error that this package raises on purpose.

    Args:
        message: the text that clients of TensorFlow Serving know, where there is
            one; otherwise one clear sentence.
        hint: what was expected and what to do next. It travels apart from the
            message (a `hint` member over REST, trailing metadata over gRPC, a
            second line in a terminal), so that the message stays comparable.
    """

    code: ClassVar[Code] = Code.UNKNOWN

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    @property
    def status_text(self) -> str:
        """The code-prefixed form that appears inside other messages."""
        return f"{self.code.name}: {self.message}"


class Cancelled(ServableError):
    """The work was given up before it finished."""

    code = Code.CANCELLED


class UnknownError(ServableError):
    """A failure that fits no other code."""

    code = Code.UNKNOWN


class InvalidArgument(ServableError):
    """What the caller sent can not be right, whatever the server's state."""

    code = Code.INVALID_ARGUMENT


class DeadlineExceeded(ServableError):
    """The caller's deadline passed first."""

    code = Code.DEADLINE_EXCEEDED


class NotFound(ServableError):
    """A model, version, file or tensor that was named does not exist."""

    code = Code.NOT_FOUND


class AlreadyExists(ServableError):
    """Something of that name is there already."""

    code = Code.ALREADY_EXISTS


class PermissionDenied(ServableError):
    """The caller may not do this."""

    code = Code.PERMISSION_DENIED


class ResourceExhausted(ServableError):
    """A limit on memory, size or number was reached."""

    code = Code.RESOURCE_EXHAUSTED


class FailedPrecondition(ServableError):
    """The request is well formed but the server or model is not in a state for it."""

    code = Code.FAILED_PRECONDITION


class OutOfRange(ServableError):
    """A value past the end of a valid range."""

    code = Code.OUT_OF_RANGE


class Unimplemented(ServableError):
    """Known, and not supported."""

    code = Code.UNIMPLEMENTED


class Internal(ServableError):
    """A fault of ours."""

    code = Code.INTERNAL


class Unavailable(ServableError):
    """Not now; the same request may succeed later."""

    code = Code.UNAVAILABLE


class Underway(Unavailable):
    """Not yet, and nothing is wrong: somebody is at work on it."""


class DataLoss(ServableError):
    """Stored bytes are damaged."""

    code = Code.DATA_LOSS


class Unauthenticated(ServableError):
    """The caller does not say who it is, or can not prove it."""

    code = Code.UNAUTHENTICATED
