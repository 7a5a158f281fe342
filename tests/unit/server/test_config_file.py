"""A config file that is read again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from servable.config.models import ModelConfig
from servable.errors import Cancelled, FailedPrecondition, InvalidArgument, NotFound
from servable.server.config_file import ConfigWatch, fingerprint, read_config


def write(path: Path, *names: str) -> None:
    entries = (
        f"config {{ name: '{n}' base_path: '/{n}' model_platform: 'tensorflow' }}" for n in names
    )
    path.write_text(f"model_config_list {{ {' '.join(entries)} }}")


class Desk:
    """A watched file, and the lists that were applied."""

    def __init__(self, path: Path, poll_seconds: float = 1000.0) -> None:
        self.path = path
        self.lists: list[list[str]] = []
        self.refusal: Exception | None = None
        self.applied = threading.Semaphore(0)
        self.watch = ConfigWatch(path, self.apply, poll_seconds)

    def apply(self, configs: Sequence[ModelConfig]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.lists.append([config.name for config in configs])
        self.applied.release()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "models.config")


def test_what_is_listed_is_applied_at_every_look(desk: Desk) -> None:
    write(desk.path, "a")
    desk.watch.look()
    desk.watch.look()
    write(desk.path, "a", "b")
    desk.watch.look()

    assert desk.lists == [["a"], ["a"], ["a", "b"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "garbage",
            "Failed to read ModelServerConfig file: INVALID_ARGUMENT: Invalid protobuf file: ",
        ),
        ("", "Failed to read ModelServerConfig file: FAILED_PRECONDITION: Cannot transition"),
        (None, "Failed to read ModelServerConfig file: NOT_FOUND: "),
    ],
)
def test_a_file_that_can_not_be_used_changes_nothing_and_is_reported_once(
    desk: Desk, caplog: pytest.LogCaptureFixture, content: str | None, said: str
) -> None:
    if content is not None:
        desk.path.write_text(content)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            desk.watch.look()
        assert desk.lists == []
        (message,) = [record.getMessage() for record in caplog.records]
        assert message.startswith(said)
        assert message.endswith("what was served before is served on")

        write(desk.path, "a")
        desk.watch.look()
        desk.watch.look()

    assert desk.lists == [["a"], ["a"]]
    assert [record.getMessage() for record in caplog.records[1:]] == [
        f"{desk.path} can be used again"
    ]


def test_a_list_that_is_refused_is_reported_once_and_tried_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    write(desk.path, "a")
    desk.refusal = FailedPrecondition("no such version yet", hint="wait")
    desk.watch.look()
    desk.watch.look()
    desk.refusal = None
    desk.watch.look()

    assert desk.lists == [["a"]]
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "PollFilesystemAndReloadConfig failed to ReloadConfig: FAILED_PRECONDITION: "
        "no such version yet (wait); what was served before is served on"
    ]


def test_a_fault_of_ours_does_not_end_the_watch(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    write(desk.path, "a")
    desk.refusal = ZeroDivisionError()
    desk.watch.look()
    desk.refusal = None
    desk.watch.look()

    assert desk.lists == [["a"]]
    assert caplog.records[0].exc_info is not None


def test_it_looks_by_itself_until_it_is_stopped(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "models.config", poll_seconds=0.001)
    write(desk.path, "a")
    desk.watch.start()
    assert desk.applied.acquire(timeout=60)
    desk.watch.stop()

    applied = len(desk.lists)
    assert set(map(tuple, desk.lists)) == {("a",)}
    assert len(desk.lists) == applied


def test_a_watch_that_was_not_started_can_be_stopped(desk: Desk) -> None:
    desk.watch.stop()
    assert desk.lists == []


def test_the_first_config_may_say_nothing(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("# later\n")

    assert read_config(path) == ()
    with pytest.raises(FailedPrecondition):
        read_config(path, first=False)
    with pytest.raises(NotFound):
        read_config(tmp_path / "missing")
    path.write_text("x")
    with pytest.raises(InvalidArgument):
        read_config(path)


class Counting(Desk):
    """A watched file beside somebody who counts what is applied."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.changes = 0
        self.watch = ConfigWatch(path, self.apply, 1000.0, lambda: self.changes)

    def apply(self, configs: Sequence[ModelConfig]) -> None:
        super().apply(configs)
        self.changes += 1

    def looks(self, count: int) -> int:
        """Look so often; return how often the list was applied."""
        before = len(self.lists)
        for _ in range(count):
            self.watch.look()
        return len(self.lists) - before


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    counting = Counting(tmp_path / "models.config")
    write(counting.path, "a")
    return counting


def test_a_file_that_stays_the_same_is_read_now_and_then(counting: Counting) -> None:
    assert counting.looks(100) < 10
    # Nobody can rely on the times of files everywhere, so it is not left alone for ever.
    assert counting.looks(100) > 1


def test_a_file_that_changes_is_applied_at_the_next_look(counting: Counting) -> None:
    counting.looks(20)
    write(counting.path, "a", "b")
    assert counting.looks(1) == 1
    assert counting.lists[-1] == ["a", "b"]


def test_the_file_has_the_last_word_when_somebody_else_changed_something(
    counting: Counting,
) -> None:
    counting.looks(20)
    counting.changes += 1
    assert counting.looks(1) == 1


def test_a_file_that_vanishes_is_told_and_applied_when_it_is_back(
    counting: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    counting.looks(20)
    counting.path.rename(counting.path.with_suffix(".away"))
    assert counting.looks(5) == 0
    assert caplog.text.count("Failed to read ModelServerConfig file") == 1
    counting.path.with_suffix(".away").rename(counting.path)
    assert counting.looks(1) == 1


def test_a_list_that_is_refused_is_tried_at_every_look(counting: Counting) -> None:
    counting.refusal = NotFound("not yet")
    assert counting.looks(20) == 0
    counting.refusal = None
    assert counting.looks(1) == 1


def test_a_look_while_the_server_stops_reports_no_fault(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    write(desk.path, "a")
    desk.refusal = Cancelled("The server is stopping.")
    with caplog.at_level(logging.INFO):
        desk.watch.look()
    assert not caplog.records


def test_equal_lists_have_one_fingerprint_in_whatever_order_labels_were_read() -> None:
    first = ModelConfig("m", "/m", labels={"stable": 1, "canary": 2})
    same = ModelConfig("m", "/m", labels={"canary": 2, "stable": 1})
    moved = ModelConfig("m", "/m", labels={"stable": 2, "canary": 1})

    assert fingerprint([first]) == fingerprint([same])
    assert fingerprint([first]) != fingerprint([moved])
