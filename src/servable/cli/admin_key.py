"""The key that lets its bearer change what a server serves."""

from __future__ import annotations

import os
from pathlib import Path

from servable.errors import InvalidArgument

VARIABLE = "SERVABLE_ADMIN_KEY"

_MAX_BYTES = 8192


def read_admin_key(file: Path | None) -> str:
    """Return the one line of a file, or else what the environment says; "" for no key.

    Raises:
        InvalidArgument: the file can not be read, or holds no key.
    """
    if file is None:
        return os.environ.get(VARIABLE, "").strip()
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidArgument(f"{file} can not be read: {reason}") from error
    key = content.decode("latin-1").strip()
    if not key:
        raise InvalidArgument(
            f"{file} holds no key.", hint=f"Make one with: openssl rand -hex 32 > {file}"
        )
    return key
