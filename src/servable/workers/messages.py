"""What the supervisor and a worker tell each other, as pickles over a socket of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from servable.core.agreement import Change
from servable.errors import Code
from servable.metrics.merge import Snapshot
from servable.server.config import Model, ServerConfig
from servable.server.observe import LogFormat


@dataclass(frozen=True, slots=True)
class Job:
    """The first message to a worker: what to serve.

    Attributes:
        config: with the ports that the supervisor has reserved.
        number: of the worker, from 1; its successor gets the same.
        log_level, log_format: as for `observe.configure`.
    """

    config: ServerConfig
    number: int
    log_level: str
    log_format: LogFormat


@dataclass(frozen=True, slots=True)
class Hold:
    """Let new requests wait that notice a change, and say so."""

    change: Change


@dataclass(frozen=True, slots=True)
class Release:
    """Let them go on: the change is not made now."""

    change: Change


@dataclass(frozen=True, slots=True)
class Switch:
    """Make a change, and let them go on."""

    change: Change


@dataclass(frozen=True, slots=True)
class Listen:
    """Open the ports."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Answer what came, and end."""


@dataclass(frozen=True, slots=True)
class Count:
    """Tell what was counted."""

    question: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What the other workers have counted, those that answered in time."""

    question: int
    snapshots: Sequence[Snapshot]


@dataclass(frozen=True, slots=True)
class Came:
    """The worker knows what to serve and begins to load."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The ports are open.

    Attributes:
        models: what is configured.
    """

    models: Sequence[Model]


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker can not serve, and ends.

    Attributes:
        configured: whether what it was told to serve is in order.
    """

    code: Code
    message: str
    hint: str
    configured: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker could make a change."""

    change: Change


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It is not ready for it any more."""

    change: Change


@dataclass(frozen=True, slots=True)
class Held:
    """It holds the requests that notice it."""

    change: Change


@dataclass(frozen=True, slots=True)
class Made:
    """It has made it."""

    change: Change


@dataclass(frozen=True, slots=True)
class Ask:
    """What have the others counted?"""

    question: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """The answer to `Count`."""

    question: int
    snapshot: Snapshot


ToWorker: TypeAlias = Job | Hold | Release | Switch | Listen | Stop | Count | Counted
ToSupervisor: TypeAlias = (
    Came | Listening | Failed | Ready | Withdrawn | Held | Made | Ask | Numbers
)
