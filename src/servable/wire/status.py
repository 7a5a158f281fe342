"""How an error travels: as an HTTP status with a JSON body, or as a gRPC status.

The one table from canonical codes to HTTP; gRPC uses the codes as they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from servable.errors import Code, ServableError

HTTP_STATUS: Mapping[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}

_MAX_GRPC_BYTES = 1024
_TRUNCATED = "...TRUNCATED"


def error_body(error: ServableError) -> bytes:
    """Return the JSON body of an error: `error`, and `hint` where there is one."""
    members = {"error": unicode_text(error.message)}
    if error.hint:
        members["hint"] = unicode_text(error.hint)
    return orjson.dumps(members)


def grpc_message(message: str) -> str:
    """Return an error's text as the peer sends it: at most 1024 bytes, then a mark."""
    encoded = unicode_text(message).encode()
    if len(encoded) <= _MAX_GRPC_BYTES:
        return encoded.decode()
    # A cut through the middle of a character leaves bytes that no client can decode.
    return encoded[:_MAX_GRPC_BYTES].decode(errors="ignore") + _TRUNCATED


def ascii_line(text: str) -> str:
    """Return `text` in printable ASCII, for a header: anything else as a Python escape."""
    escaped = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped)


def unicode_text(text: str) -> str:
    """Replace what UTF-8 can not carry: escapes for bytes of a request that were not text."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
