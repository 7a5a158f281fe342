"""The states of a version, inside and as clients see them, and the only legal moves."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class VersionState(enum.StrEnum):
    """What GetModelStatus shows."""

    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


class HarnessState(enum.StrEnum):
    """Where a harness is. The values are the words that TensorFlow Serving's texts use."""

    NEW = "new"
    LOAD_REQUESTED = "load-requested"
    LOAD_APPROVED = "load-approved"
    LOADING = "loading"
    READY = "ready"
    UNLOAD_REQUESTED = "unload-requested"
    QUIESCING = "quiescing"
    QUIESCED = "quiesced"
    UNLOADING = "unloading"
    DISABLED = "disabled"
    ERROR = "error"


ENDED = frozenset({HarnessState.DISABLED, HarnessState.ERROR})
"""Nothing leads out of these."""

NEXT: Mapping[HarnessState, HarnessState] = {
    HarnessState.NEW: HarnessState.LOAD_REQUESTED,
    HarnessState.LOAD_REQUESTED: HarnessState.LOAD_APPROVED,
    HarnessState.LOAD_APPROVED: HarnessState.LOADING,
    HarnessState.LOADING: HarnessState.READY,
    HarnessState.READY: HarnessState.UNLOAD_REQUESTED,
    HarnessState.UNLOAD_REQUESTED: HarnessState.QUIESCING,
    HarnessState.QUIESCING: HarnessState.QUIESCED,
    HarnessState.QUIESCED: HarnessState.UNLOADING,
    HarnessState.UNLOADING: HarnessState.DISABLED,
}
"""The one way forward from each state."""


def is_legal(source: HarnessState, target: HarnessState) -> bool:
    """Tell whether a harness may move: one step forward, or to `error` unless it has ended."""
    if target is HarnessState.ERROR:
        return source not in ENDED
    return NEXT.get(source) is target
