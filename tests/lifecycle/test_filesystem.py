"""Which versions of a folder are wanted, poll by poll."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from version_desk import Desk

from servable.contracts import ServableId
from servable.errors import FailedPrecondition, InvalidArgument
from servable.sources import watch as watch_module
from servable.sources.filesystem import (
    All,
    FileSystemSource,
    Latest,
    Specific,
    VersionPolicy,
    WatchedModel,
)
from servable.sources.static import StaticSource

PATIENCE = 60.0  # seconds until a test that hangs gives up; none comes near


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("folders", "policy", "wanted"),
    [
        (["42", "17", "non_numerical_child"], None, ["42"]),
        (["42", "17", "non_numerical_child"], All(), ["17", "42"]),
        (["42", "33", "30", "21", "17"], Latest(3), ["42", "33", "30"]),
        (["42", "33"], Latest(0), ["42"]),
        (["42", "33"], Latest(9), ["42", "33"]),
        (["42", "33", "30", "21", "17"], Specific([17, 30]), ["17", "30"]),
        (["00017", "18"], Specific([17]), ["00017"]),
        (["17", "18"], Specific([17, 99]), ["17"]),
        (["20170111173521", "1"], None, ["20170111173521"]),
        (["10", "9"], None, ["10"]),
        (["0"], None, ["0"]),
        (["0001", "001", "00001"], None, ["001"]),
        (["0001", "001", "00001"], All(), ["001"]),
    ],
)
def test_the_policy_picks_among_the_numbered_folders(
    desk: Desk, folders: list[str], policy: VersionPolicy | None, wanted: list[str]
) -> None:
    desk.put(*folders)
    desk.open(desk.model(policy))
    assert desk.poll() == [wanted]


def test_a_list_is_told_once(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    assert desk.poll(5) == [["1"]]


def test_a_new_version_is_wanted_when_it_looked_the_same_twice(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    desk.put("2")
    assert desk.poll() == []
    assert desk.poll() == [["2"]]


def test_a_version_that_is_being_written_is_waited_for(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    desk.put("2", whole=False)
    data = desk.root / "m" / "2" / "variables" / "data"
    for size in range(1, 5):
        data.write_bytes(b"x" * size)
        assert desk.poll() == []
    assert desk.checked == ["1"]
    still = "UNAVAILABLE: The files changed since the last look; somebody is still writing them."
    assert desk.notes == [(ServableId("m", 2), still)]
    (desk.root / "m" / "2" / "whole").touch()
    assert desk.poll() == []
    assert desk.poll() == [["2"]]


def test_an_incomplete_version_is_noted_once_and_the_one_before_is_served(desk: Desk) -> None:
    desk.put("1")
    desk.put("2", whole=False)
    desk.open(desk.model())
    assert desk.poll(4) == [["1"]]
    assert desk.notes == [(ServableId("m", 2), "DATA_LOSS: part of it is missing")]
    desk.put("2")
    assert desk.poll(2) == [["2"]]


def test_an_incomplete_version_is_not_checked_again_and_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "RECHECK_POLLS", 5)
    desk.put("2", whole=False)
    desk.open(desk.model())
    desk.poll(6)
    assert desk.checked == ["2"]
    desk.poll()
    assert desk.checked == ["2", "2"]


def test_an_incomplete_version_that_disappears_is_taken_back(desk: Desk) -> None:
    desk.put("1")
    desk.put("2", whole=False)
    desk.open(desk.model())
    desk.poll()
    desk.remove("2")
    desk.poll()
    assert desk.notes[-1] == (ServableId("m", 2), "")


def test_a_version_that_was_seen_once_is_not_worth_a_note(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    desk.put("2", whole=False)
    desk.poll()
    desk.remove("2")
    desk.poll()
    assert desk.notes == []


def test_only_versions_that_could_be_served_are_checked(desk: Desk) -> None:
    desk.put("1", "2", "3")
    desk.open(desk.model())
    desk.poll()
    assert desk.checked == ["3"]


@pytest.mark.parametrize(
    ("raised", "noted"),
    [
        (ValueError("a bug"), "UNKNOWN: ValueError: a bug"),
        (PermissionError(13, "Permission denied"), "UNAVAILABLE: {}: Permission denied"),
    ],
)
def test_a_check_that_breaks_refuses_its_version_alone(
    desk: Desk, raised: Exception, noted: str
) -> None:
    desk.put("1")
    desk.put("1", name="n")
    desk.broken = raised
    desk.open(desk.model(), desk.model(name="n"))
    assert desk.poll() == []
    path = desk.root / "m" / "1"
    assert desk.notes[0] == (ServableId("m", 1), noted.format(path))
    assert len(desk.notes) == 2


def test_removed_and_renamed_versions_are_dropped_while_others_remain(desk: Desk) -> None:
    desk.put("1", "2", "5", "8")
    desk.open(desk.model(All()))
    desk.poll()
    (desk.root / "m" / "2").rename(desk.root / "m" / "2.denied")
    desk.remove("8")
    assert desk.poll() == [["1", "5"]]


def test_when_the_served_version_is_removed_the_next_lower_takes_over(desk: Desk) -> None:
    desk.put("1", "2")
    desk.open(desk.model())
    desk.poll()
    desk.remove("2")
    assert desk.poll(2) == [["1"]]


# Other models, other policies


def test_a_model_that_is_no_longer_listed_is_emptied_at_once(desk: Desk) -> None:
    desk.put("1")
    desk.put("1", name="n")
    desk.put("2", name="n", whole=False)
    desk.open(desk.model(), desk.model(name="n"))
    desk.poll()
    desk.source.watch([desk.model()])
    assert desk.target.lists[2:] == [("n", [])]
    assert desk.notes[-1] == (ServableId("n", 2), "")
    desk.poll()
    assert desk.target.lists[3:] == []


def test_a_changed_policy_takes_effect_at_the_next_poll(desk: Desk) -> None:
    desk.put("1", "02", "3", "5", "8", "13")
    desk.open(desk.model(Latest(2)))
    assert desk.poll() == [["13", "8"]]
    desk.source.watch([desk.model(Specific([2, 5]))])
    assert desk.poll() == [["02", "5"]]
    desk.source.watch([desk.model(Specific([]))])
    assert desk.poll() == [[]]


def test_a_changed_base_path_takes_effect_also_backwards(desk: Desk) -> None:
    desk.put("7", "8")
    desk.put("3", "8", name="other")
    desk.open(desk.model())
    desk.poll()
    other = desk.root / "other"
    desk.source.watch([WatchedModel("m", other, Specific([3]))])
    assert desk.poll() == [["3"]]
    desk.source.watch([desk.model()])
    assert desk.poll() == [["8"]]


def test_two_models_of_one_name_are_refused_and_nothing_changes(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    text = "^Illegal to list model n multiple times in config list$"
    with pytest.raises(InvalidArgument, match=text):
        desk.source.watch([desk.model(name="n"), desk.model(name="n")])
    assert desk.poll() == []


# The thread


def test_the_thread_looks_at_once_and_then_again(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model(), poll_seconds=0.005)
    desk.source.start()
    assert desk.target.heard.acquire(timeout=PATIENCE)
    desk.put("2")
    assert desk.target.heard.acquire(timeout=PATIENCE)
    desk.source.stop()
    assert desk.target.lists == [("m", ["1"]), ("m", ["2"])]


def test_a_period_of_zero_looks_once_at_each_model(desk: Desk) -> None:
    desk.put("1", "2")
    desk.open(desk.model(All()), poll_seconds=0)
    desk.source.start()
    assert desk.target.heard.acquire(timeout=PATIENCE)
    desk.remove("1")
    desk.put("5", name="n")
    desk.source.watch([desk.model(All()), desk.model(name="n")])
    assert desk.target.heard.acquire(timeout=PATIENCE)
    desk.source.stop()
    assert desk.target.lists == [("m", ["1", "2"]), ("n", ["5"])]


def test_a_negative_period_never_looks(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model(), poll_seconds=-1)
    before = set(threading.enumerate())
    desk.source.start()
    assert set(threading.enumerate()) == before
    desk.source.stop()
    assert desk.target.lists == []


def test_a_source_needs_a_target_and_starts_once(desk: Desk) -> None:
    with pytest.raises(FailedPrecondition):
        FileSystemSource([]).start()
    with pytest.raises(FailedPrecondition):
        StaticSource("m", 1, desk.root).start()
    desk.open(desk.model())
    desk.source.start()
    with pytest.raises(FailedPrecondition):
        desk.source.start()
    desk.source.stop()
    desk.source.stop()


def test_a_static_source_names_its_version_once(desk: Desk) -> None:
    source = StaticSource("m", 7, desk.root / "folder")
    source.connect(desk.target)
    source.start()
    source.stop()
    assert desk.target.lists == [("m", ["folder"])]


def test_models_that_come_in_quick_succession_do_not_put_off_the_others(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model(All()), poll_seconds=0.02)
    desk.source.start()
    assert desk.target.heard.acquire(timeout=PATIENCE)
    desk.put("2")

    number = 0
    while ("m", ["1", "2"]) not in desk.target.lists:
        number += 1
        assert number < 100_000
        desk.source.watch([desk.model(All()), WatchedModel(f"other{number}", desk.root)])
    desk.source.stop()


def test_a_static_version_can_be_withdrawn(desk: Desk) -> None:
    source = StaticSource("m", 7, desk.root / "folder")
    source.connect(desk.target)
    source.start()
    source.withdraw()

    assert desk.target.lists == [("m", ["folder"]), ("m", [])]
