"""One version under management: its loader, its state, and what it cost to get there."""

from __future__ import annotations

import copy
import logging

from servable.contracts import Loader, ServableId
from servable.core.handle import ReadyVersion
from servable.core.policy import Snapshot
from servable.core.states import HarnessState, is_legal
from servable.errors import FailedPrecondition, Internal, ServableError, UnknownError

log = logging.getLogger(__name__)


class Harness:
    """The state machine around one loader.

    The manager's thread owns it. The methods `estimate`, `load` and `unload` call the
    loader and are run on job threads, one at a time; they return what went wrong and
    never raise, and the manager's thread moves the state afterwards.

    Attributes:
        aspired: whether the source still wants the version.
        busy: whether a job is running on the loader.
        estimate_bytes: the loader's estimate, once it was asked.
        failures: load attempts that failed so far.
        retry_at: monotonic seconds before which no further attempt is made.
        requested_at: monotonic seconds when the load was requested.
        loaded: whether the loader holds a servable.
        error: the latest failure; final once the state is `error`.
    """

    def __init__(self, id: ServableId, loader: Loader | None) -> None:
        self.id = id
        self.state = HarnessState.NEW
        self.aspired = True
        self.busy = False
        self.estimate_bytes: int | None = None
        self.failures = 0
        self.retry_at = 0.0
        self.requested_at = 0.0
        self.loaded = False
        self.error: ServableError | None = None
        self._loader = loader
        self._ready: ReadyVersion | None = None

    def __str__(self) -> str:
        return f"{self.id.name} {self.id.version}"

    @property
    def snapshot(self) -> Snapshot:
        """The version as policies see it."""
        return Snapshot(self.id, self.state, self.aspired)

    @property
    def ready(self) -> ReadyVersion:
        """What requests find; there is one while `loaded`."""
        if self._ready is None:
            raise Internal(f"{self.id} is not loaded.")
        return self._ready

    def move(self, target: HarnessState) -> None:
        """Go one step on.

        Raises:
            FailedPrecondition: the load or unload was requested before.
            Internal: any other step out of turn; the harness is then in `error`.
        """
        if is_legal(self.state, target):
            self.state = target
        elif target is HarnessState.LOAD_REQUESTED:
            raise FailedPrecondition("Duplicate load request")
        elif target is HarnessState.UNLOAD_REQUESTED:
            raise FailedPrecondition("Servable not loaded, or unload already requested/ongoing")
        else:
            self.error = Internal(
                f"Illegal request to transition from state {self.state} to {target}"
            )
            self.state = HarnessState.ERROR
            raise self.error

    def fail(self, error: ServableError) -> None:
        """End badly and let go of the loader.

        Raises:
            Internal: the version has ended before.
        """
        self.move(HarnessState.ERROR)
        self.error = error
        self._loader = None

    def try_now(self, loader: Loader) -> None:
        """Make the next attempt at once, and with this loader, if one is waited for."""
        if self.failures and not self.busy and not self.loaded:
            self.failures = 0
            self.retry_at = 0.0
            self._loader = loader

    def estimate(self) -> ServableError | None:
        """Ask the loader how much memory it will need."""
        try:
            self.estimate_bytes = self._held_loader().estimate_resources()
        except (Exception, SystemExit) as error:
            kept = copy.copy(_kept(self, "estimate its size", error))
            kept.message = (
                f"Error while attempting to reserve resources to load servable {self.id}: "
                f"{kept.message}"
            )
            return kept
        return None

    def load(self) -> ServableError | None:
        """Have the loader make the servable."""
        try:
            loader = self._held_loader()
            loader.load()
            self._ready = ReadyVersion(self.id, loader.servable())
        except (Exception, SystemExit) as error:
            return _kept(self, "load", error)
        self.loaded = True
        return None

    def unload(self) -> ServableError | None:
        """Have the loader free the servable, and drop both."""
        try:
            self._held_loader().unload()
        except (Exception, SystemExit) as error:
            return _kept(self, "unload", error)
        finally:
            self.loaded = False
            self.ready.forget()
            self._ready = None
            self._loader = None
        return None

    def _held_loader(self) -> Loader:
        if self._loader is None:
            raise Internal(f"The loader of {self.id} is gone.")
        return self._loader


def _kept(harness: Harness, verb: str, error: BaseException) -> ServableError:
    """Turn what a loader raised into an error that may be kept for ever.

    Status pages show it as long as the process lives, so it must not hold on to the
    frames of the loader, which hold on to the model.
    """
    if isinstance(error, ServableError):
        kept = error
    else:
        log.error("%s: could not %s", harness, verb, exc_info=error)
        kept = UnknownError(f"{type(error).__name__}: {error}")
    kept.__traceback__ = kept.__cause__ = kept.__context__ = None
    return kept
