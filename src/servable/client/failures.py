"""From a status on the wire back to an exception."""

from __future__ import annotations

from collections.abc import Mapping

from servable import errors
from servable.errors import Code, ServableError, UnknownError

# Not what is derived further: that says more than a code does.
_BY_CODE: Mapping[Code, type[ServableError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, ServableError)
    and ServableError in kind.__bases__
}

# Several codes share an HTTP status; this names the usual one of each.
_BY_HTTP: Mapping[int, Code] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    409: Code.ALREADY_EXISTS,
    413: Code.RESOURCE_EXHAUSTED,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    500: Code.INTERNAL,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


def error_for(code: Code, message: str, hint: str = "") -> ServableError:
    """Return the error of our tree that has this code; UnknownError if none has."""
    return _BY_CODE.get(code, UnknownError)(message, hint=hint)


def error_for_http(status: int, message: str, hint: str = "") -> ServableError:
    """Return the error that an HTTP status usually stands for."""
    return error_for(_BY_HTTP.get(status, Code.UNKNOWN), message, hint)
