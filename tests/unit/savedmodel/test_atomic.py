"""Folders and files appear complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servable.savedmodel.atomic import new_folder, write_file
from servable.savedmodel.write_errors import AlreadyThere, WriteFailed


def test_a_folder_has_no_name_before_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "models" / "7"
    with new_folder(target) as folder:
        (folder / "file").write_text("content")
        assert not target.exists()
        assert folder.name.startswith(".")  # servers pass over it
    assert (target / "file").read_text() == "content"
    assert os.listdir(target.parent) == ["7"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "7") as folder:
            (folder / "file").write_text("content")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    with new_folder(tmp_path / "7") as folder:
        (folder / "file").touch()
    assert os.listdir(tmp_path / "7") == ["file"]


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "old").touch()
    with pytest.raises(AlreadyThere, match="is not an empty folder"), new_folder(tmp_path / "7"):
        pass
    assert os.listdir(tmp_path / "7") == ["old"]


def test_what_appears_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    def write() -> None:
        with new_folder(tmp_path / "7") as folder:
            (folder / "mine").touch()
            (tmp_path / "7").mkdir()
            (tmp_path / "7" / "theirs").touch()

    with pytest.raises(AlreadyThere):
        write()
    assert os.listdir(tmp_path) == ["7"]
    assert os.listdir(tmp_path / "7") == ["theirs"]


def test_replacing_leaves_the_old_one_until_the_new_is_complete(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "old").touch()
    with new_folder(tmp_path / "7", replace=True) as folder:
        (folder / "new").touch()
        assert os.listdir(tmp_path / "7") == ["old"]
    assert os.listdir(tmp_path / "7") == ["new"]
    assert os.listdir(tmp_path) == ["7"]


def test_a_failed_replacement_keeps_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "old").touch()

    def fail() -> None:
        with new_folder(tmp_path / "7", replace=True):
            raise OSError(28, "No space left on device")

    with pytest.raises(WriteFailed, match="No space left"):
        fail()
    assert os.listdir(tmp_path) == ["7"]
    assert os.listdir(tmp_path / "7") == ["old"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_without_a_place_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteFailed), new_folder(tmp_path / "file" / "7"):
        pass


def test_a_link_that_is_replaced_still_leads_to_the_model(tmp_path: Path) -> None:
    (tmp_path / "store" / "7").mkdir(parents=True)
    (tmp_path / "store" / "7" / "old").touch()
    (tmp_path / "current").symlink_to(Path("store", "7"))
    with new_folder(tmp_path / "current", replace=True) as folder:
        (folder / "new").touch()
    assert (tmp_path / "current").is_symlink()
    assert os.listdir(tmp_path / "store" / "7") == ["new"]
    assert sorted(os.listdir(tmp_path)) == ["current", "store"]
    assert os.listdir(tmp_path / "store") == ["7"]


@pytest.mark.parametrize("what", ["a file", "a link to itself"])
def test_nothing_is_left_of_a_file_that_is_replaced(tmp_path: Path, what: str) -> None:
    if what == "a file":
        (tmp_path / "7").touch()
    else:
        (tmp_path / "7").symlink_to("7")
    with new_folder(tmp_path / "7", replace=True) as folder:
        (folder / "new").touch()
    assert os.listdir(tmp_path) == ["7"]
    assert os.listdir(tmp_path / "7") == ["new"]
