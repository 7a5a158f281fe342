"""What can be wrong with a request as it comes; HTTP has statuses of its own for these."""

from __future__ import annotations

from servable.errors import DeadlineExceeded, ResourceExhausted

MIN_BYTES_PER_SECOND = 1024
"""A body may always take its first seconds; after that it has to come at least this fast."""

DRAIN_SECONDS = 2.0
"""How long a body may still take when the server stops: it can not hold up the stop."""


class BodyTooLargeError(ResourceExhausted):
    """HTTP has a status of its own for this: 413."""


class HeadTooLargeError(ResourceExhausted):
    """HTTP has a status of its own for this: 431. What follows a chunked body counts as head."""


class BodyTooSlowError(DeadlineExceeded):
    """HTTP has a status of its own for this: 408."""
