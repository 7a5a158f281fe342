"""Workers are started, replaced, given up and stopped; here they are no processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from servable.core.agreement import Change, Verb
from servable.errors import Code, Unavailable
from servable.server.config import Model, ServerConfig
from servable.workers import supervisor as module
from servable.workers.messages import (
    Came,
    Failed,
    Job,
    Listen,
    Listening,
    Made,
    Ready,
    Stop,
    Switch,
    ToSupervisor,
    ToWorker,
    Withdrawn,
)
from servable.workers.supervisor import MOST_FAILED_STARTS, CanNotStart, Supervisor

CONFIGURED = Change(Verb.CONFIGURE, "", "x")

Heard = Callable[["Scripted", ToSupervisor | None], None]
Script = Callable[["Scripted", ToWorker], None]


class Scripted:
    """Stands for a worker's process: a script says what it does when it is told something."""

    pid = 1
    script: Script
    started: list[Scripted]
    code = -9

    def __init__(self, job: Job, threads: int, heard: Heard) -> None:
        assert threads >= 1
        self.number = job.number
        self._heard = heard
        self.told: list[ToWorker] = []
        type(self).started.append(self)
        self.tell(job)

    def say(self, message: ToSupervisor | None) -> None:
        self._heard(self, message)

    def tell(self, message: ToWorker) -> None:
        self.told.append(message)
        type(self).script(self, message)

    def kill(self) -> None:
        self.say(None)

    def end(self) -> int:
        return self.code


def healthy(worker: Scripted, message: ToWorker) -> None:
    match message:
        case Job():
            worker.say(Came())
            worker.say(Ready(CONFIGURED))
        case Switch(change):
            worker.say(Made(change))
        case Listen():
            worker.say(Listening(()))
        case Stop():
            worker.say(None)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    class Here(Scripted):
        started: list[Scripted] = []  # noqa: RUF012  each test has its own

    monkeypatch.setattr(module, "Peer", Here)
    monkeypatch.setattr(module, "_MOST_PAUSE_SECONDS", 0.0)
    return Here


def supervisor(announce: Callable[[Sequence[Model]], None] = lambda _models: None) -> Supervisor:
    return Supervisor(Job(ServerConfig(), 1, "info", "text"), 2, announce)


def test_workers_listen_are_announced_once_and_stop(scripted: type[Scripted]) -> None:
    stop = threading.Event()
    announced: list[Sequence[Model]] = []
    listening: list[int] = []

    def script(worker: Scripted, message: ToWorker) -> None:
        healthy(worker, message)
        if isinstance(message, Listen):
            listening.append(worker.number)
            if len(listening) == 2:
                stop.set()

    scripted.script = staticmethod(script)
    supervisor(announced.append).run(stop)

    assert sorted(listening) == [1, 2]
    assert announced == [()]
    assert [worker.told[-1] for worker in scripted.started] == [Stop(), Stop()]


def test_a_worker_that_dies_is_replaced(scripted: type[Scripted]) -> None:
    stop = threading.Event()

    def script(worker: Scripted, message: ToWorker) -> None:
        healthy(worker, message)
        if isinstance(message, Listen):
            if len(scripted.started) == 2 and worker.number == 2:
                worker.say(None)
            elif len(scripted.started) == 3:
                stop.set()

    scripted.script = staticmethod(script)
    supervisor().run(stop)

    assert [worker.number for worker in scripted.started] == [1, 2, 2]


def test_it_gives_up_when_workers_die_before_any_serves(scripted: type[Scripted]) -> None:
    scripted.script = staticmethod(lambda worker, _message: worker.say(None))

    with pytest.raises(Unavailable, match=r"ended by signal 9") as raised:
        supervisor().run(threading.Event())

    assert "--workers 1" in raised.value.hint
    assert len(scripted.started) <= MOST_FAILED_STARTS + 1


def test_why_the_first_worker_can_not_serve_is_the_error(scripted: type[Scripted]) -> None:
    failed = Failed(Code.INVALID_ARGUMENT, "no such thing", "name another", configured=False)
    scripted.script = staticmethod(lambda worker, _message: worker.say(failed))

    with pytest.raises(CanNotStart, match="no such thing") as raised:
        supervisor().run(threading.Event())

    assert (raised.value.code, raised.value.hint) == (Code.INVALID_ARGUMENT, "name another")
    assert not raised.value.configured


def test_who_makes_a_change_that_it_has_taken_back_too_late_is_replaced(
    scripted: type[Scripted],
) -> None:
    stop = threading.Event()

    def script(worker: Scripted, message: ToWorker) -> None:
        healthy(worker, message)
        if isinstance(message, Listen):
            if worker.number == 2 and len(scripted.started) == 2:
                worker.say(Withdrawn(CONFIGURED))
            elif len(scripted.started) == 3:
                stop.set()

    scripted.script = staticmethod(script)
    supervisor().run(stop)

    assert [worker.number for worker in scripted.started] == [1, 2, 2]
