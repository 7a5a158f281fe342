"""What a server tells of batching beside an answer: `queue_us=80;size=8;padded=1;reason=full`."""

from __future__ import annotations

from typing import NamedTuple

from servable.metrics.batches import HEADER

__all__ = ["HEADER", "MOST_LENGTH", "BatchNote", "parse"]

MOST_LENGTH = 200
_MOST_DIGITS = 12
_MOST_REASON = 40


class BatchNote(NamedTuple):
    """The batch that a request was part of.

    Attributes:
        queue_us: microseconds that the request waited.
        size: rows in the batch.
        padded: rows of padding among them.
        reason: why the batch was closed.
    """

    queue_us: int
    size: int
    padded: int
    reason: str


def parse(text: str) -> BatchNote | None:
    """Return the note in a header's value; None if there is none that is understood.

    Fields may come in any order; those that are not known are skipped, and those that are
    missing count as 0 or "". A note without a size is none.
    """
    if len(text) > MOST_LENGTH:
        return None
    fields = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    numbers = [fields.get(name, "0") for name in ("queue_us", "size", "padded")]
    if not all(n.isascii() and n.isdigit() and len(n) <= _MOST_DIGITS for n in numbers):
        return None
    queue, size, padded = map(int, numbers)
    return BatchNote(queue, size, padded, fields.get("reason", "")[:_MOST_REASON]) if size else None
