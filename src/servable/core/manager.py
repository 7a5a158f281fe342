"""The target at the end of the road: wanted versions in, servable handles out.

One thread, the manager's, owns everything that changes. Others talk to it through
an inbox of things to do: sources leave lists there, finished jobs their results.
Every round (`tick`) it empties the inbox, forgets what is over, asks the policy for
one action, and takes loads and unloads one step further. Readers see only what that
thread publishes whole: the serving map, the wanted versions, and events.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial

from servable.contracts import Loader, ServableData, ServableHandle, ServableId, VersionStatus
from servable.core.agreement import Agreement, Alone
from servable.core.clock import Clock, SystemClock
from servable.core.events import Event, EventBus, StateMonitor
from servable.core.handle import ServingMap
from servable.core.harness import Harness
from servable.core.labels import LabelRule, Labels, Table
from servable.core.lanes import Lane
from servable.core.lifecycle import Lifecycle, Retries
from servable.core.memory import MemoryBudget
from servable.core.policy import Policy, Verb, availability_preserving
from servable.core.states import ENDED, HarnessState, VersionState
from servable.errors import Cancelled, Code, FailedPrecondition, NotFound, ServableError

log = logging.getLogger(__name__)

_LISTED = 10  # names or versions that a hint shows at most
_FORGETTABLE = ENDED | {HarnessState.NEW}
_AT_REST = ENDED | {HarnessState.READY}
_TRIED = frozenset({VersionState.LOADING, VersionState.END})
_SETTLED = frozenset({VersionState.AVAILABLE, VersionState.END})


class Manager:
    """Decides when to load and unload, and publishes what is ready.

    Implements `contracts.Target[Loader]` and `contracts.ModelProvider`. All methods
    may be called from any thread.

    Args:
        policy: what to do next with the versions of one model.
        load_threads: how many versions may load at once; 0 loads in the manager's own
            thread, one after the other.
        unload_threads: the same for unloading.
        max_load_retries: attempts after the first one before a version ends.
        load_retry_seconds: pause between attempts; negative for none.
        final_codes: failures that are not tried again. TensorFlow Serving tries every
            failure again, which is the default.
        tick_seconds: how long the manager's thread sleeps when nothing happens.
        memory_limit_bytes: what the loaders' estimates may add up to; None for no
            limit, then no estimate is asked for.
        bus: gets every change of state.
        agreement: says when what requests find may change; by default at once.
    """

    def __init__(
        self,
        *,
        policy: Policy = availability_preserving,
        load_threads: int = 2,
        unload_threads: int = 1,
        max_load_retries: int = 5,
        load_retry_seconds: float = 60.0,
        final_codes: Collection[Code] = (),
        tick_seconds: float = 0.1,
        memory_limit_bytes: int | None = None,
        clock: Clock | None = None,
        bus: EventBus | None = None,
        agreement: Agreement | None = None,
    ) -> None:
        self._policy = policy
        self._agreement = agreement or Alone()
        self._agreement.connect(self._wake_up)
        self._tick_seconds = tick_seconds
        self._clock = clock or SystemClock()
        self._bus = bus or EventBus(self._clock)
        self._monitor = StateMonitor()
        self._bus.subscribe(self._monitor.record)
        self._labels = Labels(self._is_available)
        self._bus.subscribe(self._labels.note)
        self._bus.subscribe(self._announce)
        self._serving = ServingMap()
        self._lifecycle = Lifecycle(
            serving=self._serving,
            bus=self._bus,
            clock=self._clock,
            loads=Lane("load", load_threads, self._post),
            unloads=Lane("unload", unload_threads, self._post),
            memory=MemoryBudget(memory_limit_bytes),
            retries=Retries(max_load_retries, load_retry_seconds, frozenset(final_codes)),
            agreement=self._agreement,
        )
        # Owned by whoever holds _ticking: the manager's thread, or `stop` after it.
        self._ticking = threading.Lock()
        self._harnesses: dict[str, dict[int, Harness]] = {}
        self._postponed: dict[str, Sequence[ServableData[Loader]]] = {}
        self._notes: dict[ServableId, ServableError | None] = {}
        # Names about which something has changed since the policy had nothing to do there.
        self._unsettled: set[str] = set()
        # Shared.
        self._inbox: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._changed = threading.Condition()
        self._aspired: Mapping[str, frozenset[int]] = {}
        self._stopping = threading.Lock()
        self._stopped = False
        self._thread: threading.Thread | None = None

    # Requests

    def acquire(self, name: str, version: int | None = None) -> ServableHandle:
        """Return a handle on a version; the highest one that is ready if none is named.

        Takes no lock. The version stays loaded until the handle is given back.

        Raises:
            NotFound: no such version is ready.
        """
        if version is None:
            self._agreement.wait(name)
        while True:
            versions = self._serving.models.get(name)
            ready = versions.get(version) if versions else None
            if ready is None:
                raise self._not_found(name, version)
            handle = ready.pin()
            if handle is not None:
                return handle
            # The version was closed since the map was read; the map has changed too.

    def labels(self, name: str) -> Mapping[str, int]:
        """What each label of a model means at this moment. Takes no lock."""
        self._agreement.wait(name)
        return self._labels.given(name)

    def status(self, name: str, version: int | None = None) -> Sequence[VersionStatus]:
        """Every version ever managed under this name, highest first; [] if none.

        With `version`, that one alone.
        """
        return [
            event
            for event in self._monitor.versions(name)
            if version is None or event.id.version == version
        ]

    def names(self) -> Sequence[str]:
        """Every name that ever had a version, in ascending order."""
        return self._monitor.names()

    # Models

    def set_aspired_versions(self, name: str, versions: Sequence[ServableData[Loader]]) -> None:
        """Replace what was wanted of `name` by this list; returns at once.

        A list that names a version whose earlier instance is on its way out waits, as a
        whole, until that is gone; only the latest list of each name is kept. A version
        that is wanted already is left alone, whatever its loader.
        """
        with self._changed:  # until the list is acted upon, nobody knows how it ends
            self._aspired = {n: wanted for n, wanted in self._aspired.items() if n != name}
        self._post(partial(self._take_list, name, tuple(versions)))

    def set_labels(self, wanted: Table, rule: LabelRule) -> None:
        """Replace the labels of all models at once.

        Raises:
            FailedPrecondition: the rule refuses a label; then nothing changes.
        """
        self._labels.replace(wanted, rule)

    def note_incomplete(self, id: ServableId, error: ServableError | None) -> None:
        """Show a version that is not fit to be wanted yet as START, with the reason.

        Does nothing about a version that is managed.

        Args:
            error: what is missing; None if the version has disappeared again.
        """
        self._post(partial(self._take_note, id, error))

    def wait_until_settled(self, names: Collection[str], timeout: float | None) -> bool:
        """Wait until each name has some wanted version that is AVAILABLE or has ended.

        Versions that are no longer wanted do not count, so that the end of an earlier
        life does not pass for the outcome of the present one.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            False if the time ran out.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: all(self._outcome(name) is not None for name in names), timeout
            )

    def failures(self, names: Collection[str]) -> Sequence[VersionStatus]:
        """For each settled name whose outcome is END, the version that decided it.

        When several wanted versions are AVAILABLE or have ended, the highest decides.
        """
        outcomes = [self._outcome(name) for name in names]
        return [event for event in outcomes if event and event.state is VersionState.END]

    def unfit(self, name: str) -> VersionStatus | None:
        """The highest version that is known to be unfit, if no version of the name is wanted.

        See `note_incomplete`.
        """
        if self._aspired.get(name):
            return None
        for event in self._monitor.versions(name):
            if event.state is VersionState.START and event.error is not None:
                return event
        return None

    def failure(self, id: ServableId) -> ServableError | None:
        """Why a version that is wanted could not be loaded, at the last attempt or for good."""
        if id.version not in self._aspired.get(id.name, ()):
            return None
        event = self._monitor.version(id)
        return event.error if event is not None and event.state in _TRIED else None

    def start(self) -> None:
        """Begin to load and unload in a thread of the manager's own.

        Raises:
            FailedPrecondition: it was started or stopped before.
        """
        if self._thread is not None or self._stopped:
            raise FailedPrecondition("A manager can be started once.")
        self._thread = threading.Thread(target=self._run, name="manager", daemon=True)
        self._thread.start()

    def stop(self, drain_seconds: float = 30.0) -> None:
        """Take everything out of service, unload it, and end the threads. Idempotent.

        Loads that are under way are waited for and undone.

        Args:
            drain_seconds: how long to wait for loads and for handles that are out; what
                is busy after that is logged and left as it is.
        """
        with self._stopping:
            self._stopped = True
            self._wake.set()
            if self._thread is not None:
                self._thread.join()
            for name in list(self._harnesses):
                self._post(partial(self._take_list, name, ()))
            deadline = self._clock.monotonic() + drain_seconds
            while self._round() and self._clock.monotonic() < deadline:
                self._pause()
            for harness in self._all():
                log.warning("%s: still %s when the manager stopped", harness, harness.state)

    def tick(self) -> bool:
        """Do one round without waiting for anything; tell whether anything was done.

        The manager's thread does this all the time. Tests that do not start it use this
        to go step by step.
        """
        with self._ticking:
            done = self._forget_the_past()
            done |= self._read_inbox()
            done |= self._retry_postponed()
            done |= self._act()
            return self._lifecycle.advance() or done

    # The manager's thread

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._round()
            except Exception:
                # Only a fault of ours comes here. Other models must go on being served.
                log.exception("The manager failed at a step and goes on")
            self._pause()

    def _round(self) -> bool:
        """Tick until nothing moves; tell whether there is a version left."""
        while self.tick():
            pass
        return any(self._harnesses.values())

    def _pause(self) -> None:
        self._wake.wait(self._tick_seconds)
        self._wake.clear()

    def _post(self, message: Callable[[], None]) -> None:
        self._inbox.append(message)
        self._wake.set()

    def _wake_up(self) -> None:
        self._wake.set()

    def _read_inbox(self) -> bool:
        done = bool(self._inbox)
        while self._inbox:
            self._inbox.popleft()()
        return done

    def _forget_the_past(self) -> bool:
        done = False
        self._unsettled.update(id.name for id in self._lifecycle.moving)
        unsettled = [h for name in self._unsettled for h in self._harnesses[name].values()]
        for harness in unsettled:
            if harness.aspired or harness.state not in _FORGETTABLE:
                continue
            if harness.state is HarnessState.NEW:
                # The peer says nothing here and shows START for ever.
                error = Cancelled("Loading of servable cancelled")
                self._bus.publish(harness.id, VersionState.END, error)
            del self._harnesses[harness.id.name][harness.id.version]
            if harness.id in self._notes:
                self._take_note(harness.id, self._notes.pop(harness.id))
            done = True
        return done

    def _take_list(self, name: str, versions: Sequence[ServableData[Loader]]) -> None:
        # A list that comes in while the manager stops must not bring anything back.
        self._postponed[name] = () if self._stopped else versions
        for data in versions:
            self._notes.pop(data.id, None)
        self._apply(name)

    def _retry_postponed(self) -> bool:
        applied = [name for name in list(self._postponed) if self._apply(name)]
        return bool(applied)

    def _apply(self, name: str) -> bool:
        """Act on a list, unless it has to wait for an earlier instance to go."""
        managed = self._harnesses.setdefault(name, {})
        wanted = {data.id.version: data for data in self._postponed[name]}
        if any(v in managed and not managed[v].aspired for v in wanted):
            return False
        del self._postponed[name]
        self._unsettled.add(name)
        for version, harness in managed.items():
            harness.aspired = version in wanted
        for version, data in wanted.items():
            if version not in managed or (
                data.again and managed[version].state is HarnessState.ERROR
            ):
                managed[version] = self._manage(data)
            elif data.again and data.payload is not None:
                managed[version].try_now(data.payload)
        with self._changed:
            self._aspired = {**self._aspired, name: frozenset(wanted)}
            self._changed.notify_all()
        return True

    def _manage(self, data: ServableData[Loader]) -> Harness:
        harness = Harness(data.id, data.payload)
        if data.error is not None:
            harness.fail(data.error)
            log.error("%s: refused: %s", harness, data.error.status_text)
            self._bus.publish(data.id, VersionState.END, data.error)
        else:
            self._bus.publish(data.id, VersionState.START)
        return harness

    def _take_note(self, id: ServableId, error: ServableError | None) -> None:
        harness = self._harnesses.get(id.name, {}).get(id.version)
        if harness is not None:
            if not harness.aspired:
                self._notes[id] = error  # for when it has gone
            return
        if error is not None:
            self._bus.publish(id, VersionState.START, error)
            return
        last = self._monitor.version(id)
        if last is not None and last.state is VersionState.START:
            self._bus.publish(id, VersionState.END, last.error)

    def _act(self) -> bool:
        """Carry out one action over all models; an unload, if any model wants one."""
        actions = []
        for name in sorted(self._unsettled):
            versions = sorted(self._harnesses[name].items())
            action = self._policy([harness.snapshot for _, harness in versions])
            if action is not None:
                actions.append(action)
            elif all(_is_at_rest(harness) for _, harness in versions):
                self._unsettled.discard(name)
        if not actions:
            return False
        action = min(actions, key=lambda action: action.verb is not Verb.UNLOAD)
        harness = self._harnesses[action.id.name][action.id.version]
        if action.verb is Verb.LOAD:
            self._lifecycle.request_load(harness)
        else:
            self._lifecycle.request_unload(harness)
        return True

    def _all(self) -> Iterator[Harness]:
        return (h for versions in self._harnesses.values() for h in versions.values())

    # What readers see

    def _announce(self, _event: Event | None = None) -> None:
        with self._changed:
            self._changed.notify_all()

    def _outcome(self, name: str) -> Event | None:
        aspired = self._aspired.get(name, frozenset())
        for event in self._monitor.versions(name):
            if event.id.version in aspired and event.state in _SETTLED:
                return event
        return None

    def _is_available(self, id: ServableId) -> bool:
        event = self._monitor.version(id)
        return event is not None and event.state is VersionState.AVAILABLE

    def _not_found(self, name: str, version: int | None) -> NotFound:
        wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        versions = [f"{e.id.version} is {e.state}" for e in self._monitor.versions(name)]
        if versions:
            hint = f"Versions of {name}: {', '.join(versions[:_LISTED])}."
        elif self._serving.models:
            hint = f"Models ready here: {', '.join(sorted(self._serving.models)[:_LISTED])}."
        else:
            hint = "No model is ready here yet."
        return NotFound(f"Servable not found for request: {wanted}", hint=hint)


def _is_at_rest(harness: Harness) -> bool:
    """Whether nothing happens to a version until a new list comes."""
    return harness.aspired and harness.state in _AT_REST
