"""What is told about requests that were computed together."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = "x-servable-batch"
"""Response header, and trailing metadata, that carries a note."""


@dataclass(frozen=True, slots=True)
class BatchNote:
    """What became of a request that was in a batch: why this size.

    Attributes:
        waited: seconds between the request and the start of its batch.
        rows: rows that were computed at once, without padding.
        requests: how many they were of.
        padding: rows that were added.
        first: whether it is the one of these requests by which the batch is counted.
        ahead: seconds of computing before the servable was asked, if it was done then.
        reason: what ended the wait: `free`, the engine was done with what it did before;
            `full`, `timeout` of a batch that waits for more.
    """

    waited: float
    rows: int
    requests: int
    padding: int = 0
    reason: str = "free"
    first: bool = True
    ahead: float = 0.0

    def __str__(self) -> str:
        return (
            f"queue_us={self.waited * 1e6:.0f};size={self.rows};requests={self.requests}"
            f";padded={self.padding};reason={self.reason}"
        )
