"""Faults of the storage: nothing goes out of service, and each is explained once."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from version_desk import Desk

from servable.sources.filesystem import All, Specific, VersionPolicy, WatchedModel


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def empty_the_folder(desk: Desk) -> None:
    desk.remove("1")


def remove_the_base_path(desk: Desk) -> None:
    shutil.rmtree(desk.root / "m")


def put_a_file_in_its_place(desk: Desk) -> None:
    shutil.rmtree(desk.root / "m")
    (desk.root / "m").write_text("not a folder")


def replace_it_by_an_incomplete_one(desk: Desk) -> None:
    desk.remove("1")
    desk.put("2", whole=False)


@pytest.mark.parametrize(
    "fault",
    [
        empty_the_folder,
        remove_the_base_path,
        put_a_file_in_its_place,
        replace_it_by_an_incomplete_one,
    ],
)
def test_a_fault_takes_nothing_out_of_service(desk: Desk, fault: Callable[[Desk], None]) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    fault(desk)
    assert desk.poll(4) == []


def test_a_mount_that_comes_back_unchanged_changes_nothing(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    (desk.root / "m" / "1").rename(desk.root / "away")
    desk.poll(2)
    (desk.root / "away").rename(desk.root / "m" / "1")
    assert desk.poll(3) == []
    assert desk.checked == ["1"]


def test_the_only_version_stays_in_service_when_it_comes_back_with_other_files(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    desk.remove("1")
    desk.poll()
    desk.put("1")
    (desk.root / "m" / "1" / "variables" / "data").write_bytes(b"the new weights")
    assert desk.poll(5) == []
    assert caplog.text.count("what was loaded stays in service") == 1


def test_a_version_that_comes_back_with_other_files_is_loaded_anew_beside_another(
    desk: Desk,
) -> None:
    desk.put("1", "2")
    desk.open(desk.model(All()))
    desk.poll()
    desk.remove("1")
    (desk.root / "m" / "2").rename(desk.root / "away")
    desk.poll()
    (desk.root / "away").rename(desk.root / "m" / "2")
    desk.put("1")
    (desk.root / "m" / "1" / "variables" / "data").write_bytes(b"the new weights")
    assert desk.poll(2) == [["2"], ["1", "2"]]
    assert desk.poll(3) == []


def test_files_that_change_under_a_served_version_are_left_alone(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    (desk.root / "m" / "1" / "variables" / "data").write_bytes(b"the new weights")
    assert desk.poll(3) == []


def test_files_that_change_after_a_mount_came_back_are_left_alone(desk: Desk) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    (desk.root / "m" / "1").rename(desk.root / "away")
    desk.poll()
    (desk.root / "away").rename(desk.root / "m" / "1")
    desk.poll()
    (desk.root / "m" / "1" / "variables" / "data").write_bytes(b"the new weights")
    assert desk.poll(3) == []


def test_an_incomplete_version_does_not_make_a_folder_empty(desk: Desk) -> None:
    desk.put("1")
    desk.open(WatchedModel("m", desk.root / "m", unload_when_empty=True))
    desk.poll()
    desk.put("2", whole=False)
    desk.remove("1")
    assert desk.poll(3) == []


def test_an_empty_folder_unloads_if_that_is_asked_for(desk: Desk) -> None:
    desk.put("1")
    desk.open(WatchedModel("m", desk.root / "m", unload_when_empty=True))
    desk.poll()
    desk.remove("1")
    assert desk.poll() == [[]]
    desk.put("1")
    assert desk.poll(2) == [["1"]]


def test_a_missing_base_path_delays_no_other_model(desk: Desk) -> None:
    desk.put("1", name="n")
    desk.open(desk.model(name="absent"), desk.model(name="n"))
    desk.poll()
    assert desk.target.lists == [("n", ["1"])]
    desk.put("1", name="absent")
    desk.poll(2)
    assert desk.target.lists[1:] == [("absent", ["1"])]


# What is logged


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_folder_without_versions_is_explained_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.put("tmp", "0.1", ".hidden")
    desk.open(desk.model())
    desk.poll(3)
    base = desk.root / "m"
    assert warnings(caplog) == [
        "m: no versions, so ignored: 0.1, tmp. A version is a folder named by a whole number, "
        f"such as {base}/1",
        f"No versions of servable m found under base path {base}. Did you forget to name your "
        "leaf directory as a number (eg. '/1/')?",
    ]


@pytest.mark.parametrize(
    ("folders", "policy", "text"),
    [
        (["1", "01"], None, "m: passed over, of the same number as another: 01"),
        (["1"], Specific([1, 3, 2]), "m: asked for, but not under {}: 2, 3"),
    ],
)
def test_odd_folders_are_explained_once(
    desk: Desk,
    caplog: pytest.LogCaptureFixture,
    folders: list[str],
    policy: VersionPolicy | None,
    text: str,
) -> None:
    desk.put(*folders)
    desk.open(desk.model(policy))
    desk.poll(3)
    assert warnings(caplog) == [text.format(desk.root / "m")]


def test_a_missing_base_path_is_said_once_and_again_when_it_happens_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.open(desk.model())
    desk.poll(3)
    text = (
        "FileSystemStoragePathSource encountered a filesystem access error: Could not find base "
        f"path {desk.root / 'm'} for servable m with error No such file or directory"
    )
    assert warnings(caplog) == [text]
    desk.put("1")
    desk.poll()
    shutil.rmtree(desk.root / "m")
    desk.poll(2)
    assert warnings(caplog) == [text, text]


def test_it_is_said_once_each_time_that_an_old_version_stays(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.put("1")
    desk.open(desk.model())
    desk.poll()
    desk.remove("1")
    desk.poll(3)
    desk.put("1")
    desk.poll(3)
    desk.remove("1")
    desk.poll(3)
    text = f"m: nothing under {desk.root / 'm'} can take over; version 1 stays in service."
    assert warnings(caplog).count(text) == 2


# Odd trees


def test_links_in_a_version_do_no_harm(desk: Desk) -> None:
    desk.put("1")
    desk.put("real", name="elsewhere")
    folder = desk.root / "m"
    (folder / "1" / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "1" / "nowhere").symlink_to(folder / "absent")
    (folder / "2").symlink_to(desk.root / "elsewhere" / "real", target_is_directory=True)
    desk.open(desk.model(All()))
    assert desk.poll(3) == [["1", "2"]]


def test_a_version_of_too_many_files_is_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servable.sources.fingerprint.MAX_ENTRIES", 2)
    desk.put("1")
    desk.open(desk.model())
    assert desk.poll() == []
    assert desk.notes[0][1].startswith("RESOURCE_EXHAUSTED: More than 2 files under ")
