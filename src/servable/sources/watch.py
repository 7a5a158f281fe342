"""What is to be served of one base path: one look after the other.

Two rules beyond TensorFlow Serving's. A version is offered only when it is complete:
the check says so, and it looked the same at two polls in a row (at the first poll of
all the check alone decides, so that a server starts at once). And what was offered
stays offered until there is something better: an empty folder, a missing mount or a
half-copied successor take nothing out of service.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from servable.contracts import ServableId
from servable.errors import Code, ServableError, Unavailable, UnknownError
from servable.sources.place import BasePath, Place
from servable.sources.versions import (
    LATEST,
    Children,
    Specific,
    VersionPolicy,
    candidates,
    sort_out,
)

log = logging.getLogger(__name__)

RECHECK_POLLS = 30
"""A refused version whose files do not change is checked again after so many polls."""

_SPOILT = {Code.DATA_LOSS, Code.NOT_FOUND}
"""What a load says about a folder that is not as it was when it was found complete."""

Check = Callable[[Path], None]
"""Raises ServableError for a version that is not complete (yet)."""

Note = Callable[[ServableId, ServableError | None], None]
"""Hears why a version is not offered yet; None when it is not there any more."""


Failure = Callable[[ServableId], ServableError | None]
"""Tells why a version that was offered could not be loaded, if so."""


@dataclass(frozen=True, slots=True)
class WatchedModel:
    """A model whose versions are the numbered folders under a base path.

    Attributes:
        policy: which of them are served.
        unload_when_empty: whether a folder without any version takes the model out of
            service, as in TensorFlow Serving, instead of leaving the last one in it.
        platform: who loads the versions; nothing here looks at it.
        check: tells whether a version is complete; None for the source's own way.
    """

    name: str
    base_path: BasePath
    policy: VersionPolicy = LATEST
    unload_when_empty: bool = False
    platform: str = "tensorflow"
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A complete version, and what its files looked like when it was found complete."""

    path: Path
    fingerprint: bytes


Offer = Callable[[Mapping[int, Found], Collection[int]], None]
"""Hands the complete list of versions on, and which of them are to be tried again."""


@dataclass(slots=True)
class _Waiting:
    """A version that is not complete yet.

    Attributes:
        fingerprint: what it looked like at the last poll.
        patience: polls for which an unchanged version is not checked again.
        failures: how often in a row it could not be obtained.
        reason: what was noted last.
        logged: what was logged last.
    """

    fingerprint: bytes = b""
    patience: int = 0
    failures: int = 0
    reason: str = ""
    logged: str = ""


