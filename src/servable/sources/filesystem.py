"""Polls base paths for versions: folders of this machine, and what is behind a URL."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from servable.contracts import ServableData, ServableId, Target
from servable.errors import FailedPrecondition, InvalidArgument, NotFound, ServableError
from servable.sources.place import LocalPlace, Place, Places
from servable.sources.remote.path import RemotePath
from servable.sources.remote.places import RemotePlaces
from servable.sources.versions import All, Latest, Specific, VersionPolicy
from servable.sources.watch import Check, Failure, Found, ModelWatch, Note, WatchedModel

__all__ = ["All", "FileSystemSource", "Latest", "Specific", "VersionPolicy", "WatchedModel"]

log = logging.getLogger(__name__)


class FileSystemSource:
    """A `contracts.Source[Path]` over base paths. Thread-safe.

    One thread looks at all models in turn, the first time at once; those behind a URL are
    looked at in threads of their own. A problem with one model never keeps the others from
    being looked at.

    Args:
        models: what to watch.
        poll_seconds: pause between looks; 0 looks at every model once, a negative
            number never.
        check: raises ServableError for a version that is not complete. Called in the
            polling thread, so it should not read gigabytes.
        note: hears of versions that are not complete; the manager's `note_incomplete`.
        failure: tells why a version that was offered could not be loaded; it is offered
            again when its files have changed. The manager's `failure`.
        remote: looks after base paths behind a URL; with the usual options if None.
    """

    def __init__(
        self,
        models: Sequence[WatchedModel],
        *,
        poll_seconds: float = 1.0,
        check: Check | None = None,
        note: Note | None = None,
        failure: Failure | None = None,
        remote: Places | None = None,
    ) -> None:
        self._failure = failure or _never
        self._remote = remote or RemotePlaces()
        self._poll_seconds = poll_seconds
        self._check = check or _accept
        self._note = note or _ignore
        self._target: Target[Path] | None = None
        self._polling = threading.Lock()
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._watches: dict[str, ModelWatch] = {}
        self.watch(models)

    def connect(self, target: Target[Path]) -> None:
        """Name the target. Called once, before `start`."""
        self._target = target

    def start(self) -> None:
        """Begin to look and to call the target, from a thread of its own.

        Raises:
            FailedPrecondition: there is no target, or it was started before.
        """
        if self._target is None or self._thread is not None:
            raise FailedPrecondition("A source needs a target, and can be started once.")
        if self._poll_seconds >= 0:
            self._thread = threading.Thread(target=self._run, name="file system", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop looking; returns after the last call of the target has ended."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with self._polling:
            for watch in self._watches.values():
                watch.close()
            self._watches = {}
        self._remote.stop()

    def poll_once(self) -> None:
        """Look at every model now: in the calling thread, unless it is behind a URL."""
        with self._polling:
            self._poll(self._watches.values())

    def watch(self, models: Sequence[WatchedModel]) -> None:
        """Replace the set of models; those that are new or changed are looked at soon.

        Tells the target at once about models that are no longer there. A version that is
        served already is not loaded again from a changed base path, like with TensorFlow
        Serving: give it another number.

        Raises:
            InvalidArgument: two models have the same name; then nothing changes.
        """
        wanted: dict[str, WatchedModel] = {}
        for model in models:
            if model.name in wanted:
                raise InvalidArgument(
                    f"Illegal to list model {model.name} multiple times in config list"
                )
            wanted[model.name] = model
        with self._polling:
            old, self._watches = self._watches, {}
            changed = False
            for name, model in wanted.items():
                before = old.pop(name, None)
                if before is not None and before.model == model:
                    self._watches[name] = before
                    continue
                if before is not None:
                    before.close()  # what it has offered does not change any more
                self._watches[name] = self._make(model, before)
                changed = True
            for name, watch in old.items():
                watch.close()
                self._offer(name, {})
        if changed:
            self._wake.set()

    def look_again(self, name: str) -> None:
        """Look at one model soon, as if for the first time.

        What its check finds complete counts, even if it was not seen before; and versions
        that could not be loaded are offered anew.

        Raises:
            NotFound: no such model is watched.
        """
        with self._polling:
            before = self._watches.get(name)
            if before is None:
                raise NotFound(f"No base path of {name} is watched.")
            before.close()
            self._watches[name] = self._make(before.model, before)
            self._watches[name].retry = {
                version
                for version in before.offered
                if self._failure(ServableId(name, version)) is not None
            }
        self._wake.set()

    def _make(self, model: WatchedModel, before: ModelWatch | None) -> ModelWatch:
        return ModelWatch(
            model,
            self._place(model),
            offer=partial(self._offer, model.name),
            check=model.check or self._check,
            note=self._note,
            failure=self._failure,
            offered=before.offered if before else None,
        )

    def _place(self, model: WatchedModel) -> Place:
        if isinstance(model.base_path, RemotePath):
            return self._remote.place(model.base_path, model.name)
        return LocalPlace(model.base_path)

    def _run(self) -> None:
        self._wake.clear()
        self.poll_once()
        looked = time.monotonic()
        while not self._stopped.is_set():
            # Models that are looked at early must not put off those that are due.
            left = max(looked + self._poll_seconds - time.monotonic(), 0.0)
            woken = self._wake.wait(left if self._poll_seconds else None)
            self._wake.clear()
            if self._stopped.is_set():
                return
            with self._polling:
                watches = self._watches.values()
                self._poll([w for w in watches if not (woken and w.polled)])
            if not woken:
                looked = time.monotonic()

    def _poll(self, watches: Iterable[ModelWatch]) -> None:
        for watch in watches:
            if self._stopped.is_set():
                return
            if isinstance(watch.model.base_path, RemotePath):
                self._remote.submit(watch, partial(_look, watch))
            else:
                _look(watch)

    def _offer(self, name: str, versions: Mapping[int, Found], again: Collection[int] = ()) -> None:
        self._remote.keep(name, [found.path for found in versions.values()])
        if self._target is not None:
            self._target.set_aspired_versions(
                name,
                [
                    ServableData(ServableId(name, v), found.path, again=v in again)
                    for v, found in versions.items()
                ],
            )


def _look(watch: ModelWatch) -> None:
    try:
        watch.poll()
    except Exception:
        # Only a fault of ours comes here. The other models must be looked at.
        log.exception("%s: looking for versions failed", watch.model.name)


def _accept(_path: Path) -> None:
    """Take every version for complete."""


def _never(_id: ServableId) -> ServableError | None:
    """Know of no failure."""
    return None


def _ignore(_id: ServableId, _error: ServableError | None) -> None:
    """Hear nothing."""
