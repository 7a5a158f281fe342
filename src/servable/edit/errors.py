"""Why a SavedModel can not be changed or built as asked."""

from __future__ import annotations

from servable.errors import Code, ServableError


class EditError(ServableError):
    """Base of every refusal to change or build a SavedModel; nothing was written."""

    code = Code.FAILED_PRECONDITION


class EditRefused(EditError):
    """The graph has something that this change can not be done to without changing answers."""


class StateBesideVariables(EditRefused):
    """Tables or other objects are restored too; where they stay as they are, this is no matter."""


class SignatureMissing(EditError):
    """No signature of that name."""

    code = Code.NOT_FOUND


class SignatureTaken(EditError):
    """A signature of that name is there."""

    code = Code.ALREADY_EXISTS


class TensorMissing(EditError):
    """The graph has no such tensor."""

    code = Code.NOT_FOUND


class BuildInvalid(EditError):
    """What should become a SavedModel does not fit together."""

    code = Code.INVALID_ARGUMENT
