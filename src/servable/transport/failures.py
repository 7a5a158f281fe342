"""What becomes of an exception that nobody foresaw."""

from __future__ import annotations

import logging

from servable.errors import Internal

log = logging.getLogger(__name__)


def unforeseen(what: str, error: Exception) -> Internal:
    """Log `error` with its traceback; return what the client is told instead.

    Nothing of the exception itself is told: it may hold paths or data.
    """
    log.error("%s failed", what, exc_info=error)
    return Internal("The server failed to answer this request; its log says why.")
