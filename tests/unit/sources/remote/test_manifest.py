"""Which remote names become files, and when two versions count as the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servable.errors import DataLoss, InvalidArgument, ResourceExhausted
from servable.sources.remote.manifest import (
    MAX_DEPTH,
    Manifest,
    RemoteFile,
    check_name,
    dump,
    load,
    manifest,
)

DATA = RemoteFile("variables/data", 10, "etag-1", "s3://b/m/1/variables/data")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../saved_model.pb",
        "variables/../../x",
        "variables/..",
        "/etc/passwd",
        "a//b",
        "a/",
        "..\\x",
        "C:x",
        "a\0b",
        "a\nb",
        "\x1b[2J",
        "a\u202eb",
        ".. /x",
        "a./x",
        "\ud800",
        "x" * 201,
        "é" * 150,
        "/".join(["d"] * (MAX_DEPTH + 1)),
    ],
)
def test_a_name_that_may_mean_something_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="not safe"):
        check_name(name)


@pytest.mark.parametrize(
    "name",
    ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets/ä b.txt", "_READY", ".x"],
)
def test_names_of_models_are_taken(name: str) -> None:
    assert check_name(name) == name


@given(st.text(alphabet="./\\: a\0\n", max_size=12) | st.text(max_size=12))
def test_a_name_that_is_taken_stays_below_its_folder(name: str) -> None:
    try:
        check_name(name)
    except InvalidArgument:
        return
    root = "/cache/1"
    assert os.path.normpath(os.path.join(root, name)).startswith(f"{root}/")


@pytest.mark.parametrize(
    "other",
    [
        RemoteFile("variables/index", 10, "etag-1"),
        RemoteFile("variables/data", 11, "etag-1"),
        RemoteFile("variables/data", 10, "etag-2"),
    ],
)
def test_another_name_size_or_etag_is_another_version(other: RemoteFile) -> None:
    digests = {made([file]).digest for file in (DATA, other)}
    assert len(digests) == 2


def made(files: list[RemoteFile]) -> Manifest:
    return manifest(files, max_files=10, max_bytes=1000)


def test_the_order_of_a_listing_does_not_matter() -> None:
    other = RemoteFile("a", 1, "x")
    assert made([DATA, other]).digest == made([other, DATA]).digest


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "a/b"], "'a' is a file and a folder"),
        (["a", "a"], "same name"),
        (["A", "a"], "differ in case only"),
    ],
)
def test_files_that_can_not_lie_beside_each_other_are_refused(
    names: list[str], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        made([RemoteFile(name, 1, str(i)) for i, name in enumerate(names)])


def test_files_are_bounded_in_number_and_bytes() -> None:
    with pytest.raises(ResourceExhausted, match="more than 10 files"):
        made([RemoteFile(str(i), 1, "") for i in range(11)])
    with pytest.raises(ResourceExhausted, match="more than the 1000 that are allowed"):
        made([RemoteFile("a", 1001, "")])


def test_a_manifest_survives_the_disk(tmp_path: Path) -> None:
    before = made([DATA, RemoteFile("a", 1, "x", md5="abc")])
    (tmp_path / "m").write_bytes(dump(before, "s3://b/m"))
    after = load(tmp_path / "m")
    assert (after.digest, after.size) == (before.digest, 11)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"files": [{"name": "../x", "size": 1, "token": "", "md5": ""}]}',
        b"\xff",
    ],
)
def test_a_damaged_manifest_is_no_manifest(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(DataLoss):
        load(tmp_path / "m")
