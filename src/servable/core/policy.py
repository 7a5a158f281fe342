"""What to do next with the versions of one model: pure functions of a snapshot.

A policy sees every version that is managed under a name, also those that have
ended and are about to be forgotten, and answers with at most one action.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from servable.contracts import ServableId
from servable.core.states import ENDED, HarnessState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version as a policy sees it."""

    id: ServableId
    state: HarnessState
    aspired: bool


class Verb(enum.Enum):
    """What can be done to a version."""

    LOAD = "load"
    UNLOAD = "unload"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do."""

    verb: Verb
    id: ServableId


Policy = Callable[[Sequence[Snapshot]], Action | None]


def availability_preserving(versions: Sequence[Snapshot]) -> Action | None:
    """Load before unloading, so that something always answers.

    The last ready version that is no longer aspired goes only when an aspired one is
    ready, or when nothing is aspired at all. For a while two versions are in memory.
    """
    leaving = [v for v in versions if not v.aspired and v.state is HarnessState.READY]
    aspired = [v for v in versions if v.aspired]
    replaced = not aspired or any(v.state is HarnessState.READY for v in aspired)
    if leaving and (replaced or len(leaving) > 1):
        return Action(Verb.UNLOAD, min(leaving, key=_number).id)
    return _load_highest(versions)


def resource_preserving(versions: Sequence[Snapshot]) -> Action | None:
    """Unload before loading, so that one version is in memory at a time.

    Nothing is loaded until every version that is no longer aspired has ended.
    Requests in between find no version.
    """
    leaving = [v for v in versions if not v.aspired]
    for version in leaving:
        if version.state is HarnessState.READY:
            return Action(Verb.UNLOAD, version.id)
    if any(v.state not in ENDED for v in leaving):
        return None
    return _load_highest(versions)


def highest_new(versions: Sequence[Snapshot]) -> Snapshot | None:
    """Return the highest-numbered aspired version that nothing was done with yet."""
    new = [v for v in versions if v.aspired and v.state is HarnessState.NEW]
    return max(new, key=_number, default=None)


def _load_highest(versions: Sequence[Snapshot]) -> Action | None:
    chosen = highest_new(versions)
    return Action(Verb.LOAD, chosen.id) if chosen else None


def _number(version: Snapshot) -> int:
    return version.id.version
