"""How several processes that serve the same models change what requests find at the same time.

Without it a new version would be found in one process and not yet in the next, and a client
whose connections reach both would see versions come and go.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from servable.contracts import ServableId


class Verb(enum.Enum):
    """What happens to what requests find."""

    SERVE = "serve"
    DROP = "drop"
    CONFIGURE = "configure"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is done in all processes at once.

    Attributes:
        model: whose requests notice; "" for those of all models.
        detail: the version; of a configuration, what tells it from another one.
    """

    verb: Verb
    model: str
    detail: str

    @classmethod
    def of(cls, verb: Verb, id: ServableId) -> Change:
        """Return a change to one version."""
        return cls(verb, id.name, str(id.version))


class Agreement(Protocol):
    """Says when a change may be made. May be used from any thread."""

    def connect(self, wake: Callable[[], None]) -> None:
        """Name what to call, from any thread, when a change may be made that could not be."""

    def may(self, change: Change, /) -> bool:
        """Say that this process is ready for a change, and tell whether all are: make it then.

        Never blocks; ask again after `wake`. Once true, it stays so until `made`.
        """

    def made(self, change: Change, /) -> None:
        """Say that a change was made here; requests that waited for it go on."""

    def withdraw(self, change: Change, /) -> bool:
        """Take `may` back; false if it is too late, and the change must be made."""

    def wait(self, model: str) -> None:
        """Hold up a request that names no version while a change to its model is made."""

    def together(self, change: Change, /) -> AbstractContextManager[None]:
        """Return a block in which to make a change; entering it waits until that may be.

        Raises:
            Unavailable: others were not ready for it in time; nothing was changed.
            Cancelled: this process stops; nothing was changed.
        """

    def close(self) -> None:
        """Say that this process stops: nothing new is served, and all may be dropped."""


class Alone:
    """The agreement of a process with itself: everything may be done at once."""

    def connect(self, wake: Callable[[], None]) -> None:
        """Nobody needs to be woken."""

    def may(self, _change: Change, /) -> bool:
        """Yes."""
        return True

    def made(self, change: Change) -> None:
        """Nobody waits for it."""

    def withdraw(self, _change: Change, /) -> bool:
        """Nobody else knows of it."""
        return True

    def wait(self, model: str) -> None:
        """Return."""

    def together(self, _change: Change, /) -> AbstractContextManager[None]:
        """Return a block that waits for nobody."""
        return nullcontext(None)

    def close(self) -> None:
        """Nobody waits for it."""
