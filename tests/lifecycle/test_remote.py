"""Which versions behind a URL are wanted, poll by poll, and what becomes of the cache."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="needs fsspec")

from remote_desk import WHOLE, RemoteDesk

from servable.errors import DataLoss, Unimplemented
from servable.sources.filesystem import All, FileSystemSource, Latest, Specific, VersionPolicy
from servable.sources.remote.options import RemoteOptions
from servable.sources.remote.places import RemotePlaces
from servable.sources.watch import WatchedModel

PATIENCE = 60.0  # seconds until a test that hangs gives up; none comes near


@pytest.fixture
def desk(tmp_path: Path) -> RemoteDesk:
    return RemoteDesk(tmp_path)


@pytest.mark.parametrize(
    ("folders", "policy", "wanted"),
    [
        (["42", "17", "non_numerical_child"], Latest(), ["42"]),
        (["42", "17"], All(), ["17", "42"]),
        (["42", "33", "30"], Latest(2), ["42", "33"]),
        (["42", "17", "30"], Specific([17, 99]), ["17"]),
        (["0001", "001"], All(), ["001"]),
        (["00017", "9"], Latest(), ["00017"]),
    ],
)
def test_names_and_policies_are_those_of_local_folders(
    desk: RemoteDesk, folders: list[str], policy: VersionPolicy, wanted: list[str]
) -> None:
    for folder in folders:
        desk.store.put(folder)
    desk.open(policy)
    assert desk.poll() == [wanted]
    assert desk.poll(3) == []


def test_the_files_are_a_folder_of_this_machine_with_the_same_content(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    assert desk.served() == WHOLE


def test_only_the_wanted_version_is_fetched(
    desk: RemoteDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.put("1")
    desk.store.put("2")
    desk.store.spy(monkeypatch)
    desk.open()
    desk.poll(3)
    assert {name.partition("/")[0] for name, _ in desk.store.read} == {"2"}


def test_a_new_version_is_wanted_when_it_looked_the_same_twice(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    desk.store.put("2")
    assert desk.poll() == []
    desk.store.put("2", {"more": b"still uploading"})
    assert desk.poll() == []
    assert "UNAVAILABLE: The files changed since the last look" in desk.notes[-1][1]
    assert desk.poll() == [["2"]]


def test_files_that_change_while_they_are_fetched_are_not_served(
    desk: RemoteDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.put("1")

    def change(_name: str, _start: int) -> None:
        if not desk.store.read:
            desk.store.put("1", {"late": b"x"})

    desk.store.spy(monkeypatch, change)
    desk.open()
    assert desk.poll() == []
    assert "changed while they were fetched" in desk.notes[-1][1]
    assert desk.poll(3) == [["1"]]
    assert desk.served() == {**WHOLE, "late": b"x"}


def test_an_incomplete_version_is_noted_and_the_one_before_is_served(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.store.put("2", {"saved_model.pb": b"graph"})
    desk.open()
    assert desk.poll(3) == [["1"]]
    assert (2, "DATA_LOSS: part of it is missing") in desk.notes
    desk.store.put("2")
    assert desk.poll(3) == [["2"]]


def test_a_version_without_the_marker_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = RemoteDesk(tmp_path, ready_marker="_READY")
    desk.store.put("1")
    desk.store.spy(monkeypatch)
    desk.open()
    assert desk.poll(3) == []
    assert desk.store.read == []
    assert desk.notes[-1][1].startswith("UNAVAILABLE: There is no _READY")
    desk.store.put("1", {"_READY": b""})
    assert desk.poll(3) == [["1"]]


@pytest.mark.parametrize(
    "fault",
    [
        PermissionError("403 Forbidden"),
        TimeoutError("no answer"),
        OSError("500 Internal Server Error"),
        RuntimeError("whatever a library raises"),
    ],
)
def test_a_storage_error_takes_nothing_out_of_service(
    desk: RemoteDesk,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    desk.store.fail(monkeypatch, fault)
    with caplog.at_level(logging.WARNING):
        assert desk.poll(3) == []
    told = [m for m in caplog.messages if "filesystem access error" in m]
    assert len(told) == 1
    assert str(fault) in told[0]
    desk.store.fail(monkeypatch, None)
    desk.store.put("2")
    assert desk.poll(2) == [["2"]]


def test_an_emptied_folder_takes_nothing_out_of_service(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    desk.store.remove("1")
    assert desk.poll(3) == []


def test_a_version_that_is_gone_makes_way_for_the_one_below(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.store.put("2")
    desk.open()
    assert desk.poll() == [["2"]]
    desk.store.remove("2")
    assert desk.poll(2) == [["1"]]


def test_a_start_fetches_nothing_that_is_in_the_cache(
    desk: RemoteDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    desk.store.spy(monkeypatch)
    desk.open()
    assert desk.poll() == [["1"]]
    assert desk.store.read == []


def test_a_start_without_the_storage_serves_the_newest_version_of_the_cache(
    desk: RemoteDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for version in ("9", "10"):
        desk.store.put(version)
        desk.open()
        desk.poll()
    desk.store.fail(monkeypatch, TimeoutError("no answer"))
    desk.open()
    with caplog.at_level(logging.INFO):
        assert desk.poll(2) == [["10"]]
        assert desk.served() == WHOLE
        desk.store.fail(monkeypatch, None)
        assert desk.poll(3) == []
    told = [m for m in caplog.messages if "reached" in m]
    assert len(told) == 2
    assert "can not be reached" in told[0]
    assert "reached again" in told[1]
    desk.store.put("11")
    assert desk.poll(2) == [["11"]]


def test_a_start_serves_nothing_from_the_cache_that_was_deleted_for_good(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    desk.store.remove("1")
    desk.open()
    assert desk.poll(2) == []


def test_a_full_disk_is_told_and_what_is_served_stays(
    desk: RemoteDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    desk.store.put("2")
    real = os.fsync

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert desk.poll(2) == []
    assert desk.notes[-1] == (
        2,
        "RESOURCE_EXHAUSTED: No room on the disk for a version of 15 bytes.",
    )
    assert list(desk.cache.glob("*/.partial-*")) == []
    monkeypatch.setattr(os, "fsync", real)
    assert desk.poll(4) == [["2"]]


def test_a_cache_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    desk = RemoteDesk(tmp_path)
    desk.store.put("1")
    desk.open()
    assert desk.poll() == []
    assert desk.notes[-1][1].startswith("UNAVAILABLE: The cache can not be written: ")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_files": 2}, "RESOURCE_EXHAUSTED: The version has more than 2 files."),
        ({"max_bytes": 14}, "RESOURCE_EXHAUSTED: The version has 15 bytes, more than the 14"),
        ({"cache_bytes": 14}, "RESOURCE_EXHAUSTED: A version of 15 bytes does not fit"),
    ],
)
def test_versions_are_bounded(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    desk = RemoteDesk(tmp_path, **options)
    desk.store.put("1")
    desk.open()
    assert desk.poll(2) == []
    assert desk.notes[-1][1].startswith(reason)


@pytest.mark.parametrize(
    "name", ["../../evil", "a/../../evil", "a\\..\\evil", "a\0evil", "d/" * 20 + "evil", "//evil"]
)
def test_a_hostile_name_never_leaves_the_cache(
    desk: RemoteDesk, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    desk.store.put("1")
    listed = desk.store.files.ls(f"{desk.store.root}/1", detail=True)
    hostile = {"name": f"{desk.store.root}/1/{name}", "size": 1, "type": "file"}
    real = type(desk.store.files).ls

    def ls(system: Any, path: str, detail: bool = True) -> Any:
        at_version = path == f"{desk.store.root}/1"
        return [*listed, hostile] if at_version else real(system, path, detail=detail)

    monkeypatch.setattr(type(desk.store.files), "ls", ls)
    desk.open()
    assert desk.poll(2) == []
    assert desk.notes[-1][1].startswith("INVALID_ARGUMENT: a file has a name that is not safe")
    assert not desk.cache.exists()


def test_a_folder_that_contains_itself_is_given_up(
    desk: RemoteDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.store.put("1")

    def ls(_system: Any, path: str, detail: bool = True) -> Any:  # noqa: ARG001
        return [{"name": f"{path}/1", "size": 0, "type": "directory"}]

    monkeypatch.setattr(type(desk.store.files), "ls", ls)
    desk.open()
    assert desk.poll() == []
    assert desk.notes[-1][1] == "INVALID_ARGUMENT: folders are deeper than 16"


def test_a_slow_download_keeps_no_other_model_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = RemoteDesk(tmp_path).store, RemoteDesk(tmp_path).store
    slow.put("1")
    quick.put("1")
    local = tmp_path / "local" / "1"
    local.mkdir(parents=True)
    begun, go_on = threading.Event(), threading.Event()

    def wait(_name: str, _start: int) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    slow.spy(monkeypatch, lambda name, start: None if quick.root in name else wait(name, start))
    heard: dict[str, threading.Event] = {n: threading.Event() for n in ("slow", "quick", "local")}

    class Target:
        def set_aspired_versions(self, name: str, versions: Sequence[Any]) -> None:
            if versions:
                heard[name].set()

    options = RemoteOptions(cache_dir=tmp_path / "cache")
    source = FileSystemSource(
        [
            WatchedModel("slow", slow.base),
            WatchedModel("quick", quick.base),
            WatchedModel("local", local.parent),
        ],
        remote=RemotePlaces(options),
    )
    source.connect(Target())
    source.start()
    try:
        assert begun.wait(PATIENCE)
        assert heard["quick"].wait(PATIENCE)
        assert heard["local"].wait(PATIENCE)
        assert not heard["slow"].is_set()
        go_on.set()
        assert heard["slow"].wait(PATIENCE)
    finally:
        go_on.set()
        source.stop()


def test_models_can_be_changed_while_a_download_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = RemoteDesk(tmp_path)
    desk.store.put("1")
    begun, go_on = threading.Event(), threading.Event()

    def hang(_name: str, _start: int) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)

    desk.store.spy(monkeypatch, hang)
    source = FileSystemSource(
        [WatchedModel("m", desk.store.base)], remote=RemotePlaces(desk.options)
    )
    source.connect(desk.target)
    source.start()
    try:
        assert begun.wait(PATIENCE)
        source.watch([])
        assert desk.target.lists == [[]]
    finally:
        source.stop()
        go_on.set()


def test_a_model_keeps_its_version_while_its_base_path_moves_to_a_url(desk: RemoteDesk) -> None:
    local = desk.cache.parent / "local"
    (local / "1").mkdir(parents=True)
    (local / "1" / "whole").touch()
    desk.open()
    desk.source.watch([WatchedModel("m", local)])
    assert desk.poll() == [["1"]]
    desk.store.put("2")
    desk.source.watch([WatchedModel("m", desk.store.base)])
    assert desk.poll() == [["2"]]
    assert [] not in desk.target.lists


def test_a_copy_in_the_cache_that_is_damaged_is_fetched_again_once(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.open()
    desk.poll()
    (path,) = desk.target.paths
    (path / "variables" / "data").write_bytes(b"##########")
    desk.failure = DataLoss("the data has a wrong checksum")
    desk.open()
    assert desk.poll() == [["1"]]  # of the same length, so nothing is wrong with it yet
    assert desk.poll() == [["1"]]
    assert desk.served() == WHOLE
    assert desk.poll(3) == []  # it is damaged at its source, then


def test_a_version_that_fails_for_other_reasons_is_not_fetched_again(desk: RemoteDesk) -> None:
    desk.store.put("1")
    desk.failure = Unimplemented("an op outside the list")
    desk.open()
    assert desk.poll(4) == [["1"]]
