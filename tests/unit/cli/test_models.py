"""Model arguments: what a folder is, and what its model is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from servable.cli.models import parse_models
from servable.errors import InvalidArgument, NotFound
from servable.server.config import BareModel
from servable.sources.filesystem import All, Latest, WatchedModel


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved_model(path: Path, file: str = "saved_model.pb") -> Path:
    path.mkdir(parents=True)
    (path / file).write_bytes(b"")
    return path


def test_a_base_path_gives_the_model_its_name(folder: Path) -> None:
    saved_model(folder / "ranker" / "1")

    (model,) = parse_models(["ranker/"], Latest(2))

    assert model == WatchedModel("ranker", folder / "ranker", Latest(2))


def test_a_name_may_be_given(folder: Path) -> None:
    saved_model(folder / "ranker" / "1")

    (model,) = parse_models([f"r={folder}/ranker"], All())

    assert model == WatchedModel("r", folder / "ranker", All())


@pytest.mark.parametrize("file", ["saved_model.pb", "saved_model.pbtxt"])
def test_a_bare_saved_model_is_version_1(folder: Path, file: str) -> None:
    saved_model(folder / "export", file)

    assert parse_models(["export"], Latest()) == (BareModel("export", folder / "export", 1),)
    assert parse_models(["m=export"], Latest()) == (BareModel("m", folder / "export", 1),)


def test_one_version_folder_keeps_its_number(folder: Path) -> None:
    saved_model(folder / "ranker" / "00007")

    (model,) = parse_models(["ranker/00007"], Latest())

    assert model == BareModel("ranker", folder / "ranker" / "00007", 7)


def test_the_current_folder_has_a_name_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved_model(folder / "export"))

    assert parse_models(["."], Latest())[0].name == "export"


def test_a_link_is_followed_at_each_look_and_gives_the_name(folder: Path) -> None:
    saved_model(folder / "2026-11" / "1")
    (folder / "ranker").symlink_to("2026-11")

    assert parse_models(["ranker"], Latest()) == (WatchedModel("ranker", folder / "ranker"),)


def test_a_path_with_an_equals_sign_in_it_is_a_path_if_it_exists(folder: Path) -> None:
    saved_model(folder / "lr=0.1" / "1")

    assert parse_models(["lr=0.1"], Latest())[0].name == "lr=0.1"


@pytest.mark.parametrize("child", [None, ".git", "1.tmp", "3"])
def test_a_base_path_may_still_wait_for_its_first_version(folder: Path, child: str | None) -> None:
    (folder / "ranker" / (child or "")).mkdir(parents=True)

    assert isinstance(parse_models(["ranker"], Latest())[0], WatchedModel)


@pytest.mark.parametrize("argument", ["nowhere", "m=nowhere", "=nowhere"])
def test_a_path_that_does_not_exist_is_named(argument: str) -> None:
    with pytest.raises(NotFound, match=r"there is no folder .*nowhere"):
        parse_models([argument], Latest())


def test_a_file_is_answered_with_its_folder(folder: Path) -> None:
    saved_model(folder / "export")

    with pytest.raises(InvalidArgument, match="is not a folder") as caught:
        parse_models(["export/saved_model.pb"], Latest())

    assert str(folder / "export") in caught.value.hint


@pytest.mark.parametrize("inner", ["models/ranker/1", "models/v1"])
def test_a_folder_too_high_up_is_answered_with_the_one_below(folder: Path, inner: str) -> None:
    saved_model(folder / inner)

    with pytest.raises(InvalidArgument, match="no SavedModel in models") as caught:
        parse_models(["models"], Latest())

    assert f"Did you mean {Path(*Path(inner).parts[:2])}?" in caught.value.hint


def test_a_folder_of_something_else_is_refused(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photos" / "cat.png").write_bytes(b"")

    with pytest.raises(InvalidArgument, match="no SavedModel in photos"):
        parse_models(["photos"], Latest())


def test_a_folder_without_a_name_needs_one() -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_models(["/"], Latest())

    assert caught.value.hint
