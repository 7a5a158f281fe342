"""A manager on a bench: everything inline, a fake clock, and a record of what it told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

from servable.contracts import Loader, Servable, ServableData, ServableId
from servable.core.events import Event, EventBus
from servable.core.manager import Manager
from servable.core.policy import Policy, availability_preserving
from servable.errors import Code, NotFound, ServableError
from servable.servables.echo import Echo


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


class FakeLoader:
    """Fails as often as it is told to, and remembers what was asked of it."""

    def __init__(self, *failures: Exception, size: int = 1) -> None:
        self.calls: list[str] = []
        self.size = size
        self._failures = list(failures)
        self._echo = Echo()

    def estimate_resources(self) -> int:
        self.calls.append("estimate")
        return self.size

    def load(self) -> None:
        self.calls.append("load")
        if self._failures:
            raise self._failures.pop(0)

    def unload(self) -> None:
        self.calls.append("unload")

    def servable(self) -> Servable:
        return self._echo


class MindChangingLoader(FakeLoader):
    """Has something happen while it loads."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = happens

    def load(self) -> None:
        super().load()
        self._happens()


class Stage:
    """A manager that does everything inline, and a record of all that it published."""

    def __init__(
        self, policy: Policy = availability_preserving, memory_limit_bytes: int | None = None
    ) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        bus = EventBus(self.clock)
        bus.subscribe(self.events.append)
        self.manager = Manager(
            policy=policy,
            load_threads=0,
            unload_threads=0,
            max_load_retries=2,
            load_retry_seconds=60.0,
            final_codes=[Code.UNIMPLEMENTED],
            memory_limit_bytes=memory_limit_bytes,
            clock=self.clock,
            bus=bus,
        )

    def want(self, name: str, versions: Mapping[int, Loader | ServableError]) -> None:
        data: list[ServableData[Loader]] = [
            ServableData(ServableId(name, version), error=what)
            if isinstance(what, ServableError)
            else ServableData(ServableId(name, version), what)
            for version, what in versions.items()
        ]
        self.manager.set_aspired_versions(name, data)

    def settle(self) -> None:
        while self.manager.tick():
            pass

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.settle()

    def states(self, name: str = "m") -> dict[int, str]:
        return {status.id.version: status.state for status in self.manager.status(name)}

    def told(self, version: int, name: str = "m") -> list[str]:
        """The states a version was in; what is told twice in a row counts once."""
        states = [str(e.state) for e in self.events if e.id == ServableId(name, version)]
        return [state for state, _ in groupby(states)]

    def served(self, version: int | None = None, name: str = "m") -> int | None:
        try:
            with self.manager.acquire(name, version) as handle:
                return handle.id.version
        except NotFound:
            return None

    def error(self, version: int, name: str = "m") -> ServableError | None:
        (status,) = self.manager.status(name, version)
        return status.error
