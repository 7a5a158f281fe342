"""How much memory versions may take together."""

from __future__ import annotations

from servable.contracts import ServableId


class MemoryBudget:
    """Keeps the promised sizes of all loaded and loading versions under a limit.

    Belongs to the manager's thread.

    Args:
        limit_bytes: the most that may be promised at once; None for no limit.
    """

    def __init__(self, limit_bytes: int | None) -> None:
        self._limit = limit_bytes
        self._reserved: dict[ServableId, int] = {}

    @property
    def limited(self) -> bool:
        """Whether sizes matter at all."""
        return self._limit is not None

    def reserve(self, id: ServableId, size: int) -> bool:
        """Set `size` bytes aside for a version; False if they are not there."""
        if self._limit is not None and sum(self._reserved.values()) + size > self._limit:
            return False
        self._reserved[id] = size
        return True

    def release(self, id: ServableId) -> None:
        """Give back what was set aside for a version, if anything."""
        self._reserved.pop(id, None)