class ModelWatch:
    """Looks after one model; polled by one thread at a time, closed by any.

    Attributes:
        retry: versions that are offered anew though their files are the same.

    Args:
        model: what to watch.
        place: where its versions are.
        offered: what an earlier watch of the same name has offered.
    """

    def __init__(
        self,
        model: WatchedModel,
        place: Place,
        *,
        offer: Offer,
        check: Check,
        note: Note,
        failure: Failure,
        offered: Mapping[int, Found] | None = None,
    ) -> None:
        self.model = model
        self.offered = dict(offered or {})
        self.polled = False
        self.retry: set[int] = set()
        self._place = place
        self._telling = threading.Lock()
        self._closed = False
        self._offer = offer
        self._check = check
        self._note = note
        self._failure = failure
        self._gone: set[int] = set()
        self._waiting: dict[int, _Waiting] = {}
        self._said: dict[str, str] = {}
        self._ignored: set[str] = set()
        self._listed: list[str] | None = None

    def poll(self) -> None:
        """Look once, and offer a new list if it differs from the last one.

        Problems of the storage are logged, once each, and change nothing.
        """
        first = not self.polled
        self.polled = True
        try:
            listed = self._place.names()
        except (OSError, ServableError) as error:
            self._say(
                "storage",
                "FileSystemStoragePathSource encountered a filesystem access error: Could not "
                f"find base path {self.model.base_path} for servable {self.model.name} with "
                f"error {getattr(error, 'strerror', None) or error}",
            )
            return
        self._say("storage", "")
        if listed == self._listed and self._is_settled():
            return
        self._listed = listed
        children = sort_out(listed)
        self._explain(children)
        names = children.versions
        self._gone.update(v for v, f in self.offered.items() if f.path.name != names.get(v))
        order, count = candidates(self.model.policy, names)
        chosen: dict[int, Found] = {}
        looked_at: set[int] = set()
        for version in order:
            if count is not None and len(chosen) == count:
                break
            looked_at.add(version)
            found = self._find(version, names[version], first)
            if found is not None:
                chosen[version] = found
        for version in self._waiting.keys() - looked_at:
            self._give_up(version)
        if chosen or self._may_be_empty(order):
            self._pass_on(chosen)

    def _is_settled(self) -> bool:
        """Whether the same names as before lead to the same list as before."""
        return not (self._waiting or self._gone or any(map(self._why_failed, self.offered)))

    def close(self) -> None:
        """Take back what was noted, and offer nothing more. To be called once."""
        self._place.close()
        with self._telling:
            self._closed = True
            for version, waiting in self._waiting.items():
                if waiting.reason:
                    self._note(ServableId(self.model.name, version), None)

    def _find(self, version: int, name: str, first: bool) -> Found | None:
        """Return the version if it may be offered, else note why not."""
        known = self.offered.get(version)
        # One that could not be loaded is offered anew when its files have changed.
        failure = self._why_failed(version)
        if known is not None and version not in self._gone and failure is None:
            return known
        waiting = self._waiting.get(version)
        try:
            look = self._place.look(name)
            if known is not None and known.fingerprint == look and known.path.name == name:
                # It was out of sight, behind a mount that flapped perhaps. A copy of it that is
                # damaged is made once more.
                spoilt = failure is not None and failure.code in _SPOILT
                renewed = spoilt and (waiting is not None or self._place.renew(name, look))
                if not renewed and version not in self.retry:
                    return known
                self.retry.discard(version)
                first = True
            if waiting is None:
                with self._telling:
                    waiting = self._waiting[version] = _Waiting()
            if not self._is_due(waiting, look, first):
                return None
            path = self._obtain(version, waiting, name, look)
        except ServableError as error:
            self._refuse(version, error)
        except OSError as error:
            where = self.model.base_path / name
            self._refuse(version, Unavailable(f"{where}: {error.strerror or error}"))
        except Exception as error:
            log.exception("%s %d: the check failed", self.model.name, version)
            self._refuse(version, UnknownError(f"{type(error).__name__}: {error}"))
        else:
            with self._telling:
                self._waiting.pop(version, None)
            return Found(path, look)
        return None

    def _obtain(self, version: int, waiting: _Waiting, name: str, look: bytes) -> Path:
        """Return the version's folder once it is here and checked."""
        waiting.failures += 1
        waiting.patience = min(2**waiting.failures - 2, RECHECK_POLLS)
        path = self._place.obtain(name, look, partial(self._tell, version))
        waiting.failures = 0
        waiting.patience = RECHECK_POLLS
        try:
            self._check(path)
        except Exception:
            self._place.drop(path)
            raise
        return path

    def _is_due(self, waiting: _Waiting, look: bytes, first: bool) -> bool:
        """Tell whether a version should be checked at this poll."""
        before, waiting.fingerprint = waiting.fingerprint, look
        if before != look:
            waiting.patience = 0
            if before:
                raise Unavailable(
                    "The files changed since the last look; somebody is still writing them.",
                    hint="The version is loaded once nothing changes between two looks.",
                )
            return first
        if waiting.patience:
            waiting.patience -= 1
            return False
        return True

    def _refuse(self, version: int, error: ServableError) -> None:
        error.__traceback__ = error.__cause__ = error.__context__ = None
        self._tell(version, error)
        waiting = self._waiting[version]
        if waiting.logged != error.status_text and not self._closed:
            waiting.logged = error.status_text
            log.warning("%s %d: not complete yet: %s", self.model.name, version, error.status_text)

    def _tell(self, version: int, error: ServableError) -> None:
        """Note why a version is not offered, unless that is known."""
        with self._telling:
            waiting = self._waiting.setdefault(version, _Waiting())
            if not self._closed and waiting.reason != error.status_text:
                waiting.reason = error.status_text
                self._note(ServableId(self.model.name, version), error)

    def _give_up(self, version: int) -> None:
        with self._telling:
            if self._waiting.pop(version).reason and not self._closed:
                self._note(ServableId(self.model.name, version), None)

    def _may_be_empty(self, order: Sequence[int]) -> bool:
        """Tell whether having nothing to offer is what the user wants."""
        policy = self.model.policy
        if isinstance(policy, Specific) and not policy.versions:
            return True
        if self.model.unload_when_empty and not order:
            return True
        if self.offered:
            self._say(
                "kept",
                f"{self.model.name}: nothing under {self.model.base_path} can take over; "
                f"version {max(self.offered)} stays in service.",
            )
        return False

    def _pass_on(self, chosen: Mapping[int, Found]) -> None:
        """Offer a list, unless it was offered before."""
        with self._telling:
            if not self._closed:
                self._offer_new(chosen)
        self._say("kept", "")

    def _offer_new(self, chosen: Mapping[int, Found]) -> None:
        replaced = {
            version
            for version, found in chosen.items()
            if self.offered.get(version, found) is not found
        }
        again = {version for version in replaced if self._why_failed(version)}
        replaced -= again
        others = {v: found for v, found in chosen.items() if v not in replaced}
        stays = bool(replaced) and not others.keys() - again
        self._say(
            "replaced",
            f"{self.model.name}: other files are there of version {max(replaced)} and nothing can "
            "take over; what was loaded stays in service. Give them another number, or remove the "
            "model and add it."
            if stays
            else "",
        )
        if stays:
            # What is there now may be damaged, and nothing would answer until that is known.
            chosen, replaced = {**chosen, **{v: self.offered[v] for v in replaced}}, set()
        if replaced:
            # Told in two steps, or the target would keep the files it has loaded.
            self._offer(others, again)
        if replaced or again or chosen.keys() != self.offered.keys():
            self._offer(chosen, again)
        self.offered = dict(chosen)
        self._gone.clear()

    def _why_failed(self, version: int) -> ServableError | None:
        return self._failure(ServableId(self.model.name, version))

    def _explain(self, children: Children) -> None:
        """Log what is odd about the names, once."""
        name, base = self.model.name, self.model.base_path
        others = {other for other in children.others if not other.startswith(".")}
        if others - self._ignored:
            log.warning(
                "%s: no versions, so ignored: %s. A version is a folder named by a whole "
                "number, such as %s",
                name,
                ", ".join(sorted(others - self._ignored)[:5]),
                base / "1",
            )
        self._ignored = others
        doubles = ", ".join(children.doubles)
        self._say(
            "doubles", doubles and f"{name}: passed over, of the same number as another: {doubles}"
        )
        self._say(
            "none",
            ""
            if children.versions
            else f"No versions of servable {name} found under base path {base}. Did you forget "
            "to name your leaf directory as a number (eg. '/1/')?",
        )
        if isinstance(self.model.policy, Specific):
            missing = sorted(set(self.model.policy.versions) - children.versions.keys())
            listed = ", ".join(map(str, missing))
            self._say("missing", listed and f"{name}: asked for, but not under {base}: {listed}")

    def _say(self, topic: str, text: str) -> None:
        """Log a warning, unless it is the last one on its topic; "" when all is well."""
        if text and self._said.get(topic) != text:
            log.warning("%s", text)
        self._said[topic] = text
